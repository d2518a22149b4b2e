import { isCore } from "./floors.js";
import { lineAt, type Scan } from "./scan.js";
import type { SourceFile } from "./tree.js";

/** A pattern, searched in the code alone or in the comments alone, and what is wrong with it. */
interface Ban {
  readonly pattern: RegExp;
  readonly say: (found: string) => string;
}

const GLOBALS =
  "Date|performance|setTimeout|setInterval|setImmediate|clearTimeout|clearInterval|clearImmediate|queueMicrotask|" +
  "crypto|Buffer|console|globalThis|structuredClone|WeakRef|FinalizationRegistry|Intl|fetch|eval";

/** Correctly rounded or exact on every machine; all others may differ in the last bit. */
const EXACT_MATH = "abs|ceil|clz32|floor|fround|imul|max|min|round|sign|sqrt|trunc";

const CORE_BANS: readonly Ban[] = [
  {
    // Not a member, not a property's name, not a method or parameter of that name.
    pattern: new RegExp(String.raw`(?<![\w$.#"'])(?:${GLOBALS})(?![\w$"'])(?!\s*\??\s*:)`, "g"),
    say: (found) => `the core has no ${found}: time, randomness and devices come in by argument`,
  },
  {
    pattern: /(?<![\w$.])process\s*(?:\?\.|\.|\[)/g,
    say: () => "the core has no process",
  },
  {
    pattern: new RegExp(
      String.raw`(?<![\w$.])Math\s*(?:\.\s*(?!(?:${EXACT_MATH}|[A-Z][A-Z0-9_]*)(?![\w$]))[\w$]+|\[)`,
      "g",
    ),
    say: (found) => `${found} is banned: random, or not the same on every machine`,
  },
  {
    pattern: /(?<![\w$.])(?:const|let|var)\s*\{[^}]*\}\s*=\s*Math(?![\w$.])/g,
    say: () => "take Math's functions by name, Math.floor",
  },
  {
    pattern: /(?<!(?<![\w$.])[\d_.]+\s*)\*\*=?|\*\*=?(?!\s*[\d_]+(?![\w$.]))/g,
    say: () => "** on what is not a constant differs between machines",
  },
];

function apply(file: SourceFile, where: string, { pattern, say }: Ban): string[] {
  return [...where.matchAll(pattern)].map(
    (match) => `${file.path}:${lineAt(file.text, match.index)} ${say(match[0].replaceAll(/\s+/g, ""))}`,
  );
}

/** Globals of the machine and functions that are not the same on every machine, used in the core. */
export function checkCoreBans(files: readonly SourceFile[]): string[] {
  const core = files.filter((file) => isCore(file.path) && file.path.endsWith(".ts"));
  return core.flatMap((file) => CORE_BANS.flatMap((ban) => apply(file, file.scan.code, ban)));
}

/** A whole initializer that makes a collection or a view, contents blanked. */
const STATEFUL =
  /=\s*new\s+(?:Map|Set|WeakMap|WeakSet|ArrayBuffer|SharedArrayBuffer|DataView|\w*Array)(?:<.*>)?(?:\(\s*\)?)?\s*$/s;

/** An initializer that only makes sense when something is put in later. */
const EMPTY = /=\s*(?:\[\s*\]|\{\s*\})\s*$/;

/** State and views of a module, which two stacks in one process would share. */
export function checkModuleState(files: readonly SourceFile[]): string[] {
  const found: string[] = [];
  for (const file of files) {
    if (!isCore(file.path) || !file.path.endsWith(".ts")) continue;
    const { code, depth, text } = file.scan;
    for (const match of code.matchAll(/(?<![\w$.])(?:export\s+)?(let|var|const)\s[^;]*/g)) {
      if ((depth[match.index] ?? 0) !== 0) continue;
      const where = `${file.path}:${lineAt(text, match.index)}`;
      const outline = topLevelOnly(match[0], depth.subarray(match.index));
      if (match[1] !== "const") found.push(`${where} module-level ${match[1]}: a stack owns its state`);
      else if (EMPTY.test(match[0])) found.push(`${where} module-level collection, empty: a stack owns its state`);
      else if (STATEFUL.test(outline) && !/^[^=]*:\s*Readonly(?:Map|Set)\b/.test(outline)) {
        found.push(`${where} module-level view or collection: make it per stack, or a ReadonlyMap or ReadonlySet`);
      }
    }
  }
  return found;
}

/** Blanks what is nested, so that a function's own locals are not taken for the module's. */
function topLevelOnly(code: string, depth: Int16Array): string {
  return code.replaceAll(/[\s\S]/g, (c, i: number) => (depth[i] === 0 ? c : " "));
}

const EVERYWHERE: readonly Ban[] = [
  {
    pattern: /(?:[:<|&]|=>|(?<![\w$.])(?:as|extends|satisfies))\s*any(?![\w$])(?!\s*[(:.?])/g,
    say: () => "any: say what it is, or unknown",
  },
  { pattern: /(?<![\w$.])any\[\]/g, say: () => "any[]: say what it is, or unknown" },
  { pattern: /(?<![\w$.])as\s+unknown\s+as(?![\w$])/g, say: () => "as unknown as: the types are wrong, mend them" },
];

/** Ways around the type checker. */
export function checkTypeEscapes(files: readonly SourceFile[]): string[] {
  const found: string[] = [];
  for (const file of files) {
    if (!/\.(?:ts|mjs)$/.test(file.path)) continue;
    if (file.path.endsWith(".ts")) found.push(...EVERYWHERE.flatMap((ban) => apply(file, file.scan.code, ban)));
    // Tests may expect a type error: that is how a flavor is shown to hold.
    const comments = file.path.startsWith("test/") ? /@ts-(?:ignore|nocheck)/g : /@ts-(?:ignore|nocheck|expect-error)/g;
    found.push(...apply(file, file.scan.comments, { pattern: comments, say: (word) => `${word}: mend the types` }));
  }
  return found;
}

const LEFT_OUT: Ban = {
  pattern:
    /(?<![\w$.])(?:(?:it|test|describe|suite|bench)(?:\s*\.\s*\w+)*?\s*\.\s*(?:only|skip|todo|fails)|xit|xdescribe|fit|fdescribe)(?![\w$])/g,
  say: (found) => `${found}: every test runs (skipIf(lacks("program")) for a missing peer program)`,
};

/** Tests that are left out, or that leave the others out. */
export function checkLeftOutTests(files: readonly SourceFile[]): string[] {
  return files
    .filter((file) => file.path.endsWith(".test.ts"))
    .flatMap((file) => apply(file, file.scan.code, LEFT_OUT));
}

/** Lines a file may have. */
export const MAX_LINES = 800;

/** Lines half of the house's files stay under. */
export const MEDIAN_LINES = 200;

function linesOf(file: SourceFile): number {
  return file.text.split("\n").length - (file.text.endsWith("\n") ? 1 : 0);
}

/** Files that are too long, and a house of long files. */
export function checkLengths(files: readonly SourceFile[]): string[] {
  const long = files
    .filter((file) => linesOf(file) > MAX_LINES)
    .map((file) => `${file.path}:${MAX_LINES + 1} has ${linesOf(file)} lines, more than ${MAX_LINES}`);
  const lengths = files.filter((file) => /^(?:src|nodes)\/.*\.ts$/.test(file.path)).map(linesOf);
  const median = lengths.sort((a, b) => a - b)[lengths.length >> 1] ?? 0;
  if (median >= MEDIAN_LINES) long.push(`src:1 half of the files have ${median} lines or more`);
  return long;
}

const EXPORTED =
  /(?<![\w$.])export\s+(?:default\s+)?(?:declare\s+)?(?:abstract\s+)?(?:async\s+)?(const|let|var|function\s*\*?|class|interface|type|enum|namespace)\s+([\w$]+)/g;

/** Exports that no TSDoc comment precedes directly. Re-exports are told where they are declared; overloads once. */
export function checkDocs(files: readonly SourceFile[]): string[] {
  const found: string[] = [];
  for (const file of files) {
    if (!/^(?:src|nodes)\/.*\.ts$/.test(file.path)) continue;
    const { code, depth, text } = file.scan;
    let before = "";
    for (const match of code.matchAll(EXPORTED)) {
      if ((depth[match.index] ?? 0) !== 0) continue;
      const [, kind = "", name = ""] = match;
      const isOverload = kind.startsWith("function") && name === before;
      before = kind.startsWith("function") ? name : "";
      if (!isOverload && !hasDocBefore(file.scan, match.index)) {
        found.push(`${file.path}:${lineAt(text, match.index)} ${name} is exported without a TSDoc comment`);
      }
    }
  }
  return found;
}

const EXPORTS_LATER =
  /(?<![\w$.])export\s+(?:default\s+(?!(?:abstract\s+)?class|(?:async\s+)?function)|(?:type\s+)?\{[^}]*\}(?!\s*from))/g;

/** Exports apart from their declaration, where no comment would be looked for. */
export function checkExportForm(files: readonly SourceFile[]): string[] {
  return files
    .filter((file) => /^(?:src|nodes)\/.*\.ts$/.test(file.path))
    .flatMap((file) => apply(file, file.scan.code, { pattern: EXPORTS_LATER, say: () => "export at the declaration" }));
}

function hasDocBefore({ text, comments }: Scan, offset: number): boolean {
  const before = text.slice(0, offset);
  const gap = /\*\/[ \t]*\n?[ \t]*$/.exec(before);
  if (gap === null || comments[gap.index] !== "*") return false;
  const open = before.lastIndexOf("/*");
  return before.startsWith("/**", open) && /\w/.test(before.slice(open, gap.index));
}

const ALLOWED_AT_TOP: ReadonlySet<string> = new Set(
  [
    "native src nodes pcaps test bench .ci .github",
    "package.json package-lock.json tsconfig.json tsconfig.build.json tsconfig.core.json vitest.config.ts",
    "biome.json .oxlintrc.json .editorconfig .gitattributes .gitignore .npmrc",
    "LICENSE NOTICE README.md ARCHITECTURE.md CHANGELOG.md CONTRIBUTING.md SECURITY.md",
  ].flatMap((names) => names.split(" ")),
);

/** Entries at the top of the tree that the house's plan does not have. */
export function checkTopLevel(paths: readonly string[]): string[] {
  const top = new Set(paths.map((path) => path.split("/")[0] ?? ""));
  return [...top]
    .filter((name) => !ALLOWED_AT_TOP.has(name))
    .map((name) => `${name}:1 does not belong at the top level`);
}
