import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { MemoryWindow } from "../../src/mem/window.js";
import { EventQueue } from "../../src/session/event-queue.js";
import { S_EVENTS, SessionTable } from "../../src/session/session-table.js";
import { TransmitQueue } from "../../src/session/transmit-queue.js";
import { FakeTransport } from "./fake-transport.js";

/** As expect, where the step decides what is asked. */
function same(got: number, wanted: number): void {
  if (got !== wanted) throw new Error(`got ${got}, wanted ${wanted}`);
}

describe("the transmit queue", () => {
  test("any sequence answers as a list without repetitions does", () => {
    fc.assert(
      fc.property(fc.array(fc.option(fc.tuple(fc.nat(1), fc.nat(9)), { freq: 2 }), { maxLength: 200 }), (steps) => {
        const window = MemoryWindow.plain(1 << 16);
        const queue = new TransmitQueue(window);
        for (const proto of [0, 1]) queue.register(Object.assign(new FakeTransport(window, 10), { proto }));
        const model: number[] = [];
        for (const step of steps) {
          if (step === null) {
            same(queue.shift(), model.shift() ?? -1);
            continue;
          }
          const entry = (step[1] << 3) | step[0];
          const wasEmpty = model.length === 0;
          const isNew = !model.includes(entry);
          if (isNew) model.push(entry);
          expect(queue.push(step[0], step[1])).toBe(wasEmpty && isNew);
          expect(queue.length).toBe(model.length);
        }
        while (model.length > 0) expect(queue.shift()).toBe(model.shift());
        expect(queue.shift()).toBe(-1);
      }),
      { numRuns: 100, seed: 1 },
    );
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
