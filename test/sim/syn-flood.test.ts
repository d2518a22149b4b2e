import { expect, test } from "vitest";
import { AppServer } from "../../src/app/attach.js";
import { wire } from "../../src/device/wire-device.js";
import { MemoryWindow } from "../../src/mem/window.js";
import { SeededRandom } from "../../src/random/seeded.js";
import { SMALL_LIMITS, Stack } from "../../src/stack.js";
import { ManualClock } from "../../src/time/manual-clock.js";
import { ScriptedDevice } from "../transport/tcp/scripted-device.js";
import { neighbourAnswer, segmentFrame } from "../transport/tcp/segment-codec.js";

/** Forged SYNs; the long run is WEFT_SYNS=1000000. */
const SYNS = Number(process.env["WEFT_SYNS"] ?? 60_000);
/** At 200,000 a second of the network's time. */
const PER_STEP = 20;
const STEP_US = 100;
const BACKLOG = 64;
const NO_OFFLOADS = { checksum: false, tso: false, uso: false };

function makeStack(clock: ManualClock, seed: number): Stack {
  return new Stack({
    window: MemoryWindow.plain(64 << 20),
    clock,
    random: new SeededRandom(seed),
    hooks: { wake: () => {}, reportError: () => {} },
    limits: { ...SMALL_LIMITS, smallPackets: 1024, largePackets: 8, fifoBytes: 4 << 20 },
    tcp: { maxConnections: 512, timeWaitMs: 100 },
    session: { maxSessions: 256, maxListeners: 8, maxApplications: 4 },
  });
}

test("forged SYNs without end: who means it connects within 3 s, and memory has a bound", async () => {
  const clock = new ManualClock(5_000_000);
  const [near, far] = wire();
  const client = makeStack(clock, 1);
  const server = makeStack(clock, 2);
  const flood = new ScriptedDevice(1500, NO_OFFLOADS);
  let answers = 0;
  flood.onSent = ({ bytes }) => {
    const answer = neighbourAnswer(bytes, ["198.18.0.2"]);
    if (answer === undefined) answers++;
    else flood.incoming.push({ bytes: answer, flags: 0 });
  };
  client.addInterface("wire0", near, { addresses: ["10.0.0.1/24"] });
  server.addInterface("wire0", far, { addresses: ["10.0.0.2/24"] });
  server.addInterface("test0", flood, { addresses: ["198.18.0.2/24"] });
  const listening = await new AppServer(server.host.sessions).attach(
    { name: "server" },
    { accept: () => true, rx: (session) => void session.drop(session.readableBytes) },
  );
  await listening.listen("tcp://0.0.0.0/80", { backlog: BACKLOG });
  const connecting = await new AppServer(client.host.sessions).attach({ name: "client" }, {});
  const settle = (): void => {
    for (let i = 0; i < 100 && client.engine.turn() + server.engine.turn() > 0; i++);
  };

  const { connections } = server.host.tcp.core;
  const random = new SeededRandom(3);
  const connectedAfterMs: number[] = [];
  let failures = 0;
  let mostRows = 0;
  for (let sent = 0, step = 0; sent < SYNS; step++) {
    for (let i = 0; i < PER_STEP && sent < SYNS; i++, sent++) {
      const source = `198.18.0.${3 + random.nextBelow(250)}`;
      const sourcePort = 1024 + random.nextBelow(64_000);
      const tuple = { family: 4, source, destination: "198.18.0.2", sourcePort, destinationPort: 80 } as const;
      const seq = random.nextInt32();
      const bytes = segmentFrame(tuple, {
        flags: "S",
        seq,
        ack: 0,
        window: 65_535,
        urgent: 0,
        options: [],
        data: new Uint8Array(),
      });
      flood.incoming.push({ bytes, flags: 0 });
    }
    if (step % 500 === 250) {
      const startUs = clock.nowUs();
      connecting.connect("tcp://10.0.0.2/80").then(
        () => connectedAfterMs.push((clock.nowUs() - startUs) / 1000),
        () => failures++,
      );
    }
    settle();
    await Promise.resolve();
    mostRows = Math.max(mostRows, connections.used);
    clock.advanceUs(STEP_US);
  }
  for (let i = 0; i < 3000 && connectedAfterMs.length + failures < Math.ceil((SYNS / PER_STEP - 250) / 500); i++) {
    clock.advanceUs(1000);
    settle();
    await Promise.resolve();
  }

  expect(failures).toBe(0);
  expect(connectedAfterMs).toHaveLength(Math.ceil((SYNS / PER_STEP - 250) / 500));
  expect(Math.max(...connectedAfterMs)).toBeLessThan(3000);
  // The listener, its backlog, those who mean it, and what is answered within one turn.
  expect(mostRows).toBeLessThan(1 + BACKLOG + connectedAfterMs.length + PER_STEP + 256);
  const counters = server.engine.errors().filter(({ node }) => node === "tcp4-listen");
  const count = (wanted: string): number => counters.find(({ symbol }) => symbol === wanted)?.count ?? 0;
  expect(count("syns_rcvd")).toBeGreaterThanOrEqual(SYNS);
  expect(count("syn_cookies_sent")).toBeGreaterThan(0.9 * SYNS);
  expect(count("syn_cookies_rcvd")).toBe(connectedAfterMs.length);
  expect(answers).toBeGreaterThan(0.9 * SYNS);
  // Once it is over nothing is left of it.
  for (let i = 0; i < 700; i++) {
    clock.advanceUs(100_000);
    settle();
  }
  expect(connections.used).toBe(1 + connectedAfterMs.length);
  client.close();
  server.close();
});
