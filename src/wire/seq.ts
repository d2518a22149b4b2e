/**
 * Sequence numbers (RFC 9293 3.4): signed int32, compared modulo 2^32. Two numbers compare rightly while they are less
 * than 2^31 apart. Nothing outside this file subtracts two sequence numbers to compare them.
 */

/** a + n, modulo 2^32. */
export function seqAdd(a: number, n: number): number {
  return (a + n) | 0;
}

/** How far a is after b, negative when it is before it. */
export function seqDiff(a: number, b: number): number {
  return (a - b) | 0;
}

/** a < b. */
export function seqLess(a: number, b: number): boolean {
  return ((a - b) | 0) < 0;
}

/** a <= b. */
export function seqLessOrEqual(a: number, b: number): boolean {
  return ((a - b) | 0) <= 0;
}

/** a > b. */
export function seqGreater(a: number, b: number): boolean {
  return ((a - b) | 0) > 0;
}

/** a >= b. */
export function seqGreaterOrEqual(a: number, b: number): boolean {
  return ((a - b) | 0) >= 0;
}

/** The later of two. */
export function seqMax(a: number, b: number): number {
  return ((a - b) | 0) > 0 ? a : b;
}

/** The earlier of two. */
export function seqMin(a: number, b: number): number {
  return ((a - b) | 0) < 0 ? a : b;
}

/** first <= seq < first + size, size 0..2^31 - 1; an empty window holds nothing. */
export function seqInWindow(seq: number, first: number, size: number): boolean {
  const ahead = (seq - first) | 0;
  return ahead >= 0 && ahead < size;
}

/** Whether [a, a + aSize) and [b, b + bSize) share a number. */
export function seqOverlap(a: number, aSize: number, b: number, bSize: number): boolean {
  return seqInWindow(a, b, bSize) ? aSize > 0 : seqInWindow(b, a, aSize) && bSize > 0;
}
