// node_modules as the lock file says.
import { must, say, textOf } from "./run.mjs";

/** @param {string} file @returns {Record<string, { version?: string, optional?: boolean }> | undefined} */
function packagesIn(file) {
  try {
    /** @type {{ packages?: Record<string, { version?: string, optional?: boolean }> }} */
    const lock = JSON.parse(textOf(file));
    return lock.packages;
  } catch {
    return undefined;
  }
}

/** Compares what npm wrote down of its last installation with the lock file; binaries of other platforms are optional. */
export function isInstalled() {
  const wanted = packagesIn("package-lock.json");
  const present = packagesIn("node_modules/.package-lock.json");
  if (wanted === undefined || present === undefined) return false;
  return Object.entries(wanted).every(([path, { version, optional }]) => {
    const there = present[path];
    return path === "" || (there === undefined ? optional === true : there.version === version);
  });
}

/** Runs `npm ci` when node_modules is missing or is not what the lock file says. */
export async function install() {
  if (isInstalled()) return;
  say("npm ci (node_modules is missing or differs from package-lock.json)");
  // Install scripts stay off: native.mjs compiles the one package that needs it, with the headers of this Node.
  const args = ["ci", "--include=dev", "--ignore-scripts", "--no-audit", "--no-fund"];
  const npm = process.env["npm_execpath"];
  if (npm === undefined) await must("npm ci", "npm", args);
  else await must("npm ci", process.execPath, [npm, ...args]);
}
