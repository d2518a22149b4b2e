import { SeededRandom } from "../../src/random/seeded.js";
import { type DropReason, LinkDirection } from "../../src/sim/link-direction.js";
import type { LinkOptions } from "../../src/sim/link-options.js";
import { Network } from "../../src/sim/network.js";
import { ETHERTYPE_IP4, ETHERTYPE_IP6, ethEmit } from "../../src/wire/ethernet.js";
import { IP4_DF, ip4Emit, PROTOCOL_UDP } from "../../src/wire/ip4.js";
import { IP6_DST, IP6_SRC, ip6Emit, ip6EmitAddress } from "../../src/wire/ip6.js";
import { udpEmit, udpEmitChecksum4, udpEmitChecksum6 } from "../../src/wire/udp.js";

/** How a test frame looks. */
export interface FrameShape {
  readonly family?: 4 | 6;
  /** Bytes of the whole frame. */
  readonly length?: number;
  /** ECN field. */
  readonly ecn?: number;
  readonly dontFragment?: boolean;
}

/** Addresses of test frames: 10.0.0.1 to 10.0.0.2, 2001:db8::1 to 2001:db8::2. */
export const SOURCE4 = 0x0a00_0001;
export const DESTINATION4 = 0x0a00_0002;

/** A UDP datagram in Ethernet; its source port is `n`, the destination port 7. */
export function udpFrame(n: number, shape: FrameShape = {}): Uint8Array {
  const { family = 4, length = 100, ecn = 0, dontFragment = true } = shape;
  const u8 = new Uint8Array((length + 3) & ~3);
  const dv = new DataView(u8.buffer);
  const i32 = new Int32Array(u8.buffer);
  ethEmit(dv, 0, 0x0257, 2, 0x0257, 1, family === 4 ? ETHERTYPE_IP4 : ETHERTYPE_IP6);
  const l4 = 14 + (family === 4 ? 20 : 40);
  u8.fill(0x55, l4 + 8);
  udpEmit(dv, l4, n & 0xffff, 7, length - l4);
  if (family === 4) {
    const fragment = dontFragment ? IP4_DF : 0;
    ip4Emit(dv, 14, ecn, length - 14, n & 0xffff, fragment, 64, PROTOCOL_UDP, SOURCE4, DESTINATION4);
    udpEmitChecksum4(dv, u8, i32, 14, l4);
  } else {
    ip6Emit(dv, 14, ecn, 0, length - l4, PROTOCOL_UDP, 64);
    ip6EmitAddress(dv, 14 + IP6_SRC, 0x2001_0db8, 0, 0, 1);
    ip6EmitAddress(dv, 14 + IP6_DST, 0x2001_0db8, 0, 0, 2);
    udpEmitChecksum6(dv, u8, i32, 14, l4);
  }
  return u8.subarray(0, length);
}

/** A frame that came out of a {@link Line}. */
export interface Arrival {
  readonly timeUs: number;
  /** The source port of a test frame. */
  readonly n: number;
  readonly bytes: Uint8Array;
}

/** What became of a frame. */
export interface Fate {
  readonly n: number;
  readonly timeUs: number;
  readonly reason: DropReason | undefined;
  readonly deliverUs: number;
  readonly note: string;
}

/** One direction of a link alone, with what goes in, what comes out and what is told. */
export class Line {
  readonly network = new Network(0);
  readonly direction: LinkDirection;
  readonly arrivals: Arrival[] = [];
  readonly fates: Fate[] = [];
  readonly answers: Uint8Array[] = [];

  constructor(options: LinkOptions, seed = 1) {
    const { network } = this;
    this.direction = new LinkDirection(
      {
        network,
        random: new SeededRandom(seed),
        id: 0,
        to: {
          arrive: (frame) => {
            const bytes = frame.bytes.slice(0, frame.length);
            this.arrivals.push({ timeUs: network.nowUs(), n: portOf(bytes), bytes });
            network.pool.give(frame);
          },
        },
        report: (frame, reason, deliverUs) => {
          const { offeredUs, note } = frame;
          this.fates.push({ n: portOf(frame.bytes), timeUs: offeredUs, reason, deliverUs, note });
        },
        answer: (frame) => this.answers.push(frame.bytes.slice(0, frame.length)),
      },
      options,
    );
  }

  /** Offers a frame now. */
  send(bytes: Uint8Array): void {
    const frame = this.network.pool.take(bytes.length);
    frame.bytes.set(bytes);
    this.direction.offer(frame);
  }

  /** Offers `count` test frames, numbered from 1, one each `everyUs`, and lets all arrive. */
  sendMany(count: number, everyUs: number, shape: FrameShape = {}): void {
    for (let n = 1; n <= count; n++) {
      this.send(udpFrame(n, shape));
      this.runTo(this.network.nowUs() + everyUs);
    }
    this.runTo(Number.MAX_SAFE_INTEGER);
  }

  /** Lets everything happen until a time. */
  runTo(timeUs: number): void {
    const { events } = this.network;
    while (events.nextUs <= timeUs) {
      this.network.moveTo(events.nextUs);
      events.pop().run();
    }
    if (timeUs !== Number.MAX_SAFE_INTEGER) this.network.moveTo(timeUs);
  }

  /** Numbers of the frames that were lost for a reason. */
  lost(reason: DropReason): number[] {
    return this.fates.filter((fate) => fate.reason === reason).map(({ n }) => n);
  }
}

function portOf(bytes: Uint8Array): number {
  const l4 = bytes[12] === 8 ? 34 : 54;
  return (bytes[l4] << 8) | bytes[l4 + 1];
}
