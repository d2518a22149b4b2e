import fc from "fast-check";
import { expect, it } from "vitest";
import { NB_INCOMPLETE, NB_REACHABLE, NB_STALE, NeighbourRows } from "../../src/ip/neighbour-rows.js";
import { MemoryWindow } from "../../src/mem/window.js";
import { SeededRandom } from "../../src/random/seeded.js";

const CAPACITY = 12;

interface Row {
  readonly row: number;
  readonly family: 4 | 6;
  state: number;
}

/** What rows should hold, as a map, with its insertion order for age. */
class Model {
  readonly rows = new NeighbourRows(MemoryWindow.plain(65536), CAPACITY, new SeededRandom(5));
  readonly known = new Map<string, Row>();

  step([kind, family, ifIndex, address, state]: readonly [number, 4 | 6, number, number, number]): void {
    const key = `${family} ${ifIndex} ${address}`;
    const entry = this.known.get(key);
    if (entry === undefined) {
      const row = this.rows.insert(ifIndex, family, address, 0, 0, family === 6 ? 1 : 0);
      if (row < 0) {
        if (this.known.size < CAPACITY) throw new Error("refused though there is room");
        return;
      }
      this.rows.setState(row, state, 0);
      this.known.set(key, { row, family, state });
    } else if (kind === 0) {
      this.rows.remove(entry.row);
      this.known.delete(key);
    } else if (kind === 1 || entry.state === NB_REACHABLE) {
      entry.state = state;
      this.rows.setState(entry.row, state, 0);
      this.renew(key, entry);
    } else {
      this.rows.touch(entry.row);
      this.renew(key, entry);
    }
  }

  renew(key: string, entry: Row): void {
    this.known.delete(key);
    this.known.set(key, entry);
  }

  /** Rows of a list, oldest first, by walking it. */
  walk(family: 4 | 6, incomplete: boolean): number[] {
    const found: number[] = [];
    for (let row = this.rows.oldest(family, incomplete); row >= 0; row = this.rows.younger(row)) found.push(row);
    return found;
  }

  expectedList(family: 4 | 6, state: number): number[] {
    return [...this.known.values()].flatMap((each) =>
      each.family === family && each.state === state ? [each.row] : [],
    );
  }
}

it("finds every neighbour that is there and no other, and keeps its lists in order of age", () => {
  const step = fc.tuple(
    fc.integer({ min: 0, max: 2 }),
    fc.constantFrom(4 as const, 6 as const),
    fc.integer({ min: 0, max: 1 }),
    fc.integer({ min: 1, max: 6 }),
    fc.constantFrom(NB_INCOMPLETE, NB_REACHABLE, NB_STALE),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
      const model = new Model();
      for (const each of steps) model.step(each);
      for (const family of [4, 6] as const) {
        for (const ifIndex of [0, 1]) {
          for (let address = 1; address <= 6; address++) {
            const found = model.rows.find(ifIndex, family, address, 0, 0, family === 6 ? 1 : 0);
            expect(found).toBe(model.known.get(`${family} ${ifIndex} ${address}`)?.row ?? -1);
          }
        }
        expect(model.rows.count(family)).toBe([...model.known.values()].filter((row) => row.family === family).length);
        expect(model.walk(family, true)).toEqual(model.expectedList(family, NB_INCOMPLETE));
        expect(model.walk(family, false)).toEqual(model.expectedList(family, NB_STALE));
      }
    }),
    { numRuns: 300, seed: 4 },
  );
});
