/** A cell: text is set left, numbers right. */
export type Cell = string | number;

/**
 * Rows under their headings in columns as wide as their widest cell, in the manner of VPP. A column is set right when
 * every cell in it is a number. No row gives the headings alone.
 */
export function columns(headings: readonly string[], rows: readonly (readonly Cell[])[]): string {
  const widths = headings.map((heading, i) =>
    rows.reduce((width, row) => Math.max(width, String(row[i] ?? "").length), heading.length),
  );
  const isRight = headings.map((_, i) => rows.length > 0 && rows.every((row) => typeof row[i] === "number"));
  const line = (cells: readonly Cell[]): string =>
    widths
      .map((width, i) => {
        const text = String(cells[i] ?? "");
        return isRight[i] ? text.padStart(width) : text.padEnd(width);
      })
      .join("  ")
      .trimEnd();
  return [headings, ...rows].map(line).join("\n");
}

/** Names and values, one pair a line, the values aligned. */
export function pairs(entries: readonly (readonly [name: string, value: Cell | boolean])[]): string {
  const width = entries.reduce((most, [name]) => Math.max(most, name.length), 0);
  return entries.map(([name, value]) => `${name.padEnd(width)}  ${value}`).join("\n");
}
