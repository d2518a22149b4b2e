import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { readTree, sourceFile } from "../tidy/tree.js";
import { idsIn, problemsOf, proofsOf, readTable, renderMatrix } from "./matrix.js";

const ROOT = join(import.meta.dirname, "../..");
const HERE = "test/rfc/matrix.test.ts";
const table = (name: string): string => readFileSync(join(import.meta.dirname, name), "utf8");

describe("requirements of TCP", () => {
  const own = readTable(table("rfc9293.tsv"));
  const others = readTable(table("rfc-others.tsv"));
  const files = readTree(ROOT);
  const tests = files.filter(({ path }) => path.endsWith(".test.ts") && path !== HERE);

  it("are all there: the 69 MUSTs of RFC 9293", () => {
    const musts = own.map(({ id }) => id).filter((id) => id.startsWith("MUST-"));
    expect(musts).toEqual(Array.from({ length: 69 }, (_, i) => `MUST-${i + 1}`));
  });

  it("are where the tables say, and proved by the tests that name them", () => {
    expect(problemsOf([...own, ...others], tests.flatMap(proofsOf), files)).toEqual([]);
  });

  it("are named in the source only if they exist", () => {
    const known = new Set([...own, ...others].map(({ id }) => id));
    const sources = files.filter(({ path }) => /^(?:src|nodes)\//.test(path));
    const unknown = sources.flatMap(({ path, scan }) =>
      idsIn(scan.comments).flatMap((id) => (known.has(id) ? [] : [`${path} ${id}`])),
    );
    expect(unknown).toEqual([]);
  });

  it("make the page test/rfc9293.md (--update writes it)", async () => {
    await expect(renderMatrix(own, others, tests.flatMap(proofsOf))).toMatchFileSnapshot("../rfc9293.md");
  });
});

describe("the check of the tables", () => {
  const HEADING = "id\tlevel\trequirement\tsource\tstatus\twhere\tnote";
  const source = sourceFile("src/a.ts", "export function f() {}\nclass C {\n  #g(x) {\n    h();\n  }\n}\n");
  const problems = (row: string, test = "", level = "MUST"): string[] => {
    const requirements = readTable(`${HEADING}\nMUST-1\t${level}\ttext\tRFC 9293\t${row}\n`);
    return problemsOf(requirements, proofsOf(sourceFile("test/a.test.ts", test)), [source]);
  };

  it("finds what is not proved, not where it is said to be, or not known", () => {
    expect(problems("met\tsrc/a.ts f; src/a.ts g\t", 'it("x [MUST-1]", () => {});')).toEqual([]);
    expect(problems("met\tsrc/a.ts f\t")).toEqual(["MUST-1 has no test: no title carries [MUST-1]"]);
    expect(problems("met\tsrc/a.ts h; src/b.ts f\t", 'it("[MUST-1]", x);')).toEqual([
      "MUST-1 names h, which src/a.ts does not declare",
      "MUST-1 names src/b.ts, which is not there",
    ]);
    expect(problems("met\t\t", 'test("x [MUST-1, MUST-2]", x);')).toEqual([
      "test/a.test.ts:1 names MUST-2, which no table has",
      "MUST-1 lives nowhere",
    ]);
  });

  it("wants a reason for what is not met, and a test of what happens instead of a MUST", () => {
    expect(problems("later\t\t")).toEqual(["MUST-1 is later without a reason"]);
    expect(problems("later\t\tsoon", 'it("[MUST-1]", x);')).toEqual(["MUST-1 is for later, but has a test"]);
    expect(problems("no\t\tbad idea")).toEqual(["MUST-1 has no test of what happens instead"]);
    expect(problems("no\t\tbad idea", "", "MAY")).toEqual([]);
    expect(() => readTable(`${HEADING}\nMUST-1\tMUST\n`)).toThrow("not whole");
    expect(() => readTable("id\tlevel\n")).toThrow("columns");
  });

  it("takes ids from titles of tests alone, with each() too, and from no comment", () => {
    const text = [
      'it.each([[1, ")("]])("a %i [MUST-1]", f);',
      'describe.each(X)("d", () => { test.each(Y)(\n  `b [SHLD-2, R5961-3]`, f); });',
      "// it('c [MUST-9]')",
      'it("d (MUST-4), e[0]", f);',
    ].join("\n");
    const found = proofsOf(sourceFile("test/a.test.ts", text));
    expect(found.map(({ ids, title, line }) => [ids.join(), title, line])).toEqual([
      ["MUST-1", "a %i", 1],
      ["SHLD-2,R5961-3", "b", 3],
    ]);
    const stray = 'it("e", () => expect("[MUST-1]").toBe(1));';
    expect(() => proofsOf(sourceFile("test/a.test.ts", stray))).toThrow("test/a.test.ts:1 a tag in a string");
    const group = 'describe("e [MUST-1]", () => {});';
    expect(() => proofsOf(sourceFile("test/a.test.ts", group))).toThrow("no test's title");
  });
});
