import { type Random, randomBelow, randomFill } from "./random.js";

/**
 * xoshiro128** 1.1 (Blackman and Vigna, 2018): the same sequence from the same seed on every machine. For simulation,
 * replay and tests; not for anything an outsider must not guess. The state is four words that a snapshot can keep.
 */
export class SeededRandom implements Random {
  readonly #state = new Int32Array(4);

  /** `seed` is any number; its low 32 bits count. */
  constructor(seed: number) {
    let x = seed | 0;
    for (let i = 0; i < 4; i++) {
      x = (x + 0x9e37_79b9) | 0;
      this.#state[i] = mix32(x);
    }
    this.#avoidZero();
  }

  /** Copies the four words of state into `out` from `at`. */
  save(out: Int32Array, at = 0): void {
    out.set(this.#state, at);
  }

  /** Continues from four words that {@link save} wrote (all zero, which the generator never reaches, is replaced). */
  restore(from: Int32Array, at = 0): void {
    for (let i = 0; i < 4; i++) this.#state[i] = from[at + i];
    this.#avoidZero();
  }

  /** A generator of its own for a part of a simulation, so that one part's draws do not move another's. */
  fork(): SeededRandom {
    return new SeededRandom(this.nextInt32());
  }

  nextInt32(): number {
    const s = this.#state;
    const s1 = s[1];
    const result = Math.imul(rotateLeft(Math.imul(s1, 5), 7), 9);
    s[2] ^= s[0];
    s[3] ^= s1;
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= s1 << 9;
    s[3] = rotateLeft(s[3], 11);
    return result;
  }

  nextBelow(n: number): number {
    return randomBelow(this, n);
  }

  fill(u8: Uint8Array): void {
    randomFill(this, u8);
  }

  #avoidZero(): void {
    const s = this.#state;
    if ((s[0] | s[1] | s[2] | s[3]) === 0) s[0] = 1;
  }
}

/** The finalizer of MurmurHash3, as SplitMix uses it: spreads a counter over 32 bits. */
function mix32(x: number): number {
  let z = Math.imul(x ^ (x >>> 16), 0x85eb_ca6b);
  z = Math.imul(z ^ (z >>> 13), 0xc2b2_ae35);
  return z ^ (z >>> 16);
}

function rotateLeft(x: number, n: number): number {
  return (x << n) | (x >>> (32 - n));
}
