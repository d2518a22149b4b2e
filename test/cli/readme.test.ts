import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { COMMANDS } from "../../src/cli/commands/all.js";
import { findCommand } from "../../src/cli/find-command.js";
import { parseConfigText, resolveConfig } from "../../src/host/config.js";

const README = readFileSync(join(import.meta.dirname, "..", "..", "README.md"), "utf8");

/** The text of a fenced block. */
function block(language: string): string {
  return new RegExp(`\`\`\`${language}\n(.*?)\`\`\``, "s").exec(README)?.[1] ?? "";
}

describe("the README", () => {
  it("shows a configuration that is right", async () => {
    const config = await resolveConfig(await parseConfigText(block("yaml"), "README.md"), "file");
    expect(config.interfaces[0].netns).toBe("lab");
    expect(config.apps.map(({ kind }) => kind)).toEqual(["http", "echo"]);
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
