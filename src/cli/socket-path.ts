import { join } from "node:path";

/** Longest path of a unix socket on Linux, bytes. */
export const MAX_SOCKET_PATH = 107;

/** The directory of Weft's sockets: `$XDG_RUNTIME_DIR/weft`, without that variable `/run/weft`. */
export function runtimeDirectory(environment: Readonly<Record<string, string | undefined>> = process.env): string {
  const base = environment["XDG_RUNTIME_DIR"];
  return base === undefined || !base.startsWith("/") ? "/run/weft" : join(base, "weft");
}

/** The CLI socket of a stack that names none. */
export function defaultSocketPath(environment?: Readonly<Record<string, string | undefined>>): string {
  return join(runtimeDirectory(environment), "cli.sock");
}
