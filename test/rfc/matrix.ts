import { lineAt } from "../tidy/scan.js";
import type { SourceFile } from "../tidy/tree.js";

/** Fulfilled and proved by tests; not yet; deliberately not, where a test may prove what happens instead. */
type Status = "met" | "later" | "no";

/** A place in the source that a requirement lives in. */
interface Place {
  readonly path: string;
  /** Function, method, class or interface there. */
  readonly name: string;
}

/** One requirement: a row of a table in this folder. */
export interface Requirement {
  readonly id: string;
  readonly level: string;
  readonly text: string;
  readonly source: string;
  readonly status: Status;
  readonly where: readonly Place[];
  readonly note: string;
}

/** A test whose title names requirements: `… [MUST-14, SHLD-5]`. */
export interface Proof {
  readonly ids: readonly string[];
  /** Without the ids. */
  readonly title: string;
  readonly path: string;
  readonly line: number;
}

const COLUMNS = "id level requirement source status where note".split(" ");

/** Reads a table: tab-separated, one heading line, - for an empty cell. Throws on a row that is not whole. */
export function readTable(text: string): Requirement[] {
  const [heading, ...lines] = text.replace(/\n$/, "").split("\n");
  if (heading !== COLUMNS.join("\t")) throw new Error(`columns are to be ${COLUMNS.join(" ")}`);
  return lines.map((line) => {
    const cells = line.split("\t").map((each) => (each === "-" ? "" : each));
    const [id, level, requirement, source, status, where, note] = cells;
    const isStatus = status === "met" || status === "later" || status === "no";
    if (cells.length !== COLUMNS.length || !isStatus) throw new Error(`row is not whole: ${line}`);
    const places = where.split(";").flatMap((each) => {
      const [path, name = ""] = each.trim().split(" ");
      return path === "" ? [] : [{ path, name }];
    });
    return { id, level, text: requirement, source, status, where: places, note };
  });
}

/** An id of the tables: letters (and an RFC's number), dashes, a number or a name. */
const ID = /(?<![\w-])(?:MUST|SHLD|MAY|REC|SEGARR|R\d{4}|SACK|RACK|CUBIC)-[A-Z0-9]+(?:-[A-Z0-9]+)*/g;
const TAG = / ?\[((?:[A-Z]+\d*-[A-Z0-9-]+(?:, )?)+)\]/g;

/** Tests of a file whose titles name requirements. Throws on ids in a string that is no test's title. */
export function proofsOf(file: SourceFile): Proof[] {
  const { text, code } = file.scan;
  const proofs: Proof[] = [];
  for (const match of code.matchAll(/(["'`])[^"'`]*\1/g)) {
    const title = text.slice(match.index + 1, match.index + match[0].length - 1);
    const tags = [...title.matchAll(TAG)];
    if (tags.length === 0) continue;
    const line = lineAt(text, match.index);
    if (!isTitle(file, match.index)) throw new Error(`${file.path}:${line} a tag in a string that is no test's title`);
    const ids = tags.flatMap(([, list]) => list.split(", "));
    proofs.push({ ids, title: title.replaceAll(TAG, ""), path: file.path, line });
  }
  return proofs;
}

/** Whether the string at `offset` is the first argument of it(…), test(…) or it.each(…)(…). */
function isTitle({ scan: { code, depth } }: SourceFile, offset: number): boolean {
  let at = offset - 1;
  while (/\s/.test(code.charAt(at))) at--;
  if (code[at] !== "(") return false;
  at--;
  while (code[at] === ")") {
    const level = depth[at];
    do at--;
    while (at > 0 && !(code[at] === "(" && depth[at] === level));
    at--;
  }
  return /(?<![\w$.])(?:it|test)(?:\s*\.\s*\w+)*$/.test(code.slice(Math.max(0, at - 40), at + 1));
}

/** Whether a source declares a function, method, class, interface or constant of the name. */
function declares({ scan: { code } }: SourceFile, name: string): boolean {
  const declaration = String.raw`(?:function\*?|class|interface|const)\s+${name}(?![\w$])`;
  const method = String.raw`^\s+(?:(?:async|static|override|get)\s+)*#?${name}\s*\([^;]*$`;
  return new RegExp(`${declaration}|${method}`, "m").test(code);
}

/** What is wrong with the tables, given all files of the tree. */
export function problemsOf(
  requirements: readonly Requirement[],
  proofs: readonly Proof[],
  files: readonly SourceFile[],
): string[] {
  const found: string[] = [];
  const byId = new Map(requirements.map((each) => [each.id, each]));
  if (byId.size !== requirements.length) found.push("an id stands in the tables twice");
  const byPath = new Map(files.map((file) => [file.path, file]));
  for (const { ids, path, line } of proofs) {
    for (const id of ids) if (!byId.has(id)) found.push(`${path}:${line} names ${id}, which no table has`);
  }
  for (const { id, level, status, where, note } of requirements) {
    const isProved = proofs.some(({ ids }) => ids.includes(id));
    if (status === "met" && !isProved) found.push(`${id} has no test: no title carries [${id}]`);
    if (status === "met" && where.length === 0) found.push(`${id} lives nowhere`);
    if (status === "later" && isProved) found.push(`${id} is for later, but has a test`);
    if (status !== "met" && note === "") found.push(`${id} is ${status} without a reason`);
    // Even one that is deliberately not fulfilled has behaviour to be proved.
    if (status === "no" && level.startsWith("MUST") && !isProved)
      found.push(`${id} has no test of what happens instead`);
    for (const { path, name } of where) {
      const file = byPath.get(path);
      if (file === undefined) found.push(`${id} names ${path}, which is not there`);
      else if (!declares(file, name)) found.push(`${id} names ${name}, which ${path} does not declare`);
    }
  }
  return found;
}

const cell = (text: string): string => text.replaceAll("|", String.raw`\|`).replaceAll("<", "&lt;");

function placesText(where: readonly Place[]): string {
  return where.map(({ path, name }) => `[${path.split("/").at(-1) ?? path}](../${path}) ${name}`).join("<br>");
}

function proofsText(id: string, proofs: readonly Proof[]): string {
  return proofs
    .filter(({ ids }) => ids.includes(id))
    .map(({ title, path }) => {
      const name = path.split("/").at(-1)?.replace(".test.ts", "") ?? path;
      return `[${name}](${path.replace("test/", "")}): ${cell(title)}`;
    })
    .join("<br>");
}

const STATUS_WORDS: Readonly<Record<Status, string>> = { met: "", later: "**later**: ", no: "**deliberately not**: " };

function section(title: string, requirements: readonly Requirement[], proofs: readonly Proof[]): string[] {
  const count = (status: Status): number => requirements.filter((each) => each.status === status).length;
  const counts = `${requirements.length} requirements: ${count("met")} met, ${count("later")} later, ${count("no")} deliberately not.`;
  const rows = requirements.map(({ id, level, text, source, status, where, note }) => {
    const remark = `${STATUS_WORDS[status]}${cell(note)}`;
    const proof = [remark, proofsText(id, proofs)].filter((part) => part !== "").join("<br>");
    const isInId = id.startsWith(level.slice(0, 3));
    const name = isInId && level !== "MUST NOT" ? id : `${id} (${level})`;
    return `| ${name} | ${cell(text)}<br>${cell(source)} | ${placesText(where)} | ${proof} |`;
  });
  return [
    `## ${title}`,
    "",
    counts,
    "",
    "| id | requirement | where | proved by |",
    "| --- | --- | --- | --- |",
    ...rows,
    "",
  ];
}

/** The page: every requirement with its places and tests. */
export function renderMatrix(
  own: readonly Requirement[],
  others: readonly Requirement[],
  proofs: readonly Proof[],
): string {
  const isMust = ({ id }: Requirement): boolean => id.startsWith("MUST-");
  return [
    "# TCP: what the RFCs ask, where it is done, what proves it",
    "",
    "Generated from the tables in [rfc/](rfc/) and the titles of the tests, which name what they prove: `[MUST-14]`. A test compares",
    "this page with what they say; `npx vitest run test/rfc --update` writes it anew. A requirement without a test is not met.",
    "",
    ...section("RFC 9293: MUST", own.filter(isMust), proofs),
    ...section(
      "RFC 9293: SHOULD, MAY, and the arrival of segments",
      own.filter((each) => !isMust(each)),
      proofs,
    ),
    ...section("RFC 5961, 6298, 5681, 2018 and its kin, 8985, 9438, 7323, 6691", others, proofs),
  ].join("\n");
}

/** Ids named anywhere in a text. */
export function idsIn(text: string): string[] {
  return text.match(ID) ?? [];
}
