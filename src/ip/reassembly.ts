import type { Timed } from "../graph/engine.js";
import {
  type BufferIndex,
  F_CHECKSUM_PARTIAL,
  F_L4_CHECKSUM_OK,
  F_REASSEMBLED,
  M_CONN,
  M_DATA,
  M_FIB,
  M_FLAGS,
  M_GSO,
  M_L3,
  M_L4,
  M_LEN,
  M_PROTO,
  type PacketPool,
  SMALL_FRAME_BYTES,
} from "../graph/packet-pool.js";
import type { MemoryWindow } from "../mem/window.js";
import { hashWords } from "../random/half-sip-hash.js";
import type { Random } from "../random/random.js";
import { TICK_US } from "../time/clock.js";
import { ETH_HEADER_LEN } from "../wire/ethernet.js";
import { ICMP4_REASSEMBLY_EXCEEDED, ICMP4_TIME_EXCEEDED } from "../wire/icmp4.js";
import { ICMP6_REASSEMBLY_EXCEEDED, ICMP6_TIME_EXCEEDED } from "../wire/icmp6.js";
import {
  IP4_DF,
  IP4_DST,
  IP4_FRAGMENT,
  IP4_ID,
  IP4_PROTOCOL,
  IP4_SRC,
  IP4_TOS,
  IP4_TOTAL_LEN,
  ip4EmitChecksum,
} from "../wire/ip4.js";
import { IP6_DST, IP6_HEADER_LEN, IP6_PAYLOAD_LEN, IP6_SRC } from "../wire/ip6.js";
import { IP6_FRAGMENT_LEN, ip6FragmentId } from "../wire/ip6-ext.js";
import { ReassemblyRows } from "./reassembly-rows.js";
import {
  F_BUFFER,
  F_BYTES,
  F_NEXT,
  F_OFFSET,
  KEY_WORDS,
  R_COUNT,
  R_ECN,
  R_EXPIRY,
  R_HEAD,
  R_RECEIVED,
  R_STATE,
  R_TAIL,
  R_TOTAL,
  STATE_DEAD,
  STATE_LIVE,
} from "./reassembly-rows.js";

/** Limits of reassembly, both families together. */
export interface ReassemblyOptions {
  /** Datagrams in reassembly (default 256); past it the oldest gives way. */
  readonly maxDatagrams?: number;
  /** Fragments of one datagram (default 128). */
  readonly maxFragmentsPerDatagram?: number;
  /** Fragments held, each in a buffer of the pool (default 1024, at most half of the small buffers). */
  readonly maxFragments?: number;
  /** Milliseconds that a datagram may take (defaults 30000, RFC 1122 3.3.2 and Linux, and 60000, RFC 8200 4.5). */
  readonly timeout4Ms?: number;
  readonly timeout6Ms?: number;
}

/** The fragment is kept. */
export const RA_HELD = 0;
/** The datagram is complete. */
export const RA_COMPLETE = 1;
/** An exact duplicate of a fragment that is kept; to be dropped, as all below. */
export const RA_DUPLICATE = 2;
/** Overlaps another fragment: the datagram is given up, with all fragments still to come (RFC 5722). */
export const RA_OVERLAP = 3;
/** Fragments disagree about the datagram's end: given up likewise. */
export const RA_INCONSISTENT = 4;
/** A fragment of a datagram that was given up. */
export const RA_GIVEN_UP = 5;
/** Too many fragments: given up likewise. */
export const RA_TOO_MANY = 6;
/** The datagram would be longer than 65,535 bytes: given up likewise. */
export const RA_TOO_LONG = 7;
/** No buffer left, or too many fragments held: the fragment, or the complete datagram, is lost. */
export const RA_NO_BUFFER = 8;

const MAX_IP_BYTES = 65_535;
const TICKS_PER_MS = 1000 / TICK_US;
const CE = 3;

/** Receives the first fragment of a datagram that timed out, as a request for an ICMP time exceeded (see M_CONN). */
export type ReassemblyTimeout = (isIp6: boolean, buffer: BufferIndex) => void;

/**
 * Puts fragmented datagrams together, for local delivery, by the strict rules of RFC 5722 in both families: fragments
 * that overlap end the datagram, exact duplicates do no harm. What is held is held in small buffers of the pool, never
 * in a device's ring, and under limits. Past a limit the oldest datagram gives way, so that a flood of first fragments
 * ages out instead of blocking everybody for the length of the timeout.
 */
export class Reassembly implements Timed {
  /**
   * After a fragment was taken: the buffer to go on with, which the caller owns. With RA_COMPLETE the datagram, M_DATA
   * and M_L3 at its IP header; -1 with RA_HELD; else what is to be dropped.
   */
  packet: BufferIndex = -1;
  /** Datagrams that ran out of time. */
  timeouts = 0;
  /** Datagrams that gave way to newer ones. */
  evicted = 0;
  /** Where the first fragments of timed-out datagrams go; without it they are freed. */
  onTimeout: ReassemblyTimeout | undefined = undefined;
  readonly #pool: PacketPool;
  readonly #window: MemoryWindow;
  readonly #rows: ReassemblyRows;
  readonly #maxPerDatagram: number;
  readonly #timeoutTicks4: number;
  readonly #timeoutTicks6: number;
  readonly #key = new Int32Array(KEY_WORDS);
  readonly #k0: number;
  readonly #k1: number;

  /** Throws RangeError when a limit is not a positive integer, or the window is full. */
  constructor(parts: { window: MemoryWindow; pool: PacketPool; random: Random }, options: ReassemblyOptions = {}) {
    const { window, pool, random } = parts;
    const { maxDatagrams = 256, maxFragmentsPerDatagram = 128, maxFragments = 1024 } = options;
    const { timeout4Ms = 30_000, timeout6Ms = 60_000 } = options;
    for (const value of [maxDatagrams, maxFragmentsPerDatagram, maxFragments, timeout4Ms, timeout6Ms]) {
      if (!Number.isInteger(value) || value < 1 || value > 100_000_000)
        throw new RangeError(`reassembly limit ${value}`);
    }
    this.#pool = pool;
    this.#window = window;
    this.#rows = new ReassemblyRows(window, maxDatagrams, Math.max(1, Math.min(maxFragments, pool.smallCount >> 1)));
    this.#maxPerDatagram = maxFragmentsPerDatagram;
    this.#timeoutTicks4 = timeout4Ms * TICKS_PER_MS;
    this.#timeoutTicks6 = timeout6Ms * TICKS_PER_MS;
    this.#k0 = random.nextInt32();
    this.#k1 = random.nextInt32();
  }

  /** Datagrams in reassembly, given up ones that wait for their timeout included. */
  get datagrams(): number {
    return this.#rows.used;
  }

  /** Fragments held. */
  get fragments(): number {
    return this.#rows.fragments;
  }

  /**
   * Takes an IPv4 fragment: M_DATA at the header, M_LEN (with tails) the total length, M_L4 at its payload, `bytes` > 0 of it
   * for `offset` of the datagram. Returns an RA_ code and sets {@link packet}.
   */
  accept4(b: BufferIndex, offset: number, bytes: number, more: boolean, tick: number): number {
    const { i32, dv } = this.#window;
    const m = this.#pool.meta + (b << 4);
    const ip = i32[m + M_DATA];
    const key = this.#key;
    key.fill(0);
    key[0] = dv.getInt32(ip + IP4_SRC);
    key[4] = dv.getInt32(ip + IP4_DST);
    key[8] = dv.getUint16(ip + IP4_ID);
    key[9] = dv.getUint8(ip + IP4_PROTOCOL);
    key[10] = i32[m + M_FIB];
    return this.#accept(b, false, offset, bytes, more, tick, dv.getUint8(ip + IP4_TOS) & 3);
  }

  /**
   * Takes an IPv6 fragment: M_DATA at the fixed header, M_L4 behind the fragment header, M_PROTO that header's next
   * header, M_CONN how far from M_DATA the byte is that names the fragment header. Otherwise as {@link accept4}.
   */
  accept6(b: BufferIndex, offset: number, bytes: number, more: boolean, tick: number): number {
    const { i32, dv } = this.#window;
    const m = this.#pool.meta + (b << 4);
    const ip = i32[m + M_DATA];
    const key = this.#key;
    for (let i = 0; i < 4; i++) {
      key[i] = dv.getInt32(ip + IP6_SRC + (i << 2));
      key[4 + i] = dv.getInt32(ip + IP6_DST + (i << 2));
    }
    key[8] = ip6FragmentId(dv, i32[m + M_L4] - IP6_FRAGMENT_LEN);
    key[9] = 0x100;
    key[10] = i32[m + M_FIB];
    return this.#accept(b, true, offset, bytes, more, tick, (dv.getUint16(ip) >>> 4) & 3);
  }

  #accept(
    b: BufferIndex,
    isIp6: boolean,
    offset: number,
    bytes: number,
    more: boolean,
    tick: number,
    ecn: number,
  ): number {
    const rows = this.#rows;
    const { i32 } = this.#window;
    this.packet = b;
    const hash = hashWords(this.#k0, this.#k1, this.#key, 0, KEY_WORDS);
    let row = rows.find(hash, this.#key);
    if (row < 0) {
      if (rows.isFull) this.#evictOldest(-1);
      row = rows.add(hash, this.#key, isIp6);
      i32[row + R_EXPIRY] = (tick + (isIp6 ? this.#timeoutTicks6 : this.#timeoutTicks4)) | 0;
    }
    if (i32[row + R_STATE] === STATE_DEAD) return RA_GIVEN_UP;
    const end = offset + bytes;
    if (end > MAX_IP_BYTES) return this.#giveUp(row, RA_TOO_LONG);
    const total = i32[row + R_TOTAL];
    if (total >= 0 ? end > total || (!more && end !== total) : !more && this.#lastEnd(row) > end) {
      return this.#giveUp(row, RA_INCONSISTENT);
    }
    // Fragments mostly come in order, or in reverse: behind the last one, or before the first.
    let before = i32[row + R_TAIL];
    if (before >= 0 && i32[before + F_OFFSET] >= offset) {
      before = -1;
      for (let at = i32[row + R_HEAD]; at >= 0 && i32[at + F_OFFSET] < offset; at = i32[at + F_NEXT]) before = at;
    }
    const after = before < 0 ? i32[row + R_HEAD] : i32[before + F_NEXT];
    if (after >= 0 && i32[after + F_OFFSET] === offset && i32[after + F_BYTES] === bytes) return RA_DUPLICATE;
    if (before >= 0 && i32[before + F_OFFSET] + i32[before + F_BYTES] > offset) return this.#giveUp(row, RA_OVERLAP);
    if (after >= 0 && end > i32[after + F_OFFSET]) return this.#giveUp(row, RA_OVERLAP);
    if (i32[row + R_COUNT] >= this.#maxPerDatagram) return this.#giveUp(row, RA_TOO_MANY);
    while (rows.fragmentsFull) if (!this.#evictOldest(row)) return RA_NO_BUFFER;
    const kept = this.#keep(b);
    if (kept < 0) return RA_NO_BUFFER;
    rows.insert(row, before, kept, offset, bytes);
    i32[row + R_RECEIVED] += bytes;
    i32[row + R_ECN] |= 1 << ecn;
    if (!more) i32[row + R_TOTAL] = end;
    if (i32[row + R_RECEIVED] === i32[row + R_TOTAL]) return this.#finish(row, isIp6);
    this.packet = -1;
    return RA_HELD;
  }

  #lastEnd(row: number): number {
    const { i32 } = this.#window;
    const tail = i32[row + R_TAIL];
    return tail < 0 ? 0 : i32[tail + F_OFFSET] + i32[tail + F_BYTES];
  }

  /** The fragment in a buffer that may be held: small when it fits, not a device ring's, without tails. -1: none left. */
  #keep(b: BufferIndex): BufferIndex {
    const pool = this.#pool;
    const { i32 } = this.#window;
    const length = pool.length(b);
    const isRing = b >= pool.smallCount + pool.largeCount;
    if (!isRing && (b < pool.smallCount || length > SMALL_FRAME_BYTES)) return pool.linearize(b);
    const c = pool.allocFor(length);
    if (c < 0) return -1;
    const m = pool.meta + (b << 4);
    const n = pool.meta + (c << 4);
    const delta = i32[n + M_DATA] - i32[m + M_DATA];
    pool.gather(b, i32[n + M_DATA]);
    for (let field = M_FLAGS; field <= M_PROTO; field++) i32[n + field] = i32[m + field];
    i32[n + M_LEN] = length;
    i32[n + M_L3] = i32[m + M_L3] + delta;
    i32[n + M_L4] = i32[m + M_L4] + delta;
    pool.free(b);
    return c;
  }

  /** Frees what a datagram holds and lets it stand until its timeout, so that later fragments are refused too. */
  #giveUp(row: number, code: number): number {
    this.#freeFragments(row);
    this.#window.i32[row + R_STATE] = STATE_DEAD;
    return code;
  }

  #freeFragments(row: number): void {
    const { i32 } = this.#window;
    for (let at = i32[row + R_HEAD]; at >= 0; at = i32[at + F_NEXT]) this.#pool.free(i32[at + F_BUFFER]);
    this.#rows.clearFragments(row);
  }

  /** Drops the oldest datagram of either family, but not `except`; false when there is no other. */
  #evictOldest(except: number): boolean {
    const { i32 } = this.#window;
    let victim = -1;
    for (let family = 0; family < 2; family++) {
      let row = this.#rows.oldest(family === 1);
      // Given up datagrams hold nothing: of no use to who needs fragments, first to go for who needs a row.
      while (row >= 0 && (row === except || (except >= 0 && i32[row + R_COUNT] === 0))) row = this.#rows.younger(row);
      if (row >= 0 && (victim < 0 || ((i32[row + R_EXPIRY] - i32[victim + R_EXPIRY]) | 0) < 0)) victim = row;
    }
    if (victim < 0) return false;
    this.evicted++;
    this.#freeFragments(victim);
    this.#rows.remove(victim);
    return true;
  }

  #finish(row: number, isIp6: boolean): number {
    const { i32, u8, dv } = this.#window;
    const pool = this.#pool;
    const head = i32[row + R_HEAD];
    const first = pool.meta + (i32[head + F_BUFFER] << 4);
    const total = i32[row + R_TOTAL];
    // The IPv6 fragment header goes; what it named comes behind what named it.
    const headerBytes = i32[first + M_L4] - i32[first + M_DATA] - (isIp6 ? IP6_FRAGMENT_LEN : 0);
    const bytes = headerBytes + total;
    if (bytes - (isIp6 ? IP6_HEADER_LEN : 0) > MAX_IP_BYTES) return this.#giveUpHeld(row, RA_TOO_LONG);
    const c = pool.allocFor(bytes + ETH_HEADER_LEN);
    if (c < 0) return this.#giveUpHeld(row, RA_NO_BUFFER);
    const n = pool.meta + (c << 4);
    // Aligned as a frame's: behind the place of an Ethernet header.
    const ip = i32[n + M_DATA] + ETH_HEADER_LEN;
    u8.copyWithin(ip, i32[first + M_DATA], i32[first + M_DATA] + headerBytes);
    for (let at = head, to = ip + headerBytes; at >= 0; at = i32[at + F_NEXT]) {
      const from = i32[pool.meta + (i32[at + F_BUFFER] << 4) + M_L4];
      u8.copyWithin(to, from, from + i32[at + F_BYTES]);
      to += i32[at + F_BYTES];
    }
    for (let field = M_FLAGS; field <= M_PROTO; field++) i32[n + field] = i32[first + field];
    i32[n + M_FLAGS] = (i32[n + M_FLAGS] & ~(F_L4_CHECKSUM_OK | F_CHECKSUM_PARTIAL)) | F_REASSEMBLED;
    i32[n + M_GSO] = 0;
    i32[n + M_DATA] = i32[n + M_L3] = ip;
    i32[n + M_LEN] = bytes;
    const congested = (i32[row + R_ECN] & (1 << CE)) !== 0;
    if (isIp6) {
      u8[ip + i32[first + M_CONN]] = i32[first + M_PROTO];
      dv.setUint16(ip + IP6_PAYLOAD_LEN, bytes - IP6_HEADER_LEN);
      // RFC 3168 5.3: congestion that one fragment met, the datagram met.
      if (congested && ((dv.getUint16(ip) >>> 4) & 3) !== 0) u8[ip + 1] |= CE << 4;
    } else {
      dv.setUint16(ip + IP4_TOTAL_LEN, bytes);
      dv.setUint16(ip + IP4_FRAGMENT, dv.getUint16(ip + IP4_FRAGMENT) & IP4_DF);
      if (congested && (u8[ip + IP4_TOS] & 3) !== 0) u8[ip + IP4_TOS] |= CE;
      ip4EmitChecksum(dv, ip);
    }
    this.#freeFragments(row);
    this.#rows.remove(row);
    this.packet = c;
    return RA_COMPLETE;
  }

  /** As {@link #giveUp} when the last fragment is among those held already: it is taken back for the caller to drop. */
  #giveUpHeld(row: number, code: number): number {
    const { i32 } = this.#window;
    const last = this.#rows.lastInserted;
    this.#pool.retain(i32[last + F_BUFFER]);
    this.packet = i32[last + F_BUFFER];
    return this.#giveUp(row, code);
  }

  /** Ends datagrams whose time is over (RFC 792, RFC 4443 3.3: an error only when the first fragment is there). */
  expire(tick: number): void {
    const { i32 } = this.#window;
    for (let family = 0; family < 2; family++) {
      const isIp6 = family === 1;
      for (;;) {
        const row = this.#rows.oldest(isIp6);
        if (row < 0 || ((i32[row + R_EXPIRY] - tick) | 0) > 0) break;
        if (i32[row + R_STATE] === STATE_LIVE) this.#timeout(row, isIp6);
        this.#freeFragments(row);
        this.#rows.remove(row);
      }
    }
  }

  #timeout(row: number, isIp6: boolean): void {
    const { i32 } = this.#window;
    this.timeouts++;
    const head = i32[row + R_HEAD];
    if (head < 0 || i32[head + F_OFFSET] !== 0 || this.onTimeout === undefined) return;
    const b = i32[head + F_BUFFER];
    const type = isIp6 ? ICMP6_TIME_EXCEEDED : ICMP4_TIME_EXCEEDED;
    const code = isIp6 ? ICMP6_REASSEMBLY_EXCEEDED : ICMP4_REASSEMBLY_EXCEEDED;
    i32[this.#pool.meta + (b << 4) + M_CONN] = (type << 24) | (code << 16);
    this.#pool.retain(b);
    this.onTimeout(isIp6, b);
  }

  nextExpiry(tick: number): number {
    const { i32 } = this.#window;
    let least = -1;
    for (let family = 0; family < 2; family++) {
      const row = this.#rows.oldest(family === 1);
      if (row < 0) continue;
      const ticks = Math.max(0, (i32[row + R_EXPIRY] - tick) | 0);
      if (least < 0 || ticks < least) least = ticks;
    }
    return least;
  }
}
