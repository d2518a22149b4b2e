import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { maskWord } from "../../src/ip/address.js";
import { Fib4 } from "../../src/ip/fib4.js";
import { Mtrie, PlyPool } from "../../src/ip/mtrie.js";
import { MemoryWindow } from "../../src/mem/window.js";

interface Route {
  prefix: number;
  length: number;
  value: number;
}

/** Longest match by looking at every route. */
function naive(routes: readonly Route[], address: number): number {
  let best: Route | undefined;
  for (const route of routes) {
    const matches = ((address ^ route.prefix) & maskWord(route.length, 0)) === 0;
    if (matches && (best === undefined || route.length > best.length)) best = route;
  }
  return best?.value ?? -1;
}

/** Few distinct bytes, so that prefixes nest and meet; every length. */
const prefix = fc
  .tuple(
    fc.constantFrom(10, 192, 255, 0),
    fc.constantFrom(0, 1, 128, 255),
    fc.constantFrom(0, 7, 255),
    fc.constantFrom(0, 1, 254, 255),
  )
  .map(([a, b, c, d]) => (a << 24) | (b << 16) | (c << 8) | d);
const length = fc.integer({ min: 1, max: 32 });
const step = fc.record({ add: fc.boolean(), prefix, length, value: fc.integer({ min: 1, max: 1000 }) });

describe("mtrie", () => {
  it.each([1, 5, Number.POSITIVE_INFINITY])(
    "agrees with a naive model; 16-bit root from %s routes on",
    (wideRootRoutes) => {
      fc.assert(
        fc.property(fc.array(step, { maxLength: 60 }), fc.array(prefix, { maxLength: 20 }), (steps, probes) => {
          const fib = new Fib4(MemoryWindow.plain(2 << 20), { wideRootRoutes });
          const table = fib.addTable(7);
          const model: Route[] = [{ prefix: 0, length: 0, value: 7 }];
          const removals: boolean[] = [];
          for (const { add, prefix: raw, length: bits, value } of steps) {
            const masked = raw & maskWord(bits, 0);
            const known = model.findIndex((route) => route.prefix === masked && route.length === bits);
            if (add) {
              fib.set(table, masked, bits, value);
              if (known >= 0) model[known].value = value;
              else model.push({ prefix: masked, length: bits, value });
            } else {
              removals.push(fib.remove(table, masked, bits) === known >= 0);
              if (known >= 0) model.splice(known, 1);
            }
          }
          expect(removals).not.toContain(false);
          const addresses = [...probes, ...steps.flatMap((each) => [each.prefix, each.prefix + 1, each.prefix - 1])];
          for (const address of addresses) expect(fib.lookup(table, address | 0)).toBe(naive(model, address | 0));
        }),
        { numRuns: 300, seed: 4 },
      );
    },
  );

  it("gives every ply back when its routes go", () => {
    fc.assert(
      fc.property(fc.array(fc.record({ prefix, length }), { maxLength: 40 }), (routes) => {
        const fib = new Fib4(MemoryWindow.plain(1 << 20));
        const table = fib.addTable(0);
        const before = fib.plies;
        const masked = routes.map((route) => ({ ...route, prefix: route.prefix & maskWord(route.length, 0) }));
        for (const route of masked) fib.set(table, route.prefix, route.length, 3);
        for (const route of masked) fib.remove(table, route.prefix, route.length);
        expect(fib.plies).toBe(before);
        fib.removeTable(table);
        expect(fib.plies).toBe(0);
      }),
      { numRuns: 100, seed: 5 },
    );
  });

  it("keeps tables apart and reuses a removed one's index", () => {
    const fib = new Fib4(MemoryWindow.plain(1 << 20));
    const [a, b] = [fib.addTable(1), fib.addTable(2)];
    fib.set(a, 0x0a000000, 8, 3);
    expect([fib.lookup(a, 0x0a010203), fib.lookup(b, 0x0a010203)]).toEqual([3, 2]);
    fib.removeTable(a);
    expect(fib.addTable(9)).toBe(a);
    expect(fib.lookup(a, 0x0a010203)).toBe(9);
    expect(() => fib.set(5, 0, 8, 1)).toThrow(RangeError);
  });

  it("refuses a route past the ply limit and leaves the table as it was", () => {
    const fib = new Fib4(MemoryWindow.plain(1 << 20), { maxPlies: 5 });
    const table = fib.addTable(0);
    fib.set(table, 0x0a000001, 32, 1);
    expect(() => fib.set(table, 0x0b000001, 32, 2)).toThrow(/more than 5 plies/);
    expect(fib.lookup(table, 0x0a000001)).toBe(1);
    expect(fib.lookup(table, 0x0b000001)).toBe(0);
    expect(fib.remove(table, 0x0a000001, 32)).toBe(true);
    expect(() => new Fib4(MemoryWindow.plain(1 << 20), { maxTables: 0 }).addTable(0)).toThrow(RangeError);
  });

  it("takes little memory for a host's table", () => {
    const window = MemoryWindow.plain(1 << 20);
    const plies = new PlyPool(window, 64);
    const trie = new Mtrie(plies, 1);
    for (const address of [0xc6120000, 0xc6120002, 0xc61200ff, 0xe0000001, 0xffffffff]) trie.set(address | 0, 32, 2);
    trie.set(0xc6120000 | 0, 24, 3);
    expect(plies.used).toBeLessThanOrEqual(10);
    expect(trie.lookup(0xc6120005 | 0)).toBe(3);
    trie.clear();
    expect(plies.used).toBe(0);
  });

  it("cannot widen when the window is full, and says so", () => {
    const trie = new Mtrie(new PlyPool(MemoryWindow.plain(64 << 10), 8), 1);
    trie.set(0x0a000000, 8, 2);
    expect(() => trie.widen()).toThrow(/ip4 fib root/);
    expect(trie.lookup(0x0a000000)).toBe(2);
  });
});
