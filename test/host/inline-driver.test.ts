import { expect, test } from "vitest";
import { Engine } from "../../src/graph/engine.js";
import { PacketPool } from "../../src/graph/packet-pool.js";
import { InlineDriver } from "../../src/host/inline-driver.js";
import { SystemClock } from "../../src/host/system-clock.js";
import { MemoryWindow } from "../../src/mem/window.js";
import { until } from "./sockets.js";

/** A driver of an engine without nodes; `onTurn` is called in each of its turns. */
function driverOf(onTurn: (driver: InlineDriver<object>) => void) {
  const window = MemoryWindow.plain(1 << 20);
  const pool = new PacketPool(window, { small: 8, large: 1 });
  const engine = new Engine<object>({ window, pool, clock: new SystemClock() });
  const driver = new InlineDriver(engine);
  const counts = { turns: 0, sleeps: 0 };
  driver.maySleep = () => {
    counts.sleeps++;
    return true;
  };
  engine.addTimed({
    setNow: () => undefined,
    nextExpiry: () => -1,
    expire: () => {
      counts.turns++;
      onTurn(driver);
    },
  });
  engine.start({});
  return { driver, counts };
}

test("who is woken while it polls before it sleeps can be woken again", async () => {
  const { driver, counts } = driverOf((each) => {
    // The first turn finds nothing: from the second one on it polls.
    if (counts.turns === 2) each.wake();
  });
  driver.wake();
  await until(() => counts.sleeps > 0);
  const { turns } = counts;
  expect(turns).toBeGreaterThan(2);
  driver.wake();
  await until(() => counts.turns > turns);
  driver.close();
});

test("who is woken at the last moment does not sleep", async () => {
  const { driver, counts } = driverOf(() => undefined);
  const { maySleep } = driver;
  let isFirst = true;
  driver.maySleep = () => {
    if (isFirst) driver.wake();
    isFirst = false;
    return maySleep();
  };
  driver.wake();
  await until(() => counts.sleeps >= 2);
  const { turns } = counts;
  driver.wake();
  await until(() => counts.turns > turns);
  driver.close();
  expect(counts.sleeps).toBeGreaterThanOrEqual(3);
});
