import { expect, test } from "vitest";
import { Spin } from "../../src/host/spin.js";

/** Sleeps until it is worth trying; how many that were. */
function sleepsUntilTrial(spin: Spin): number {
  let sleeps = 0;
  for (; !spin.isWorthIt; sleeps++) spin.slept();
  return sleeps;
}

test("polling is given up when it finds nothing, and tried again ever more seldom", () => {
  const spin = new Spin();
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
  const spin = new Spin();
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
