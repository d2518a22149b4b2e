import { randomFillSync } from "node:crypto";
import { type Random, randomBelow } from "../random/random.js";

const WORDS = 1024;

/** The operating system's randomness, drawn 4 KiB at a time; what was handed out is forgotten. */
export class SystemRandom implements Random {
  readonly #words = new Int32Array(WORDS);
  #next = WORDS;

  nextInt32(): number {
    if (this.#next === WORDS) {
      randomFillSync(this.#words);
      this.#next = 0;
    }
    const word = this.#words[this.#next];
    this.#words[this.#next++] = 0;
    return word;
  }

  nextBelow(n: number): number {
    return randomBelow(this, n);
  }

  fill(u8: Uint8Array): void {
    randomFillSync(u8);
  }
}
