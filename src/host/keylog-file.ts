import { appendFileSync } from "node:fs";

/**
 * Adds lines to a file that is its owner's alone. Throws an Error with `code` when the file cannot be opened; later
 * failures (a full disk) are not the handshakes' matter.
 */
export function keylogFile(path: string): (lines: string) => void {
  appendFileSync(path, "", { mode: 0o600 });
  return (lines) => {
    try {
      appendFileSync(path, lines, { mode: 0o600 });
    } catch {
      // Whoever reads the capture sees that lines are missing.
    }
  };
}
