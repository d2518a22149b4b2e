import { join } from "node:path";
import { type Environment, runtimeDirectory } from "../host/runtime-directory.js";

/** Longest path of a unix socket on Linux, bytes. */
export const MAX_SOCKET_PATH = 107;

/** The CLI socket of a stack that names none. */
export function defaultSocketPath(environment?: Environment): string {
  return join(runtimeDirectory(environment), "cli.sock");
}
