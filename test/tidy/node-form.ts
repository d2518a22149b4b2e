import { lineAt, type Scan } from "./scan.js";
import type { SourceFile } from "./tree.js";

/** The fields of a node, in the order every node file has them. */
const FORM = ["name", "next", "errors", "trace", "process"];

/** Files of nodes/ that are not nodes: what nodes may reach, and the list of them all. */
const NOT_NODES = new Set(["nodes/host.ts", "nodes/index.ts"]);

interface Literal {
  readonly offset: number;
  readonly keys: readonly string[];
}

/** Object literals that have a `process` beside a `name`: these are meant as nodes. */
function nodesIn({ code, depth }: Scan): Literal[] {
  const found: Literal[] = [];
  for (const match of code.matchAll(/(?<=\{\s*)(?=[\w$])/g)) {
    const level = depth[match.index] ?? 0;
    let end = match.index;
    while (end < code.length && (depth[end] ?? 0) >= level) end++;
    const keys: string[] = [];
    for (const key of code.slice(match.index, end).matchAll(/(?<=^|,\s*)([\w$]+)\s*(?=[:,(<]|$)/g)) {
      if (depth[match.index + key.index] === level) keys.push(key[1] ?? "");
    }
    if (keys.includes("name") && keys.includes("process")) found.push({ offset: match.index, keys });
  }
  return found;
}

/** Node files without a node, and nodes that lack a field of the form or have them in another order. */
export function checkNodeForm(files: readonly SourceFile[]): string[] {
  const found: string[] = [];
  for (const file of files) {
    if (!/^nodes\/.*\.ts$/.test(file.path) || NOT_NODES.has(file.path)) continue;
    const nodes = nodesIn(file.scan);
    if (nodes.length === 0) found.push(`${file.path}:1 has no node: { ${FORM.join(", ")} }`);
    else if (!/(?<![\w$.])export\s+(?:const|function)\s/.test(file.scan.code))
      found.push(`${file.path}:1 exports no node`);
    for (const { offset, keys } of nodes) {
      const fields = keys.filter((key) => FORM.includes(key)).join(", ");
      if (fields !== FORM.join(", ")) {
        found.push(`${file.path}:${lineAt(file.text, offset)} node with ${fields}: not ${FORM.join(", ")}`);
      }
    }
  }
  return found;
}
