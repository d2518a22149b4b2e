import { expect, test } from "vitest";
import { MemoryWindow } from "../../src/mem/window.js";
import { SeededRandom } from "../../src/random/seeded.js";
import { FL_STATE, FLOW_DECIDED, FLOW_NEW, FlowTable } from "../../src/session/flow-table.js";

// The table against a list of what must be in it: few hashes, so that chains are long.

test.each([1, 2, 3])("finds what was added and not removed, in order of time (seed %i)", (seed) => {
  const random = new SeededRandom(seed);
  const window = MemoryWindow.plain(1 << 20);
  const table = new FlowTable(window, 40, 60);
  table.open();
  table.open();
  const keyOf = (n: number): Int32Array => Int32Array.from({ length: 11 }, (_, i) => (i === 5 ? n : i));
  const hashOf = (n: number): number => n % 5;
  let undecided: number[] = [];
  let decided: number[] = [];
  const tokens = new Map<number, number>();
  const gone: number[] = [];
  const states: number[] = [];
  let wrong = 0;
  const forget = (n: number): void => {
    const flow = table.find(keyOf(n), hashOf(n));
    gone.push(tokens.get(n) as number);
    table.remove(flow, hashOf(n));
    undecided = undecided.filter((each) => each !== n);
    decided = decided.filter((each) => each !== n);
  };
  for (let tick = 0; tick < 4000; tick++) {
    const n = random.nextBelow(120);
    const flow = table.find(keyOf(n), hashOf(n));
    const isKnown = undecided.includes(n) || decided.includes(n);
    if (flow >= 0 !== isKnown || table.hasRoom !== undecided.length < 40) wrong++;
    if (!isKnown && table.hasRoom) {
      const added = table.add(keyOf(n), hashOf(n), tick);
      states.push(window.i32[table.row(added) + FL_STATE]);
      undecided.push(n);
      tokens.set(n, table.token(added));
    } else if (undecided.includes(n) && random.nextBelow(3) > 0) {
      const goes = table.decide(flow, tick);
      undecided = undecided.filter((each) => each !== n);
      window.i32[table.row(flow) + FL_STATE] = FLOW_DECIDED;
      const isFull = decided.length === 60;
      const wanted = isFull ? table.find(keyOf(decided[0]), hashOf(decided[0])) : -1;
      wrong += goes === wanted ? 0 : 1;
      if (isFull) forget(decided[0]);
      decided.push(n);
    } else if (decided.includes(n) && random.nextBelow(2) === 0) {
      table.touch(flow, tick);
      decided = [...decided.filter((each) => each !== n), n];
    } else if (isKnown) forget(n);
    for (const [list, first] of [
      [undecided, table.oldestUndecided],
      [decided, table.oldestDecided],
    ] as const) {
      let each = first;
      for (const known of list) {
        if (each < 0 || each !== table.find(keyOf(known), hashOf(known))) wrong++;
        if (table.ofToken(tokens.get(known)) !== each) wrong++;
        each = each < 0 ? each : table.next(each);
      }
      if (each >= 0) wrong++;
    }
    if (table.ofToken(gone[random.nextBelow(gone.length + 1)]) !== -1) wrong++;
    if (table.undecided !== undecided.length || table.decided !== decided.length) wrong++;
  }
  expect(gone.length).toBeGreaterThan(500);
  expect([wrong, states.every((each) => each === FLOW_NEW)]).toEqual([0, true]);
});

test("without room in the window nothing is taken", () => {
  const window = MemoryWindow.plain(1 << 12);
  const table = new FlowTable(window, 40, 60);
  expect(() => table.open()).toThrow(RangeError);
  expect([table.undecided, table.decided, table.ofToken(0), table.oldestUndecided]).toEqual([0, 0, -1, -1]);
});
