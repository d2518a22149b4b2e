// dist/ from src/, nodes/ and bench/.
import { chmodSync, existsSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT, filesUnder, fingerprint, must, say, textOf, tool } from "./run.mjs";

const STAMP = "dist/.fingerprint";
/** What makes dist/: a change of these changes it too. */
const STEPS = ["src/cli/setup/build.mjs", "src/cli/setup/compile.mjs"];

const ROOMS = ["src", "nodes", "bench"];

/** Checks and compiles when a source has changed since dist/ was made. Outputs of sources that are gone go too. */
export async function build() {
  const sources = ROOMS.flatMap((room) => filesUnder(room, /\.ts$/));
  const now = fingerprint([...sources, "tsconfig.json", "tsconfig.build.json", "package-lock.json", ...STEPS]);
  if (textOf(STAMP) === now) return;
  say("building dist/");
  rmSync(join(ROOT, "dist"), { recursive: true, force: true });
  await must("tsc", process.execPath, [tool("typescript", "bin", "tsc"), "-p", "tsconfig.build.json"]);
  // Not before install: it needs a package.
  const { compile } = await import("./compile.mjs");
  await compile(ROOMS);
  const command = join(ROOT, "dist", "src", "cli", "weft.js");
  if (existsSync(command)) chmodSync(command, 0o755);
  writeFileSync(join(ROOT, STAMP), now);
}
