import fc from "fast-check";
import { expect, it } from "vitest";
import { MemoryWindow } from "../../../src/mem/window.js";
import { DelayedAckQueue } from "../../../src/transport/tcp/delayed-ack-queue.js";

const DELAY_TICKS = 400;

it("says what a list says, also where the ticks wrap", () => {
  const steps = fc.array(fc.record({ pushes: fc.nat(4), ticks: fc.nat(DELAY_TICKS), shifts: fc.nat(4) }), {
    maxLength: 40,
  });
  const firstTick = fc.constantFrom(0, 1_000_000, 0x7fff_ff00, -200);
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 7 }), firstTick, steps, (capacity, startTick, all) => {
      const queue = new DelayedAckQueue(MemoryWindow.plain(1 << 12), capacity);
      const model: { c: number; due: number }[] = [];
      let ticks = 0;
      let c = 0;
      const tickAt = (at: number): number => (startTick + at) | 0;
      for (const step of all) {
        for (let i = 0; i < step.pushes; i++) {
          expect(queue.push(++c, tickAt(ticks + DELAY_TICKS))).toBe(model.length < capacity);
          if (model.length < capacity) model.push({ c, due: ticks + DELAY_TICKS });
        }
        ticks += step.ticks;
        expect(queue.nextExpiry(tickAt(ticks))).toBe(model.length > 0 ? Math.max(0, model[0].due - ticks) : -1);
        for (let i = 0; i < step.shifts; i++) {
          const due = model.length > 0 && model[0].due <= ticks ? model.shift() : undefined;
          expect(queue.shift(tickAt(ticks))).toBe(due?.c ?? -1);
        }
        expect(queue.length).toBe(model.length);
      }
    }),
    { numRuns: 500 },
  );
});
