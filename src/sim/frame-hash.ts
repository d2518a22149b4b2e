const A_MULTIPLIER = 0x85eb_ca6b | 0;
const B_MULTIPLIER = 0xc2b2_ae35 | 0;

/**
 * A running hash of 64 bits over all frames and their fates: two lanes of 32-bit words, mixed after each frame. Integer
 * arithmetic and a fixed byte order, so it is the same on every machine. It tells runs apart; it is no secret.
 */
export class FrameHash {
  #a = 0x7765_6674;
  #b = 0x7369_6d31;

  /** Takes a number of up to 53 bits in. */
  number(value: number): void {
    this.#a = mix(this.#a ^ (value | 0), A_MULTIPLIER);
    this.#b = mix(this.#b ^ Math.floor(value / 0x1_0000_0000), B_MULTIPLIER);
  }

  /** Takes the first `length` bytes of `dv` in, and mixes the lanes. */
  bytes(dv: DataView, length: number): void {
    let a = this.#a ^ length;
    let b = this.#b;
    const pairs = length & ~7;
    for (let at = 0; at < pairs; at += 8) {
      a = mix(a ^ dv.getInt32(at, true), A_MULTIPLIER);
      b = mix(b ^ dv.getInt32(at + 4, true), B_MULTIPLIER);
    }
    for (let at = pairs; at < length; at++) a = mix(a ^ dv.getUint8(at), A_MULTIPLIER);
    this.#a = (a + b) | 0;
    this.#b = b ^ (a >>> 16) ^ (a << 11);
  }

  /** 16 hex digits. */
  toString(): string {
    return hex(finish(this.#a ^ (this.#b >>> 7))) + hex(finish(this.#b + this.#a));
  }
}

function mix(x: number, multiplier: number): number {
  const y = Math.imul(x, multiplier);
  return y ^ (y >>> 15);
}

/** The finalizer of MurmurHash3. */
function finish(x: number): number {
  let y = Math.imul(x ^ (x >>> 16), A_MULTIPLIER);
  y = Math.imul(y ^ (y >>> 13), B_MULTIPLIER);
  return (y ^ (y >>> 16)) >>> 0;
}

function hex(word: number): string {
  return word.toString(16).padStart(8, "0");
}
