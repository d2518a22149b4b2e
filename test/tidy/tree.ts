import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { scan, type Scan } from "./scan.js";

/** One file of the tree. */
export interface SourceFile {
  /** From the root, with slashes. */
  readonly path: string;
  readonly text: string;
  readonly scan: Scan;
}

/** Makes a file for the rules; tests make theirs with it too. */
export function sourceFile(path: string, text: string): SourceFile {
  return { path, text, scan: scan(text) };
}

/** Every file git knows or would add, with paths from the root. */
export function pathsOf(root: string): string[] {
  const list = execFileSync("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"], { cwd: root });
  const paths = list.toString("utf8").split("\0");
  return [...new Set(paths)].filter((path) => path !== "" && existsSync(join(root, path))).sort();
}

/** The text files among them that people write. */
export function readTree(root: string): SourceFile[] {
  const isSource = /^(?:src|nodes|native|test|bench)\/.*\.(?:ts|mjs|c|h|py|md)$|^[^/]+\.ts$/;
  return pathsOf(root)
    .filter((path) => isSource.test(path))
    .map((path) => sourceFile(path, readFileSync(join(root, path), "utf8")));
}
