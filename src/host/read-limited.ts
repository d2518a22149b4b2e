import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";

/** Longest PEM text of a certificate or key that is read, bytes. */
export const MAX_PEM_BYTES = 64 * 1024;
/** Longest list of trusted or revoked certificates, bytes. */
export const MAX_TRUST_FILE_BYTES = 16 * 1024 * 1024;

/** The bytes of a regular file of at most `maxBytes`; a text: why there are none, without anything of what is in it. */
export function readLimited(path: string, maxBytes: number): Uint8Array | string {
  let fd: number;
  try {
    // A pipe without a writer would keep us waiting.
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    return `cannot be read (${codeOf(error)})`;
  }
  try {
    if (!fstatSync(fd).isFile()) return "not a file";
    // One byte more than there may be, wherever the file grows meanwhile.
    const bytes = new Uint8Array(Math.min(fstatSync(fd).size, maxBytes) + 1);
    let length = 0;
    for (let n = -1; n !== 0 && length < bytes.length; length += n)
      n = readSync(fd, bytes, length, bytes.length - length, null);
    return length > maxBytes ? `longer than ${maxBytes} bytes` : bytes.slice(0, length);
  } catch (error) {
    return `cannot be read (${codeOf(error)})`;
  } finally {
    closeSync(fd);
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : String(error);
}
