import { beforeEach, describe, expect, it } from "vitest";
import { Pair } from "./pair.js";

let pair: Pair;
beforeEach(() => {
  pair = new Pair({ rtBackend: "rule-table" });
});

/** Why a command is refused, without the command's name, which stands before it. */
async function refused(line: string): Promise<string> {
  const text = await pair.fails(line);
  const [name, ...reason] = text.split(": ");
  expect(line.startsWith(name)).toBe(true);
  return reason.join(": ");
}

const json = async (line: string): Promise<unknown> => JSON.parse(await pair.ok(line));
const FLOWS = "10.0.0.1/24 80 9.0.0.0/8 0";
const ADD = `session rule add proto tcp ${FLOWS} action`;

describe("session rule", () => {
  it("adds, overwrites, shows and deletes, by key or by tag", async () => {
    await pair.ok(`${ADD} drop tag one`);
    await pair.ok("session rule add scope local proto udp ::/0 0 2001:db8::/32 53 action allow");
    await pair.ok("session rule add proto udp 0.0.0.0/0 0 9.9.9.9/32 0 action web");
    expect(await pair.ok("show session rules")).toBe(
      [
        "Namespace  Scope   Proto  Local        Port  Remote         Port  Action   Tag",
        "default    global  tcp    10.0.0.0/24  80    9.0.0.0/8      *     drop     one",
        "default    local   udp    ::/0         *     2001:db8::/32  53    allow    -",
        "default    global  udp    0.0.0.0/0    *     9.9.9.9/32     *     app web  -",
      ].join("\n"),
    );
    await pair.ok(`${ADD} allow tag two`);
    expect(await json("show session rules tcp --json")).toEqual([
      {
        namespace: "default",
        scope: "global",
        proto: "tcp",
        local: "10.0.0.0/24",
        localPort: 80,
        remote: "9.0.0.0/8",
        remotePort: 0,
        action: "allow",
        tag: "two",
      },
    ]);
    expect(await refused("session rule del proto tcp tag one")).toBe("no such rule");
    await pair.ok("session rule del proto tcp tag two");
    await pair.ok("session rule del scope local proto udp ::/0 0 2001:db8::/32 53");
    await pair.ok("session rule del proto udp 0.0.0.0/0 0 9.9.9.9/32 0");
    expect(await json("show session rules --json")).toEqual([]);
  });

  it("takes VPP's words: all for both scopes, numbers for actions and applications", async () => {
    for (const [i, action] of ["-2", "-3", "7", "drop"].entries()) {
      await pair.ok(`session rule add scope all proto tcp 0.0.0.0/0 0 9.0.0.0/8 ${i + 1} action ${action}`);
    }
    const rules = (await json("show session rules scope local --json")) as { remotePort: number; action: unknown }[];
    expect(Object.fromEntries(rules.map(({ remotePort, action }) => [remotePort, action]))).toEqual({
      1: "drop",
      2: "allow",
      3: { application: 7 },
      4: "drop",
    });
    expect((await json("show session rules scope both --json")) as unknown[]).toHaveLength(8);
    expect((await json("show session rules scope global --json")) as unknown[]).toHaveLength(4);
  });

  it("in a namespace, whose tables the listing goes by", async () => {
    pair.a.apply({ kind: "table", table: 7, add: true });
    await pair.ok("app ns add id blue ip4-fib-id 7");
    await pair.ok(`${ADD} drop`);
    await pair.ok(`session rule add appns blue scope both proto tcp ${FLOWS} action drop`);
    expect((await json("show session rules --json")) as unknown[]).toHaveLength(3);
    expect(await json("show session rules appns blue --json")).toMatchObject([
      { namespace: "blue", scope: "global" },
      { namespace: "blue", scope: "local" },
    ]);
    await pair.ok(`session rule del appns blue scope all proto tcp ${FLOWS}`);
    expect(await json("show session rules appns blue --json")).toEqual([]);
    expect(await refused("session rule add appns blue proto tcp ::/0 0 ::/0 0 action drop")).toBe("no route (NOROUTE)");
    expect(await refused("session rule add appns red proto tcp ::/0 0 ::/0 0 action drop")).toBe(
      "invalid namespace (INVALID_NS)",
    );
  });

  it.each([
    ["add", "proto is missing"],
    ["add proto", "proto is missing"],
    ["add proto tls", 'proto: not one of tcp, udp: "tls"'],
    ["add proto tcp", "addresses and ports are missing"],
    ["add proto tcp action drop", "addresses and ports are missing"],
    ["add proto tcp 10.0.0.1 80 9.0.0.0/8 0 action drop", 'unknown argument "10.0.0.1"'],
    ["add proto tcp 10.0.0.1/33 80 9.0.0.0/8 0 action drop", 'local address: not ADDRESS/LENGTH: "10.0.0.1/33"'],
    ["add proto tcp 10.0.0.1/8", "local port is missing"],
    ["add proto tcp 10.0.0.1/8 65536", 'local port: not a whole number from 0 to 65535: "65536"'],
    ["add proto tcp 10.0.0.1/8 80", "remote address is missing"],
    ["add proto tcp 10.0.0.1/8 80 x", 'remote address: not ADDRESS/LENGTH: "x"'],
    ["add proto tcp 10.0.0.1/8 80 ::/0 0 action drop", "the two addresses are of different families"],
    ["add proto tcp 10.0.0.1/8 80 9.0.0.0/8 http", 'remote port: not a whole number from 0 to 65535: "http"'],
    [`add proto tcp ${FLOWS}`, "action is missing"],
    [`add proto tcp ${FLOWS} action`, "action is missing"],
    [`add proto tcp ${FLOWS} action -1`, 'action: not drop, allow or an application: "-1"'],
    [`add proto tcp ${FLOWS} action drop now`, 'unknown argument "now"'],
    [`add proto tcp ${FLOWS} action drop tag`, "tag is missing"],
    [`add proto tcp ${FLOWS} action drop tag ${"x".repeat(65)}`, "tag: longer than 64 characters"],
    [`add scope everywhere proto tcp ${FLOWS} action drop`, 'scope: not one of global, local, both: "everywhere"'],
    ["del proto tcp", "addresses and ports, or tag, are missing"],
    ["del tag x", "proto is missing"],
    [`del proto tcp ${FLOWS}`, "no such rule"],
    [`del proto tcp ${FLOWS} action drop`, 'unknown argument "action"'],
  ])("%s: %s", async (words, message) => {
    expect(await refused(`session rule ${words}`)).toBe(message);
  });

  it("names a tag that is taken, and the engine that is off", async () => {
    await pair.ok(`${ADD} drop tag one`);
    expect(await refused("session rule add proto tcp 0.0.0.0/0 0 8.0.0.0/8 0 action drop tag one scope both")).toBe(
      "another rule has that tag",
    );
    await pair.ok("session disable");
    expect(await refused(`${ADD} drop`)).toBe("rules are off: session enable rt-backend rule-table");
    await pair.ok("session enable rt-backend rule-table");
    await pair.ok(`${ADD} drop`);
    expect(await refused("session enable rt-backend none")).toBe("rt-backend rule-table is on");
  });
});

describe("show session rules", () => {
  beforeEach(async () => {
    await pair.ok(`${ADD} drop tag wide`);
    await pair.ok("session rule add proto tcp 10.0.0.0/24 80 9.9.0.0/16 0 action allow tag narrow");
    await pair.ok("session rule add scope local proto tcp 0.0.0.0/0 0 9.0.0.0/8 0 action web");
  });

  it.each([
    ["tcp 10.0.0.7/32 80 9.9.9.9/32 4000", ["narrow"]],
    ["proto tcp 10.0.0.7/32 80 9.8.9.9/32 4000", ["wide"]],
    ["tcp 10.0.0.0/24 80 9.0.0.0/8 0", ["wide"]],
    ["tcp 10.0.0.7/32 81 9.9.9.9/32 4000", []],
    ["udp 10.0.0.7/32 80 9.9.9.9/32 4000", []],
    ["tcp ::1/128 80 ::2/128 4000", []],
    ["tcp 10.0.0.7/32 80 9.9.9.9/32 4000 scope both", ["narrow", undefined]],
    ["tcp 10.0.0.7/32 80 9.9.9.9/32 4000 scope local", [undefined]],
  ])("the one that decides: %s", async (words, tags) => {
    const shown = (await json(`show session rules ${words} --json`)) as { tag?: string }[];
    expect(shown.map(({ tag }) => tag)).toEqual(tags);
  });

  it("shows as many as asked for", async () => {
    expect((await pair.ok("show session rules max 1")).split("\n").at(-1)).toBe("2 more: max N shows them");
    expect(await json("show session rules max 2 --json")).toHaveLength(2);
  });

  it.each([
    ["10.0.0.7/32 80 9.9.9.9/32 4000", "proto is missing"],
    ["proto ftp", 'proto: not one of tcp, udp: "ftp"'],
    ["appns red", 'no namespace "red"'],
    ["tcp appns red 10.0.0.7/32 80 9.9.9.9/32 4000", 'no namespace "red"'],
    ["scope all-of-them", 'scope: not one of global, local, both: "all-of-them"'],
    ["max 0", 'max: not a whole number from 1 to 1000000: "0"'],
    ["tag one", 'unknown argument "tag"'],
  ])("%s: %s", async (words, message) => {
    expect(await refused(`show session rules ${words}`)).toBe(message);
  });
});

it("show session rt-backend: the engine, and what it holds", async () => {
  await pair.ok(`${ADD} drop`);
  expect(await pair.ok("show session rt-backend")).toMatch(/^rt-backend +rule-table\nrules +1 of 16384\nmasks +1\n/);
  expect(await json("show session rt-backend --json")).toEqual({
    backend: "rule-table",
    rules: 1,
    masks: 1,
    rulesRefused: 0,
    masksRefused: 0,
    prefixes: 0,
    prefixesRefused: 0,
    prefixBytes: 0,
  });
  await pair.ok("session disable");
  expect(await json("show session rt-backend --json")).toMatchObject({ backend: "none", rules: 0 });
});
