import { hash3 } from "../../random/half-sip-hash.js";
import { isnHashWords } from "../../random/isn-hash.js";
import { TCP_HAS_MSS, TCP_OPT_MSS, TCP_OPT_PRESENT } from "../../wire/tcp-options.js";
import { C_PORTS } from "../transport.js";
import { TUPLE_WORDS } from "./connection.js";
import type { MemoryWindow } from "../../mem/window.js";
import { Segment } from "./segment.js";

// RFC 4987 3.6: a listener whose backlog is full keeps nothing of a SYN. What it would have kept is in the sequence number of its
// SYN-ACK, which the ACK brings back: 5 bits of time, 3 bits for the peer's MSS, 24 bits of a keyed hash over all of these,
// the tuple and the peer's sequence number. Window scale, timestamps and SACK are not offered: there is no place for them.

/** What an MSS is rounded down to. */
const MSS_TABLE = [64, 536, 1024, 1220, 1360, 1440, 1460, 8940] as const;
/** Time in steps of 65.5 s; a cookie is good for the step it was made in and the next one. */
const STEP_SHIFT = 16;
const STEP_MASK = 31;
const HASH_MASK = 0xff_ffff;
/** Cookies that are remembered to be spent; a further one takes the place of another. A power of two. */
const SPENT = 4096;
/** Without a cookie in so long none is believed: two steps. */
const GOOD_FOR_MS = 2 << STEP_SHIFT;

/** Connections that are asked for while the backlog is full. */
export class SynCookies {
  readonly #key: Int32Array;
  readonly #window: MemoryWindow;
  /** The peer's SYN, as far as its ACK tells it. */
  readonly #syn = new Segment();
  /** Those that have opened a connection, by their tuples: what its peer still had under way must not open it again. */
  readonly #spent = new Int32Array(SPENT);
  /** Hash of the tuple that was looked at last. */
  #tupleHash = 0;
  /** When the last one was sent; before the first: never. */
  #sentMs: number | undefined;

  /** The key is made of the stack's key for sequence numbers. */
  constructor(window: MemoryWindow, isnKey: Int32Array) {
    this.#window = window;
    this.#key = isnKey.map((word, i) => hash3(isnKey[(i + 1) & 3], isnKey[(i + 2) & 3], word, i, 0x636f_6f6b));
  }

  /** The sequence number of the answer to a SYN; row `r` has the tuple, FIB and family. */
  make(r: number, syn: Segment, nowMs: number): number {
    const { options } = syn;
    const mss = (options[TCP_OPT_PRESENT] & TCP_HAS_MSS) !== 0 ? options[TCP_OPT_MSS] : 0;
    const found = MSS_TABLE.findLastIndex((each) => each <= mss);
    this.#sentMs = nowMs;
    const step = (nowMs >>> STEP_SHIFT) & STEP_MASK;
    return this.#cookie(this.#window.i32, r + C_PORTS, syn.seq, step, Math.max(found, 0));
  }

  /** Whether ACKs without a connection may bring back a cookie. */
  mayBeBack(nowMs: number): boolean {
    return this.#sentMs !== undefined && ((nowMs - this.#sentMs) | 0) <= GOOD_FOR_MS;
  }

  /**
   * The SYN that was answered by the cookie which an ACK of connection `tuple` (TUPLE_WORDS words) brings back, as far as
   * the cookie tells; undefined when it is none of ours, or spent. The same object each time.
   */
  find(tuple: Int32Array, ack: Segment, nowMs: number): Segment | undefined {
    const cookie = (ack.ack - 1) | 0;
    const step = cookie >>> 27;
    const mssIndex = (cookie >>> 24) & 7;
    const age = ((nowMs >>> STEP_SHIFT) - step) & STEP_MASK;
    const seq = (ack.seq - 1) | 0;
    if (age > 1 || this.#cookie(tuple, 0, seq, step, mssIndex) !== cookie) return undefined;
    if (this.#spent[this.#tupleHash & (SPENT - 1)] === cookie) return undefined;
    const syn = this.#syn;
    syn.seq = seq;
    syn.window = ack.window;
    syn.options.fill(0);
    syn.options[TCP_OPT_PRESENT] = TCP_HAS_MSS;
    syn.options[TCP_OPT_MSS] = MSS_TABLE[mssIndex];
    return syn;
  }

  /** The cookie that {@link find} has found in `ack` opens a connection: it is good no more. */
  spend(ack: Segment): void {
    this.#spent[this.#tupleHash & (SPENT - 1)] = (ack.ack - 1) | 0;
  }

  #cookie(words: Int32Array, at: number, seq: number, step: number, mssIndex: number): number {
    const tuple = isnHashWords(this.#key, words, at, TUPLE_WORDS);
    this.#tupleHash = tuple;
    const said = (step << 3) | mssIndex;
    return (said << 24) | (hash3(this.#key[0], this.#key[1], tuple, seq, said) & HASH_MASK);
  }
}
