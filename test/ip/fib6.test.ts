import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatPrefix, ip6Address, maskPrefix, type Prefix, parsePrefix, prefixCovers } from "../../src/ip/address.js";
import { Fib6 } from "../../src/ip/fib6.js";
import { MemoryWindow } from "../../src/mem/window.js";

const word = fc.constantFrom(0x2001_0db8, 0, 1, -1, 0x8000_0000 | 0, 0x2001_0db9);
const address = fc.tuple(word, word, word, word).map(([a, b, c, d]) => ip6Address(a, b, c, d));
const length = fc.oneof(fc.integer({ min: 1, max: 128 }), fc.constantFrom(10, 48, 64, 128));
const step = fc.record({
  add: fc.boolean(),
  fib: fc.integer({ min: 0, max: 2 }),
  address,
  length,
  value: fc.nat(1000),
});

describe("ip6 fib", () => {
  it("agrees with a naive model over several tables", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 150 }), fc.array(address, { maxLength: 20 }), (steps, probes) => {
        const fib = new Fib6(MemoryWindow.plain(1 << 20), { seed: 99 });
        const tables = [fib.addTable(5001), fib.addTable(5002), fib.addTable(5003)];
        const models = tables.map(() => new Map<string, { prefix: Prefix; value: number }>());
        for (const { add, fib: at, address: raw, length: bits, value } of steps) {
          const prefix = maskPrefix({ address: raw, length: bits });
          const key = formatPrefix(prefix);
          const known = models[at].delete(key);
          if (add) {
            fib.set(tables[at], prefix.address.words, bits, value);
            models[at].set(key, { prefix, value });
          }
          const removed = add ? known : fib.remove(tables[at], prefix.address.words, bits);
          expect(removed).toBe(known);
        }
        expect(fib.routes).toBe(models.reduce((sum, model) => sum + model.size, 0));
        for (const probe of [...probes, ...steps.map((each) => each.address)]) {
          for (const [i, table] of tables.entries()) {
            let best = { prefix: { address: probe, length: -1 }, value: 5001 + i };
            for (const route of models[i].values()) {
              if (prefixCovers(route.prefix, probe) && route.prefix.length > best.prefix.length) best = route;
            }
            const [w0, w1, w2, w3] = probe.words;
            expect(fib.lookup(table, w0, w1, w2, w3)).toBe(best.value);
          }
        }
      }),
      { numRuns: 150, seed: 6 },
    );
  });

  it("grows past its first entries, changes the default route, and refuses past its limits", () => {
    const fib = new Fib6(MemoryWindow.plain(1 << 20), { maxRoutes: 500, maxTables: 1 });
    const table = fib.addTable(1);
    const at = (i: number): Int32Array => Int32Array.of(0x2001_0db8, i, 0, 0);
    for (let i = 0; i < 500; i++) fib.set(table, at(i), 64, 1000 + i);
    for (let i = 0; i < 500; i++) expect(fib.lookup(table, 0x2001_0db8, i, 4, 4)).toBe(1000 + i);
    expect(() => fib.set(table, at(500), 64, 1)).toThrow(/more than 500/);
    fib.set(table, at(3), 64, 77);
    expect(fib.lookup(table, 0x2001_0db8, 3, 0, 0)).toBe(77);
    fib.set(table, new Int32Array(4), 0, 9);
    expect(fib.lookup(table, 1, 2, 3, 4)).toBe(9);
    expect(() => fib.addTable(1)).toThrow(RangeError);
    for (let i = 0; i < 500; i++) expect(fib.remove(table, at(i), 64)).toBe(true);
    expect(fib.remove(table, at(0), 64)).toBe(false);
    expect(fib.remove(table, new Int32Array(4), 0)).toBe(false);
    expect(fib.lookup(table, 0x2001_0db8, 3, 0, 0)).toBe(9);
    fib.removeTable(table);
    expect(() => fib.set(table, parsePrefix("2001:db8::/32").address.words, 32, 1)).toThrow(RangeError);
    expect(fib.addTable(4)).toBe(table);
    expect(fib.lookup(table, 1, 2, 3, 4)).toBe(4);
  });
});
