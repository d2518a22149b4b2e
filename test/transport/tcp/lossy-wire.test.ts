import { describe, expect, it } from "vitest";
import type { Session } from "../../../src/app/session.js";
import { SeededRandom } from "../../../src/random/seeded.js";
import { Flow, NOTHING_LEFT, type PairOptions, StackPair } from "./stack-pair.js";

const OFFLOADS = { checksum: true, tso: true, uso: true };
const FAULTS = [
  ["a good wire", { lose: 0, duplicate: 0, delay: 0 }],
  ["reordering", { lose: 0, duplicate: 0, delay: 30 }],
  ["duplicates", { lose: 0, duplicate: 30, delay: 0 }],
  ["loss of 5 %", { lose: 5, duplicate: 0, delay: 0 }],
  ["everything", { lose: 8, duplicate: 10, delay: 20 }],
  ["loss of 15 %", { lose: 15, duplicate: 5, delay: 5 }],
] as const;

interface Outcome {
  readonly flows: readonly Flow[];
  readonly isDone: boolean;
  readonly ends: string[];
  readonly pair: StackPair;
}

/** One connection, `up` bytes one way and `down` the other; both ends half-close when they have written all. */
function transfer(family: 4 | 6, up: number, down: number, options: PairOptions): Outcome {
  const pair = new StackPair(options);
  const random = new SeededRandom(options.seed + 1);
  const flows = [new Flow(options.seed + 2, up), new Flow(options.seed + 3, down)];
  const ends: string[] = [];
  let open = 2;
  const app = (out: Flow, into: Flow) => ({
    rx: (session: Session) => into.read(session, 1 + random.nextBelow(5000)),
    tx: (session: Session) => out.write(session, 1 + random.nextBelow(5000)),
    disconnect: (session: Session) => {
      into.read(session, 5000);
      ends.push("end of stream");
    },
    reset: () => ends.push("reset"),
    transportClosed: (session: Session) => {
      open--;
      session.close();
    },
  });
  const [client, server] = flows;
  pair
    .attach(1, { ...app(server, client), accept: (session) => server.write(session, 3000) }, options)
    .listen(family === 4 ? "tcp://0.0.0.0/80" : "tcp://::/80")
    .catch(() => {});
  const connected = (session: Session | undefined): void => {
    if (session === undefined) ends.push("failed");
    else client.write(session, 3000);
  };
  pair
    .attach(0, { ...app(client, server), connected }, options)
    .connect(`tcp://${pair.hosts[1].addresses[family]}/80`)
    .catch(() => {});
  const isDone = pair.run(900_000, () => open === 0 || ends.includes("failed") || ends.includes("reset"));
  return { flows, isDone, ends, pair };
}

describe.each([4, 6] as const)("two stacks over IPv%i", (family) => {
  it.each(FAULTS)("bytes arrive once and in order: %s", (_name, faults) => {
    for (const seed of [1, 2]) {
      const { flows, isDone, ends, pair } = transfer(family, 60_000, 40_000, { seed, faults });
      expect(flows.map(({ isWhole }) => isWhole)).toEqual([true, true]);
      expect(isDone).toBe(true);
      expect(ends).toEqual(["end of stream", "end of stream"]);
      expect(pair.leftovers()).toEqual(NOTHING_LEFT);
    }
  });

  it.each([
    ["superframes", { offloads: OFFLOADS }],
    ["small fifos", { rxFifoBytes: 3000, txFifoBytes: 5000 }],
    ["a tiny rx fifo", { rxFifoBytes: 700, txFifoBytes: 9000 }],
    ["no options", { tcp: { timestamps: false, windowScale: false } }],
    ["large frames", { mtu: 9000 }],
    ["few packet buffers", { limits: { smallPackets: 96, largePackets: 2 } }],
    ["little fifo memory", { limits: { fifoBytes: 160 << 10 }, rxFifoBytes: 120_000, txFifoBytes: 120_000 }],
  ])("also with %s", (_name, options) => {
    const faults = { lose: 4, duplicate: 5, delay: 10 };
    const { flows, isDone, ends, pair } = transfer(family, 50_000, 50_000, { seed: 3, faults, ...options });
    expect(flows.map(({ isWhole }) => isWhole)).toEqual([true, true]);
    expect(isDone).toBe(true);
    expect(ends).toEqual(["end of stream", "end of stream"]);
    expect(pair.leftovers()).toEqual(NOTHING_LEFT);
  });

  it("the same seed gives the same run", () => {
    const run = (): unknown => {
      const { pair } = transfer(family, 20_000, 20_000, { seed: 9, faults: { lose: 5, duplicate: 5, delay: 10 } });
      return [pair.clock.nowUs(), ...pair.hosts.map(({ stack, device }) => [device.counts, stack.engine.errors()])];
    };
    expect(run()).toEqual(run());
  });

  it("nothing at all in one direction, and nothing in both", () => {
    const faults = { lose: 10, duplicate: 5, delay: 10 };
    for (const [up, down] of [
      [30_000, 0],
      [0, 30_000],
      [0, 0],
    ]) {
      const { flows, ends, pair } = transfer(family, up, down, { seed: 5, faults });
      expect(flows.map(({ isWhole }) => isWhole)).toEqual([true, true]);
      expect(ends).toEqual(["end of stream", "end of stream"]);
      expect(pair.leftovers()).toEqual(NOTHING_LEFT);
    }
  });
});

describe.each([4, 6] as const)("many connections between two stacks over IPv%i", (family) => {
  it("come and go, and end in every way", () => {
    const pair = new StackPair({ seed: 21, faults: { lose: 5, duplicate: 5, delay: 10 }, tcp: { timeWaitMs: 100 } });
    const random = new SeededRandom(22);
    const buffer = new Uint8Array(4096);
    const ways = [
      (session: Session) => session.close(),
      (session: Session) => session.reset(),
      (session: Session) => session.halfClose(),
      (session: Session) => session.write(buffer, 0, 1 + random.nextBelow(4000)),
      (session: Session) => session.read(buffer),
      (session: Session) => session.drop(100),
    ];
    let ended = 0;
    const someWay = (session: Session): unknown => ways[random.nextBelow(ways.length)](session);
    const callbacks = {
      accept: (session: Session) => {
        someWay(session);
        return random.nextBelow(10) > 0;
      },
      connected: (session: Session | undefined) => {
        if (session === undefined) ended++;
        else someWay(session);
      },
      rx: someWay,
      tx: someWay,
      disconnect: someWay,
      reset: () => {},
      cleanup: (_session: Session, phase: string) => {
        if (phase === "session") ended++;
      },
    };
    pair
      .attach(1, callbacks)
      .listen(family === 4 ? "tcp://0.0.0.0/80" : "tcp://::/80", { backlog: 8 })
      .catch(() => {});
    const client = pair.attach(0, callbacks);
    for (let i = 0; i < 60; i++) {
      // Some to a port where nobody listens.
      const port = random.nextBelow(8) === 0 ? 81 : 80;
      client.connect(`tcp://${pair.hosts[1].addresses[family]}/${port}`).catch(() => {});
      pair.run(random.nextBelow(400));
    }
    expect(ended).toBeGreaterThan(30);
    expect(pair.leftovers()).toEqual(NOTHING_LEFT);
    expect(pair.errors).toEqual([]);
  });
});
