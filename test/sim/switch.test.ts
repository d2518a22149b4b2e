import { describe, expect, test } from "vitest";
import type { SimHost } from "../../src/sim/host.js";
import type { SimSwitch } from "../../src/sim/switch.js";
import { createSimulation, type Simulation } from "../../src/sim/simulation.js";
import { transfer } from "./two-hosts.js";

/** Hosts 10.0.0.1 to 10.0.0.4 on a switch. */
function star(): { sim: Simulation; hub: SimSwitch; hosts: readonly SimHost[] } {
  const sim = createSimulation({ seed: 5 });
  const hub = sim.switch("hub");
  for (let i = 1; i <= 4; i++) sim.link(sim.host(`h${i}`, { addresses: [`10.0.0.${i}/24`] }), hub, { delayUs: 50 });
  return { sim, hub, hosts: sim.hosts };
}

describe("a switch", () => {
  test("learns where hosts are, and sends to them alone", () => {
    const { sim, hub, hosts } = star();
    const [a, b, c] = hosts;
    expect(hub.portOf(a.devices[0].mac)).toBeUndefined();
    const flow = transfer(sim, a, b, 30_000);
    expect(sim.runSync({ untilUs: 10_000_000, isDone: () => flow.isDone })).toBe(true);
    expect(flow).toMatchObject({ got: 30_000, wrongAt: -1 });
    expect(hosts.map(({ devices }) => hub.portOf(devices[0].mac))).toEqual([0, 1, undefined, undefined]);
    // One broadcast, the ARP request; the answer and all segments went one way.
    expect(hub.flooded).toBe(1);
    expect(c.links[0].counters[1].delivered).toBe(1);
    expect(hub.forwarded).toBe(a.links[0].counters[0].delivered + b.links[0].counters[0].delivered - 1);
    sim.close();
  });

  test("forgets a host that was silent for five minutes, and floods to it", () => {
    const { sim, hub, hosts } = star();
    const [a, b] = hosts;
    const flow = transfer(sim, a, b, 1000);
    sim.runSync({ untilUs: 10_000_000, isDone: () => flow.isDone });
    const { mac } = b.devices[0];
    sim.runSync({ untilUs: sim.nowUs() + 299_000_000 });
    expect(hub.portOf(mac)).toBe(1);
    sim.runSync({ untilUs: sim.nowUs() + 20_000_000 });
    expect(hub.portOf(mac)).toBeUndefined();
    sim.close();
  });

  test("follows a host that moves", () => {
    const { sim, hub, hosts } = star();
    const { mac } = hosts[0].devices[0];
    const frame = (from: Uint8Array) => Uint8Array.from([...hosts[3].devices[0].mac, ...from, 0x12, 0x34, 0, 0]);
    const offer = (port: number, bytes: Uint8Array): void => {
      sim.links[port].set({ rewrite: () => bytes }, "a-to-b");
      hosts[port]
        .attach({ name: `app${port}` }, {})
        .connect("tcp://10.0.0.9:1")
        .catch(() => {});
    };
    offer(0, frame(mac));
    sim.runSync({ untilUs: 1000 });
    expect(hub.portOf(mac)).toBe(0);
    offer(2, frame(mac));
    sim.runSync({ untilUs: 2000 });
    expect(hub.portOf(mac)).toBe(2);
    sim.close();
  });
});
