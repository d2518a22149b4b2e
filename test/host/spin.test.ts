import { expect, test } from "vitest";
import { Spin } from "../../src/host/spin.js";

/** Sleeps until it is worth trying; how many that were. */
function sleepsUntilTrial(spin: Spin): number {
  let sleeps = 0;
  for (; !spin.isWorthIt; sleeps++) spin.slept();
  return sleeps;
}

test("polling is given up when it finds nothing, and tried again ever more seldom", () => {
  const spin = new Spin(() => 0);
  let tries = 0;
  for (; spin.isWorthIt; tries++) {
    spin.failed();
    spin.slept();
  }
  expect(tries).toBe(32);
  const pauses: number[] = [sleepsUntilTrial(spin)];
  for (let i = 0; i < 6; i++) {
    spin.failed();
    pauses.push(sleepsUntilTrial(spin));
  }
  expect(pauses).toEqual([63, 128, 256, 512, 1024, 1024, 1024]);
});

test("a success makes it worth four more, and trials as frequent as at first", () => {
  const spin = new Spin(() => 0);
  for (let i = 0; i < 32; i++) spin.failed();
  for (let i = 0; i < 3; i++) {
    sleepsUntilTrial(spin);
    spin.failed();
  }
  sleepsUntilTrial(spin);
  spin.succeeded();
  for (let i = 0; i < 4; i++) {
    expect(spin.isWorthIt).toBe(true);
    spin.failed();
  }
  expect(sleepsUntilTrial(spin)).toBe(64);
});

/** Polls that find something, each before a sleep, as many as are begun of 1000. */
function begun(preemptedAfter: (found: number) => number): number {
  let found = 0;
  const spin = new Spin(() => preemptedAfter(found));
  for (let i = 0; i < 1000; i++) {
    if (spin.isWorthIt) {
      spin.begin();
      found++;
      spin.succeeded();
    }
    spin.slept();
  }
  return found;
}

test("a peer on another processor is always polled for", () => {
  expect(begun(() => 0)).toBe(1000);
});

test("being preempted now and then is no reason to stop", () => {
  expect(begun((found) => Math.floor(found / 8))).toBe(1000);
});

test("what is found only because the system took the processor away does not count", () => {
  expect(begun((found) => found)).toBeLessThan(16 + 1000 / 128);
});
