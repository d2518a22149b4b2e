import { beforeEach, describe, expect, it } from "vitest";
import { Pair } from "./pair.js";

let pair: Pair;
beforeEach(() => {
  pair = new Pair({ rtBackend: "sdl" });
});

/** Why a command is refused, without the command's name, which stands before it. */
async function refused(line: string): Promise<string> {
  const text = await pair.fails(line);
  const [name, ...reason] = text.split(": ");
  expect(line.startsWith(name)).toBe(true);
  return reason.join(": ");
}

const json = async (line: string): Promise<unknown> => JSON.parse(await pair.ok(line));

/** The peer of the connection between the two hosts, 198.18.0.1, leaves a handshake incomplete. */
function fails(): void {
  const { sessions } = pair.a.host;
  sessions.handshakeTimedOut(0, sessions.connectionOf(1));
}

describe("session sdl", () => {
  it("adds, shows, and deletes by prefix or by tag; the longest prefix decides", async () => {
    await pair.ok("session sdl add 203.0.113.77/24 tag net");
    await pair.ok("session sdl add 203.0.113.9/32 action allow");
    await pair.ok("session sdl add action drop 2001:db8:1::/48");
    expect(await pair.ok("show session sdl")).toBe(
      [
        "Table  Namespaces  Remote           Action  Tag",
        "    0  default     203.0.113.0/24   drop    net",
        "    0  default     203.0.113.9/32   allow   -",
        "    0  default     2001:db8:1::/48  drop    -",
      ].join("\n"),
    );
    const deciding = async (peer: string): Promise<unknown> => json(`show session sdl ${peer} --json`);
    expect(await deciding("203.0.113.9")).toMatchObject([{ remote: "203.0.113.9/32", action: "allow" }]);
    expect(await deciding("203.0.113.8")).toMatchObject([{ remote: "203.0.113.0/24", action: "drop" }]);
    expect(await deciding("2001:db8:1::7")).toMatchObject([{ remote: "2001:db8:1::/48" }]);
    expect(await deciding("203.0.114.8")).toEqual([]);
    await pair.ok("session sdl del tag net");
    await pair.ok("session sdl del 2001:db8:1::/48");
    expect(await json("show session sdl --json")).toMatchObject([{ remote: "203.0.113.9/32", tag: null }]);
  });

  it("takes VPP's numbers of actions", async () => {
    for (const [i, action] of ["0", "-2", "-3"].entries())
      await pair.ok(`session sdl add ${i + 1}.0.0.0/8 action ${action}`);
    const shown = (await json("show session sdl --json")) as { remote: string; action: string }[];
    expect(shown.map(({ remote, action }) => `${remote} ${action}`)).toEqual([
      "1.0.0.0/8 drop",
      "2.0.0.0/8 drop",
      "3.0.0.0/8 allow",
    ]);
  });

  it("in a namespace, and those that share its table", async () => {
    pair.a.apply({ kind: "table", table: 7, add: true });
    for (const id of ["blue", "azure"]) await pair.ok(`app ns add id ${id} ip4-fib-id 7`);
    await pair.ok("session sdl add appns blue 9.0.0.0/8");
    await pair.ok("session sdl add 8.0.0.0/8");
    expect(await json("show session sdl appns azure --json")).toMatchObject([
      { table: 7, namespaces: ["blue", "azure"], remote: "9.0.0.0/8" },
    ]);
    expect((await json("show session sdl --json")) as unknown[]).toHaveLength(2);
    expect(await json("show session sdl appns blue 8.0.0.1 --json")).toEqual([]);
    expect(await json("show session sdl 9.0.0.1 --json")).toMatchObject([{ table: 7 }]);
    await pair.ok("session sdl del appns azure 9.0.0.0/8");
    expect(await json("show session sdl appns blue --json")).toEqual([]);
    expect(await refused("session sdl add appns blue 2001:db8::/32")).toBe("no route");
    expect(await refused("session sdl add appns red 9.0.0.0/8")).toBe("invalid namespace");
    expect(await refused("show session sdl appns red")).toBe('no namespace "red"');
  });

  it("lists as many as are asked for, and says how many there are", async () => {
    for (let i = 1; i <= 5; i++) await pair.ok(`session sdl add ${i}.0.0.0/8`);
    const text = await pair.ok("show session sdl max 2");
    expect(text.split("\n").slice(1)).toEqual([
      "    0  default     1.0.0.0/8  drop    -",
      "    0  default     2.0.0.0/8  drop    -",
      "3 more: max N shows them",
    ]);
    expect((await json("show session sdl max 2 --json")) as unknown[]).toHaveLength(2);
  });

  it.each([
    ["session sdl add", "remote address is missing"],
    ["session sdl add appns", "appns is missing"],
    ["session sdl add 9.0.0.0", 'unknown argument "9.0.0.0"'],
    ["session sdl add 9.0.0.0/33", 'remote address: not ADDRESS/LENGTH: "9.0.0.0/33"'],
    ["session sdl add 9.0.0.0/8 action", "action is missing"],
    ["session sdl add 9.0.0.0/8 action 7", 'action: not drop or allow: "7"'],
    ["session sdl add 9.0.0.0/8 action web", 'action: not drop or allow: "web"'],
    ["session sdl add 9.0.0.0/8 tag", "tag is missing"],
    [`session sdl add 9.0.0.0/8 tag ${"x".repeat(65)}`, "tag: longer than 64 characters"],
    ["session sdl add 0.0.0.0/0", "everything"],
    ["session sdl add ::/0", "everything"],
    ["session sdl del", "remote address, or tag, is missing"],
    ["session sdl del 9.0.0.0/8", "no such entry"],
    ["session sdl del tag none", "no such entry"],
    ["session sdl del 9.0.0.0/8 action drop", 'unknown argument "action"'],
    ["show session sdl max 0", 'max: not a whole number from 1 to 1000000: "0"'],
    ["show session sdl summary", 'unknown argument "summary"'],
    ["show session sdl 9.0.0.0/8", 'unknown argument "9.0.0.0/8"'],
    ["auto-sdl enable threshold 0", 'threshold: not a whole number from 1 to 1000000: "0"'],
    ["auto-sdl enable remove-timeout 86401", 'remove-timeout: not a whole number from 1 to 86400: "86401"'],
    ["auto-sdl disable threshold 2", 'unknown argument "threshold"'],
    ["show auto-sdl appns red", 'no namespace "red"'],
  ])("%s: %s", async (line, message) => {
    expect(await refused(line)).toBe(message);
  });

  it("names a tag and a prefix that are taken, and the engine that is off", async () => {
    await pair.ok("session sdl add 9.0.0.0/8 tag t");
    expect(await refused("session sdl add 8.0.0.0/8 tag t")).toBe("another entry has that tag");
    expect(await refused("session sdl add 9.0.0.1/8")).toBe("there is such an entry");
    await pair.ok("session disable");
    const off = "the source deny list is off: session enable rt-backend sdl";
    expect(await refused("session sdl add 9.0.0.0/8")).toBe(off);
    expect(await refused("auto-sdl enable")).toBe(off);
    await pair.ok("session enable rt-backend sdl");
    expect(await json("show session sdl --json")).toEqual([]);
  });

  it("show session rt-backend: how much it holds", async () => {
    await pair.ok("session sdl add 9.0.0.0/8");
    const text = await pair.ok("show session rt-backend");
    expect(text).toMatch(/^rt-backend +sdl$/m);
    expect(text).toMatch(/^prefixes +1 of 131072$/m);
    expect(text).toMatch(/^prefixes refused +0$/m);
    expect(await json("show session rt-backend --json")).toMatchObject({ backend: "sdl", prefixes: 1 });
  });
});

describe("auto-sdl", () => {
  beforeEach(() => pair.connect());

  it("shows peers, and their entries, until their time is over", async () => {
    await pair.ok("auto-sdl enable threshold 2 remove-timeout 10");
    fails();
    pair.run(1_500_000);
    expect(await pair.ok("show auto-sdl")).toBe(
      ["Table  Peer        State    Count  Age s", "    0  198.18.0.1  counted      1  1.5"].join("\n"),
    );
    fails();
    expect(await pair.ok("show auto-sdl 198.18.0.1")).toMatch(/198\.18\.0\.1 +denied +2 +0\.0$/);
    expect(await pair.ok("show session sdl")).toMatch(/198\.18\.0\.1\/32 +drop +\(auto-sdl\)$/);
    expect(await pair.ok("show auto-sdl summary")).toBe(
      [
        "auto-sdl        on",
        "threshold       2",
        "remove timeout  10 s",
        "peers denied    1",
        "peers counted   0",
        "peers evicted   0",
        "peers refused   0",
      ].join("\n"),
    );
    pair.run(10_000_000);
    expect([await json("show auto-sdl --json"), await json("show session sdl --json")]).toEqual([[], []]);
  });

  it("disable deletes its entries, and no others", async () => {
    await pair.ok("auto-sdl enable threshold 1");
    await pair.ok("session sdl add 9.0.0.0/8");
    fails();
    expect((await json("show session sdl --json")) as unknown[]).toHaveLength(2);
    await pair.ok("auto-sdl disable");
    expect(await json("show session sdl --json")).toMatchObject([{ remote: "9.0.0.0/8", automatic: false }]);
    fails();
    expect(await json("show auto-sdl --json")).toEqual([]);
    expect(await json("show auto-sdl summary --json")).toMatchObject({ on: false });
  });
});
