import { type CaptureFrame, captureUs } from "../device/capture.js";
import type { Clock } from "../time/clock.js";
import { ETH_DST, ETH_HEADER_LEN, ETH_SRC } from "../wire/ethernet.js";
import { IP4_DST } from "../wire/ip4.js";
import { IP6_DST } from "../wire/ip6.js";
import { ReplayDevice } from "./replay-device.js";
import { isNeighborQuestion, ReplayNeighbors } from "./replay-neighbors.js";
import { ReplayTranslator } from "./replay-translator.js";
import { addressKey, ipOfFrame } from "./tcp-frame.js";

/** A frame the stack sent. */
export interface ReplayedFrame {
  /** Microseconds after the capture's first frame; negative before it. */
  readonly timeUs: number;
  readonly bytes: Uint8Array;
}

/** What is replayed, and how. */
export interface ReplayOptions {
  /** The capture, at least one frame. Those whose source is `mac` are the recorded host's; the others are fed. */
  readonly frames: readonly CaptureFrame[];
  /** Hardware address of the recorded host, whose part the stack plays: six bytes. See {@link recordedMac}. */
  readonly mac: Uint8Array;
  /** Default 1500. */
  readonly mtu?: number;
  /**
   * Answer the stack's ARP requests and neighbour solicitations for hosts of the capture. Default: when the recorded
   * host asks nothing in the capture, so that there are no answers in it either.
   */
  readonly answersNeighbors?: boolean;
  /** Time the stack has before the first frame, to come up. Default 3 s. */
  readonly settleUs?: number;
  /** Time the stack has after the last frame. Default 1 s. */
  readonly lingerUs?: number;
  /** How long a frame may wait for the stack to send what it acknowledges. Default 2 s. */
  readonly holdUs?: number;
  /** Most frames of the stack that are kept. Default 1,000,000; more are counted. */
  readonly sentLimit?: number;
}

/** What happened in a replay. */
export interface ReplayCounters {
  /** Frames fed to the stack. */
  fed: number;
  /** Frames of the recorded host, not fed. */
  recorded: number;
  /** Frames that waited for the stack. */
  held: number;
  /** Frames that waited in vain, and were fed with what the stack had sent by then acknowledged. */
  forced: number;
  /** Neighbour questions answered for the capture's hosts. */
  answered: number;
  /** Frames of the stack beyond the limit. */
  overflow: number;
}

interface Held {
  readonly frame: Uint8Array;
  readonly deadlineUs: number;
}

/**
 * Plays a capture to a stack: each frame of the peers is fed at its time, and what the stack sends is kept. What a
 * frame acknowledges is translated to the stack's numbers; one that acknowledges what the stack has yet to say waits,
 * and the later frames of its connection with it.
 *
 * The caller makes a stack on {@link Replay.device} with a manual clock and calls {@link Replay.run}. All there is of
 * time is the clock's, so the same capture gives the same frames.
 */
export class Replay {
  /** The device to give to the stack. */
  readonly device: ReplayDevice;
  /** What the stack sent since the first frame, in order. */
  readonly sent: ReplayedFrame[] = [];
  /** What it sent before. */
  readonly sentBefore: ReplayedFrame[] = [];
  readonly counters: ReplayCounters = { fed: 0, recorded: 0, held: 0, forced: 0, answered: 0, overflow: 0 };
  readonly #options: Required<ReplayOptions>;
  readonly #translator = new ReplayTranslator();
  readonly #neighbors = new ReplayNeighbors();
  readonly #held = new Map<string, Held[]>();
  /** The stack's clock, and its time at the first frame. */
  #clock: Clock | undefined = undefined;
  #firstUs = 0;
  #advance: (untilUs: number) => void = () => {};

  /** Throws RangeError when the capture is empty or the address has not six bytes. */
  constructor(options: ReplayOptions) {
    this.#options = {
      mtu: 1500,
      answersNeighbors: !options.frames.some(({ bytes }) => isOf(bytes, options.mac) && isNeighborQuestion(bytes)),
      settleUs: 3e6,
      lingerUs: 1e6,
      holdUs: 2e6,
      sentLimit: 1_000_000,
      ...options,
    };
    if (options.frames.length === 0) throw new RangeError("the capture is empty");
    if (options.mac.length !== 6) throw new RangeError("a hardware address has six bytes");
    this.device = new ReplayDevice(options.mac, this.#options.mtu, (frame) => this.#onSend(frame));
    for (const { bytes } of options.frames) if (!isOf(bytes, options.mac)) this.#neighbors.learn(bytes);
  }

  /** Frames whose acknowledgements and echoes were translated. */
  get translated(): number {
    return this.#translator.translated;
  }

  /**
   * Runs the whole capture, from the clock's time on. `advance(untilUs)` moves the stack's clock to `untilUs` (never
   * back) and lets the stack do all there is to do until then: receive what the device holds, act on every deadline on
   * the way, send. It is called again with the same time after each frame.
   */
  run(clock: Clock, advance: (untilUs: number) => void): void {
    const { frames, settleUs, lingerUs } = this.#options;
    this.#clock = clock;
    this.#firstUs = clock.nowUs() + settleUs;
    this.#advance = (untilUs) => advance(this.#firstUs + untilUs);
    this.#advance(-settleUs);
    this.#advance(0);
    let timeUs = 0;
    for (const frame of frames) {
      timeUs = Math.max(timeUs, captureUs(frame, frames[0]));
      this.#advanceTo(timeUs);
      this.#take(frame.bytes, timeUs);
    }
    while (this.#held.size > 0) this.#advanceTo(this.#nextDeadline());
    this.#advanceTo(Math.max(clock.nowUs() - this.#firstUs, timeUs) + lingerUs);
  }

  /** Moves time on, and gives up on held frames whose time has come. */
  #advanceTo(untilUs: number): void {
    for (let deadlineUs = this.#nextDeadline(); deadlineUs <= untilUs; deadlineUs = this.#nextDeadline()) {
      this.#advance(deadlineUs);
      for (const [key, queue] of this.#held) {
        if (queue[0].deadlineUs <= deadlineUs) this.#force(key, queue);
      }
      this.#advance(deadlineUs);
    }
    this.#advance(untilUs);
  }

  #nextDeadline(): number {
    let least = Number.POSITIVE_INFINITY;
    for (const queue of this.#held.values()) least = Math.min(least, queue[0].deadlineUs);
    return least;
  }

  /** Feeds the oldest frame of a connection as it is, and those behind it that need not wait. */
  #force(key: string, queue: Held[]): void {
    const first = queue.shift()!;
    if (queue.length === 0) this.#held.delete(key);
    const { frame } = this.#translator.translate(first.frame, true);
    this.counters.forced++;
    if (frame !== undefined) this.#feed(frame);
    this.#release(key);
  }

  #take(frame: Uint8Array, timeUs: number): void {
    if (isOf(frame, this.#options.mac)) {
      this.counters.recorded++;
      this.#translator.learnRecorded(frame);
      return;
    }
    const held = { frame, deadlineUs: timeUs + this.#options.holdUs };
    const queue = this.#held.get(this.#translator.keyOfPeer(frame));
    if (queue !== undefined) {
      queue.push(held);
      this.counters.held++;
      return;
    }
    const { isReady, frame: translated, key } = this.#translator.translate(frame);
    if (!isReady) {
      this.#held.set(key, [held]);
      this.counters.held++;
    }
    if (translated !== undefined) this.#feed(translated);
    this.#advance(timeUs);
  }

  #feed(frame: Uint8Array): void {
    this.counters.fed++;
    this.device.deliver(frame);
  }

  /** Feeds the held frames of a connection that the stack has caught up with. */
  #release(key: string): void {
    const queue = this.#held.get(key);
    while (queue !== undefined && queue.length > 0) {
      const { isReady, frame } = this.#translator.translate(queue[0].frame);
      if (frame !== undefined) this.#feed(frame);
      if (!isReady) return;
      queue.shift();
    }
    this.#held.delete(key);
  }

  #onSend(frame: Uint8Array): void {
    const timeUs = (this.#clock?.nowUs() ?? 0) - this.#firstUs;
    const into = timeUs < 0 ? this.sentBefore : this.sent;
    if (into.length < this.#options.sentLimit) into.push({ timeUs, bytes: frame });
    else this.counters.overflow++;
    const key = this.#translator.learnStack(frame);
    if (this.#held.has(key)) this.#release(key);
    const answer = this.#options.answersNeighbors ? this.#neighbors.answer(frame) : undefined;
    if (answer === undefined) return;
    this.counters.answered++;
    this.device.deliver(answer);
  }
}

/** Whether a frame's source is that hardware address. */
function isOf(frame: Uint8Array, mac: Uint8Array): boolean {
  return frame.length >= ETH_HEADER_LEN && mac.every((byte, i) => frame[ETH_SRC + i] === byte);
}

/**
 * The hardware address that the frames for one of `addresses` (4 or 16 bytes each) go to: that of the host whose part a
 * stack with these addresses plays. Undefined when the capture has none.
 */
export function recordedMac(frames: readonly CaptureFrame[], addresses: readonly Uint8Array[]): Uint8Array | undefined {
  const keys = new Set(addresses.map((address) => addressKey(address, 0, address.length)));
  for (const { bytes } of frames) {
    const ip = ipOfFrame(bytes);
    if (ip === undefined || (bytes[ETH_DST] & 1) !== 0) continue;
    const key = ip.isIp6 ? addressKey(bytes, ip.at + IP6_DST, 16) : addressKey(bytes, ip.at + IP4_DST, 4);
    if (keys.has(key)) return bytes.slice(ETH_DST, ETH_DST + 6);
  }
  return undefined;
}
