import { describe, expect, test } from "vitest";
import type { Session } from "../../src/app/session.js";
import { BULK_HOST, type HostSize } from "../../src/sim/host-options.js";
import type { FrameEvent } from "../../src/sim/link.js";
import type { LinkOptions } from "../../src/sim/link-options.js";
import { createSimulation } from "../../src/sim/simulation.js";
import { datagrams, SERVER, transfer, twoHosts } from "./two-hosts.js";

const HOSTILE: LinkOptions = {
  delayUs: 2000,
  jitterUs: 300,
  rateBps: 50_000_000,
  queueBytes: 30_000,
  lossRate: 0.01,
  burstLoss: { goodToBadRate: 0.002, badToGoodRate: 0.3 },
  reorderRate: 0.02,
  duplicateRate: 0.01,
  corruptRate: 0.005,
};

describe("a transfer", () => {
  test.each([4, 6] as const)("over a good link arrives whole, at the link's pace, IPv%i", (family) => {
    const { sim, a, b, link } = twoHosts({ size: BULK_HOST, link: { rateBps: 100_000_000, delayUs: 1000 } });
    const flow = transfer(sim, a, b, 1_000_000, family);
    expect(sim.runSync({ untilUs: 10_000_000, isDone: () => flow.isDone })).toBe(true);
    expect(flow).toMatchObject({ got: 1_000_000, wrongAt: -1, error: undefined });
    // At least what the bytes alone take.
    expect(sim.nowUs()).toBeGreaterThan(80_000);
    expect(sim.nowUs()).toBeLessThan(500_000);
    expect(link.counters[0].deliveredBytes).toBeGreaterThan(1_000_000);
    expect(sim.frames).toBe(link.counters[0].offered + link.counters[1].offered);
    sim.close();
  });

  test.each([4, 6] as const)("over a hostile link arrives whole, IPv%i", (family) => {
    const { sim, a, b, link } = twoHosts({ link: HOSTILE });
    const flow = transfer(sim, a, b, 400_000, family);
    expect(sim.runSync({ untilUs: 600_000_000, isDone: () => flow.isDone })).toBe(true);
    expect(flow).toMatchObject({ got: 400_000, wrongAt: -1, error: undefined });
    const { lost, duplicated, reordered, corrupted } = link.counters[0];
    expect(Math.min(lost.loss, lost.burst, duplicated, reordered, corrupted)).toBeGreaterThan(0);
    expect([...a.errors, ...b.errors]).toEqual([]);
    sim.close();
  });

  test.each([4, 6] as const)("finds its way through a narrow link by the router's answers, IPv%i", (family) => {
    const { sim, a, b, link } = twoHosts({ link: { delayUs: 1000, mtu: 1300, mtuAnswer: "icmp" } });
    const flow = transfer(sim, a, b, 100_000, family);
    expect(sim.runSync({ untilUs: 60_000_000, isDone: () => flow.isDone })).toBe(true);
    expect(flow).toMatchObject({ got: 100_000, wrongAt: -1 });
    expect(link.counters[0].tooBigAnswers).toBeGreaterThan(0);
    expect(link.counters[0].lost.mtu).toBe(link.counters[0].tooBigAnswers);
    sim.close();
  });

  test("without answers a narrow link swallows it", () => {
    const { sim, a, b, link } = twoHosts({ link: { delayUs: 1000, mtu: 1300 } });
    const flow = transfer(sim, a, b, 100_000);
    expect(sim.runSync({ untilUs: 10_000_000, isDone: () => flow.isDone })).toBe(false);
    expect(flow.got).toBe(0);
    expect(link.counters[0].lost.mtu).toBeGreaterThan(0);
    sim.close();
  });

  test("survives a partition at a scheduled time", () => {
    const { sim, a, b, link } = twoHosts({ link: { delayUs: 1000, rateBps: 10_000_000 } });
    const flow = transfer(sim, a, b, 1_000_000);
    let before = 0;
    sim.at(200_000, () => link.partition());
    sim.at(210_000, () => (before = flow.got));
    sim.at(1_500_000, () => {
      expect(flow.got).toBe(before);
      link.heal();
    });
    expect(sim.runSync({ untilUs: 60_000_000, isDone: () => flow.isDone })).toBe(true);
    expect(before).toBeGreaterThan(0);
    expect(flow).toMatchObject({ got: 1_000_000, wrongAt: -1 });
    expect(link.counters[0].lost.partition).toBeGreaterThan(0);
    sim.close();
  });

  test("leaves nothing behind", () => {
    const { sim, a, b } = twoHosts({ link: HOSTILE });
    const flow = transfer(sim, a, b, 100_000);
    sim.runSync({ untilUs: 600_000_000, isDone: () => flow.isDone });
    for (const host of [a, b])
      for (const app of host.apps) app.detach().catch((error: unknown) => host.errors.push(error));
    sim.runSync({ untilUs: sim.nowUs() + 200_000_000 });
    // Rows of closed connections are free in the turn after.
    for (const host of [a, b]) host.wake();
    sim.runSync({ untilUs: sim.nowUs() });
    for (const { stack, errors } of [a, b]) {
      const { pool, fifos, sessions, tcp } = stack.host;
      expect([pool.inUse(), pool.doubleFrees, pool.exhausted, fifos.inUse()]).toEqual([[], 0, 0, 0]);
      expect([tcp.core.connections.used, tcp.core.timers.running, sessions.table.used]).toEqual([0, 0, 0]);
      expect(errors).toEqual([]);
    }
    sim.close();
  });

  test("ends by a timeout when its peer vanishes", () => {
    const { sim, a, b, link } = twoHosts({
      link: { delayUs: 1000, rateBps: 10_000_000 },
      a: { tcp: { userTimeoutMs: 20_000 } },
    });
    const flow = transfer(sim, a, b, 1_000_000);
    sim.at(200_000, () => b.vanish());
    expect(sim.runSync({ untilUs: 100_000_000, isDone: () => flow.error !== undefined })).toBe(true);
    expect(sim.nowUs()).toBeGreaterThan(20_000_000);
    expect(String(flow.error)).toContain("TIMEDOUT");
    const turns = b.stack.engine.turns;
    const { delivered } = link.counters[0];
    sim.runSync({ untilUs: 101_000_000 });
    expect([b.stack.engine.turns, link.counters[0].delivered]).toEqual([turns, delivered]);
    expect(link.counters[0].lost.vanished).toBeGreaterThan(0);
    sim.close();
  });
});

describe("determinism", () => {
  function run(seed: number, watches = false): string {
    const { sim, a, b } = twoHosts({ seed, link: HOSTILE });
    if (watches) sim.onFrame = (event) => void event.bytes[0];
    const flow = transfer(sim, a, b, 200_000);
    sim.runSync({ untilUs: 600_000_000, isDone: () => flow.isDone });
    sim.close();
    return `${sim.hash()} ${sim.frames} ${sim.nowUs()}`;
  }

  test("the same seed gives the same frames, another seed others; watching changes nothing", () => {
    const first = run(7);
    expect(run(7)).toBe(first);
    expect(run(7, true)).toBe(first);
    expect(run(8)).not.toBe(first);
  });

  test("promises change nothing", async () => {
    const { sim, a, b } = twoHosts({ seed: 7, link: HOSTILE });
    const flow = transfer(sim, a, b, 200_000);
    await sim.run({ untilUs: 600_000_000, isDone: () => flow.isDone });
    expect(`${sim.hash()} ${sim.frames} ${sim.nowUs()}`).toBe(run(7));
    sim.close();
  });

  // Literal values: whoever runs this, wherever, must get them. No TCP in it, whose behaviour may change.
  test.each([
    [4, "9f549d4e4b20d33f", 1999],
    [6, "548ead10ffdb78e5", 1999],
  ] as const)("datagrams over IPv%i give hash %s on every machine", (family, hash, frames) => {
    const net = twoHosts({ seed: 2024, link: { ...HOSTILE, rateBps: 2_000_000, queueBytes: 3000 } });
    const arrived = datagrams(net, 2000, 700, family);
    net.sim.runSync({ untilUs: 30_000_000 });
    expect([net.sim.hash(), net.sim.frames]).toEqual([hash, frames]);
    expect(arrived.length).toBeGreaterThan(1000);
    net.sim.close();
  });

  test("another host more changes neither the callers' random numbers nor a link's", () => {
    const one = createSimulation({ seed: 3 });
    const two = createSimulation({ seed: 3 });
    two.host("more", { addresses: [] });
    expect(one.fork().nextInt32()).toBe(two.fork().nextInt32());
    expect(one.fork().nextInt32()).not.toBe(createSimulation({ seed: 4 }).fork().nextInt32());
  });
});

describe("time", () => {
  test("actions of one time run in the order in which they were given, before the hosts act", () => {
    const { sim, a } = twoHosts();
    const order: string[] = [];
    sim.onInstant = () => order.push(`instant ${sim.nowUs()} turns ${a.stack.engine.turns}`);
    sim.at(500, () => order.push("first"));
    sim.at(500, () => {
      order.push("second");
      a.wake();
      sim.after(0, () => order.push(`fourth, turns ${a.stack.engine.turns}`));
    });
    sim.at(400, () => order.push("zeroth"));
    sim.at(500, () => order.push("third"));
    expect(sim.runSync({ untilUs: 1000 })).toBe(false);
    expect(order).toEqual([
      "zeroth",
      "instant 400 turns 0",
      "first",
      "second",
      "third",
      "fourth, turns 0",
      "instant 500 turns 1",
    ]);
    expect(sim.nowUs()).toBe(1000);
    expect(() => sim.at(999, () => {})).toThrow("time 999 us");
    expect(() => sim.at(1000.5, () => {})).toThrow("not an integer");
  });

  test("a run goes to its end and no further", () => {
    const sim = createSimulation({ seed: 1, startUs: 50 });
    let calls = 0;
    sim.at(100, () => calls++);
    sim.at(101, () => calls++);
    sim.runSync({ untilUs: 100 });
    expect([calls, sim.nowUs()]).toEqual([1, 100]);
    expect(sim.runSync({ untilUs: 1000, isDone: () => calls === 2 })).toBe(true);
    expect(sim.nowUs()).toBe(101);
  });

  test("asynchronous programs go on at the instant of what they waited for", async () => {
    const { sim, a, b } = twoHosts({ link: { delayUs: 1500 } });
    const server = b.attach({ name: "server" }, { accept: () => true });
    const client = a.attach({ name: "client" }, {});
    const times: number[] = [];
    const program = (async () => {
      await server.listen("tcp://0.0.0.0:80");
      const session = await client.connect(`tcp://${SERVER[4]}:80`);
      times.push(sim.nowUs());
      session.close();
    })();
    await sim.run({ untilUs: 1_000_000 });
    await program;
    // A round trip for ARP, one for the handshake.
    expect(times).toEqual([6000]);
    sim.close();
  });

  test("hosts that answer each other for ever over a link without delay are found out", () => {
    const net = twoHosts();
    const { sim, a } = net;
    const echo = (session: Session): void => {
      const bytes = new Uint8Array(100);
      while (session.readDatagram(bytes) >= 0) session.writeDatagram(bytes);
    };
    const back = net.b.attach({ name: "echo" }, { rx: (session) => void session.reply(drain(session)) });
    back.listen("udp://0.0.0.0:8").catch(() => {});
    const client = a.attach(
      { name: "client" },
      { rx: echo, connected: (session) => session?.writeDatagram(new Uint8Array(100)) },
    );
    client.connect(`udp://${SERVER[4]}:8`).catch(() => {});
    expect(() => sim.runSync({ untilUs: 1_000_000 })).toThrow("the network never settles at 0 us");
  });

  test.each([
    ["as virtual time runs", 0, 0, 1_000_000],
    ["a tenth faster", 100_000, 0, 909_091],
    ["a tenth slower", -100_000, 0, 1_111_112],
    ["as virtual time runs, 12,345 us ahead", 0, 12_345, 999_955],
  ])("a timer of one second on a clock that runs %s", (_how, clockSkewPpm, clockOffsetUs, dueUs) => {
    const { sim, a } = twoHosts({ a: { clockSkewPpm, clockOffsetUs } });
    const times: number[] = [];
    sim.onFrame = ({ timeUs }: FrameEvent) => times.push(timeUs);
    // Nobody has this address: its solicitation is repeated after RETRANS_TIMER, one second of the host's own.
    a.attach({ name: "client" }, {})
      .connect("tcp://10.0.0.77:80")
      .catch(() => {});
    sim.runSync({ untilUs: 1_500_000 });
    expect(times.slice(0, 2)).toEqual([0, dueUs]);
    sim.close();
  });
});

describe("cost", () => {
  test("idle hosts take no turns, however much time passes", () => {
    const sim = createSimulation({ seed: 1 });
    const hub = sim.switch("hub");
    for (let i = 0; i < 50; i++)
      sim.link(sim.host(`h${i}`, { addresses: [`10.0.0.${i + 1}/24`] }), hub, { delayUs: 10 });
    sim.runSync({ untilUs: 3_600_000_000 });
    expect(sim.hosts.reduce((turns, host) => turns + host.stack.engine.turns, 0)).toBe(0);
    expect([sim.instants, sim.frames, sim.nowUs()]).toEqual([0, 0, 3_600_000_000]);
    sim.close();
  });

  test("a host takes a turn per instant at which it has something to do, and others none", () => {
    const sim = createSimulation({ seed: 1 });
    const hub = sim.switch("hub");
    for (let i = 1; i <= 10; i++) {
      sim.link(sim.host(`h${i}`, { addresses: [`10.0.0.${i}/24`] }), hub, { delayUs: 100 });
    }
    const [a, b] = sim.hosts;
    const flow = transfer(sim, a, b, 20_000);
    sim.runSync({ untilUs: 60_000_000, isDone: () => flow.isDone });
    expect(flow.got).toBe(20_000);
    expect(a.stack.engine.turns).toBeLessThanOrEqual(a.instants + 5);
    expect(a.instants).toBeLessThan(60);
    // The ARP request went to all.
    for (const other of sim.hosts.slice(2)) expect(other.stack.engine.turns).toBe(1);
    sim.close();
  });

  test("an idle connection costs nothing between its timers", () => {
    const { sim, a, b } = twoHosts({ link: { delayUs: 1000 } });
    const flow = transfer(sim, a, b, 1000);
    sim.runSync({ untilUs: 10_000_000, isDone: () => flow.isDone });
    const turns = a.stack.engine.turns;
    sim.runSync({ untilUs: 3_600_000_000 });
    // TIME-WAIT, neighbour states, and steps of the timer wheel.
    expect(a.stack.engine.turns - turns).toBeLessThan(60);
    sim.close();
  });

  test("hosts of the default size take at most 256 KiB each", () => {
    const count = 500;
    const sim = createSimulation({ seed: 1 });
    const hub = sim.switch("hub");
    const start = performance.now();
    for (let i = 0; i < count; i++) {
      const addresses = [`10.0.${i >> 7}.${(i & 127) + 1}/16`, `2001:db8::${(i + 1).toString(16)}/64`];
      sim.link(sim.host(`h${i}`, { addresses }), hub, { delayUs: 10 });
    }
    console.log(`${count} hosts made in ${(performance.now() - start).toFixed(0)} ms`);
    for (const host of sim.hosts) expect(host.windowBytes).toBeLessThanOrEqual(256 * 1024);
    const [first, last] = [sim.hosts[0], sim.hosts[count - 1]];
    const refused: unknown[] = [];
    first
      .attach({ name: "client" }, {})
      .connect(`tcp://${last.addresses[0]}:80`)
      .catch(() => {});
    sim.onFrame = ({ dropReason }) => dropReason !== undefined && refused.push(dropReason);
    sim.runSync({ untilUs: 1_000_000 });
    expect(refused).toEqual([]);
    expect(last.stack.engine.turns).toBeGreaterThan(1);
    sim.close();
  });

  test("a host whose tables are larger than a small one's talks to neighbours in many networks", () => {
    const sim = createSimulation({ seed: 1 });
    const hub = sim.switch("hub");
    const connect = (name: string, address: string, size: HostSize = {}) => {
      const host = sim.host(name, { ...size, addresses: [address] });
      sim.link(host, hub, { delayUs: 10 });
      return host;
    };
    const center = connect("center", "10.0.0.1/16", {
      neighbours: { limit: 64, perNeighbour: 4, queued: 8 },
      ip: { maxAdjacencies: 256, maxLoadBalances: 256 },
    });
    let accepted = 0;
    const server = center.attach({ name: "server" }, { accept: () => ++accepted > 0 });
    server.listen("tcp://0.0.0.0:80").catch((error: unknown) => center.errors.push(error));
    for (let i = 1; i <= 40; i++) {
      const client = connect(`c${i}`, `10.0.${i}.1/16`).attach({ name: "client" }, {});
      sim.at(i * 100_000, () => {
        client
          .connect("tcp://10.0.0.1:80")
          .then((session) => session.close())
          .catch((error: unknown) => center.errors.push(error));
      });
    }
    return sim.run({ untilUs: 20_000_000 }).then(() => {
      expect(center.errors).toEqual([]);
      expect(accepted).toBe(40);
      sim.close();
    });
  });
});

describe("settings", () => {
  test("what is out of range is refused", () => {
    const sim = createSimulation({ seed: 1 });
    const host = sim.host("h", { addresses: [] });
    expect(() => createSimulation({ seed: 0.5 })).toThrow("seed 0.5");
    expect(() => createSimulation({ seed: 1, startUs: -1 })).toThrow("start time -1");
    expect(() => sim.link(host, host)).toThrow("a link from h to itself");
    expect(() => sim.link(host, sim.switch("s"), { lossRate: 2 })).toThrow("lossRate 2");
    expect(() => sim.host("x", { addresses: [], clockSkewPpm: 0.1 })).toThrow("clock skew 0.1");
    expect([sim.hosts.length, sim.links.length, host.devices.length]).toEqual([1, 0, 0]);
  });

  test("a router between two networks forwards, and a host has an interface per link", () => {
    const sim = createSimulation({ seed: 1 });
    const route = (via: string) => [
      { kind: "route", table: 0, prefix: "0.0.0.0/0", add: true, paths: [{ via }] } as const,
    ];
    const a = sim.host("a", { addresses: ["10.1.0.1/24"], routes: route("10.1.0.254") });
    const b = sim.host("b", { addresses: ["10.0.0.2/24"], routes: route("10.0.0.254") });
    const router = sim.host("router", {
      addresses: ["10.1.0.254/24"],
      moreAddresses: [["10.0.0.254/24"]],
      ip: { forward4: true },
    });
    sim.link(a, router, { delayUs: 100 });
    sim.link(router, b, { delayUs: 100 });
    const flow = transfer(sim, a, b, 50_000);
    expect(sim.runSync({ untilUs: 10_000_000, isDone: () => flow.isDone })).toBe(true);
    expect(flow).toMatchObject({ got: 50_000, wrongAt: -1 });
    expect(router.addresses).toEqual(["10.1.0.254", "10.0.0.254"]);
    expect(router.devices).toHaveLength(2);
    sim.close();
  });
});

/** Reads a datagram. */
function drain(session: Session): Uint8Array {
  const bytes = new Uint8Array(100);
  session.readDatagram(bytes);
  return bytes;
}
