import fc from "fast-check";
import { beforeEach, describe, expect, test } from "vitest";
import { formatPrefix, parseAddress } from "../../src/ip/address.js";
import { MemoryWindow } from "../../src/mem/window.js";
import { SeededRandom } from "../../src/random/seeded.js";
import { type RuleKey, ruleKey, type RuleProto } from "../../src/session/rule-record.js";
import { R_ACTION, R_OWNER, type RuleLimits, RuleTable } from "../../src/session/rule-table.js";
import { RuleTuples, T_ID, T_RANK, TUPLE_WORDS, tupleRank } from "../../src/session/rule-tuples.js";

/** As expect, for loops that run a hundred thousand times. */
function failIf(isWrong: boolean, what: string): void {
  if (isWrong) throw new Error(what);
}

/** A rule table whose rules and flows are given as text. */
class Rules {
  readonly window = MemoryWindow.plain(4 << 20);
  readonly table: RuleTable;

  constructor(limits: Partial<RuleLimits> = {}, seed = 1) {
    this.table = new RuleTable(this.window, new SeededRandom(seed), { rules: 10_000, masks: 64, ...limits });
  }

  /** Adds a rule, or overwrites it. */
  add(key: RuleKey, action: number, table = 0): void {
    const known = this.table.exact(table, key);
    if (known >= 0) this.table.remove(known);
    this.table.add(table, key, action, 0);
  }

  /** Deletes a rule. False when it is not there. */
  del(key: RuleKey, table = 0): boolean {
    const known = this.table.exact(table, key);
    if (known >= 0) this.table.remove(known);
    return known >= 0;
  }

  action(rule: number): number {
    return rule < 0 ? -1 : this.window.i32[this.table.row(rule) + R_ACTION];
  }

  /** The action for a flow, -1 when there is none. */
  decide(local: string, localPort: number, remote: string, remotePort: number, table = 0, proto = 0): number {
    const lcl = parseAddress(local);
    const [l0, l1, l2, l3] = lcl.words;
    const [r0, r1, r2, r3] = parseAddress(remote).words;
    const ports = (localPort << 16) | remotePort;
    return this.action(
      lcl.family === 4
        ? this.table.find4(table, proto, l0, r0, ports)
        : this.table.find6(table, proto, l0, l1, l2, l3, r0, r1, r2, r3, ports),
    );
  }
}

function rule(local: string, localPort: number, remote: string, remotePort: number, proto: RuleProto = "tcp"): RuleKey {
  const key = ruleKey({ proto, local, localPort, remote, remotePort });
  if (key === undefined) throw new Error(`${local} ${localPort} ${remote} ${remotePort}`);
  return key;
}

/** Local prefix and port, remote prefix and port. */
type RuleWords = readonly [local: string, localPort: number, remote: string, remotePort: number];

let rules: Rules;
beforeEach(() => {
  rules = new Rules();
});

// VPP's addresses and prefix lengths, and for IPv6 the same numbers as groups.
describe.each([
  ["ip4", (text: string): string => text, [16, 24]],
  ["ip6", (text: string): string => `2001:db8:${text.replaceAll(".", ":")}::1`, [64, 80]],
] as const)("rule_table (session_test.c), %s", (_name, address, [short, long]) => {
  const at = (
    [local, lclLength, localPort]: readonly [string, number, number],
    [remote, rmtLength, remotePort]: readonly [string, number, number],
  ): RuleKey => rule(`${address(local)}/${lclLength}`, localPort, `${address(remote)}/${rmtLength}`, remotePort);
  const decide = (local: string, localPort: number, remote: string, remotePort: number): number =>
    rules.decide(address(local), localPort, address(remote), remotePort);
  // One is within the shorter, but not the longer prefix of the other; one differs from the other behind both.
  const [near, elsewhere, aside] = [
    ["1.2.3.4", "5.6.7.8"],
    ["1.2.2.4", "5.6.7.9"],
    ["1.3.3.4", "5.6.7.8"],
  ] as const;

  beforeEach(() => {
    rules.add(at(["1.2.3.4", short, 1234], ["5.6.7.8", short, 4321]), 1);
  });

  function addAll(): void {
    rules.add(at(["1.2.3.4", long, 1234], ["5.6.7.8", short, 4321]), 2);
    rules.add(at(["1.2.3.4", long, 1234], ["5.6.7.8", long, 4321]), 3);
    rules.add(at(["2.2.2.2", long, 1234], ["6.6.6.6", short, 4321]), 4);
    rules.add(at(["3.3.3.3", long, 1234], ["7.7.7.7", short, 4321]), 5);
    rules.add(at(["3.3.3.3", long, 1234], ["7.7.7.7", short, 4321]), 6);
  }

  test("add: a rule is found within its prefixes, at its ports", () => {
    expect(decide(near[0], 1234, near[1], 4321)).toBe(1);
    expect(decide(elsewhere[0], 1234, elsewhere[1], 4321)).toBe(1);
    expect(decide(aside[0], 1234, aside[1], 4321)).toBe(-1);
    expect([decide(near[0], 1235, near[1], 4321), decide(near[0], 1234, near[1], 4322)]).toEqual([-1, -1]);
  });

  test("the more specific rule wins, the same key overwrites", () => {
    addAll();
    expect(decide(near[0], 1234, near[1], 4321)).toBe(3);
    expect(decide(elsewhere[0], 1234, elsewhere[1], 4321)).toBe(1);
    expect(decide("3.3.3.3", 1234, "7.7.7.7", 4321)).toBe(6);
    expect(rules.table.entries).toBe(5);
  });

  test("a rule for all ports is less specific than one for the same prefixes and one port", () => {
    addAll();
    // VPP's test wants 7 for the first: its tree finds the one that was added later, which it does not compare with 3.
    rules.add(at(["1.2.3.4", long, 0], ["5.6.7.8", long, 0]), 7);
    expect(decide(near[0], 1234, near[1], 4321)).toBe(3);
    expect(decide(near[0], 1235, near[1], 4321)).toBe(7);
    rules.del(at(["1.2.3.4", long, 0], ["5.6.7.8", long, 0]));
    rules.add(at(["1.2.3.4", short, 0], ["5.6.7.8", short, 0]), 8);
    rules.add(at(["1.2.3.4", long, 1235], ["5.6.7.8", long, 4321]), 9);
    expect(decide(near[0], 1234, near[1], 4321)).toBe(3);
    expect(decide(near[0], 1235, near[1], 4321)).toBe(9);
    expect(decide(near[0], 1235, near[1], 4322)).toBe(8);
  });

  test("deleting a rule keeps the more specific ones, and brings back the less specific one", () => {
    addAll();
    expect(rules.del(at(["1.2.3.4", short, 1234], ["5.6.7.8", short, 4321]))).toBe(true);
    expect(rules.del(at(["1.2.3.4", short, 1234], ["5.6.7.8", short, 4321]))).toBe(false);
    expect(decide(near[0], 1234, near[1], 4321)).toBe(3);
    rules.del(at(["1.2.3.4", long, 1234], ["5.6.7.8", long, 4321]));
    expect(decide(near[0], 1234, near[1], 4321)).toBe(2);
  });
});

describe("order", () => {
  const everything = "0.0.0.0/0";

  test.each([
    [
      "a longer remote prefix before a longer local one",
      ["10.0.0.0/8", 80, everything, 0],
      [everything, 0, "9.0.0.0/8", 0],
    ],
    ["a longer local prefix before ports", [everything, 80, everything, 5], ["10.0.0.0/8", 0, everything, 0]],
    ["the remote port before the local one", [everything, 80, everything, 0], [everything, 0, everything, 5]],
  ] as const)("of masks that cannot be compared: %s", (_what, behind, before) => {
    const orders: readonly (readonly [RuleWords, RuleWords])[] = [
      [behind, before],
      [before, behind],
    ];
    for (const [first, second] of orders) {
      rules = new Rules();
      rules.add(rule(...first), first === before ? 1 : 2);
      rules.add(rule(...second), second === before ? 1 : 2);
      expect(rules.decide("10.1.1.1", 80, "9.9.9.9", 5)).toBe(1);
      expect([...rules.table.all()].map((each) => rules.action(each))).toEqual([1, 2]);
    }
  });

  test("tables, protocols and families keep to themselves", () => {
    rules.add(rule("0.0.0.0/0", 0, "9.0.0.0/8", 0), 1, 0);
    rules.add(rule("0.0.0.0/0", 0, "9.0.0.0/8", 0), 2, 7);
    rules.add(rule("0.0.0.0/0", 0, "9.0.0.0/8", 0, "udp"), 3, 7);
    rules.add(rule("0.0.0.0/0", 0, "9.0.0.0/8", 0), 4, -2);
    rules.add(rule("::/0", 0, "900::/8", 0), 5, 0);
    const flow = ["10.0.0.1", 1, "9.0.0.1", 1] as const;
    expect([0, 7, -2, 1, -3, 1000].map((table) => rules.decide(...flow, table))).toEqual([1, 2, 4, -1, -1, -1]);
    expect([0, 7].map((table) => rules.decide(...flow, table, 1))).toEqual([-1, 3]);
    for (const proto of [2, 3, 4, 5, 6, 7]) {
      for (let table = -10; table < 10; table++) failIf(rules.decide(...flow, table, proto) >= 0, `${table} ${proto}`);
    }
    expect(rules.decide("::1", 1, "900::1", 1)).toBe(5);
    expect(rules.decide("::1", 1, "901::1", 1)).toBe(5);
    expect(rules.decide("::1", 1, "a00::1", 1)).toBe(-1);
  });
});

test("what a row holds comes back: key, table, owner", () => {
  const key = rule("10.1.2.3/20", 65_535, "192.168.0.0/16", 1, "udp");
  const at = rules.table.add(-5, key, 9, 3);
  const { local, remote, ...rest } = rules.table.keyOf(at);
  expect([formatPrefix(local), formatPrefix(remote), rest]).toEqual([
    "10.1.0.0/20",
    "192.168.0.0/16",
    { proto: 1, localPort: 65_535, remotePort: 1 },
  ]);
  expect([rules.table.tableOf(at), rules.window.i32[rules.table.row(at) + R_OWNER]]).toEqual([-5, 3]);
});

test("covering: the rule that decides on all flows of a key", () => {
  rules.add(rule("10.0.0.0/8", 0, "9.0.0.0/8", 0), 1);
  rules.add(rule("10.0.0.0/8", 80, "9.0.0.0/8", 0), 2);
  rules.add(rule("10.0.0.0/8", 80, "9.9.0.0/16", 0), 3);
  const covering = (...flows: Parameters<typeof rule>): number => rules.action(rules.table.covering(0, rule(...flows)));
  expect(covering("10.0.0.0/8", 0, "9.0.0.0/8", 0)).toBe(1);
  expect(covering("10.1.0.0/16", 80, "9.0.0.0/8", 7)).toBe(2);
  expect(covering("10.1.0.0/16", 80, "9.9.9.9/32", 7)).toBe(3);
  expect(covering("10.0.0.0/7", 80, "9.9.9.9/32", 7)).toBe(-1);
  expect(rules.table.covering(1, rule("10.1.0.0/16", 80, "9.9.9.9/32", 7))).toBe(-1);
});

describe("limits", () => {
  test("rules: rows of deleted ones are given again", () => {
    rules = new Rules({ rules: 3 });
    const keys = [1, 2, 3].map((n) => rule("0.0.0.0/0", n, "0.0.0.0/0", 0));
    for (const [i, key] of keys.entries()) rules.add(key, i);
    expect(rules.table.free).toBe(0);
    rules.del(keys[1]);
    expect(rules.table.free).toBe(1);
    rules.add(rule("0.0.0.0/0", 9, "0.0.0.0/0", 0), 9);
    expect([1, 2, 3, 9].map((port) => rules.decide("1.1.1.1", port, "2.2.2.2", 5))).toEqual([0, -1, 2, 9]);
  });

  test("masks: for each table, protocol and family; one that is gone makes room", () => {
    rules = new Rules({ masks: 2 });
    const [a, b, c] = [8, 9, 10].map((length) => rule("0.0.0.0/0", 0, `10.0.0.0/${length}`, 0));
    rules.add(a, 1);
    expect([rules.table.hasMaskRoom(0, b, 0), rules.table.hasMaskRoom(0, b, 1)]).toEqual([true, false]);
    rules.add(b, 2);
    expect(rules.table.masks).toBe(2);
    expect([rules.table.hasMaskRoom(0, c, 0), rules.table.hasMaskRoom(0, b, 0)]).toEqual([false, true]);
    expect([rules.table.hasMaskRoom(1, c, 0), rules.table.hasMask(1, c), rules.table.hasMask(0, b)]).toEqual([
      true,
      false,
      true,
    ]);
    expect(rules.table.hasMaskRoom(0, rule("::/0", 0, "::/7", 0), 0)).toBe(true);
    rules.del(a);
    expect(rules.table.hasMaskRoom(0, c, 0)).toBe(true);
  });
});

test("thousands come and go while tables grow", () => {
  const count = 6000;
  const key = (n: number): RuleKey => rule("0.0.0.0/0", 0, `10.${n >> 8}.${n & 255}.1/32`, 0);
  const decide = (n: number): number => rules.decide("1.1.1.1", 1, `10.${n >> 8}.${n & 255}.1`, 1);
  for (let n = 0; n < count; n++) {
    rules.add(key(n), n);
    failIf(decide(n) !== n || decide(n >> 1) !== n >> 1, `${n} is not there`);
  }
  expect(rules.table.entries).toBe(count);
  for (let n = 0; n < count; n += 2) failIf(!rules.del(key(n)), `${n} could not be deleted`);
  for (let n = 0; n < count; n++) failIf(decide(n) !== (n % 2 === 0 ? -1 : n), `${n} after the deletes`);
  for (let n = 1; n < count; n += 2) rules.del(key(n));
  expect([rules.table.entries, rules.table.masks, [...rules.table.all()].length]).toEqual([0, 0, 0]);
  rules.add(key(1), 1);
  expect([decide(1), decide(3)]).toEqual([1, -1]);
});

// ---- Against a model that looks at every rule ----

interface Model {
  readonly key: RuleKey;
  readonly action: number;
}

/** Whether the first bits of two addresses are the same. */
function agree(a: Int32Array, b: Int32Array, length: number): boolean {
  const bits = (words: Int32Array): string =>
    [...words].map((word) => (word >>> 0).toString(2).padStart(32, "0")).join("");
  return bits(a).slice(0, length) === bits(b).slice(0, length);
}

function matches({ local, remote, localPort, remotePort }: RuleKey, flow: RuleKey): boolean {
  return (
    agree(local.address.words, flow.local.address.words, local.length) &&
    agree(remote.address.words, flow.remote.address.words, remote.length) &&
    [0, flow.localPort].includes(localPort) &&
    [0, flow.remotePort].includes(remotePort)
  );
}

/** What counts, the first first. */
function specificity({ local, remote, localPort, remotePort }: RuleKey): number[] {
  return [remote.length, local.length, Number(remotePort !== 0), Number(localPort !== 0)];
}

function isBefore(a: RuleKey, b: RuleKey): boolean {
  const ours = specificity(a);
  const theirs = specificity(b);
  const at = ours.findIndex((value, i) => value !== theirs[i]);
  return at >= 0 && ours[at] > theirs[at];
}

/** Prefixes that often hold each other: few bits vary, at the ends that their lengths cut. */
const LENGTHS4 = [0, 1, 15, 16, 17, 31, 32];
const LENGTHS6 = [0, 1, 31, 32, 33, 64, 96, 97, 127, 128];
const words4 = fc.constantFrom(0, 1, 0x8000, 0x1_0000, -0x8000_0000).map((word) => Int32Array.of(word, 0, 0, 0));
const words6 = fc
  .tuple(...[0, 1, 2, 3].map(() => fc.constantFrom(0, 1, -0x8000_0000)))
  .map((words) => Int32Array.from(words));
const port = fc.constantFrom(0, 1, 65_535);

function keys(family: 4 | 6, isFlow: boolean): fc.Arbitrary<RuleKey> {
  const bits = family === 4 ? 32 : 128;
  const length = isFlow ? fc.constant(bits) : fc.constantFrom(...(family === 4 ? LENGTHS4 : LENGTHS6));
  const words = family === 4 ? words4 : words6;
  const proto = fc.constantFrom("tcp" as const, "udp" as const);
  return fc
    .tuple(proto, words, length, port, words, length, port)
    .map(([name, l, lclLength, localPort, r, rmtLength, remotePort]) =>
      rule(
        formatPrefix({ address: { family, words: l }, length: lclLength }),
        localPort,
        formatPrefix({ address: { family, words: r }, length: rmtLength }),
        remotePort,
        name,
      ),
    );
}

test.each([4, 6] as const)("any sequence of changes decides as a look at every rule does, IPv%i", (family) => {
  const step = fc.tuple(fc.constantFrom("add", "add", "del"), keys(family, false), fc.nat(99));
  fc.assert(
    fc.property(
      fc.integer(),
      fc.array(step, { maxLength: 120 }),
      fc.array(keys(family, true), { minLength: 30, maxLength: 30 }),
      (seed, steps, flows) => {
        const tested = new Rules({ masks: 1024 }, seed);
        const model = new Map<string, Model>();
        for (const [what, key, action] of steps) {
          const name = JSON.stringify(key);
          if (what === "add") {
            tested.add(key, action);
            model.set(name, { key, action });
          } else failIf(tested.del(key) !== model.delete(name), `delete ${name}`);
          failIf(tested.table.entries !== model.size, "the number of rules");
        }
        for (const flow of flows) {
          let best: Model | undefined;
          for (const each of model.values()) {
            if (each.key.proto !== flow.proto || !matches(each.key, flow)) continue;
            if (best === undefined || isBefore(each.key, best.key)) best = each;
          }
          const { local, remote, localPort, remotePort, proto } = flow;
          const [l, r] = [local, remote].map((prefix) => formatPrefix(prefix).split("/")[0]);
          expect(tested.decide(l, localPort, r, remotePort, 0, proto)).toBe(best?.action ?? -1);
        }
        const listed = [...tested.table.all()].map((each) => JSON.stringify(tested.table.keyOf(each)));
        expect(listed.toSorted()).toEqual([...model.keys()].toSorted());
      },
    ),
    { numRuns: 120, seed: 9 },
  );
});

test("tuples stay in order, each with its own number", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.boolean(), fc.nat(32), fc.nat(32), fc.nat(3)), { maxLength: 60 }), (steps) => {
      const tuples = new RuleTuples(0, 0, 4);
      const model = new Map<number, number>();
      let next = 0;
      for (const [isAdd, rmtLength, lclLength, kind] of steps) {
        const rank = tupleRank(rmtLength, lclLength, (kind & 2) !== 0, (kind & 1) !== 0);
        const at = tuples.find(rank);
        failIf(at >= 0 !== model.has(rank), `find ${rank}`);
        if (isAdd && at < 0) {
          tuples.insert(rank, next, 0);
          model.set(rank, next++);
        } else if (!isAdd && at >= 0) {
          tuples.remove(at);
          model.delete(rank);
        }
      }
      const listed = Array.from({ length: tuples.count }, (_, i) => i * TUPLE_WORDS);
      const ranks = [...model.keys()].toSorted((a, b) => b - a);
      expect(listed.map((at) => tuples.words[at + T_RANK])).toEqual(ranks);
      expect(ranks.map((rank) => tuples.words[tuples.find(rank) + T_ID])).toEqual(ranks.map((rank) => model.get(rank)));
      expect(listed.map((at) => tuples.withId(tuples.words[at + T_ID]))).toEqual(listed);
    }),
    { numRuns: 100, seed: 4 },
  );
});
