/**
 * Whole numbers below `n` that a seed decides (xorshift32).
 * @param {number} seed
 * @returns {(n: number) => number}
 */
export function randomOf(seed) {
  let state = seed | 1;
  return (n) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % n;
  };
}
