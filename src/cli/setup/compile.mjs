// TypeScript to JavaScript, a file for a file, with imported numeric constants written out as numbers.
//
// V8 reads an imported constant from its module's cell each time, also in optimised code. The data path names every field
// of a packet, row or header by such a constant: written out, the forwarding graph takes about a fifth less time.
import { join, relative } from "node:path";
import { rolldown } from "rolldown";
import { ROOT, filesUnder } from "./run.mjs";

/**
 * Compiles every source of these rooms into dist/. Types are not looked at: tsc does that.
 * @param {readonly string[]} rooms
 */
export async function compile(rooms) {
  const files = rooms.flatMap((room) => filesUnder(room, /\.ts$/));
  const input = Object.fromEntries(
    files.map((file) => [relative(ROOT, join(ROOT, file)).replace(/\.ts$/, ""), join(ROOT, file)]),
  );
  const bundle = await rolldown({
    input,
    platform: "node",
    external: (id) => !/^[./]/.test(id),
    resolve: { extensionAlias: { ".js": [".ts", ".js"] } },
    preserveEntrySignatures: "strict",
    treeshake: false,
    optimization: { inlineConst: { mode: "all", pass: 3 } },
    tsconfig: false,
  });
  await bundle.write({
    dir: join(ROOT, "dist"),
    format: "esm",
    preserveModules: true,
    preserveModulesRoot: ROOT,
    entryFileNames: "[name].js",
    sourcemap: true,
  });
  await bundle.close();
}
