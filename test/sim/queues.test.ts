import { describe, expect, test } from "vitest";
import { SeededRandom } from "../../src/random/seeded.js";
import { EventQueue } from "../../src/sim/event-queue.js";
import { WakeQueue } from "../../src/sim/wake-queue.js";

describe("the event queue", () => {
  test("gives events by time, and those of one time in the order in which they came", () => {
    const random = new SeededRandom(1);
    const queue = new EventQueue();
    const put: { timeUs: number; order: number }[] = [];
    const got: { timeUs: number; order: number }[] = [];
    for (let order = 0; order < 3000; order++) {
      const event = { timeUs: random.nextBelow(100), order };
      put.push(event);
      queue.push(event.timeUs, { run: () => got.push(event) });
    }
    while (queue.length > 0) queue.pop().run();
    expect(got).toEqual(put.sort((a, b) => a.timeUs - b.timeUs || a.order - b.order));
    expect(queue.nextUs).toBe(Number.POSITIVE_INFINITY);
  });

  test("keeps order when events come and go", () => {
    const random = new SeededRandom(2);
    const queue = new EventQueue();
    let nowUs = 0;
    const got: number[] = [];
    for (let i = 0; i < 5000; i++) {
      if (queue.length < 40 || random.nextBelow(2) === 0) {
        const timeUs = nowUs + random.nextBelow(20);
        queue.push(timeUs, { run: () => got.push(timeUs * 100_000 + i) });
      } else {
        nowUs = queue.nextUs;
        queue.pop().run();
      }
    }
    expect(got.length).toBeGreaterThan(2000);
    expect(got).toEqual([...got].sort((a, b) => a - b));
  });
});

describe("the wake queue", () => {
  test("gives the earliest host, the lower number first, whatever was changed", () => {
    const random = new SeededRandom(3);
    const queue = new WakeQueue();
    const times = new Map<number, number>();
    for (let i = 0; i < 20_000; i++) {
      const host = random.nextBelow(200);
      if (random.nextBelow(4) === 0) {
        queue.set(host, Number.POSITIVE_INFINITY);
        times.delete(host);
      } else {
        const timeUs = random.nextBelow(50);
        queue.set(host, timeUs);
        times.set(host, timeUs);
      }
      if (i % 50 !== 49) continue;
      const [[host0, timeUs0]] = [...times].sort(([a, at], [b, bt]) => at - bt || a - b);
      expect([queue.nextHost, queue.nextUs]).toEqual([host0, timeUs0]);
    }
    for (const host of times.keys()) queue.set(host, Number.POSITIVE_INFINITY);
    expect(queue.nextUs).toBe(Number.POSITIVE_INFINITY);
  });
});
