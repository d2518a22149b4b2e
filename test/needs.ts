import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

/** The Python to start peer scripts with; it can import scapy where python3-scapy is installed. */
export const PYTHON = process.env["WEFT_PYTHON"] ?? "python3";

function inCi(): boolean {
  const ci = process.env["CI"] ?? "";
  return ci !== "" && ci !== "0" && ci !== "false";
}

function isThere(program: string): boolean {
  // npm test has looked already; a test run started by hand looks for itself.
  const missing = process.env["WEFT_MISSING"];
  if (missing !== undefined) return !missing.split(",").includes(program);
  if (program === "scapy") return spawnSync(PYTHON, ["-c", "import scapy"]).status === 0;
  if (program === "raw-socket") {
    try {
      createRequire(import.meta.url)("raw-socket");
      return true;
    } catch {
      return false;
    }
  }
  const path = (process.env["PATH"] ?? "").split(":");
  return [...path, "/usr/sbin", "/sbin"].some((directory) => existsSync(join(directory, program)));
}

/**
 * Whether the tests that need these peer programs must be left out: `describe.skipIf(lacks("curl", "iperf3"))`.
 * `"netns"` stands for the right to make network namespaces, `"tun"` for that to make TAPs, `"raw-socket"` and `"scapy"` for those libraries.
 * Always false in CI, so that a missing program fails there. Write the names as literals: set-up reads them to say
 * which tests wait for what.
 */
export function lacks(...programs: readonly string[]): boolean {
  if (inCi()) return false;
  return programs.some((program) => {
    if (program === "netns") return process.env["WEFT_NO_NETNS"] === "1";
    if (program === "tun") return process.env["WEFT_NO_NETNS"] === "1" || process.env["WEFT_NO_TUN"] === "1";
    return !isThere(program);
  });
}
