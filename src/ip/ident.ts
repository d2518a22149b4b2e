import { hash3, hashWords } from "../random/half-sip-hash.js";
import type { Random } from "../random/random.js";

const COUNTERS = 256;

/**
 * Identifications of packets that may be cut into fragments: counters, so that one is not used again soon (RFC 6864 4.3),
 * behind a keyed hash of the addresses, so that nobody sees the traffic with others in them (RFC 7739 5.3).
 */
export class Ident {
  readonly #counters = new Int32Array(COUNTERS);
  readonly #k0: number;
  readonly #k1: number;
  readonly #words = new Int32Array(8);

  constructor(random: Random) {
    for (let i = 0; i < COUNTERS; i++) this.#counters[i] = random.nextInt32();
    this.#k0 = random.nextInt32();
    this.#k1 = random.nextInt32();
  }

  /** The next identification for IPv4 packets of this protocol between these addresses, 16 bits. */
  next4(source: number, destination: number, protocol: number): number {
    const hash = hash3(this.#k0, this.#k1, source, destination, protocol);
    const count = this.#counters[hash & (COUNTERS - 1)]++;
    return (count + (hash >>> 8)) & 0xffff;
  }

  /** The next identification for IPv6 packets between the addresses at `srcAt` and `dstAt`, int32. */
  next6(dv: DataView, srcAt: number, dstAt: number): number {
    const words = this.#words;
    for (let i = 0; i < 4; i++) {
      words[i] = dv.getInt32(srcAt + (i << 2));
      words[i + 4] = dv.getInt32(dstAt + (i << 2));
    }
    const hash = hashWords(this.#k0, this.#k1, words, 0, 8);
    const count = this.#counters[hash & (COUNTERS - 1)]++;
    return (count + hash) | 0;
  }
}
