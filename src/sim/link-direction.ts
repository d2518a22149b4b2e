import type { SeededRandom } from "../random/seeded.js";
import { ETH_HEADER_LEN } from "../wire/ethernet.js";
import { chanceOf, strikes } from "./chance.js";
import { CodelQueue } from "./codel.js";
import { DecodedPacket } from "./decoded-packet.js";
import { markCongestion } from "./ecn.js";
import type { Due } from "./event-queue.js";
import { checkLinkOptions, DEFAULT_QUEUE_BYTES, type LinkOptions } from "./link-options.js";
import type { Network } from "./network.js";
import type { FrameTarget, SimFrame } from "./sim-frame.js";
import { TransmitTimes } from "./transmit-times.js";
import { tooBigAnswer } from "./too-big.js";

/** Why a frame was lost, in the order of their numbers in the hash, from 1. */
export const DROP_REASONS = [
  "loss",
  "burst",
  "every-n",
  "predicate",
  "queue",
  "codel",
  "mtu",
  "partition",
  "vanished",
] as const;

/** Why a frame was lost. */
export type DropReason = (typeof DROP_REASONS)[number];

/** Counters of one direction of a link. */
export interface DirectionCounters {
  /** Frames and bytes that came to the link. */
  offered: number;
  offeredBytes: number;
  /** Frames and bytes that arrived, copies included. */
  delivered: number;
  deliveredBytes: number;
  /** Frames lost, by reason. */
  readonly lost: Record<DropReason, number>;
  duplicated: number;
  /** Frames that were chosen to take longer. */
  reordered: number;
  corrupted: number;
  /** Packets marked instead of dropped. */
  marked: number;
  rewritten: number;
  /** ICMP errors sent back for packets too big. */
  tooBigAnswers: number;
  /** Most bytes that were in the queue at once. */
  queuedBytesMax: number;
}

/** What a direction is made of. */
export interface DirectionParts {
  readonly network: Network;
  readonly random: SeededRandom;
  /** Number of the direction among all of the network: link number times two, and one for b to a. */
  readonly id: number;
  /** Where frames arrive. */
  readonly to: FrameTarget;
  /** Tells of a frame's fate; `deliverUs` is -1 when it is lost. */
  readonly report: (frame: SimFrame, reason: DropReason | undefined, deliverUs: number) => void;
  /** Sends a router's answer back to the sender. */
  readonly answer: (frame: SimFrame) => void;
}

const MAX_FRAME_BYTES = 1514;

/** One direction of a link: judges each frame when it is offered, queues it, and lets it arrive. */
export class LinkDirection implements FrameTarget, Due {
  readonly counters: DirectionCounters;
  /** A partition: frames offered are lost. Those on their way arrive. */
  isCut = false;
  /** The host at one of the ends vanished: nothing is carried, and what was on its way is lost. */
  isDead = false;
  readonly #parts: DirectionParts;
  #options: LinkOptions = {};
  // The options' rates, as chances.
  #lossChance = 0;
  #reorderChance = 0;
  #duplicateChance = 0;
  #corruptChance = 0;
  #toBadChance = 0;
  #toGoodChance = 0;
  #goodLossChance = 0;
  #badLossChance = 0;
  /** The state of bursty loss. */
  #isBad = false;
  /** Arrival of the last frame that kept the order. */
  #lastArrivalUs = 0;
  readonly #times = new TransmitTimes();
  readonly #codel: CodelQueue;
  /** An event will take the next frame out of the CoDel queue. */
  #isSending = false;

  constructor(parts: DirectionParts, options: LinkOptions) {
    this.#parts = parts;
    const lost = Object.fromEntries(DROP_REASONS.map((reason) => [reason, 0])) as Record<DropReason, number>;
    this.counters = {
      offered: 0,
      offeredBytes: 0,
      delivered: 0,
      deliveredBytes: 0,
      lost,
      duplicated: 0,
      reordered: 0,
      corrupted: 0,
      marked: 0,
      rewritten: 0,
      tooBigAnswers: 0,
      queuedBytesMax: 0,
    };
    this.#codel = new CodelQueue({
      mark: (frame) => this.#mark(frame),
      drop: (frame) => this.#lose(frame, "codel"),
    });
    this.set(options);
  }

  /** Changes options, for frames that are offered from now on. Throws RangeError with nothing changed. */
  set(options: LinkOptions): void {
    checkLinkOptions(options);
    const all = { ...this.#options, ...options };
    this.#options = all;
    this.#lossChance = chanceOf(all.lossRate ?? 0);
    this.#reorderChance = chanceOf(all.reorderRate ?? 0);
    this.#duplicateChance = chanceOf(all.duplicateRate ?? 0);
    this.#corruptChance = chanceOf(all.corruptRate ?? 0);
    const burst = all.burstLoss;
    this.#toBadChance = chanceOf(burst?.goodToBadRate ?? 0);
    this.#toGoodChance = chanceOf(burst?.badToGoodRate ?? 0);
    this.#goodLossChance = chanceOf(burst?.goodLossRate ?? 0);
    this.#badLossChance = chanceOf(burst?.badLossRate ?? 1);
    if (burst === undefined) this.#isBad = false;
    this.#times.setRate(all.rateBps ?? 0);
  }

  /** Bytes that wait or are being sent at this moment. */
  queueBytesNow(): number {
    return this.#codel.bytes + this.#times.bytesAt(this.#parts.network.nowUs());
  }

  /** A frame comes to the link, which takes it over. */
  offer(frame: SimFrame): void {
    const { network } = this.#parts;
    const { counters } = this;
    network.frames++;
    counters.offered++;
    counters.offeredBytes += frame.length;
    frame.offeredUs = network.nowUs();
    const reason = this.#judge(frame);
    if (reason !== undefined) {
      this.#lose(frame, reason);
      return;
    }
    const sent = this.#options.rewrite === undefined ? frame : this.#rewrite(frame);
    if ((this.#options.rateBps ?? 0) === 0 && this.#codel.length === 0) this.#depart(sent, network.nowUs());
    else this.#enqueue(sent);
  }

  /** Why a frame is lost at the entrance, if it is. */
  #judge(frame: SimFrame): DropReason | undefined {
    const { random } = this.#parts;
    const { mtu = 0, burstLoss, loseEvery = 0, loseIf } = this.#options;
    const n = this.counters.offered;
    if (this.isDead) return "vanished";
    if (this.isCut) return "partition";
    // An Ethernet frame of no more than this cannot hold more, with or without tags.
    if (mtu > 0 && frame.length > mtu + ETH_HEADER_LEN && this.#isTooBig(frame, mtu)) return "mtu";
    if (strikes(random, this.#lossChance)) return "loss";
    if (burstLoss !== undefined && this.#strikesInBurst()) return "burst";
    if (loseEvery > 0 && n % loseEvery === 0) return "every-n";
    if (loseIf?.(decode(frame, n), n) === true) return "predicate";
    return undefined;
  }

  #strikesInBurst(): boolean {
    const { random } = this.#parts;
    if (strikes(random, this.#isBad ? this.#toGoodChance : this.#toBadChance)) this.#isBad = !this.#isBad;
    return strikes(random, this.#isBad ? this.#badLossChance : this.#goodLossChance);
  }

  #isTooBig(frame: SimFrame, mtu: number): boolean {
    const packet = decode(frame, this.counters.offered);
    if (packet.ipLength <= mtu) return false;
    if (this.#options.mtuAnswer !== "icmp") return true;
    const answer = tooBigAnswer(this.#parts.network.pool, packet, mtu);
    if (answer === undefined) return true;
    this.counters.tooBigAnswers++;
    answer.note = "router";
    this.#parts.answer(answer);
    return true;
  }

  #rewrite(frame: SimFrame): SimFrame {
    const { pool } = this.#parts.network;
    const n = this.counters.offered;
    const bytes = frame.bytes.subarray(0, frame.length);
    const rewritten = this.#options.rewrite?.(bytes, new DecodedPacket(bytes, n));
    if (rewritten === undefined) return frame;
    this.counters.rewritten++;
    if (rewritten === bytes) {
      frame.note = noted(frame, "rewritten");
      return frame;
    }
    const other = pool.take(rewritten.length);
    other.bytes.set(rewritten);
    other.offeredUs = frame.offeredUs;
    other.note = noted(frame, "rewritten");
    pool.give(frame);
    return other;
  }

  #enqueue(frame: SimFrame): void {
    const { queueBytes = DEFAULT_QUEUE_BYTES, queue } = this.#options;
    const nowUs = this.#parts.network.nowUs();
    const queued = this.queueBytesNow();
    if (queued > 0 && queued + frame.length > queueBytes) {
      this.#lose(frame, "queue");
      return;
    }
    if (queued + frame.length > this.counters.queuedBytesMax) this.counters.queuedBytesMax = queued + frame.length;
    // A queue that is changed from CoDel to tail drop runs empty as it is.
    if (queue !== "codel" && this.#codel.length === 0) {
      this.#depart(frame, this.#times.send(nowUs, frame.length));
      return;
    }
    this.#codel.push(frame);
    if (!this.#isSending) this.#sendNext();
  }

  /** The sender is free: for the CoDel queue, whose next frame is chosen at that moment. */
  run(): void {
    this.#isSending = false;
    this.#sendNext();
  }

  #sendNext(): void {
    const { events } = this.#parts.network;
    const nowUs = this.#parts.network.nowUs();
    // Frames of the queue before this one, which left their times behind.
    if (this.#times.freeUs <= nowUs) {
      const isCodel = this.#options.queue === "codel";
      const frameUs = this.#times.durationUs(MAX_FRAME_BYTES);
      const frame = isCodel ? this.#codel.pull(nowUs, frameUs) : this.#codel.shift();
      if (frame !== undefined) this.#depart(frame, this.#times.send(nowUs, frame.length));
    }
    if (this.#codel.length === 0) return;
    this.#isSending = true;
    events.push(Math.max(this.#times.freeUs, nowUs), this);
  }

  #mark(frame: SimFrame): boolean {
    if (this.#options.ecn !== "mark" || !markCongestion(frame)) return false;
    this.counters.marked++;
    frame.note = noted(frame, "CE");
    return true;
  }

  /** The frame's last bit leaves at `departUs`: when it arrives, and in what state. */
  #depart(frame: SimFrame, departUs: number): void {
    const { random, network } = this.#parts;
    const { delayUs = 0, jitterUs = 0, reorderUs = delayUs } = this.#options;
    let arrivalUs = departUs + delayUs + (jitterUs > 0 ? random.nextBelow(jitterUs + 1) : 0);
    if (arrivalUs < this.#lastArrivalUs) arrivalUs = this.#lastArrivalUs;
    if (strikes(random, this.#reorderChance)) {
      this.counters.reordered++;
      frame.note = noted(frame, "reordered");
      arrivalUs += random.nextBelow(reorderUs + 1);
    } else this.#lastArrivalUs = arrivalUs;
    const copy = strikes(random, this.#duplicateChance) ? network.pool.copy(frame) : undefined;
    if (strikes(random, this.#corruptChance)) this.#corrupt(frame);
    this.#send(frame, arrivalUs);
    if (copy === undefined) return;
    this.counters.duplicated++;
    copy.offeredUs = frame.offeredUs;
    copy.note = "duplicate";
    this.#send(copy, arrivalUs);
  }

  #corrupt(frame: SimFrame): void {
    const bits = (frame.length - ETH_HEADER_LEN) * 8;
    if (bits <= 0) return;
    const bit = this.#parts.random.nextBelow(bits);
    frame.bytes[ETH_HEADER_LEN + (bit >>> 3)] ^= 1 << (bit & 7);
    this.counters.corrupted++;
    frame.note = noted(frame, "corrupt");
  }

  #send(frame: SimFrame, arrivalUs: number): void {
    frame.target = this;
    this.#record(frame, undefined, arrivalUs);
    this.#parts.network.events.push(arrivalUs, frame);
  }

  #lose(frame: SimFrame, reason: DropReason): void {
    this.counters.lost[reason]++;
    this.#record(frame, reason, -1);
    this.#parts.network.pool.give(frame);
  }

  #record(frame: SimFrame, reason: DropReason | undefined, deliverUs: number): void {
    const { hash } = this.#parts.network;
    hash.number(this.#parts.id);
    hash.number(frame.offeredUs);
    hash.number(reason === undefined ? 0 : DROP_REASONS.indexOf(reason) + 1);
    hash.number(deliverUs);
    hash.bytes(frame.dv, frame.length);
    this.#parts.report(frame, reason, deliverUs);
  }

  arrive(frame: SimFrame): void {
    if (this.isDead) {
      this.counters.lost.vanished++;
      this.#parts.network.pool.give(frame);
      return;
    }
    this.counters.delivered++;
    this.counters.deliveredBytes += frame.length;
    this.#parts.to.arrive(frame);
  }
}

function decode(frame: SimFrame, n: number): DecodedPacket {
  return new DecodedPacket(frame.bytes.subarray(0, frame.length), n);
}

function noted(frame: SimFrame, note: string): string {
  return frame.note === "" ? note : `${frame.note}, ${note}`;
}
