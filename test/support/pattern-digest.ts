import { createHash } from "node:crypto";

/** SHA-256, in hex, of the first bytes of the pattern that the demo applications send. */
export function patternDigest(bytes: number): string {
  const block = Buffer.from(Array.from({ length: 251 * 4096 }, (_, i) => i % 251));
  const hash = createHash("sha256");
  for (let left = bytes; left > 0; left -= block.length) hash.update(block.subarray(0, Math.min(left, block.length)));
  return hash.digest("hex");
}
