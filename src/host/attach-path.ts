import { join } from "node:path";
import { DEFAULT_NAMESPACE } from "../session/app-namespace.js";
import { type Environment, runtimeDirectory } from "./runtime-directory.js";

/** The directory of a stack's attach sockets: `attach` in the runtime directory. */
export function attachDirectory(environment?: Environment): string {
  return join(runtimeDirectory(environment), "attach");
}

/**
 * The socket through which processes attach to a namespace: in the attach directory, by the namespace's id. What is no
 * letter, digit, `-`, `_` or `.` (which does not come first) of it is written `%XX`, byte by byte of its UTF-8.
 */
export function attachPath(namespace = DEFAULT_NAMESPACE, directory = attachDirectory()): string {
  let name = "";
  for (const byte of Buffer.from(namespace, "utf8")) {
    const letter = String.fromCharCode(byte);
    const isPlain = /[\w-]/.test(letter) || (letter === "." && name !== "");
    name += isPlain ? letter : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  return join(directory, name);
}
