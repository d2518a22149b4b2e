import { describe, expect, it } from "vitest";
import type { AppCallbacks } from "../../src/app/callbacks.js";
import type { Session } from "../../src/app/session.js";
import type { ApplicationOptions } from "../../src/session/application.js";
import { S_RX_FIFO } from "../../src/session/session-table.js";
import type { SimHost } from "../../src/sim/host.js";
import { BULK_HOST } from "../../src/sim/host-options.js";
import { createSimulation, type Simulation } from "../../src/sim/simulation.js";
import { SessionHarness } from "./fake-transport.js";

const FIRST = 64 << 10;
const MOST = 2 << 20;
const CHUNK = new Uint8Array(65_536).fill(7);

interface Line {
  readonly sim: Simulation;
  readonly receiver: SimHost;
  readonly session: Session;
  /** Bytes that the receiver has read. */
  read(): number;
  capBytes(): number;
}

/** A sender that always has more, over 40 ms and 100 Mbit/s. */
function line(options: Partial<ApplicationOptions>, callbacks: AppCallbacks = {}): Line {
  const sim = createSimulation({ seed: 5 });
  const limits = { ...BULK_HOST.limits, appSegmentBytes: 8 << 20 };
  const size = { ...BULK_HOST, limits };
  const [receiver, sender] = [1, 2].map((i) => sim.host(`host${i}`, { ...size, addresses: [`10.0.0.${i}/24`] }));
  sim.link(receiver, sender, { delayUs: 20_000, rateBps: 100_000_000, queueBytes: 4 << 20 });
  let read = 0;
  const sessions: Session[] = [];
  const app = receiver.attach(
    { name: "receiver", rxFifoBytes: FIRST, ...options },
    {
      accept: (session) => {
        sessions.push(session);
      },
      rx: (session) => {
        read += session.drop(session.readableBytes);
      },
      ...callbacks,
    },
  );
  app.listen("tcp://0.0.0.0/80").catch(() => {});
  const fill = (session: Session): void => {
    while (session.write(CHUNK) > 0);
  };
  const source = sender.attach(
    { name: "sender", txFifoBytes: 4 << 20 },
    { connected: (session) => session !== undefined && fill(session), tx: fill },
  );
  source.connect("tcp://10.0.0.1/80").catch(() => {});
  sim.runSync({ untilUs: 200_000 });
  const [session] = sessions;
  const { window, sessions: layer } = receiver.stack.host;
  const fifo = window.i32[layer.table.row(session.index) + S_RX_FIFO];
  return { sim, receiver, session, read: () => read, capBytes: () => receiver.stack.host.fifos.capBytes(fifo) };
}

describe("rx fifos that grow by need", () => {
  it("let the peer send what the path carries, where a fixed one holds it to a window per round trip", () => {
    const fixed = line({});
    const grows = line({ maxFifoBytes: MOST });
    for (const { sim } of [fixed, grows]) sim.runSync({ untilUs: 3_000_000 });
    expect(fixed.capBytes()).toBe(FIRST);
    // 64 KiB each 40 ms.
    expect(fixed.read()).toBeLessThan(3 * 25 * FIRST);
    expect(grows.read()).toBeGreaterThan(4 * fixed.read());
    // The path holds 500,000 bytes.
    expect(grows.capBytes()).toBeGreaterThan(500_000);
    expect(grows.capBytes()).toBeLessThanOrEqual(MOST);
  });

  it("do not grow past the application's bound, nor without need", () => {
    const bounded = line({ maxFifoBytes: 200_000 });
    const slow = line({ maxFifoBytes: MOST }, { rx: () => {} });
    for (const { sim } of [bounded, slow]) sim.runSync({ untilUs: 2_000_000 });
    expect(bounded.capBytes()).toBe(200_000);
    for (let i = 0; i < 100; i++) {
      slow.session.drop(300);
      slow.receiver.wake();
      slow.sim.runSync({ untilUs: slow.sim.nowUs() + 10_000 });
    }
    expect(slow.capBytes()).toBe(FIRST);
  });

  it("ask the application, who may say less", () => {
    const asked: number[] = [];
    const { sim, capBytes } = line(
      { maxFifoBytes: MOST },
      {
        fifoTuning: (_session, bytes) => {
          asked.push(bytes);
          return Math.min(bytes, 150_000);
        },
      },
    );
    sim.runSync({ untilUs: 2_000_000 });
    expect(asked[0]).toBeGreaterThan(FIRST);
    expect(asked.every((bytes) => bytes <= MOST)).toBe(true);
    expect(capBytes()).toBe(150_000);
  });

  it("go back when their memory is short, never behind what was promised", () => {
    const segmentBytes = 4 << 20;
    const grown = line({ maxFifoBytes: MOST, segmentBytes, highWatermark: 1, lowWatermark: 0 }, { rx: () => {} });
    const { sim, receiver, session, capBytes } = grown;
    const { fifos, window, sessions } = receiver.stack.host;
    const fifo = window.i32[sessions.table.row(session.index) + S_RX_FIFO];
    fifos.setCapBytes(fifo, MOST);
    // Reading opens the window; then the fifo fills, and 1 % of the segment is in use.
    session.drop(FIRST);
    receiver.wake();
    sim.runSync({ untilUs: 1_000_000 });
    const caps: number[] = [];
    for (let i = 0; i < 400; i++) {
      session.drop(10_000);
      receiver.wake();
      sim.runSync({ untilUs: sim.nowUs() + 50_000 });
      caps.push(capBytes());
      expect(session.readableBytes).toBeLessThanOrEqual(capBytes());
    }
    expect(caps.at(-1)).toBe(FIRST);
    expect(caps.every((bytes, i) => i === 0 || bytes <= caps[i - 1])).toBe(true);
    expect(receiver.errors).toEqual([]);
  });

  it("a callback that throws resets its session", () => {
    const { sim, receiver, session } = line(
      { maxFifoBytes: MOST },
      {
        fifoTuning: () => {
          throw new Error("no");
        },
      },
    );
    sim.runSync({ untilUs: 2_000_000 });
    expect(receiver.errors.map(String)).toEqual(["Error: no"]);
    expect(session.readableBytes).toBe(0);
  });
});

describe("marks of rx fifos", () => {
  it("tell when unread bytes pass the high one, and when they are down to the low one", () => {
    const heard: string[] = [];
    const { sim, session } = line(
      { fifoHighMark: 75, fifoLowMark: 25 },
      {
        rx: () => {},
        fifoMark: (each, isAbove) => heard.push(`${isAbove ? "above" : "below"} ${each.readableBytes >= 0.75 * FIRST}`),
      },
    );
    sim.runSync({ untilUs: 1_000_000 });
    expect(heard).toEqual(["above true"]);
    session.drop(session.readableBytes - FIRST / 2);
    expect(heard.length).toBe(1);
    session.drop(session.readableBytes);
    expect(heard).toEqual(["above true", "below false"]);
  });
});

it("options that make no sense are refused", () => {
  const { layer } = new SessionHarness();
  const attach = (options: Partial<ApplicationOptions>): number => layer.attach({ name: "x", ...options }, {});
  const wrong: Partial<ApplicationOptions>[] = [
    { rxFifoBytes: 2000, maxFifoBytes: 1999 },
    { maxFifoBytes: (64 << 20) + 1 },
    { maxFifoBytes: 100_000.5, rxFifoBytes: 1000 },
    { fifoHighMark: 101 },
    { fifoHighMark: 50, fifoLowMark: 50 },
    { fifoLowMark: 10 },
  ];
  for (const options of wrong) expect(attach(options)).toBeLessThan(0);
  expect(attach({ rxFifoBytes: 2000, maxFifoBytes: 2000, fifoHighMark: 100, fifoLowMark: 0 })).toBeGreaterThanOrEqual(
    0,
  );
});
