import { describe, expect, it } from "vitest";
import { checkCircles, checkFloors, checkForeignImports, isCore, roomOf } from "./floors.js";
import { checkNodeForm } from "./node-form.js";
import {
  checkCoreBans,
  checkDocs,
  checkExportForm,
  checkLeftOutTests,
  checkLengths,
  checkModuleState,
  checkTopLevel,
  checkTypeEscapes,
  MAX_LINES,
  MEDIAN_LINES,
} from "./rules.js";
import { type SourceFile, sourceFile } from "./tree.js";

type Check = (files: readonly SourceFile[]) => string[];

/** What a check finds in one file: the `path:line` of each finding. */
function findings(check: Check, path: string, text: string): string[] {
  return check([sourceFile(path, text)]).map((finding) => finding.split(" ")[0] ?? "");
}

/** Lines of a text, numbered from 1, that a check must find; it must find no other. */
function expectLines(check: Check, path: string, text: string, lines: readonly number[]): void {
  expect(findings(check, path, text)).toEqual(lines.map((line) => `${path}:${line}`));
}

describe("floors", () => {
  it("knows the rooms and the core", () => {
    expect(roomOf("src/transport/transport.ts")).toBe("src/transport/transport.ts");
    expect(roomOf("src/transport/tcp/input.ts")).toBe("src/transport");
    expect(roomOf("src/elsewhere/a.ts")).toBeUndefined();
    expect(isCore("nodes/ip4-input.ts")).toBe(true);
    expect(isCore("src/host/tap.ts")).toBe(false);
    expect(isCore("src/index.ts")).toBe(false);
    expect(isCore("src/elsewhere/a.ts")).toBe(true);
  });

  it.each([
    ["src/mem/a.ts", "../graph/b.js"],
    ["src/session/a.ts", "../transport/tcp/b.js"],
    ["src/graph/a.ts", "../../nodes/b.js"],
    ["nodes/a.ts", "../src/stack.js"],
    ["src/stack.ts", "./sim/b.js"],
    ["src/host/a.ts", "../node/b.js"],
    ["src/cli/a.ts", "../index.js"],
    ["src/cli/a.ts", "../../test/b.js"],
  ])("finds that %s imports %s", (path, specifier) => {
    expectLines(checkFloors, path, `\nimport type { X } from "${specifier}";\n`, [2]);
  });

  it.each([
    ["src/session/a.ts", "../transport/transport.js"],
    ["src/transport/tcp/a.ts", "../../session/b.js"],
    ["nodes/a.ts", "../src/transport/udp/b.js"],
    ["src/index.ts", "./cli/b.js"],
    ["src/wire/a.ts", "../mem/b.js"],
    ["test/wire/a.ts", "../../src/cli/b.js"],
  ])("lets %s import %s", (path, specifier) => {
    expectLines(checkFloors, path, `import { X } from "${specifier}";`, []);
  });

  it("finds every form of import", () => {
    const up = ['import {\n  a,\n} from "../graph/a.js";', 'export * from "../graph/a.js";', 'import "../graph/a.js";'];
    const more = ['let x: import("../graph/a.js").A;', "const y = await import('../graph/a.js');"];
    expectLines(checkFloors, "src/mem/a.ts", [...up, ...more].join("\n"), [1, 4, 5, 6, 7]);
    expectLines(checkFloors, "src/mem/a.ts", '// import "../graph/a.js"\nconst s = "import \'../graph/a.js\'";', []);
  });

  it("finds a file without a floor", () => {
    expectLines(checkFloors, "src/elsewhere/a.ts", "", [1]);
  });

  it("finds circles of files and of rooms", () => {
    const a = sourceFile("src/ip/a.ts", 'import "./b.js";');
    const b = sourceFile("src/ip/b.ts", '\nimport type { A } from "./a.js";');
    expect(checkCircles([a])).toEqual([]);
    expect(checkCircles([a, b])).toEqual([
      "src/ip/a.ts:1 imports in a circle: src/ip/a.ts -> src/ip/b.ts -> src/ip/a.ts",
    ]);
    const up = sourceFile("src/wire/a.ts", 'import "../mem/a.js";');
    const back = sourceFile("src/mem/b.ts", '\nimport "../wire/b.js";');
    expect(checkCircles([up])).toEqual([]);
    expect(checkCircles([up, back])).toEqual([
      "src/wire/a.ts:1 closes a circle of rooms: src/wire -> src/mem -> src/wire",
    ]);
  });

  it("finds Node's modules, packages and the addon in the core", () => {
    const text =
      'import { x } from "node:fs";\nimport yaml from "yaml";\nimport "../native/weft.node";\nimport "./a.js";\nimport ipaddr from "ipaddr.js";';
    expectLines(checkForeignImports, "src/graph/a.ts", text, [1, 2, 3]);
    expectLines(checkForeignImports, "nodes/a.ts", text, [1, 2, 3]);
    for (const path of ["src/host/a.ts", "src/node/a.ts", "src/cli/a.ts", "src/index.ts", "test/a.ts"]) {
      expectLines(checkForeignImports, path, text, []);
    }
  });
});

describe("the core", () => {
  it.each([
    "const t = Date.now();",
    "const t = performance.now();",
    "setTimeout(() => 1, 1);",
    "clearInterval(x);",
    "const b = Buffer.alloc(1);",
    "const b: Buffer = x;",
    "process.exit(1);",
    "const e = process.env;",
    "console.log(1);",
    "const r = Math.random();",
    "const r = Math\n  .pow(2, x);",
    "const r = Math.log2(x);",
    "const { sin } = Math;",
    'const r = Math["sin"](x);',
    "const r = x ** 2;",
    "const r = 2 ** x;",
    "x **= 2;",
    "const s = `${`${Date.now()}`}`;",
  ])("must not say %s", (text) => {
    expectLines(checkCoreBans, "src/graph/a.ts", text, [1]);
    expectLines(checkCoreBans, "nodes/a.ts", text, [1]);
    expectLines(checkCoreBans, "src/host/a.ts", text, []);
  });

  it.each([
    "// Date.now() is banned",
    "const s = 'Date.now()';",
    "const s = `Math.random() ${x} Date`;",
    "const r = /Date['\"]/.test(x);",
    "const a = [1, 2].map((x) => x / 2) / 3; const s = 'x';",
    "const p = 2 ** 32 + 10 ** 6;",
    "const r = Math.floor(x) + Math.sqrt(y) + Math.PI;",
    "const form = { process(frame, node) {}, crypto: 1 };",
    "form.process(frame); this.performance;",
    "interface A { process: Process; crypto?: number }",
  ])("may say %s", (text) => {
    expectLines(checkCoreBans, "src/graph/a.ts", text, []);
  });

  it("holds no state in a module", () => {
    const bad = ["let a = 1;", "export let b = 2;", "var c;", "const d = new Map();", "const e = new Uint8Array(4);"];
    const more = ["export const f = new Set<number>([1]);", "const g: string[] = [];", "const h = {};"];
    expectLines(checkModuleState, "src/graph/a.ts", [...bad, ...more].join("\n"), [1, 2, 3, 4, 5, 6, 7, 8]);
    const good =
      "const a = 1;\nconst t: ReadonlySet<number> = new Set([1]);\nfunction f() {\n  let x = new Map();\n}\n";
    const views =
      "const p = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;\nconst g = () => {\n  const m = new Map();\n};\n";
    expectLines(checkModuleState, "src/graph/a.ts", good + views + "const n = { trace: () => '' };", []);
    expectLines(checkModuleState, "src/host/a.ts", bad.join("\n"), []);
  });
});

describe("types and tests", () => {
  it("finds ways around the type checker", () => {
    const bad = ["let a: any;", "x as any;", "const m: Map<any> = n;", "f(x as unknown as Y);", "let b: () => any;"];
    const more = ["const list = any[];", "// @ts-ignore", "/* @ts-nocheck */"];
    expectLines(checkTypeEscapes, "test/a.ts", [...bad, ...more].join("\n"), [1, 2, 3, 5, 6, 4, 7, 8]);
    expectLines(checkTypeEscapes, "src/mem/a.ts", "// @ts-expect-error", [1]);
    expectLines(
      checkTypeEscapes,
      "test/a.ts",
      "// @ts-expect-error two flavors\n// any of them: any\nconst any = 'as any';",
      [],
    );
  });

  it("finds tests that are left out", () => {
    const bad = ["it.only('a', f);", "describe.skip('b', f);", "test.concurrent.todo('c');", "xit('d', f);"];
    expectLines(checkLeftOutTests, "test/a.test.ts", bad.join("\n"), [1, 2, 3, 4]);
    expectLines(checkLeftOutTests, "test/a.test.ts", "describe.skipIf(lacks('curl'))('e', f);\nit('only', f);", []);
  });
});

describe("files", () => {
  it("must not be long", () => {
    const lines = (count: number): string => "x\n".repeat(count);
    expectLines(checkLengths, "native/a.c", lines(MAX_LINES), []);
    expectLines(checkLengths, "native/a.c", lines(MAX_LINES + 1), [MAX_LINES + 1]);
    expect(findings(checkLengths, "src/mem/a.ts", lines(MEDIAN_LINES))).toEqual(["src:1"]);
    expect(findings(checkLengths, "src/mem/a.ts", lines(MEDIAN_LINES - 1))).toEqual([]);
  });

  it("must not lie about at the top", () => {
    expect(checkTopLevel(["src/a.ts", "package.json", ".ci/run"])).toEqual([]);
    expect(checkTopLevel(["docs/a.md", "docs/b.md", "x.ts"]).map((finding) => finding.split(":")[0])).toEqual([
      "docs",
      "x.ts",
    ]);
  });
});

describe("exports", () => {
  it("are explained", () => {
    const bad = [
      "export const a = 1;",
      "export function b(): void {}",
      "export type C = 1;",
      "export default class D {}",
    ];
    const text = `${bad.join("\n")}\n// not TSDoc\nexport interface E {}\n/** gone */\n\nexport class F {}\n/** */\nexport const g = 1;\n`;
    expectLines(checkDocs, "src/mem/a.ts", text, [1, 2, 3, 4, 6, 9, 11]);
    expectLines(checkDocs, "test/a.ts", text, []);
  });

  it("are explained once when overloaded, and inside a text nothing counts", () => {
    const text =
      "/** Doc. */\nexport function f(x: 1): void;\nexport function f(x: 2): void;\nexport { x } from './x.js';\n";
    expectLines(checkDocs, "src/mem/a.ts", `${text}const s = "export const a = 1;";`, []);
    expectLines(checkDocs, "src/mem/a.ts", 'const s = "/** no */";\n export const a = 1;', [2]);
  });

  it("are made at the declaration", () => {
    const text =
      "export { a };\nexport type { B };\nexport default a;\nexport { c } from './c.js';\nexport * from './d.js';";
    expectLines(checkExportForm, "src/mem/a.ts", text, [1, 2, 3]);
  });
});

describe("the node form", () => {
  const node = (...fields: readonly string[]): string =>
    `export const ip4Input: NodeForm<Host> = {\n${fields.join(",\n")},\n};\n`;
  const name = 'name: "ip4-input"';
  const next = 'next: ["ip4-lookup", "error-drop"]';
  const trace = "trace: { bytes: 20, format: (dv, length) => `${dv.getInt8(0)} ${length}` }";
  const process = "process(host) {\n  const { u8 } = host.window;\n  return (frame, node) => {};\n}";

  it("is kept", () => {
    expectLines(checkNodeForm, "nodes/a.ts", node(name, next, "errors: errors.list", trace, process), []);
    expectLines(checkNodeForm, "nodes/a.ts", node(name, 'kind: "input"', next, "errors: []", "trace", "process"), []);
    const factory = `function make(name: string, isIp4: boolean): NodeForm<Host> {\n  return { name, next, errors, trace, process: isIp4 ? p4 : p6 };\n}\n`;
    expectLines(checkNodeForm, "nodes/a.ts", `${factory}export const a = make("a", true);`, []);
    expectLines(checkNodeForm, "nodes/a.ts", factory, [1]);
    expectLines(checkNodeForm, "nodes/host.ts", "export const a = 1;", []);
  });

  it("is missed", () => {
    expectLines(checkNodeForm, "nodes/a.ts", "export const a = 1;", [1]);
    expectLines(checkNodeForm, "nodes/a.ts", node(name, next, trace, process), [2]);
    expectLines(checkNodeForm, "nodes/a.ts", node(name, "errors: []", next, trace, process), [2]);
    expectLines(checkNodeForm, "nodes/deep/a.ts", node(process, name, next, "errors: []", trace), [2]);
  });
});
