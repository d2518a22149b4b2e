import type { Random } from "../random/random.js";

/** A probability as an integer of 2^31 parts: the same decisions on every machine. */
export const CHANCE_ONE = 0x8000_0000;

/** The 2^31 parts of a probability of 0 to 1, rounded to the nearest. */
export function chanceOf(rate: number): number {
  return Math.round(rate * CHANCE_ONE);
}

/** Draws: true in `chance` of 2^31 cases. Draws nothing at chance 0, which is how a fault that is off costs nothing. */
export function strikes(random: Random, chance: number): boolean {
  return chance > 0 && random.nextInt32() >>> 1 < chance;
}
