import type { DecodedPacket } from "./decoded-packet.js";

/** Bursty loss by the model of Gilbert and Elliott: two states, each with a loss rate; rates are 0 to 1 per frame. */
export interface BurstLoss {
  /** Chance to go from the good state to the bad one, drawn before each frame. */
  readonly goodToBadRate: number;
  /** Chance to go back. */
  readonly badToGoodRate: number;
  /** Loss in the good state; default 0. */
  readonly goodLossRate?: number | undefined;
  /** Loss in the bad state; default 1. */
  readonly badLossRate?: number | undefined;
}

/** What a link does to frames. Times in microseconds, rates 0 to 1; everything is off by default. */
export interface LinkOptions {
  /** Time from one end to the other. */
  readonly delayUs?: number | undefined;
  /** Uniform 0 to this more, without changing the order of frames. */
  readonly jitterUs?: number | undefined;
  /** Bits per second of whole frames as they are here (no preamble, no FCS); 0: infinitely fast, without a queue. */
  readonly rateBps?: number | undefined;
  /** Bytes that wait or are being sent; a frame that would exceed it is lost, but never one that finds nothing waiting. Default 150,000. */
  readonly queueBytes?: number | undefined;
  /** How the queue is managed; `codel` as in RFC 8289, with its 5 ms and 100 ms. Needs a rate. Default `tail-drop`. */
  readonly queue?: "tail-drop" | "codel" | undefined;
  /** With `mark`, CoDel marks packets of an ECN-capable transport instead of dropping them (RFC 3168, RFC 8289 3). */
  readonly ecn?: "off" | "mark" | undefined;
  /** Random loss. */
  readonly lossRate?: number | undefined;
  readonly burstLoss?: BurstLoss | undefined;
  /** Loses the frames whose number {@link DecodedPacket.n} is a multiple of this; 0: none. */
  readonly loseEvery?: number | undefined;
  /** Loses the frames of which it says so. `n` counts the frames offered to this direction, from 1. */
  readonly loseIf?: ((packet: DecodedPacket, n: number) => boolean) | undefined;
  /** Chance that a frame takes longer and may be overtaken. */
  readonly reorderRate?: number | undefined;
  /** How much longer: uniform 0 to this. Default: `delayUs`, which is half a round trip. */
  readonly reorderUs?: number | undefined;
  /** Chance that a copy arrives right behind a frame. */
  readonly duplicateRate?: number | undefined;
  /** Chance that one random bit behind the Ethernet header is flipped. */
  readonly corruptRate?: number | undefined;
  /** Largest IP packet, bytes; larger ones are lost. 0: any. */
  readonly mtu?: number | undefined;
  /** With `icmp` a router in the path tells the sender of a packet that may not be cut (RFC 1191, RFC 8201). Default `silent`. */
  readonly mtuAnswer?: "silent" | "icmp" | undefined;
  /** A middlebox: returns the frame to send on, the same altered or another; undefined: as it is. */
  readonly rewrite?: ((frame: Uint8Array, packet: DecodedPacket) => Uint8Array | undefined) | undefined;
}

/** Bytes of a queue that names no size: a hundred full frames. */
export const DEFAULT_QUEUE_BYTES = 150_000;

type NumericOption = {
  [K in keyof LinkOptions]-?: number extends LinkOptions[K] ? K : never;
}[keyof LinkOptions];

const RATES = ["lossRate", "reorderRate", "duplicateRate", "corruptRate"] as const satisfies readonly NumericOption[];
const COUNTS = [
  "delayUs",
  "jitterUs",
  "rateBps",
  "queueBytes",
  "loseEvery",
  "reorderUs",
  "mtu",
] as const satisfies readonly NumericOption[];
/** What nextBelow can draw below. */
const MAX_COUNT = 0x7fff_fffe;

/** Throws RangeError, naming the option, when one is out of range. */
export function checkLinkOptions(options: LinkOptions): void {
  for (const name of RATES) checkRate(name, options[name]);
  for (const name of COUNTS) {
    const value = options[name];
    const most = name === "rateBps" ? Number.MAX_SAFE_INTEGER : MAX_COUNT;
    if (value !== undefined && (!Number.isInteger(value) || value < 0 || value > most)) {
      throw new RangeError(`link: ${name} ${value} is not an integer of 0 to ${most}`);
    }
  }
  const burst = options.burstLoss;
  if (burst === undefined) return;
  checkRate("burstLoss.goodToBadRate", burst.goodToBadRate);
  checkRate("burstLoss.badToGoodRate", burst.badToGoodRate);
  checkRate("burstLoss.goodLossRate", burst.goodLossRate);
  checkRate("burstLoss.badLossRate", burst.badLossRate);
}

function checkRate(name: string, rate: number | undefined): void {
  if (rate !== undefined && !(rate >= 0 && rate <= 1)) throw new RangeError(`link: ${name} ${rate} is not in 0..1`);
}
