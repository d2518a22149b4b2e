import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { MemoryWindow } from "../../src/mem/window.js";
import { EventQueue } from "../../src/session/event-queue.js";
import { S_EVENTS, SessionTable } from "../../src/session/session-table.js";
import { TX_CONTROL, TX_NEW, TX_OLD, TransmitQueue, type TransmitList } from "../../src/session/transmit-queue.js";
import { FakeTransport } from "./fake-transport.js";

/** As expect, where the step decides what is asked. */
function same(got: number, wanted: number): void {
  if (got !== wanted) throw new Error(`got ${got}, wanted ${wanted}`);
}

describe("the transmit queue", () => {
  const LISTS: readonly TransmitList[] = [TX_CONTROL, TX_NEW, TX_OLD];
  const list = fc.constantFrom(...LISTS);

  test("any sequence answers as three lists that have each connection once do", () => {
    const step = fc.record({ list, added: fc.option(fc.tuple(fc.nat(1), fc.nat(9)), { freq: 2 }) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const window = MemoryWindow.plain(1 << 16);
        const queue = new TransmitQueue(window);
        for (const proto of [0, 1]) queue.register(Object.assign(new FakeTransport(window, 10), { proto }));
        const models: number[][] = LISTS.map(() => []);
        const all = (): number => models.flat().length;
        for (const { list: at, added } of steps) {
          const model = models[at];
          if (added === null) {
            same(queue.shift(at), model.shift() ?? -1);
            continue;
          }
          const entry = (added[1] << 3) | added[0];
          const wasEmpty = all() === 0;
          if (!models.flat().includes(entry)) model.push(entry);
          expect(queue.push(at, added[0], added[1])).toBe(wasEmpty);
          expect([queue.length, queue.lengthOf(at)]).toEqual([all(), model.length]);
        }
        for (const at of LISTS) expect(models[at].map(() => queue.shift(at))).toEqual(models[at]);
        expect(LISTS.map((at) => queue.shift(at))).toEqual([-1, -1, -1]);
      }),
      { numRuns: 100, seed: 1 },
    );
  });

  test("a debt is its connection's, in whatever list", () => {
    const window = MemoryWindow.plain(1 << 16);
    const queue = new TransmitQueue(window);
    queue.register(new FakeTransport(window, 10));
    queue.push(TX_NEW, 0, 3);
    queue.push(TX_NEW, 0, 4);
    queue.setDebt(3 << 3, 5000);
    expect([queue.debt(3 << 3), queue.debt(4 << 3), queue.debt(2 << 3)]).toEqual([5000, 0, 0]);
    queue.push(TX_OLD, 0, queue.shift(TX_NEW) >> 3);
    expect([queue.debt(3 << 3), queue.shift(TX_OLD), queue.shift(TX_NEW)]).toEqual([5000, 3 << 3, 4 << 3]);
  });
});

describe("the event queue", () => {
  test("any sequence answers as a list of sets does", () => {
    fc.assert(
      fc.property(fc.array(fc.option(fc.tuple(fc.nat(9), fc.nat(7)), { freq: 2 }), { maxLength: 200 }), (steps) => {
        const window = MemoryWindow.plain(1 << 14);
        const table = new SessionTable(window, 10);
        for (let i = 0; i < 10; i++) table.alloc();
        const queue = new EventQueue(window.i32, table);
        const model = new Map<number, number>();
        for (const step of steps) {
          if (step === null) {
            const [s, events] = [...model][0] ?? [-1, 0];
            model.delete(s);
            same(queue.shift(), s);
            if (s >= 0) {
              const at = table.row(s) + S_EVENTS;
              same(window.i32[at], events);
              window.i32[at] = 0;
            }
            continue;
          }
          const [s, bit] = step;
          const wasEmpty = model.size === 0;
          expect(queue.raise(s, 1 << bit)).toBe(wasEmpty);
          model.set(s, (model.get(s) ?? 0) | (1 << bit));
          expect(queue.length).toBe(model.size);
        }
      }),
      { numRuns: 100, seed: 2 },
    );
  });
});

test("rows of the session table come back, with new generations, and never too many", () => {
  const window = MemoryWindow.plain(1 << 14);
  const table = new SessionTable(window, 3, 7);
  const rows = [table.alloc(), table.alloc(), table.alloc()];
  expect([...rows, table.alloc()]).toEqual([0, 1, 2, -1]);
  const handles = rows.map((s) => table.handle(s));
  table.free(1);
  expect([...table]).toEqual([0, 2]);
  expect(handles.map((handle) => table.find(handle))).toEqual([0, -1, 2]);
  expect(table.alloc()).toBe(1);
  expect(table.find(handles[1])).toBe(-1);
  expect(table.handle(1)).not.toBe(handles[1]);
  expect(table.available).toBe(0);
  expect(() => new SessionTable(window, 0)).toThrow(RangeError);
});
