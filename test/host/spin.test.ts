import { expect, test } from "vitest";
import { Spin } from "../../src/host/spin.js";

/** What the driver does when it has nothing to do: polls if that is worth it, then sleeps if nothing was found. */
function idle(spin: Spin, finds: boolean): boolean {
  const isTried = spin.isWorthIt;
  if (isTried && finds) spin.succeeded();
  else {
    if (isTried) spin.failed();
    spin.slept();
  }
  return isTried;
}

function trials(spin: Spin, finds: boolean, rounds = 1000): number {
  let count = 0;
  for (let i = 0; i < rounds; i++) if (idle(spin, finds)) count++;
  return count;
}

test("a peer on another processor is polled for, always", () => {
  expect(trials(new Spin(() => 0), true)).toBe(1000);
});

test("nobody there: it is given up but for a trial now and then, and taken up when one succeeds", () => {
  const spin = new Spin(() => 0);
  expect(trials(spin, false)).toBeLessThan(32 + 1000 / 64 + 1);
  for (let i = 0; i < 64 && !spin.isWorthIt; i++) spin.slept();
  spin.succeeded();
  expect(trials(spin, true)).toBe(1000);
});

test("what is found only because the system took the processor away does not count", () => {
  let preempted = 0;
  const spin = new Spin(() => preempted);
  const found = (): boolean => {
    const isTried = spin.isWorthIt;
    preempted++;
    if (isTried) spin.succeeded();
    spin.slept();
    return isTried;
  };
  let tried = 0;
  for (let i = 0; i < 1000; i++) if (found()) tried++;
  expect(tried).toBeLessThan(16 + 1000 / 64 + 2);
});

test("being preempted now and then is no reason to stop", () => {
  let found = 0;
  const spin = new Spin(() => Math.floor(found / 8));
  for (; found < 1000; found++) {
    expect(spin.isWorthIt).toBe(true);
    spin.succeeded();
  }
});
