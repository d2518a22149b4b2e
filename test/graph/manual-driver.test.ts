import { describe, expect, it } from "vitest";
import { ManualDriver } from "../../src/graph/manual-driver.js";
import { ManualClock } from "../../src/time/manual-clock.js";

/** An engine that notes when it ran, with deadlines and a number of busy turns at each moment. */
class Engine {
  readonly turns: number[] = [];
  readonly clock = new ManualClock();
  readonly #deadlines: number[];
  #tick = 0;
  busy = 0;

  constructor(deadlines: number[]) {
    this.#deadlines = deadlines;
  }

  turn(): number {
    this.turns.push(this.clock.nowUs());
    this.#tick = Math.floor(this.clock.nowUs() / 100);
    while (this.#deadlines.length > 0 && this.#deadlines[0] <= this.#tick) this.#deadlines.shift();
    return this.busy-- > 0 ? 1 : 0;
  }

  nextExpiry(): number {
    return this.#deadlines.length === 0 ? -1 : this.#deadlines[0] - this.#tick;
  }
}

describe("the manual driver", () => {
  it("skips the time between deadlines and ends where it was told to", () => {
    const engine = new Engine([5, 70, 2000]);
    new ManualDriver(engine, engine.clock).run(100_050);
    expect(engine.turns).toEqual([0, 500, 7000, 100_050]);
    expect(engine.clock.nowUs()).toBe(100_050);
  });

  it("runs deadlines that fall on the end", () => {
    const engine = new Engine([10]);
    new ManualDriver(engine, engine.clock).run(1000);
    expect(engine.turns).toEqual([0, 1000]);
  });

  it("counts deadlines from the tick that a time lies in", () => {
    const engine = new Engine([3]);
    engine.clock.setUs(199);
    new ManualDriver(engine, engine.clock).run(1000);
    expect(engine.turns).toEqual([199, 300, 1000]);
  });

  it("turns until there is nothing left to do", () => {
    const engine = new Engine([]);
    engine.busy = 3;
    new ManualDriver(engine, engine.clock).run(0);
    expect(engine.turns).toEqual([0, 0, 0, 0]);
  });

  it("moves time on under an engine that is never done", () => {
    const engine = new Engine([2]);
    engine.busy = 25_000;
    new ManualDriver(engine, engine.clock).run(1000);
    expect(new Set(engine.turns)).toEqual(new Set([0, 200, 1000]));
    expect(engine.turns).toHaveLength(25_001);
  });
});
