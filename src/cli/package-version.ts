import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The package's version: package.json lies above src/cli and dist/src/cli. */
export function packageVersion(): string {
  let directory = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(directory, "package.json"))) directory = dirname(directory);
  const manifest: unknown = JSON.parse(readFileSync(join(directory, "package.json"), "utf8"));
  const found: unknown = typeof manifest === "object" && manifest !== null ? Reflect.get(manifest, "version") : "";
  return String(found);
}
