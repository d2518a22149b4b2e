import type { MemoryWindow } from "../../mem/window.js";
import {
  T_LOST,
  T_SACKED,
  T_SB_FIRST,
  T_SB_HINT,
  T_SB_LAST,
  T_SB_NEWEST,
  T_SB_OLDEST,
  T_SND_NXT,
  T_SND_UNA,
} from "./connection.js";
import type { Delivery } from "./delivery.js";

// A range of sent sequence numbers [start, end): 32 bytes. Ranges are named by the int32 index of their first word, 0 = none.
/** First sequence number. */
export const R_START = 0;
/** Sequence number behind the last. */
export const R_END = 1;
/** When it was sent last, microseconds modulo 2^32. */
export const R_SENT_US = 2;
/** The RANGE_ flags. */
export const R_FLAGS = 3;
/** The next range by sequence number. */
export const R_NEXT = 4;
const R_PREVIOUS = 5;
/** Of the ranges in flight, the one that was sent next. */
export const R_LATER = 6;
const R_EARLIER = 7;
const RANGE_WORDS = 8;

/** The peer has it (RFC 2018). */
export const RANGE_SACKED = 1;
/** It is taken for lost, and was not sent again. */
export const RANGE_LOST = 2;
/** It was sent more than once, or nobody knows when: no round trip is taken from it (Karn). */
export const RANGE_RETRANS = 4;

// A range that is neither sacked nor lost is in flight, and in the list by time.
const NOT_IN_FLIGHT = RANGE_SACKED | RANGE_LOST;

/**
 * What became of the sent bytes of each connection (RFC 6675 scoreboard, RFC 8985 transmission times): ranges by
 * sequence number, disjoint and without a gap from sndUna to sndNxt, and those in flight in the order in which they were
 * sent. Bytes sent at one moment are one range until something tells them apart; what the peer has is one range again.
 * The lists hang on the connection's row; ranges come from one pool, of which the last parts are kept for
 * retransmissions and for connections that have none.
 */
export class Scoreboard {
  /** Ranges of all connections at most. */
  readonly capacity: number;
  readonly #window: MemoryWindow;
  readonly #base: number;
  #free = 0;
  #carved = 0;
  #used = 0;

  /** Reserves 32 bytes for each of `capacity` ranges. Throws RangeError when the window is full. */
  constructor(window: MemoryWindow, capacity: number) {
    this.#window = window;
    this.capacity = capacity;
    this.#base = window.reserve("tcp sent ranges", capacity * RANGE_WORDS * 4) >> 2;
  }

  /** Ranges in use, of all connections. */
  get used(): number {
    return this.#used;
  }

  /** Bytes believed to be in the network (RFC 6675 pipe). */
  pipe(r: number): number {
    const { i32 } = this.#window;
    return ((i32[r + T_SND_NXT] - i32[r + T_SND_UNA]) | 0) - i32[r + T_SACKED] - i32[r + T_LOST];
  }

  /** Bytes taken for lost and not sent again. */
  lost(r: number): number {
    return this.#window.i32[r + T_LOST];
  }

  /** The range before `range`, 0 for none. */
  previous(range: number): number {
    return this.#window.i32[range + R_PREVIOUS];
  }

  /**
   * [sndNxt, end) is sent for the first time, at `sentUs`; the caller moves sndNxt. False, with nothing changed, when no
   * range is left for a connection that has none. One that has some must make do with them: its newest range grows.
   */
  append(r: number, end: number, sentUs: number): boolean {
    const { i32 } = this.#window;
    const last = i32[r + T_SB_LAST];
    if (last !== 0 && i32[last + R_FLAGS] === 0 && i32[last + R_SENT_US] === sentUs && i32[last + R_LATER] === 0) {
      i32[last + R_END] = end;
      return true;
    }
    const range = this.#take(last === 0 ? 0 : this.capacity >> 3);
    if (range === 0) return last !== 0 && this.#stretch(r, last, end, sentUs);
    i32[range + R_START] = i32[r + T_SND_NXT];
    i32[range + R_END] = end;
    i32[range + R_SENT_US] = sentUs;
    i32[range + R_FLAGS] = 0;
    i32[range + R_NEXT] = 0;
    i32[range + R_PREVIOUS] = last;
    if (last === 0) i32[r + T_SB_FIRST] = range;
    else i32[last + R_NEXT] = range;
    i32[r + T_SB_LAST] = range;
    this.#pushNewest(r, range);
    return true;
  }

  /**
   * No range is left: the last one takes the new bytes as well, and the later time with them, so that no round trip may be
   * taken from it. Not one the peer has.
   */
  #stretch(r: number, last: number, end: number, sentUs: number): boolean {
    const { i32 } = this.#window;
    if ((i32[last + R_FLAGS] & NOT_IN_FLIGHT) !== 0) return false;
    i32[last + R_END] = end;
    i32[last + R_SENT_US] = sentUs;
    i32[last + R_FLAGS] |= RANGE_RETRANS;
    this.#unlinkTime(r, last);
    this.#pushNewest(r, last);
    return true;
  }

  /** Everything below `ack` was received; tells `delivery` of what was not known before. The caller moves sndUna. */
  acknowledge(r: number, ack: number, delivery: Delivery): void {
    const { i32 } = this.#window;
    let range = i32[r + T_SB_FIRST];
    while (range !== 0 && ((i32[range + R_START] - ack) | 0) < 0) {
      const flags = i32[range + R_FLAGS];
      const isWhole = ((i32[range + R_END] - ack) | 0) <= 0;
      const end = isWhole ? i32[range + R_END] : ack;
      const bytes = (end - i32[range + R_START]) | 0;
      if ((flags & RANGE_SACKED) !== 0) i32[r + T_SACKED] -= bytes;
      else delivery.takeAcked(bytes, end, i32[range + R_SENT_US], (flags & RANGE_RETRANS) !== 0);
      if ((flags & RANGE_LOST) !== 0) i32[r + T_LOST] -= bytes;
      if (!isWhole) {
        i32[range + R_START] = ack;
        return;
      }
      const next = i32[range + R_NEXT];
      this.#remove(r, range);
      range = next;
    }
  }

  /** The peer has [start, end), inside [sndUna, sndNxt); tells `delivery` of what was not known before. */
  sack(r: number, start: number, end: number, delivery: Delivery): void {
    const { i32 } = this.#window;
    const hint = i32[r + T_SB_HINT];
    let range = hint !== 0 && ((start - i32[hint + R_START]) | 0) >= 0 ? hint : i32[r + T_SB_FIRST];
    while (range !== 0 && ((i32[range + R_END] - start) | 0) <= 0) range = i32[range + R_NEXT];
    while (range !== 0 && ((i32[range + R_START] - end) | 0) < 0) {
      if ((i32[range + R_FLAGS] & RANGE_SACKED) === 0) range = this.#sackPart(r, range, start, end, delivery);
      if (range === 0) return; // No row for a part: the peer will tell again.
      i32[r + T_SB_HINT] = range;
      range = i32[range + R_NEXT];
    }
  }

  /** Marks the part of `range` inside [start, end); returns the range that it is in then, 0 when rows are short. */
  #sackPart(r: number, range: number, start: number, end: number, delivery: Delivery): number {
    const { i32 } = this.#window;
    let part = range;
    if (((start - i32[part + R_START]) | 0) > 0) part = this.split(r, part, start);
    if (part === 0) return 0;
    if (((i32[part + R_END] - end) | 0) > 0 && this.split(r, part, end) === 0) return 0;
    const bytes = (i32[part + R_END] - i32[part + R_START]) | 0;
    const flags = i32[part + R_FLAGS];
    delivery.takeSacked(bytes, i32[part + R_END], i32[part + R_SENT_US], (flags & RANGE_RETRANS) !== 0);
    if ((flags & RANGE_LOST) !== 0) i32[r + T_LOST] -= bytes;
    else this.#unlinkTime(r, part);
    i32[part + R_FLAGS] = (flags & ~RANGE_LOST) | RANGE_SACKED;
    i32[r + T_SACKED] += bytes;
    return this.#mergeSacked(r, part);
  }

  /** Makes one range of a sacked one and its sacked neighbours. */
  #mergeSacked(r: number, range: number): number {
    const { i32 } = this.#window;
    let merged = range;
    const previous = i32[range + R_PREVIOUS];
    if (previous !== 0 && (i32[previous + R_FLAGS] & RANGE_SACKED) !== 0) {
      i32[previous + R_END] = i32[range + R_END];
      this.#remove(r, range);
      merged = previous;
    }
    const next = i32[merged + R_NEXT];
    if (next !== 0 && (i32[next + R_FLAGS] & RANGE_SACKED) !== 0) {
      i32[merged + R_END] = i32[next + R_END];
      this.#remove(r, next);
    }
    return merged;
  }

  /** Cuts a range in two at `seq`, strictly inside it; returns the second part, 0 when rows are short. */
  split(r: number, range: number, seq: number): number {
    return this.#split(r, range, seq, this.capacity >> 2);
  }

  #split(r: number, range: number, seq: number, reserve: number): number {
    const { i32 } = this.#window;
    const part = this.#take(reserve);
    if (part === 0) return 0;
    const next = i32[range + R_NEXT];
    i32[part + R_START] = seq;
    i32[part + R_END] = i32[range + R_END];
    i32[part + R_SENT_US] = i32[range + R_SENT_US];
    i32[part + R_FLAGS] = i32[range + R_FLAGS];
    i32[part + R_NEXT] = next;
    i32[part + R_PREVIOUS] = range;
    i32[range + R_END] = seq;
    i32[range + R_NEXT] = part;
    if (next === 0) i32[r + T_SB_LAST] = part;
    else i32[next + R_PREVIOUS] = part;
    if ((i32[range + R_FLAGS] & NOT_IN_FLIGHT) === 0) {
      const later = i32[range + R_LATER];
      i32[part + R_LATER] = later;
      i32[part + R_EARLIER] = range;
      i32[range + R_LATER] = part;
      if (later === 0) i32[r + T_SB_NEWEST] = part;
      else i32[later + R_EARLIER] = part;
    }
    return part;
  }

  /** A range in flight is lost. */
  markLost(r: number, range: number): void {
    const { i32 } = this.#window;
    i32[range + R_FLAGS] |= RANGE_LOST;
    i32[r + T_LOST] += (i32[range + R_END] - i32[range + R_START]) | 0;
    this.#unlinkTime(r, range);
  }

  /** The range at sndUna is lost, unless it is so already. */
  markFirstLost(r: number): void {
    const { i32 } = this.#window;
    const first = i32[r + T_SB_FIRST];
    if (first !== 0 && (i32[first + R_FLAGS] & NOT_IN_FLIGHT) === 0) this.markLost(r, first);
  }

  /** The first `bytes` of a range in flight are lost; the whole range when rows are short. */
  markHeadLost(r: number, range: number, bytes: number): void {
    const { i32 } = this.#window;
    const end = (i32[range + R_START] + bytes) | 0;
    if (((i32[range + R_END] - end) | 0) > 0) this.split(r, range, end);
    this.markLost(r, range);
  }

  /** Everything in flight is lost. */
  markAllLost(r: number): void {
    const { i32 } = this.#window;
    for (let range = i32[r + T_SB_OLDEST]; range !== 0; ) {
      const later = i32[range + R_LATER];
      this.markLost(r, range);
      range = later;
    }
  }

  /** What was taken for lost, and not sent again, is in flight after all. */
  clearLost(r: number): void {
    const { i32 } = this.#window;
    for (let range = i32[r + T_SB_FIRST]; range !== 0; range = i32[range + R_NEXT]) {
      if ((i32[range + R_FLAGS] & RANGE_LOST) === 0) continue;
      i32[range + R_FLAGS] &= ~RANGE_LOST;
      this.#insertByTime(r, range);
    }
    i32[r + T_LOST] = 0;
  }

  /** The peer has dropped what it had reported (RFC 2018 8): it counts as lost. */
  renege(r: number): void {
    const { i32 } = this.#window;
    for (let range = i32[r + T_SB_FIRST]; range !== 0; range = i32[range + R_NEXT]) {
      if ((i32[range + R_FLAGS] & RANGE_SACKED) === 0) continue;
      i32[range + R_FLAGS] = RANGE_LOST | RANGE_RETRANS;
      i32[r + T_LOST] += (i32[range + R_END] - i32[range + R_START]) | 0;
    }
    i32[r + T_SACKED] = 0;
  }

  /** The first lost range from `range` on, 0 for none. */
  nextLost(range: number): number {
    const { i32 } = this.#window;
    let it = range;
    while (it !== 0 && (i32[it + R_FLAGS] & RANGE_LOST) === 0) it = i32[it + R_NEXT];
    return it;
  }

  /** Whether something that was sent again is not known to have arrived. */
  hasRetransmissions(r: number): boolean {
    const { i32 } = this.#window;
    for (let range = i32[r + T_SB_FIRST]; range !== 0; range = i32[range + R_NEXT]) {
      if ((i32[range + R_FLAGS] & (RANGE_RETRANS | RANGE_SACKED)) === RANGE_RETRANS) return true;
    }
    return false;
  }

  /** Where the lost ranges end that follow lost `range` without a gap. */
  lostEnd(range: number): number {
    const { i32 } = this.#window;
    let last = range;
    for (let it = i32[range + R_NEXT]; it !== 0 && (i32[it + R_FLAGS] & RANGE_LOST) !== 0; it = i32[it + R_NEXT])
      last = it;
    return i32[last + R_END];
  }

  /**
   * `bytes` from the start of a range, lost or in flight, are sent again at `sentUs`: of a lost one and, when they reach
   * further, of the lost ones behind it. When rows are short, all of the last range counts as sent.
   */
  retransmitted(r: number, range: number, bytes: number, sentUs: number): void {
    const { i32 } = this.#window;
    const end = (i32[range + R_START] + bytes) | 0;
    let last = range;
    while (((i32[last + R_END] - end) | 0) < 0) last = i32[last + R_NEXT];
    // From a reserve of its own: a long loss of which each cut fails goes out one segment per timeout.
    if (((i32[last + R_END] - end) | 0) > 0) this.#split(r, last, end, this.capacity >> 4);
    while (last !== range) {
      const previous = i32[last + R_PREVIOUS];
      i32[previous + R_END] = i32[last + R_END];
      this.#remove(r, last);
      last = previous;
    }
    const flags = i32[range + R_FLAGS];
    if ((flags & RANGE_LOST) !== 0) i32[r + T_LOST] -= (i32[range + R_END] - i32[range + R_START]) | 0;
    else this.#unlinkTime(r, range);
    i32[range + R_FLAGS] = RANGE_RETRANS;
    i32[range + R_SENT_US] = sentUs;
    this.#pushNewest(r, range);
  }

  /** Gives all ranges of a connection back. */
  clear(r: number): void {
    const { i32 } = this.#window;
    for (let range = i32[r + T_SB_FIRST]; range !== 0; ) {
      const next = i32[range + R_NEXT];
      this.#release(range);
      range = next;
    }
    for (const field of [T_SB_FIRST, T_SB_LAST, T_SB_OLDEST, T_SB_NEWEST, T_SB_HINT, T_SACKED, T_LOST]) {
      i32[r + field] = 0;
    }
  }

  /** Checks the lists and sums of a connection. For tests and the simulator. */
  validate(r: number): string | undefined {
    const { i32 } = this.#window;
    let at = i32[r + T_SND_UNA];
    let previous = 0;
    let lost = 0;
    let sacked = 0;
    let inFlight = 0;
    for (let range = i32[r + T_SB_FIRST]; range !== 0; range = i32[range + R_NEXT]) {
      const bytes = (i32[range + R_END] - i32[range + R_START]) | 0;
      const flags = i32[range + R_FLAGS];
      if (i32[range + R_START] !== at || bytes <= 0) return "ranges are not one after the other";
      if (i32[range + R_PREVIOUS] !== previous) return "a range has a wrong back link";
      if ((flags & NOT_IN_FLIGHT) === NOT_IN_FLIGHT) return "a range is both lost and received";
      if ((flags & RANGE_LOST) !== 0) lost += bytes;
      if ((flags & RANGE_SACKED) !== 0) sacked += bytes;
      if ((flags & NOT_IN_FLIGHT) === 0) inFlight++;
      at = i32[range + R_END];
      previous = range;
    }
    if (previous !== i32[r + T_SB_LAST]) return "the last range is not the last";
    if (previous !== 0 && at !== i32[r + T_SND_NXT]) return "ranges do not end at sndNxt";
    if (lost !== i32[r + T_LOST]) return `${lost} bytes are lost, ${i32[r + T_LOST]} counted`;
    if (sacked !== 0 && sacked !== i32[r + T_SACKED])
      return `${sacked} bytes are received, ${i32[r + T_SACKED]} counted`;
    let earlier = 0;
    for (let range = i32[r + T_SB_OLDEST]; range !== 0; range = i32[range + R_LATER]) {
      if (i32[range + R_EARLIER] !== earlier || inFlight-- <= 0) return "the list by time is broken";
      if ((i32[range + R_FLAGS] & NOT_IN_FLIGHT) !== 0) return "a range by time is not in flight";
      if (earlier !== 0 && ((i32[range + R_SENT_US] - i32[earlier + R_SENT_US]) | 0) < 0)
        return "times are not in order";
      earlier = range;
    }
    if (earlier !== i32[r + T_SB_NEWEST]) return "the newest range is not the last by time";
    return inFlight === 0 ? undefined : "ranges in flight are missing in the list by time";
  }

  /** A row, when more than `reserve` are left; 0 otherwise. */
  #take(reserve: number): number {
    if (this.capacity - this.#used <= reserve) return 0;
    this.#used++;
    const range = this.#free;
    if (range === 0) return this.#base + this.#carved++ * RANGE_WORDS;
    this.#free = this.#window.i32[range + R_NEXT];
    return range;
  }

  #release(range: number): void {
    this.#window.i32[range + R_NEXT] = this.#free;
    this.#free = range;
    this.#used--;
  }

  #remove(r: number, range: number): void {
    const { i32 } = this.#window;
    const next = i32[range + R_NEXT];
    const previous = i32[range + R_PREVIOUS];
    if (next === 0) i32[r + T_SB_LAST] = previous;
    else i32[next + R_PREVIOUS] = previous;
    if (previous === 0) i32[r + T_SB_FIRST] = next;
    else i32[previous + R_NEXT] = next;
    if ((i32[range + R_FLAGS] & NOT_IN_FLIGHT) === 0) this.#unlinkTime(r, range);
    if (i32[r + T_SB_HINT] === range) i32[r + T_SB_HINT] = previous;
    this.#release(range);
  }

  #pushNewest(r: number, range: number): void {
    const { i32 } = this.#window;
    const newest = i32[r + T_SB_NEWEST];
    i32[range + R_EARLIER] = newest;
    i32[range + R_LATER] = 0;
    if (newest === 0) i32[r + T_SB_OLDEST] = range;
    else i32[newest + R_LATER] = range;
    i32[r + T_SB_NEWEST] = range;
  }

  #unlinkTime(r: number, range: number): void {
    const { i32 } = this.#window;
    const later = i32[range + R_LATER];
    const earlier = i32[range + R_EARLIER];
    if (later === 0) i32[r + T_SB_NEWEST] = earlier;
    else i32[later + R_EARLIER] = earlier;
    if (earlier === 0) i32[r + T_SB_OLDEST] = later;
    else i32[earlier + R_LATER] = later;
  }

  /** Puts a range where its time belongs. */
  #insertByTime(r: number, range: number): void {
    const { i32 } = this.#window;
    let later = 0;
    let earlier = i32[r + T_SB_NEWEST];
    while (earlier !== 0 && ((i32[earlier + R_SENT_US] - i32[range + R_SENT_US]) | 0) > 0) {
      later = earlier;
      earlier = i32[earlier + R_EARLIER];
    }
    i32[range + R_LATER] = later;
    i32[range + R_EARLIER] = earlier;
    if (later === 0) i32[r + T_SB_NEWEST] = range;
    else i32[later + R_EARLIER] = range;
    if (earlier === 0) i32[r + T_SB_OLDEST] = range;
    else i32[earlier + R_LATER] = range;
  }
}
