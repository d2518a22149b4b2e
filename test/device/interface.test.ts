import { expect, it } from "vitest";
import { InterfaceTable } from "../../src/device/interface.js";
import { NullDevice } from "../../src/device/null-device.js";
import { MemoryWindow } from "../../src/mem/window.js";
import { SeededRandom } from "../../src/random/seeded.js";
import { SMALL_LIMITS, Stack } from "../../src/stack.js";
import { ManualClock } from "../../src/time/manual-clock.js";

const MAC = Uint8Array.of(2, 0, 0, 0, 0, 1);

it("takes as many interfaces as it has room for", () => {
  const table = new InterfaceTable(2);
  for (const name of ["eth0", "eth1"]) table.add(name, new NullDevice(MAC));
  expect(() => table.add("eth2", new NullDevice(MAC))).toThrow("more than 2 interfaces");
  expect(table.count).toBe(2);
  expect(new InterfaceTable().capacity).toBe(1024);
});

it.each([0, 1025, 1.5])("has no room for %d interfaces", (capacity) => {
  expect(() => new InterfaceTable(capacity)).toThrow(`${capacity} interfaces: not 1 to 1024`);
});

it("a stack takes the limit for all that it keeps by interface", () => {
  const stack = new Stack({
    window: MemoryWindow.plain(16 << 20),
    clock: new ManualClock(),
    random: new SeededRandom(1),
    hooks: { wake: () => {}, reportError: () => {} },
    limits: { ...SMALL_LIMITS, maxInterfaces: 3 },
    session: { maxSessions: 8 },
    tcp: { maxConnections: 8 },
    udp: { maxConnections: 8 },
  });
  for (let i = 0; i < 3; i++) {
    stack.addInterface(`eth${i}`, new NullDevice(MAC), { addresses: [`10.${i}.0.1/24`, `2001:db8:${i}::1/64`] });
  }
  const { interfaces, ip } = stack.host;
  expect(() => stack.addInterface("eth3", new NullDevice(MAC))).toThrow("more than 3 interfaces");
  expect(interfaces.capacity).toBe(3);
  expect([ip.fib.multicast4, ip.fib.multicast6, ip.fib.link6].map((each) => each.length)).toEqual([3, 3, 3]);
  expect(stack.engine.arc("ip4-output").mask).toHaveLength(3);
  stack.close();
});
