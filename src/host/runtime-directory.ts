import { join } from "node:path";

/** The directory of Weft's sockets: `$XDG_RUNTIME_DIR/weft`, without that variable `/run/weft`. */
export function runtimeDirectory(environment: Readonly<Record<string, string | undefined>> = process.env): string {
  const base = environment["XDG_RUNTIME_DIR"];
  return base === undefined || !base.startsWith("/") ? "/run/weft" : join(base, "weft");
}
