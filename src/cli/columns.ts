import Table from "cli-table3";

/** A cell: text is set left, numbers right. */
export type Cell = string | number;

const NO_LINES = Object.fromEntries(
  ["top", "top-mid", "top-left", "top-right", "bottom", "bottom-mid", "bottom-left", "bottom-right", "left", "left-mid"]
    .concat(["mid", "mid-mid", "right", "right-mid"])
    .map((name) => [name, ""]),
);

/** A table without lines, two blanks between its columns. */
function plainTable(colAligns: ("left" | "right")[]): Table.Table {
  const style = { "padding-left": 0, "padding-right": 0, head: [], border: [] };
  return new Table({ chars: { ...NO_LINES, middle: "  " }, style, colAligns });
}

function textOf(table: Table.Table): string {
  return table
    .toString()
    .split("\n")
    .map((line) => line.trimEnd())
    .join("\n");
}

/**
 * Rows under their headings in columns as wide as their widest cell, in the manner of VPP. A column is set right when
 * every cell in it is a number. No row gives the headings alone.
 */
export function columns(headings: readonly string[], rows: readonly (readonly Cell[])[]): string {
  const table = plainTable(
    headings.map((_, i) => (rows.length > 0 && rows.every((row) => typeof row[i] === "number") ? "right" : "left")),
  );
  table.push([...headings]);
  for (const row of rows) table.push(headings.map((_, i) => String(row[i] ?? "")));
  return textOf(table);
}

/** Names and values, one pair a line, the values aligned. */
export function pairs(entries: readonly (readonly [name: string, value: Cell | boolean])[]): string {
  const table = plainTable(["left", "left"]);
  for (const [name, value] of entries) table.push([name, String(value)]);
  return textOf(table);
}
