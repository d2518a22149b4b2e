// Compiles native/ and, for tests, the package raw-socket.
import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { ROOT, SetupError, filesUnder, fingerprint, must, onPath, run, say, textOf, tool } from "./run.mjs";

const STAMP = "native/build/.fingerprint";

/** node-gyp takes this Node's own headers where they lie beside it, and fetches them where they do not. */
function headers() {
  const prefix = dirname(dirname(process.execPath));
  return existsSync(join(prefix, "include", "node", "node_api.h")) ? [`--nodedir=${prefix}`] : [];
}

/** @param {string} directory from the root @returns {readonly string[]} node's arguments that compile it */
function gyp(directory) {
  const script = tool("node-gyp", "bin", "node-gyp.js");
  return [script, "rebuild", `--directory=${directory}`, "--jobs=2", "--loglevel=error", ...headers()];
}

/** @param {string} directory from the root @returns {boolean} */
function hasBinary(directory) {
  const release = join(ROOT, directory, "build", "Release");
  return existsSync(release) && readdirSync(release).some((name) => name.endsWith(".node"));
}

function needCompiler() {
  const missing = ["python3", "make", "cc", "c++"].filter((program) => !onPath(program));
  if (missing.length > 0) {
    throw new SetupError(`native: no ${missing.join(", ")}: install them (apt-get install build-essential python3)`);
  }
}

/** Compiles native/ when its binary is missing or its sources have changed since. */
export async function compileNative() {
  if (!existsSync(join(ROOT, "native", "binding.gyp"))) return;
  const now = fingerprint(filesUnder("native", /\.(c|h|gyp|gypi)$/));
  if (hasBinary("native") && textOf(STAMP) === now) return;
  needCompiler();
  say("compiling native/");
  await must("native: node-gyp", process.execPath, gyp("native"));
  if (!hasBinary("native")) throw new SetupError("native: node-gyp left no .node file in native/build/Release");
  mkdirSync(join(ROOT, "native", "build"), { recursive: true });
  writeFileSync(join(ROOT, STAMP), now);
}

/**
 * Compiles raw-socket, with which tests send crafted IP packets from the kernel's side.
 * @returns {Promise<boolean>} whether it can be loaded; a failure keeps only those tests waiting
 */
export async function compileRawSocket() {
  const directory = "node_modules/raw-socket";
  if (hasBinary(directory)) return true;
  if (!existsSync(join(ROOT, directory))) return false;
  say("compiling raw-socket (test peer)");
  return (await run(process.execPath, gyp(directory), { CXXFLAGS: "-w" })) === 0;
}
