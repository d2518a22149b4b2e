import { describe, expect, it } from "vitest";
import { delayTicksOfUs, msOfUs, TICK_US, tickOfUs } from "../../src/time/clock.js";
import { ManualClock } from "../../src/time/manual-clock.js";

describe("ManualClock", () => {
  it("moves only when told, and never back", () => {
    const clock = new ManualClock(5);
    expect(clock.nowUs()).toBe(5);
    clock.advanceUs(2.5);
    clock.setUs(1e12);
    clock.setUs(1e12);
    expect(clock.nowUs()).toBe(1e12);
    expect(() => clock.advanceUs(-1)).toThrow(RangeError);
    expect(() => clock.setUs(Number.NaN)).toThrow(RangeError);
    expect(clock.nowUs()).toBe(1e12);
    expect(new ManualClock().nowUs()).toBe(0);
  });
});

describe("ticks", () => {
  it("are 100 us, int32, and wrap", () => {
    expect(tickOfUs(0)).toBe(0);
    expect(tickOfUs(199.9)).toBe(1);
    expect(tickOfUs(2 ** 31 * TICK_US)).toBe(-(2 ** 31));
    expect(tickOfUs(2 ** 32 * TICK_US + 300)).toBe(3);
    expect(msOfUs(2 ** 32 * 1000 + 2999)).toBe(2);
    expect(msOfUs(2 ** 31 * 1000)).toBe(-(2 ** 31));
  });

  it("of a delay have passed only when its microseconds have", () => {
    for (const startUs of [0, 1, 50.5, 99.9, 100]) {
      for (const us of [0, 1, 99, 100, 101, 1000, 200_000]) {
        const firesUs = (tickOfUs(startUs) + delayTicksOfUs(us)) * TICK_US;
        expect(firesUs - startUs).toBeGreaterThanOrEqual(us);
        expect(firesUs - startUs).toBeLessThan(us + 2 * TICK_US);
      }
    }
    expect(delayTicksOfUs(1e15)).toBe(0x4000_0000);
  });
});
