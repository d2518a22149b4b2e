import { median } from "./report.js";

/** What came of measurements taken in pairs. */
export interface PairResult {
  /** Medians. */
  readonly ours: number;
  readonly peer: number;
  /** Median of ours / peer of each pair: what both met of the machine's noise cancels out. */
  readonly ratio: number;
  /** The least of each: for what only computes, where noise can only add. */
  readonly least: { readonly ours: number; readonly peer: number };
}

/** Measures two things in turn, `count` pairs, whoever goes first changing from pair to pair. */
export async function measurePairs(
  count: number,
  ours: () => number | Promise<number>,
  peer: () => number | Promise<number>,
): Promise<PairResult> {
  const mine: number[] = [];
  const theirs: number[] = [];
  for (let i = 0; i < count; i++) {
    if (i % 2 === 0) mine.push(await ours());
    theirs.push(await peer());
    if (i % 2 === 1) mine.push(await ours());
  }
  const ratios = mine.map((value, i) => value / theirs[i]);
  const least = { ours: Math.min(...mine), peer: Math.min(...theirs) };
  return { ours: median(mine), peer: median(theirs), ratio: median(ratios), least };
}
