import { join } from "node:path";
import { runtimeDirectory } from "./runtime-directory.js";

/** The directory of attach sockets of a stack that names none: `attach` in the directory of Weft's sockets. */
export function defaultAttachDirectory(environment?: Readonly<Record<string, string | undefined>>): string {
  return join(runtimeDirectory(environment), "attach");
}

/**
 * The attach socket of a namespace: a file of its name in the directory, the default namespace's is `default`. A directory
 * that begins with `@` means abstract names, which have no permissions. Characters that a file name cannot have are
 * percent-encoded.
 */
export function attachPath(directory: string, namespace: string): string {
  const name = encodeURIComponent(namespace).replaceAll(".", "%2E");
  return directory.startsWith("@") ? `${directory}/${name}` : join(directory, name);
}
