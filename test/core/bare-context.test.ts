import { fileURLToPath } from "node:url";
import { createContext, runInContext } from "node:vm";
import { rolldown } from "rolldown";
import { beforeAll, describe, expect, it } from "vitest";

let script = "";
let imports: readonly string[] = ["not built"];

beforeAll(async () => {
  const bundle = await rolldown({
    input: fileURLToPath(new URL("two-hosts.ts", import.meta.url)),
    resolve: { extensionAlias: { ".js": [".ts", ".js"] } },
    external: (id) => id.startsWith("node:"),
    tsconfig: false,
  });
  const { output } = await bundle.generate({ format: "iife", name: "twoHosts" });
  await bundle.close();
  script = output[0].code;
  imports = output[0].imports;
});

/** Runs the two hosts in a context that has ECMAScript's own globals and nothing else. */
async function runBare(family: 4 | 6): Promise<unknown> {
  const context = createContext(Object.create(null));
  const result: unknown = runInContext(`${script}\ntwoHosts.run(${family}).then(JSON.stringify)`, context);
  return JSON.parse(String(await result));
}

describe("the core", () => {
  it("needs no Node: nothing is left to import", () => {
    expect(imports).toEqual([]);
  });

  it.each([4, 6] as const)("carries 300,000 bytes there and back over IPv%i in a bare context", async (family) => {
    let sum = 0;
    for (let i = 0; i < 300_000; i++) sum = (Math.imul(sum, 31) + (i % 251)) | 0;
    expect(await runBare(family)).toMatchObject({ received: 300_000, sum });
  });

  it("does the same twice: same frames, same virtual time", async () => {
    expect(await runBare(4)).toEqual(await runBare(4));
  });
});
