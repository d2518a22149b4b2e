import { join } from "node:path";

/** What processes are told by their surroundings. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** The directory of Weft's sockets: `$XDG_RUNTIME_DIR/weft`, without that variable `/run/weft`. */
export function runtimeDirectory(environment: Environment = process.env): string {
  const base = environment["XDG_RUNTIME_DIR"];
  return base === undefined || !base.startsWith("/") ? "/run/weft" : join(base, "weft");
}
