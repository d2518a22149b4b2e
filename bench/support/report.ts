/** Three digits that count, without an exponent; whole numbers as they are. */
export function formatNumber(value: number): string {
  if (Number.isInteger(value)) return String(value);
  const size = Math.abs(value);
  return value.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3);
}

/** Prints a result: `NAME VALUE UNIT`. */
export function printValue(name: string, value: number, unit: string): void {
  console.log(`${name} ${formatNumber(value)} ${unit}`);
}

/** Prints how a result stands beside that of a peer in the same run: `NAME/PEER RATIO x`. */
export function printRatio(name: string, peer: string, ratio: number): void {
  console.log(`${name}/${peer} ${formatNumber(ratio)} x`);
}

/** The middle value; of an even number of values the mean of the two middle ones. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}
