import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { MemoryWindow } from "../../src/mem/window.js";
import { SeededRandom } from "../../src/random/seeded.js";
import { ConnectionRows, ConnectionTable } from "../../src/session/connection-table.js";
import { SessionLookup } from "../../src/session/lookup.js";
import { C_FIB, C_FLAGS, C_LCL, C_PORTS, C_RMT, CF_IP6, CF_USED } from "../../src/transport/transport.js";

const STRIDE = 16;

/** As expect, for loops that run a hundred thousand times. */
function failIf(isWrong: boolean, what: string): void {
  if (isWrong) throw new Error(what);
}

interface Key {
  readonly fib: number;
  readonly lcl: readonly number[];
  readonly rmt: readonly number[];
  readonly ports: number;
}

/** Tables over rows of two make-believe transports, 0 and 1. */
class Tables {
  readonly window: MemoryWindow;
  readonly lookup: SessionLookup;
  readonly bases: number[];

  constructor(capacity: number, seed = 1, bytes = 64 << 20) {
    this.window = MemoryWindow.plain(bytes);
    const limits = { connections: 2 * capacity, halfOpens: capacity, listeners: 64 };
    this.lookup = new SessionLookup(this.window, new SeededRandom(seed), limits);
    this.bases = [0, 1].map((proto) => {
      const base = this.window.reserve(`rows ${proto}`, capacity * STRIDE * 4) >> 2;
      this.lookup.registerRows(proto, { base, stride: STRIDE });
      return base;
    });
  }

  set(proto: number, c: number, { fib, lcl, rmt, ports }: Key): void {
    const { i32 } = this.window;
    const r = this.bases[proto] + c * STRIDE;
    i32[r + C_FLAGS] = lcl.length === 4 ? CF_USED | CF_IP6 : CF_USED;
    i32[r + C_FIB] = fib;
    i32[r + C_PORTS] = ports;
    i32.set(lcl, r + C_LCL);
    i32.set(rmt, r + C_RMT);
  }

  find(proto: number, { fib, lcl: l, rmt: r, ports }: Key, isHalfOpen = false): number {
    const { lookup } = this;
    if (l.length === 1) {
      const hash = lookup.hash4(l[0], r[0], ports);
      lookup.touch4(fib, hash);
      return isHalfOpen
        ? lookup.halfOpen4(fib, proto, l[0], r[0], ports, hash)
        : lookup.established4(fib, proto, l[0], r[0], ports, hash);
    }
    const hash = lookup.hash6(l[0], l[1], l[2], l[3], r[0], r[1], r[2], r[3], ports);
    lookup.touch6(fib, hash);
    return isHalfOpen
      ? lookup.halfOpen6(fib, proto, l[0], l[1], l[2], l[3], r[0], r[1], r[2], r[3], ports, hash)
      : lookup.established6(fib, proto, l[0], l[1], l[2], l[3], r[0], r[1], r[2], r[3], ports, hash);
  }
}

const key4 = (n: number): Key => ({
  fib: 0,
  lcl: [0x0a000001],
  rmt: [0x0a010000 | (n >>> 16)],
  ports: (80 << 16) | (n & 0xffff),
});
const key6 = (n: number): Key => ({
  fib: 0,
  lcl: [0x20010db8, 0, 0, 1],
  rmt: [0x20010db8, n >>> 16, 0, 2],
  ports: (80 << 16) | (n & 0xffff),
});

describe.each([
  ["ip4", key4],
  ["ip6", key6],
])("%s", (_family, key) => {
  test("100,000 connections are found, deleted and no longer found", () => {
    const count = 100_000;
    const tables = new Tables(count);
    const { lookup } = tables;
    for (let c = 0; c < count; c++) {
      tables.set(0, c, key(c));
      failIf(!lookup.addEstablished(0, c), `connection ${c} was refused`);
    }
    for (let c = 0; c < count; c++) failIf(tables.find(0, key(c)) !== c, `connection ${c} is lost`);
    expect(tables.find(0, key(count))).toBe(-1);
    for (let c = 0; c < count; c += 2) failIf(!lookup.delEstablished(0, c), `connection ${c} was not there`);
    for (let c = 0; c < count; c++) {
      failIf(tables.find(0, key(c)) !== (c % 2 === 0 ? -1 : c), `connection ${c} after deletion`);
    }
    const { established4, established6 } = lookup.counts();
    expect(established4 + established6).toBe(count / 2);
  });

  test("protocols, FIBs, and half-open against established keep apart", () => {
    const tables = new Tables(16);
    const { lookup } = tables;
    tables.set(0, 3, key(7));
    tables.set(1, 4, key(7));
    tables.set(0, 5, { ...key(7), fib: 9 });
    expect([lookup.addEstablished(0, 3), lookup.addEstablished(1, 4), lookup.addEstablished(0, 5)]).toEqual([
      true,
      true,
      true,
    ]);
    expect(tables.find(0, key(7))).toBe(3);
    expect(tables.find(1, key(7))).toBe(4);
    expect(tables.find(0, { ...key(7), fib: 9 })).toBe(5);
    expect(tables.find(1, { ...key(7), fib: 9 })).toBe(-1);
    expect(tables.find(0, key(7), true)).toBe(-1);
    expect(lookup.addHalfOpen(0, 3)).toBe(true);
    expect(tables.find(0, key(7), true)).toBe(3);
    expect(lookup.delHalfOpen(0, 3)).toBe(true);
    expect(lookup.delHalfOpen(0, 3)).toBe(false);
    expect(tables.find(0, key(7), true)).toBe(-1);
    expect(tables.find(0, key(7))).toBe(3);
  });

  test("a key is taken once, and a full table says so", () => {
    const tables = new Tables(16);
    const { lookup } = tables;
    tables.set(0, 0, key(1));
    tables.set(0, 1, key(1));
    expect(lookup.addEstablished(0, 0)).toBe(true);
    expect(lookup.addEstablished(0, 1)).toBe(false);
    expect(lookup.delEstablished(0, 1)).toBe(false);
    expect(tables.find(0, key(1))).toBe(0);
    for (let c = 0; c < 16; c++) {
      tables.set(0, c, key(100 + c));
      expect(lookup.addHalfOpen(0, c)).toBe(true);
    }
    tables.set(1, 0, key(200));
    expect(lookup.addHalfOpen(1, 0)).toBe(false);
  });

  test("any sequence of additions and deletions answers as a map does", () => {
    fc.assert(
      fc.property(
        fc.integer(),
        fc.array(fc.tuple(fc.boolean(), fc.nat(1), fc.nat(2999)), { minLength: 2000, maxLength: 6000, size: "max" }),
        (seed, steps) => {
          const tables = new Tables(3000, seed, 4 << 20);
          const { lookup } = tables;
          const model = new Set<string>();
          for (let proto = 0; proto < 2; proto++) {
            for (let c = 0; c < 3000; c++) tables.set(proto, c, key(c));
          }
          for (const [isAdd, proto, c] of steps) {
            const name = `${proto}/${c}`;
            if (isAdd || model.size < 1200) {
              failIf(lookup.addEstablished(proto, c) === model.has(name), `add ${name}`);
              model.add(name);
            } else failIf(lookup.delEstablished(proto, c) !== model.delete(name), `delete ${name}`);
          }
          for (let c = 0; c < 3000; c++) {
            for (let proto = 0; proto < 2; proto++) {
              const wanted = model.has(`${proto}/${c}`) ? c : -1;
              failIf(tables.find(proto, key(c)) !== wanted, `connection ${proto}/${c}`);
            }
          }
        },
      ),
      { numRuns: 12, seed: 7 },
    );
  });
});

describe("growth", () => {
  const make = (
    maxEntries: number,
  ): { table: ConnectionTable; rows: ConnectionRows; i32: Int32Array; base: number } => {
    const window = MemoryWindow.plain(8 << 20);
    const rows = new ConnectionRows();
    const table = new ConnectionTable(window, "test", rows, maxEntries);
    const base = window.reserve("rows", 4096 * STRIDE * 4) >> 2;
    rows.base[0] = base;
    rows.stride[0] = STRIDE;
    return { table, rows, i32: window.i32, base };
  };

  test("is spread over insertions: entries are found and deleted while half of them have moved", () => {
    const { table, i32, base } = make(4096);
    let added = 0;
    const add = (): void => {
      i32[base + added * STRIDE + C_PORTS] = added;
      expect(table.add(Math.imul(added, 0x9e3779b1), 0, added)).toBe(true);
      added++;
    };
    const find = (c: number): number => table.find4(Math.imul(c, 0x9e3779b1), 0, 0, 0, 0, c);
    while (table.slots === 1024) add();
    expect(added).toBe(513);
    expect(table.slots).toBe(2048);
    let steps = 0;
    while (table.isGrowing) {
      for (let c = 0; c < added; c++) failIf(find(c) !== c, `${c} is lost`);
      add();
      steps++;
    }
    expect(steps).toBeGreaterThan(50);
    expect(steps).toBeLessThan(512);
    while (table.slots === 2048) add();
    for (let i = 0; i < 10; i++) add();
    expect(table.isGrowing).toBe(true);
    for (let c = 0; c < added; c += 3) expect(table.remove(Math.imul(c, 0x9e3779b1), 0, c)).toBe(true);
    for (let c = 0; c < added; c++) expect(find(c)).toBe(c % 3 === 0 ? -1 : c);
  });

  test("chains that wrap around the end survive deletion and growth", () => {
    const { table, i32, base } = make(2048);
    // All in the last slots of the first table: they wrap to its start.
    const tagOf = (c: number): number => 1020 + (c & 3) + (c << 12);
    for (let c = 0; c < 40; c++) {
      i32[base + c * STRIDE + C_PORTS] = c;
      table.add(tagOf(c), 0, c);
    }
    for (let c = 0; c < 40; c += 2) expect(table.remove(tagOf(c), 0, c)).toBe(true);
    for (let c = 0; c < 40; c++) expect(table.find4(tagOf(c), 0, 0, 0, 0, c)).toBe(c % 2 === 0 ? -1 : c);
    for (let c = 40; c < 600; c++) {
      i32[base + c * STRIDE + C_PORTS] = c;
      table.add(tagOf(c), 0, c);
      for (let d = 1; d < 40; d += 2) failIf(table.find4(tagOf(d), 0, 0, 0, 0, d) !== d, `${d} lost at ${c}`);
    }
    expect(table.slots).toBe(2048);
  });
});

describe("who does not know the key", () => {
  /** Slots of a table of 4096 that these tuples fall into. */
  const spread = (lookup: SessionLookup, tuples: readonly Key[]): number =>
    new Set(tuples.map(({ lcl, rmt, ports }) => lookup.hash4(lcl[0], rmt[0], ports) & 4095)).size;

  test("cannot aim at a bucket: tuples that collide under one key spread under another", () => {
    const known = new Tables(16, 1).lookup;
    const other = new Tables(16, 2).lookup;
    const aimed: Key[] = [];
    for (let n = 0; aimed.length < 256; n++) {
      const key = key4(n);
      if ((known.hash4(key.lcl[0], key.rmt[0], key.ports) & 4095) === 0) aimed.push(key);
    }
    expect(spread(known, aimed)).toBe(1);
    // 256 balls in 4096 bins: 248 distinct ones expected, standard deviation below 3.
    expect(spread(other, aimed)).toBeGreaterThan(230);
  });

  test("regular tuples spread, too", () => {
    const { lookup } = new Tables(16, 3);
    const tuples = Array.from({ length: 1024 }, (_, n) => key4(n << 16));
    expect(spread(lookup, tuples)).toBeGreaterThan(850);
  });
});

describe("listeners", () => {
  const local = (family: 4 | 6, words: readonly number[], port: number) => ({
    family,
    address: Int32Array.from({ length: 4 }, (_, i) => words[i] ?? 0),
    port,
  });

  test("exact address before any address; families, FIBs, protocols and ports apart", () => {
    const { lookup } = new Tables(16);
    expect(lookup.addListener(0, 0, local(4, [0x0a000001], 80), 10)).toBe(true);
    expect(lookup.addListener(0, 0, local(4, [], 80), 11)).toBe(true);
    expect(lookup.addListener(0, 0, local(6, [], 80), 12)).toBe(true);
    expect(lookup.addListener(0, 0, local(6, [0x20010db8, 0, 0, 1], 80), 13)).toBe(true);
    expect(lookup.addListener(1, 0, local(4, [], 80), 14)).toBe(true);
    expect(lookup.addListener(0, 0, local(4, [], 80), 15)).toBe(false);
    expect(lookup.listener4(0, 0, 0x0a000001, 80)).toBe(10);
    expect(lookup.listener4(0, 0, 0x0a000002, 80)).toBe(11);
    expect(lookup.listener6(0, 0, 0x20010db8, 0, 0, 1, 80)).toBe(13);
    expect(lookup.listener6(0, 0, 0x20010db8, 0, 0, 2, 80)).toBe(12);
    expect(lookup.listener4(1, 0, 0x0a000001, 80)).toBe(14);
    expect(lookup.listener4(2, 0, 0x0a000001, 80)).toBe(-1);
    expect(lookup.listener4(0, 1, 0x0a000001, 80)).toBe(-1);
    expect(lookup.listener4(0, 0, 0x0a000001, 81)).toBe(-1);
    expect(lookup.listenerAt(0, 0, local(4, [0x0a000002], 80))).toBe(-1);
    expect(lookup.delListener(0, 0, local(4, [0x0a000001], 80))).toBe(true);
    expect(lookup.delListener(0, 0, local(4, [0x0a000001], 80))).toBe(false);
    expect(lookup.listener4(0, 0, 0x0a000001, 80)).toBe(11);
  });

  test("any sequence answers as a map does", () => {
    fc.assert(
      fc.property(fc.integer(), fc.array(fc.tuple(fc.boolean(), fc.nat(99)), { maxLength: 400 }), (seed, steps) => {
        const { lookup } = new Tables(16, seed, 1 << 20);
        const model = new Map<number, number>();
        const endpoint = (n: number) => local(n % 2 === 0 ? 4 : 6, n % 3 === 0 ? [] : [n], 1 + (n >> 2));
        const same = (n: number) =>
          [...model.keys()].find((m) => JSON.stringify(endpoint(m)) === JSON.stringify(endpoint(n)));
        for (const [isAdd, n] of steps) {
          const twin = same(n);
          if (isAdd) {
            const fits = twin === undefined && model.size < 64;
            failIf(lookup.addListener(0, 0, endpoint(n), n) !== fits, `add ${n}`);
            if (fits) model.set(n, n);
          } else {
            failIf(lookup.delListener(0, 0, endpoint(n)) !== (twin !== undefined), `delete ${n}`);
            if (twin !== undefined) model.delete(twin);
          }
        }
        for (let n = 0; n < 100; n++) expect(lookup.listenerAt(0, 0, endpoint(n))).toBe(same(n) ?? -1);
      }),
      { numRuns: 60, seed: 3 },
    );
  });
});
