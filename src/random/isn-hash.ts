import { hash3, hashWords } from "./half-sip-hash.js";

// The keyed function F of RFC 6528 3 for initial sequence numbers, timestamp offsets and the like: 128 bits of key, made
// of two evaluations of HalfSipHash, of which the second is keyed by the result of the first. An outsider sees sums of
// such results; 64 bits of key alone would be within reach of a search.

/** F of three words (an IPv4 connection: addresses and both ports) under four words of `key`. */
export function isnHash3(key: Int32Array, a: number, b: number, c: number): number {
  const inner = hash3(key[0], key[1], a, b, c);
  return hash3(key[2] ^ inner, key[3], a, b, c);
}

/** F of `count` words of `words` from index `from` (an IPv6 connection has 9) under four words of `key`. */
export function isnHashWords(key: Int32Array, words: Int32Array, from: number, count: number): number {
  const inner = hashWords(key[0], key[1], words, from, count);
  return hashWords(key[2] ^ inner, key[3], words, from, count);
}
