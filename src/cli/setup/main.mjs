// npm start, test, build, check and bench: each does all its own set-up, from a fresh clone on.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { build } from "./build.mjs";
import { install } from "./install.mjs";
import { compileNative, compileRawSocket } from "./native.mjs";
import { runWithNamespaces } from "./netns.mjs";
import { preparePeers } from "./peers.mjs";
import { ROOT, SetupError, run, say, tool } from "./run.mjs";

const VITEST = tool("vitest", "vitest.mjs");

/** @param {string} file from the root, made by the build */
function built(file) {
  if (!existsSync(join(ROOT, file))) throw new SetupError(`${file} is not there after the build`);
  return file;
}

async function setUp() {
  await install();
  await compileNative();
  await build();
}

/** @type {Record<string, (args: readonly string[]) => Promise<number>>} */
const COMMANDS = {
  async start(args) {
    await setUp();
    return runWithNamespaces([built("dist/src/cli/weft.js"), "demo", ...args]);
  },

  async test(args) {
    await setUp();
    const hasRawSocket = await compileRawSocket();
    const peers = await preparePeers();
    if (!hasRawSocket) peers["WEFT_MISSING"] = [peers["WEFT_MISSING"], "raw-socket"].filter(Boolean).join(",");
    return runWithNamespaces([VITEST, "run", ...args], peers);
  },

  async build() {
    await setUp();
    return 0;
  },

  async bench(args) {
    await setUp();
    return runWithNamespaces([built("dist/bench/run.js"), ...args]);
  },

  // Every step runs, so that one look shows all there is to mend.
  async check() {
    await install();
    const tsc = tool("typescript", "bin", "tsc");
    /** @type {readonly (readonly [string, readonly string[]])[]} */
    const steps = [
      ["types", [tsc, "-p", "."]],
      ["types of the core, without Node's", [tsc, "-p", "tsconfig.core.json"]],
      ["lint", [tool("oxlint", "bin", "oxlint"), "--type-aware", "--deny-warnings"]],
      ["format", [tool("@biomejs", "biome", "bin", "biome"), "format"]],
      ["tidy", [VITEST, "run", "test/tidy"]],
    ];
    const failed = [];
    for (const [name, args] of steps) {
      const code = await run(process.execPath, args);
      say(`check: ${name}: ${code === 0 ? "ok" : "FAILED"}`);
      if (code !== 0) failed.push(name);
      if (code > 128) break;
    }
    return failed.length === 0 ? 0 : 1;
  },
};

const [name = "", ...args] = process.argv.slice(2);
try {
  const command = COMMANDS[name];
  if (command === undefined) throw new SetupError(`"${name}" is none of ${Object.keys(COMMANDS).join(", ")}`);
  process.exitCode = await command(args);
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  console.error(`weft: ${name}: ${error.message}`);
  process.exitCode = 1;
}
