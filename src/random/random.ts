/**
 * Where the core gets its randomness from: seeded in simulation and replay, the operating system's in a live host.
 * The core itself has no other source.
 */
export interface Random {
  /** A uniform int32, any of the 2^32 values. */
  nextInt32(): number;
  /** A uniform integer in [0, n), without bias; n from 1 to 2^31 - 1, else 0 is returned. */
  nextBelow(n: number): number;
  /** Fills every byte. */
  fill(u8: Uint8Array): void;
}

/**
 * `nextBelow` for any source of int32: draws as many bits as n - 1 has and again while they are n or more, fewer than
 * two draws on average.
 */
export function randomBelow(random: Pick<Random, "nextInt32">, n: number): number {
  if (n <= 1) return 0;
  const shift = Math.clz32(n - 1);
  let bits = random.nextInt32() >>> shift;
  // A sound source passes 64 refusals once in 2^64 calls; one that is stuck must not hang its caller.
  for (let tries = 0; bits >= n && tries < 64; tries++) bits = random.nextInt32() >>> shift;
  return bits < n ? bits : bits - n;
}

/** `fill` for any source of int32: four bytes a draw, lowest first, on every machine. */
export function randomFill(random: Pick<Random, "nextInt32">, u8: Uint8Array): void {
  for (let i = 0; i < u8.length; i += 4) {
    let bits = random.nextInt32();
    const end = i + 4 < u8.length ? i + 4 : u8.length;
    for (let j = i; j < end; j++) {
      u8[j] = bits & 0xff;
      bits >>>= 8;
    }
  }
}
