/** Bits of the largest root: 2^17 cubed is within the integers that doubles hold exactly. */
const ROOT_BITS = 17;

/** The largest integer whose cube is at most `n`, from 0 to 2^17 - 1; by integers, so that every machine agrees. */
export function cubeRoot(n: number): number {
  let root = 0;
  for (let bit = 1 << (ROOT_BITS - 1); bit > 0; bit >>= 1) {
    const tried = root + bit;
    if (tried * tried * tried <= n) root = tried;
  }
  return root;
}
