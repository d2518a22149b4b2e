/** What is wrong with a configuration: `where` names the key or argument at fault. */
export class ConfigError extends Error {
  readonly code = "ERR_WEFT_CONFIG";
  /** E.g. `interfaces[0].addresses[1]`. */
  readonly where: string;
  /** E.g. `not an address prefix: "10.0.0.300/8"`. */
  readonly what: string;

  constructor(where: string, what: string) {
    super(`${where}: ${what}`);
    this.name = "ConfigError";
    this.where = where;
    this.what = what;
  }
}

/** A value as an error names it: JSON, shortened, on one line. */
export function quoteValue(value: unknown): string {
  if (typeof value === "bigint") return `${value}`;
  if (typeof value === "function" || typeof value === "symbol") return `a ${typeof value}`;
  let text: string | undefined;
  try {
    text = JSON.stringify(value);
  } catch {
    text = undefined;
  }
  if (text === undefined) return String(value);
  if (typeof value === "number" && !Number.isFinite(value)) return String(value);
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}

/** The path of a key as an error names it: `interfaces[0].host.addresses[1]`; `configuration` for the whole. */
export function formatPath(path: readonly PropertyKey[]): string {
  let text = "";
  for (const part of path) {
    if (typeof part === "number") text += `[${part}]`;
    else text += text === "" ? String(part) : `.${String(part)}`;
  }
  return text === "" ? "configuration" : text;
}
