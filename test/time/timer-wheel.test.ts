import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MemoryWindow } from "../../src/mem/window.js";
import { SeededRandom } from "../../src/random/seeded.js";
import { TIMER_MAX_DELAY_TICKS, TimerWheel } from "../../src/time/timer-wheel.js";

function wheelOf(capacity: number, startTick = 0, moveLimit?: number): TimerWheel {
  return new TimerWheel(MemoryWindow.plain(8192 + capacity * 16), "timers", capacity, startTick, moveLimit);
}

/** All timers that fire at `tick`, in the order they are reported, `chunk` at a time. */
function advanceAll(wheel: TimerWheel, tick: number, chunk = 64): number[] {
  const expired = new Int32Array(chunk);
  const fired: number[] = [];
  for (let calls = 0; calls < 100_000; calls++) {
    const count = wheel.advance(tick, expired);
    fired.push(...expired.subarray(0, count));
    if (wheel.nextExpiry(tick) !== 0) return fired;
  }
  throw new Error("advance does not come to an end");
}

/** What a wheel must do, without a wheel: time as a double, timers in a Map. */
class Model {
  now = 0;
  readonly timers = new Map<number, number>();

  start(timer: number, delay: number): void {
    this.timers.set(timer, this.now + Math.min(Math.max(delay, 1), TIMER_MAX_DELAY_TICKS));
  }

  /** Timers due at `now`, sorted by tick, then timer. */
  advance(now: number): Array<readonly [tick: number, timer: number]> {
    this.now = now;
    const due = [...this.timers].filter(([, tick]) => tick <= now).map(([timer, tick]) => [tick, timer] as const);
    for (const [, timer] of due) this.timers.delete(timer);
    return due.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  }
}

type Step =
  | { readonly do: "start"; readonly timer: number; readonly delay: number }
  | { readonly do: "stop"; readonly timer: number }
  | { readonly do: "advance" | "setNow"; readonly ticks: number };

const CAPACITY = 24;
const timer = fc.nat(CAPACITY - 1);
const span = fc.oneof(
  fc.nat(3),
  fc.nat(300),
  fc.nat(70_000),
  fc.nat(20_000_000),
  fc.nat(0x3fff_ffff),
  fc.constantFrom(255, 256, 257, 65_535, 65_536, 65_537, 0xff_ffff, 0x100_0000, TIMER_MAX_DELAY_TICKS),
);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ do: fc.constant("start" as const), timer, delay: span }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("stop" as const), timer }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("advance" as const), ticks: span }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("setNow" as const), ticks: span }) },
);
const startTick = fc.oneof(
  fc.constantFrom(0, -1, 0x7fff_ffff, -0x8000_0000, 0x7fff_ff00, -256),
  fc.integer({ min: -0x8000_0000, max: 0x7fff_ffff }),
);

/** A wheel and a model that are told the same; throws when they disagree. */
class Pair {
  readonly #model = new Model();
  readonly #wheel: TimerWheel;
  readonly #origin: number;
  readonly #chunk: number;
  // Ticks between two calls of advance stay below what an int32 tick can tell apart.
  #behind = 0;

  constructor(origin: number, chunk: number, moveLimit: number) {
    this.#wheel = wheelOf(CAPACITY, origin, moveLimit);
    this.#origin = origin;
    this.#chunk = chunk;
  }

  apply(s: Step): void {
    const model = this.#model;
    const wheel = this.#wheel;
    if (s.do === "start") {
      wheel.start(s.timer, s.delay);
      model.start(s.timer, s.delay);
    } else if (s.do === "stop") {
      wheel.stop(s.timer);
      model.timers.delete(s.timer);
    } else if (s.do === "advance") {
      this.#behind = 0;
      this.#advance(model.advance(model.now + s.ticks));
    } else if (this.#behind + s.ticks <= 0x7fff_ffff) {
      this.#behind += s.ticks;
      model.now += s.ticks;
      wheel.setNow(this.#tick());
    }
    this.#check();
  }

  #tick(): number {
    return (this.#origin + this.#model.now) | 0;
  }

  #advance(expected: Array<readonly [number, number]>): void {
    const ticks = new Map(expected.map(([tick, t]) => [t, tick]));
    const fired = advanceAll(this.#wheel, this.#tick(), this.#chunk).map((t) => [ticks.get(t), t] as const);
    const inOrder = fired.every(([tick], i) => tick === expected[i]?.[0]);
    fired.sort((x, y) => (x[0] ?? 0) - (y[0] ?? 0) || x[1] - y[1]);
    if (inOrder && JSON.stringify(fired) === JSON.stringify(expected)) return;
    throw new Error(`fired ${JSON.stringify(fired)}, not ${JSON.stringify(expected)}; in order: ${inOrder}`);
  }

  #check(): void {
    const { timers, now } = this.#model;
    const next = this.#wheel.nextExpiry(this.#tick());
    const soonest = Math.min(...timers.values());
    const isRight = timers.size === 0 ? next === -1 : next >= 0 && next <= Math.max(0, soonest - now);
    if (!isRight) throw new Error(`nextExpiry ${next} at ${now}, soonest ${soonest}`);
    if (this.#wheel.running !== timers.size) throw new Error(`${this.#wheel.running} running, not ${timers.size}`);
    for (let t = 0; t < CAPACITY; t++) {
      if (this.#wheel.isRunning(t) !== timers.has(t))
        throw new Error(`timer ${t} running: ${this.#wheel.isRunning(t)}`);
    }
  }
}

describe("TimerWheel against a model", () => {
  it("fires the same timers in the same order, through any jumps of time and across the wrap", () => {
    const steps = fc.array(step, { maxLength: 60 });
    const chunk = fc.integer({ min: 1, max: 5 });
    fc.assert(
      fc.property(startTick, steps, chunk, fc.integer({ min: 1, max: 40 }), (origin, list, size, moveLimit) => {
        const pair = new Pair(origin, size, moveLimit);
        for (const s of list) pair.apply(s);
      }),
      { seed: 3, numRuns: 1000 },
    );
  });

  it("fires each timer exactly at its tick when time moves by what nextExpiry says", () => {
    fc.assert(
      fc.property(startTick, fc.array(span, { minLength: 1, maxLength: CAPACITY }), (origin, delays) => {
        const wheel = wheelOf(CAPACITY, origin);
        delays.forEach((delay, t) => wheel.start(t, delay));
        let now = 0;
        let turns = 0;
        for (let next = wheel.nextExpiry(origin); next !== -1; next = wheel.nextExpiry((origin + now) | 0)) {
          now += next;
          turns++;
          for (const t of advanceAll(wheel, (origin + now) | 0)) expect(now).toBe(Math.max(1, delays[t]));
        }
        // At most three changes of slot and one expiry for each timer.
        expect(turns).toBeLessThanOrEqual(4 * delays.length);
        expect(wheel.running).toBe(0);
      }),
      { seed: 4 },
    );
  });
});

describe("TimerWheel", () => {
  it("fires at the very tick when advanced every tick", () => {
    const wheel = wheelOf(700, -300);
    for (let t = 0; t < 700; t++) wheel.start(t, t + 1);
    for (let tick = 1; tick <= 700; tick++) expect(advanceAll(wheel, tick - 300)).toEqual([tick - 1]);
    expect(wheel.running).toBe(0);
  });

  it("counts delays from setNow, not from the last advance", () => {
    const wheel = wheelOf(2);
    wheel.start(0, 50_000);
    wheel.setNow(1000);
    wheel.start(1, 10);
    expect(wheel.expiryTick(1)).toBe(1010);
    expect(advanceAll(wheel, 1009)).toEqual([]);
    expect(advanceAll(wheel, 1010)).toEqual([1]);
  });

  it("takes a delay below 1 as 1 and one above the maximum as the maximum", () => {
    const wheel = wheelOf(3);
    wheel.start(0, 0);
    wheel.start(1, -7);
    wheel.start(2, 1e12);
    expect([0, 1, 2].map((t) => wheel.expiryTick(t))).toEqual([1, 1, TIMER_MAX_DELAY_TICKS]);
  });

  it("moves a restarted timer either way, and fires it once", () => {
    const wheel = wheelOf(1);
    wheel.start(0, 100);
    wheel.start(0, 90_000);
    expect(advanceAll(wheel, 89_999)).toEqual([]);
    expect(wheel.isRunning(0)).toBe(true);
    wheel.start(0, 5);
    wheel.start(0, 3);
    expect(wheel.running).toBe(1);
    expect(advanceAll(wheel, 90_002)).toEqual([0]);
    expect(advanceAll(wheel, 10_000_000)).toEqual([]);
  });

  it("stops a timer wherever it stands in its slot", () => {
    for (const stopped of [0, 1, 2]) {
      const wheel = wheelOf(3);
      for (let t = 0; t < 3; t++) wheel.start(t, 5);
      wheel.stop(stopped);
      wheel.stop(stopped);
      expect(advanceAll(wheel, 5).sort((a, b) => a - b)).toEqual([0, 1, 2].filter((t) => t !== stopped));
    }
  });

  it("writes no more than the array holds, and the others next time", () => {
    const wheel = wheelOf(10);
    for (let t = 0; t < 10; t++) wheel.start(t, 5);
    const expired = new Int32Array(4);
    expect(wheel.advance(100, expired)).toBe(4);
    expect(wheel.nextExpiry(100)).toBe(0);
    // A timer started between the two calls counts from the newest tick.
    wheel.start(expired[0], 1);
    expect(wheel.expiryTick(expired[0])).toBe(101);
    expect([wheel.advance(100, expired), wheel.advance(100, expired), wheel.advance(100, expired)]).toEqual([4, 2, 0]);
    expect(wheel.running).toBe(1);
    expect(wheel.advance(101, new Int32Array(0))).toBe(0);
    expect(wheel.advance(101, expired)).toBe(1);
  });

  it("moves no more than its limit between slots in one call", () => {
    const wheel = wheelOf(100, 0, 10);
    for (let t = 0; t < 100; t++) wheel.start(t, 300 + t);
    const expired = new Int32Array(200);
    const counts = [wheel.advance(5000, expired)];
    while (wheel.nextExpiry(5000) === 0) counts.push(wheel.advance(5000, expired));
    expect(counts.length).toBeGreaterThan(9);
    expect(counts.reduce((a, b) => a + b, 0)).toBe(100);
  });

  it("stands still when the clock goes back", () => {
    const wheel = wheelOf(1, 1000);
    wheel.start(0, 10);
    expect(advanceAll(wheel, 1005)).toEqual([]);
    expect(advanceAll(wheel, 900)).toEqual([]);
    wheel.setNow(1002);
    wheel.stop(0);
    wheel.start(0, 10);
    expect(wheel.expiryTick(0)).toBe(1015);
    expect(wheel.nextExpiry(900)).toBe(10);
  });

  it("answers a jump of days at once, and follows the clock while nothing runs", () => {
    const wheel = wheelOf(2);
    wheel.start(0, TIMER_MAX_DELAY_TICKS);
    wheel.start(1, 1);
    expect(advanceAll(wheel, -0x1000_0000)).toEqual([1, 0]);
    wheel.setNow(0x1234_5678);
    wheel.start(0, 2);
    expect(wheel.expiryTick(0)).toBe(0x1234_567a);
    expect(wheel.nextExpiry(0x1234_5678)).toBe(2);
  });

  it("keeps 20,000 timers in 16 bytes each, restarted at random, none lost and none early", () => {
    const count = 20_000;
    const window = MemoryWindow.plain(count * 16 + 8192);
    const wheel = new TimerWheel(window, "timers", count);
    expect(window.regions.map((region) => [region.name, region.bytes])).toEqual([["timers", count * 16 + 4288]]);
    const random = new SeededRandom(8);
    const due = new Float64Array(count);
    const expired = new Int32Array(256);
    let fired = 0;
    let restarted = 0;
    for (let t = 0; t < count; t++) {
      const delay = 1 + random.nextBelow(100_000);
      due[t] = delay;
      wheel.start(t, delay);
    }
    for (let now = 0; wheel.running > 0; now += 37) {
      for (let isFirst = true; isFirst || wheel.nextExpiry(now) === 0; isFirst = false) {
        const n = wheel.advance(now, expired);
        for (let i = 0; i < n; i++) {
          const t = expired[i];
          if (due[t] > now || due[t] <= now - 37) throw new Error(`timer ${t} of ${due[t]} fired at ${now}`);
          fired++;
          if (fired % 3 === 0) {
            due[t] = now + 1000;
            wheel.start(t, 1000);
            restarted++;
          }
        }
      }
    }
    expect(fired).toBe(count + restarted);
  });

  it("refuses a window without room, by name", () => {
    expect(() => new TimerWheel(MemoryWindow.plain(4096), "timers", 1)).toThrow(/timers/);
  });
});
