import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { COMMANDS } from "../../src/cli/commands/all.js";
import { findCommand } from "../../src/cli/find-command.js";
import { parseConfigText, resolveConfig } from "../../src/host/config.js";

const README = readFileSync(join(import.meta.dirname, "..", "..", "README.md"), "utf8");

/** The texts of fenced blocks. */
function blocks(language: string): string[] {
  return [...README.matchAll(new RegExp(`\`\`\`${language}\n(.*?)\`\`\``, "gs"))].map(([, text]) => text);
}

describe("the README", () => {
  it("shows configurations that are right", async () => {
    const texts = blocks("yaml");
    const configs = await Promise.all(
      texts.map(async (text) => resolveConfig(await parseConfigText(text, "README.md"), "file")),
    );
    expect(configs.map(({ interfaces }) => interfaces[0].netns)).toEqual(["lab", "sandbox"]);
    expect(configs.map(({ apps }) => apps.map(({ kind }) => kind))).toEqual([["http", "echo"], ["proxy"]]);
  });

  it("names commands that there are", () => {
    const start = README.indexOf("    show interface [addr]");
    const lines = README.slice(start, README.indexOf("\n\n", start)).split("\n");
    // "set interface state|mtu|table …" stands for three.
    const shown = lines.flatMap((line) => line.trim().split(/ {3}/)).flatMap(alternatives);
    expect(shown.length).toBeGreaterThan(25);
    for (const words of shown) expect(() => findCommand(COMMANDS, words)).not.toThrow();
  });
});

function alternatives(text: string): string[][] {
  const words = text
    .replaceAll(/\[.*$|…/g, "")
    .split(" ")
    .filter(Boolean);
  const at = words.findIndex((word) => word.includes("|"));
  if (at < 0) return [words];
  return words[at].split("|").map((word) => [...words.slice(0, at), word]);
}
