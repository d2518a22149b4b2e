import { describe, expect, it } from "vitest";
import type { SimHost } from "../../src/sim/host.js";
import { drawCase, plansOf, RANDOM_SCENARIO } from "../../src/sim/draw-case.js";
import { runCase, runScenario } from "../../src/sim/runner.js";
import { SCENARIOS } from "../../src/sim/scenarios/index.js";
import type { SimCase } from "../../src/sim/sim-case.js";
import { frameView, tcpOfFrame } from "../../src/sim/tcp-frame.js";
import type { World } from "../../src/sim/world.js";
import { ESTABLISHED, T_CWND, T_RCV_EDGE, T_SND_NXT, T_SND_UNA } from "../../src/transport/tcp/connection.js";
import { C_STATE } from "../../src/transport/transport.js";
import { flipsPayload, later } from "./injected.js";

/** Two connections with much data both ways that begin within a quarter of a second, over a slow link that loses nothing. */
const CALM: SimCase = {
  ...drawCase("bulk", 7),
  family: 4,
  clients: 1,
  connections: 2,
  link: { delayUs: 20_000, rateBps: 1_000_000 },
};

/** Changes a word of each open connection of a host. */
function poke(host: SimHost, field: number, change: (word: number, row: number) => number): void {
  const { tcp, window } = host.stack.host;
  for (const c of tcp.core.connections) {
    const r = tcp.core.connections.row(c);
    if (window.i32[r + C_STATE] >= ESTABLISHED) window.i32[r + field] = change(window.i32[r + field], r);
  }
  host.wake();
}

function stopTimers({ stack }: SimHost): void {
  const { timers } = stack.host.tcp.core;
  for (let i = 0; i < timers.capacity; i++) timers.stop(i);
}

/** The seeds that every change is tried with. */
function seedsOf(name: string): number[] {
  return Array.from({ length: name === RANDOM_SCENARIO ? 30 : 6 }, (_, i) => 110 + i);
}

/** Those that measure have a test of their own. */
const NAMES = SCENARIOS.filter((each) => !("check" in each)).map(({ name }) => name);

describe("the scenarios", () => {
  it.each([...NAMES, RANDOM_SCENARIO])("%s keeps all invariants", (name) => {
    const seeds = seedsOf(name);
    const failed = seeds.map((seed) => runScenario(name, seed)).filter(({ failure }) => failure !== undefined);
    expect(failed.map(({ seed, failure }) => `${seed}: ${failure?.invariant}: ${failure?.text}`)).toEqual([]);
  });

  it("give the same packets for the same seed, and others for another", () => {
    for (const name of ["bulk", "vanish", RANDOM_SCENARIO]) {
      const first = runScenario(name, 21);
      expect(runScenario(name, 21)).toEqual(first);
      expect(first.hash).toMatch(/^[0-9a-f]{16}$/);
      expect(runScenario(name, 22).hash).not.toBe(first.hash);
    }
  });

  it("are not changed by who looks on", () => {
    let frames = 0;
    const watched = runScenario("request-response", 4, { onFrame: () => frames++ });
    expect(watched).toEqual(runScenario("request-response", 4));
    expect(frames).toBeGreaterThanOrEqual(watched.frames);
  });

  it("let a connection do the same whichever others there are", () => {
    const whole = drawCase("request-response", 5);
    expect(plansOf({ ...whole, first: 3, connections: 2 })).toEqual(plansOf(whole).slice(3, 5));
  });

  it("record what becomes of each connection", () => {
    const { records, completed, connections, virtualUs } = runScenario("bulk", 3);
    expect(completed).toBe(connections);
    for (const { client, server, startedUs } of records) {
      expect([client.outcome, server?.outcome]).toEqual(["complete", "complete"]);
      expect(client.receivedBytes).toBe(server?.sentBytes);
      expect(client.openedUs).toBeGreaterThanOrEqual(startedUs);
      expect(client.endedUs).toBeLessThan(virtualUs);
    }
  });

  it("must be known", () => {
    expect(() => runScenario("nonsense", 1)).toThrow(new RangeError('no scenario "nonsense"'));
  });
});

const INJECTED: readonly (readonly [what: string, invariant: string, fault: (world: World) => void])[] = [
  ["a byte altered on the way", "unaltered", flipsPayload()],
  ["a packet buffer leaked", "nothing-left", later(({ server }) => server.stack.host.pool.alloc())],
  ["many leaked", "bounded-memory", later(({ server: { stack } }) => leak(stack.host.pool))],
  ["a fifo leaked", "nothing-left", later(({ server }) => server.stack.host.fifos.allocFifo(4096))],
  ["the right edge moved left", "right-edge", later(({ server }) => poke(server, T_RCV_EDGE, (edge) => edge - 100))],
  ["no congestion window", "congestion-window", later(({ server }) => poke(server, T_CWND, () => 0))],
  ["sndUna ahead of sndNxt", "send-order", later(({ server }) => poke(server, T_SND_UNA, past(server)))],
  ["an announced window cut", "announced-edge", later(cutsWindow)],
  ["a packet above the MTU", "mtu", lengthens],
  ["a callback that throws", "no-exception", later(({ server }) => server.errors.push(new Error("thrown")))],
  ["an exception in the network", "no-exception", later(() => fault("broken"))],
  ["timers that stand still", "no-stall", later(standsStill)],
];

function leak(pool: { alloc(): number }): void {
  for (let i = 0; i < 300; i++) pool.alloc();
}

function past({ stack }: SimHost): (word: number, row: number) => number {
  return (_, row) => (stack.host.window.i32[row + T_SND_NXT] + 1) | 0;
}

function fault(message: string): never {
  throw new Error(message);
}

/** The segments of the server announce no window any more. */
function cutsWindow({ path }: World): void {
  const rewrite = (frame: Uint8Array): Uint8Array | undefined => {
    const segment = tcpOfFrame(frame);
    if (segment === undefined) return undefined;
    frameView(frame).setUint16(segment.at + 14, 0);
    return frame;
  };
  path.set({ rewrite }, "a-to-b");
}

/** Says of one packet that it has more bytes than it has. */
function lengthens({ path }: World): void {
  path.set({
    rewrite: (frame) => {
      const segment = tcpOfFrame(frame);
      if (segment === undefined || segment.isIp6 || segment.dataLen < 1000) return undefined;
      frameView(frame).setUint16(segment.ipAt + 2, 1501);
      return frame;
    },
  });
}

function standsStill({ sim, path, server, clients }: World): void {
  path.partition();
  // By then the queue has run empty.
  sim.after(5_000_000, () => {
    stopTimers(server);
    stopTimers(clients[0]);
    path.heal();
  });
}

describe("the runner", () => {
  it("finds nothing where nothing is wrong", () => {
    expect(runCase(CALM).failure).toBeUndefined();
  });

  it.each(INJECTED)("finds %s: %s", (_, invariant, prepare) => {
    const { failure } = runCase(CALM, { prepare });
    expect(failure?.invariant).toBe(invariant);
    expect(failure?.text).not.toBe("");
  });

  it("finds senders that do not notice that their peer has gone", () => {
    const changes = [{ atUs: 700_000, kind: "vanish", host: 1 }] as const;
    const prepare = ({ sim, server }: World): void => sim.after(750_000, () => stopTimers(server));
    expect(runCase({ ...CALM, changes }).failure).toBeUndefined();
    expect(runCase({ ...CALM, changes }, { prepare }).failure?.invariant).toBe("user-timeout");
  });

  it("finds connects that fail too late", () => {
    // Without a timeout of its own the case has the stack's default, which is longer than the runner allows then.
    const { failure } = runCase({ ...CALM, link: { lossRate: 1 }, tcp: {} });
    expect(failure?.invariant).toBe("connect-timeout");
  });
});
