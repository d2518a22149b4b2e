// dist/ from src/, nodes/ and bench/.
import { chmodSync, existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { inlineConstants } from "./inline-constants.mjs";
import { ROOT, filesUnder, fingerprint, must, say, textOf, tool } from "./run.mjs";

const STAMP = "dist/.fingerprint";
/** What makes dist/: a change of these changes it too. */
const STEPS = ["src/cli/setup/build.mjs", "src/cli/setup/inline-constants.mjs"];

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
  const made = ["src", "nodes", "bench"].flatMap((room) => filesUnder(`dist/${room}`, /\.js$/));
  const files = new Map(made.map((file) => [file, readFileSync(join(ROOT, file), "utf8")]));
  for (const [file, code] of inlineConstants(files)) writeFileSync(join(ROOT, file), code);
  const command = join(ROOT, "dist", "src", "cli", "weft.js");
  if (existsSync(command)) chmodSync(command, 0o755);
  writeFileSync(join(ROOT, STAMP), now);
}
