import { hash3 } from "../random/half-sip-hash.js";
import type { Random } from "../random/random.js";

/** Bytes of an address; one of IPv4 uses the first four. */
const BYTES = 16;
/** Words of an end's scratch: its bytes, and behind each of them (from 0 on) the hash of those before it. */
const SUMS = BYTES;
const END_WORDS = 2 * BYTES + 1;
const LCL = 0;
const RMT = END_WORDS;
/** Places of bytes: both addresses, both ports. */
const RMT_PLACE = BYTES;
const PORTS_PLACE = 2 * BYTES;
const PLACES = PORTS_PLACE + 4;

/**
 * Hashes of the parts of a flow's key under every mask, by simple tabulation (Zobrist; Patrascu and Thorup, 2011): each byte at
 * each place has a random word of its own, and a hash is the exclusive or of those that count. So what a longer prefix adds to
 * a shorter one is a word or two. The words are drawn by keyed HalfSipHash: outsiders, who choose the packets, do not know
 * them, and cannot aim at a place in a table.
 */
export class RuleHash {
  readonly #tables = new Int32Array(PLACES << 8);
  readonly #ends = new Int32Array(2 * END_WORDS);
  #lclPort = 0;
  #rmtPort = 0;

  /** Draws the key. */
  constructor(random: Random) {
    const k0 = random.nextInt32();
    const k1 = random.nextInt32();
    for (let i = 0; i < this.#tables.length; i++) this.#tables[i] = hash3(k0, k1, i, 0, 0);
  }

  /** Takes an IPv4 flow, of which parts are hashed then. */
  take4(lcl: number, rmt: number, ports: number): void {
    this.#takeWord(LCL, 0, 0, lcl);
    this.#takeWord(RMT, RMT_PLACE, 0, rmt);
    this.#takePorts(ports);
  }

  /** Takes an IPv6 flow. */
  take6(
    l0: number,
    l1: number,
    l2: number,
    l3: number,
    r0: number,
    r1: number,
    r2: number,
    r3: number,
    ports: number,
  ): void {
    this.#takeWord(LCL, 0, 0, l0);
    this.#takeWord(LCL, 0, 4, l1);
    this.#takeWord(LCL, 0, 8, l2);
    this.#takeWord(LCL, 0, 12, l3);
    this.#takeWord(RMT, RMT_PLACE, 0, r0);
    this.#takeWord(RMT, RMT_PLACE, 4, r1);
    this.#takeWord(RMT, RMT_PLACE, 8, r2);
    this.#takeWord(RMT, RMT_PLACE, 12, r3);
    this.#takePorts(ports);
  }

  /** Bytes `from` to `from` + 3 of an end's address; those before them were taken. */
  #takeWord(end: number, place: number, from: number, word: number): void {
    const ends = this.#ends;
    const tables = this.#tables;
    const at = (end + from) | 0;
    const table = ((place + from) << 8) | 0;
    const b0 = word >>> 24;
    const b1 = (word >>> 16) & 0xff;
    const b2 = (word >>> 8) & 0xff;
    const b3 = word & 0xff;
    ends[at] = b0;
    ends[at + 1] = b1;
    ends[at + 2] = b2;
    ends[at + 3] = b3;
    let sum = ends[at + SUMS];
    sum ^= tables[table + b0];
    ends[at + SUMS + 1] = sum;
    sum ^= tables[table + 0x100 + b1];
    ends[at + SUMS + 2] = sum;
    sum ^= tables[table + 0x200 + b2];
    ends[at + SUMS + 3] = sum;
    sum ^= tables[table + 0x300 + b3];
    ends[at + SUMS + 4] = sum;
  }

  #takePorts(ports: number): void {
    const tables = this.#tables;
    const table = PORTS_PLACE << 8;
    this.#lclPort = tables[table + (ports >>> 24)] ^ tables[table + 0x100 + ((ports >>> 16) & 0xff)];
    this.#rmtPort = tables[table + 0x200 + ((ports >>> 8) & 0xff)] ^ tables[table + 0x300 + (ports & 0xff)];
  }

  /** Hash of the local address's first `length` bits. */
  lcl(length: number): number {
    return this.#prefix(LCL, 0, length);
  }

  /** Hash of the remote address's first `length` bits. */
  rmt(length: number): number {
    return this.#prefix(RMT, RMT_PLACE, length);
  }

  #prefix(end: number, place: number, length: number): number {
    const whole = length >> 3;
    const sum = this.#ends[end + SUMS + whole];
    const bits = length & 7;
    if (bits === 0) return sum;
    return sum ^ this.#tables[((place + whole) << 8) | (this.#ends[end + whole] & (0xff00 >> bits) & 0xff)];
  }

  /** Hash of the ports of which a mask names the local one (bit 0) and the remote one (bit 1). */
  ports(kind: number): number {
    return (-(kind & 1) & this.#lclPort) ^ (-(kind >> 1) & this.#rmtPort);
  }
}
