import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { ROW_WORDS, T_RCV_NXT, T_SND_WL1 } from "../../../src/transport/tcp/connection.js";
import { C_RX_FIFO, C_TX_FIFO } from "../../../src/transport/transport.js";
import { established, FAMILIES, listening, ScriptedPeer, type ScriptedStack, type Send } from "./scripted-peer.js";

const prediction = vi.hoisted(() => ({ isOn: true, hits: 0 }));

vi.mock(import("../../../src/transport/tcp/predict.js"), async (importOriginal) => {
  const actual = await importOriginal();
  return {
    ...actual,
    predicted: (...parameters) => {
      if (!prediction.isOn) return actual.NOT_PREDICTED;
      const outcome = actual.predicted(...parameters);
      if (outcome !== actual.NOT_PREDICTED) prediction.hits++;
      return outcome;
    },
  };
});

type Step =
  | { readonly kind: "send"; readonly send: Send; readonly offset: number }
  | { readonly kind: "read" | "write" | "pass"; readonly amount: number };

/** Everything that a connection has become: its row, what it sent, and the counters. */
interface Outcome {
  readonly rows: string[];
  readonly sent: string[];
  readonly counters: Record<string, number>;
  readonly heard: string[];
}

function play(family: 4 | 6, steps: readonly Step[], timestamps: boolean, isOn: boolean): Outcome {
  prediction.isOn = isOn;
  const [peer, host] = established(
    { family, rxFifoBytes: 40_000, limits: { fifoBytes: 256 << 10 }, session: { maxSessions: 8 } },
    { timestamps, win: 5000, mss: 1000 },
  );
  const sent: string[] = [];
  const rows: string[] = [];
  for (const step of steps) {
    act(step, peer, host);
    sent.push(...peer.takeAll().map(({ packet }) => Buffer.from(packet).toString("hex")));
    rows.push(peer.row < 0 ? "" : rowOf(peer).join(" "));
  }
  const counters = { ...host.errors("established") };
  // Which of the two nodes a counter stands in does not depend on prediction.
  for (const [symbol, count] of Object.entries(host.errors("rcv-process"))) counters[`rcv-process ${symbol}`] = count;
  return { rows, sent, counters, heard: [...host.log] };
}

function rowOf(peer: ScriptedPeer): number[] {
  const row = Array.from({ length: ROW_WORDS }, (_, i) => peer.field(i));
  row[C_RX_FIFO] = row[C_TX_FIFO] = 0;
  return row;
}

function act(step: Step, peer: ScriptedPeer, host: ScriptedStack): void {
  if (step.kind === "send") {
    const expected = peer.row < 0 ? 1 : (peer.field(T_RCV_NXT) - peer.iss) | 0;
    const ts = typeof step.send.ts === "number" ? { ts: peer.tsNow + step.send.ts } : {};
    peer.send({ ...step.send, seq: expected + step.offset, ...ts });
  } else if (step.kind === "pass") host.pass(step.amount);
  else if (host.session.index >= 0) {
    if (step.kind === "read") host.session.drop(step.amount);
    else host.session.write(new Uint8Array(step.amount));
    host.settle();
  }
}

const inOrder: fc.Arbitrary<Step> = fc
  .record({ data: fc.integer({ min: 1, max: 1400 }), push: fc.boolean() })
  .map(({ data, push }) => ({ kind: "send", offset: 0, send: { flags: push ? "PA" : "A", data } }));

const anySegment: fc.Arbitrary<Step> = fc
  .record({
    flags: fc.constantFrom("A", "PA", "UA", "A", "PA", "UA", "EA", "P", "SA", "A", "PA", "FA"),
    data: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 1400 })),
    offset: fc.oneof(fc.constant(0), fc.constant(0), fc.integer({ min: -1500, max: 3000 })),
    win: fc.constantFrom(5000, 5000, 0, 4000, 9000),
    ts: fc.constantFrom<number | false | undefined>(undefined, undefined, undefined, -5, 3, false),
    options: fc.constantFrom<readonly number[]>([], [], [1, 1, 1, 1]),
    urgent: fc.nat(2000),
  })
  .map(({ offset, ts, ...send }) => ({ kind: "send", offset, send: ts === undefined ? send : { ...send, ts } }));

const other: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constant("read" as const), amount: fc.nat(4000) }),
  fc.record({ kind: fc.constant("write" as const), amount: fc.integer({ min: 1, max: 3000 }) }),
  fc.record({ kind: fc.constant("pass" as const), amount: fc.constantFrom(1, 10, 100, 300) }),
);

describe.each(FAMILIES)("header prediction over IPv%i", (family) => {
  it.each([false, true])("gives what the full procedure gives; timestamps %s", (timestamps) => {
    prediction.hits = 0;
    const step = fc.oneof(
      { arbitrary: inOrder, weight: 6 },
      { arbitrary: anySegment, weight: 3 },
      { arbitrary: other, weight: 2 },
    );
    fc.assert(
      fc.property(fc.array(step, { minLength: 20, maxLength: 50, size: "max" }), (steps) => {
        const fast = play(family, steps, timestamps, true);
        const full = play(family, steps, timestamps, false);
        expect(fast).toEqual(full);
      }),
      { numRuns: 12, seed: 11 },
    );
    prediction.isOn = true;
    expect(prediction.hits).toBeGreaterThan(50);
  });

  it("does not fall behind with the segment that told the window, for 2^31 bytes", () => {
    prediction.isOn = true;
    const [peer] = established({ family });
    peer.send({ flags: "A", data: 1000 });
    peer.send({ flags: "A", data: 1000 });
    expect((peer.field(T_SND_WL1) - peer.iss) | 0).toBe(1001);
    peer.takeAll();
  });

  it("counts a segment of which only a part fits once", () => {
    for (const isOn of [true, false]) {
      prediction.isOn = isOn;
      const host = listening({
        family,
        limits: { fifoBytes: 64 << 10 },
        rxFifoBytes: 60_000,
        session: { maxSessions: 8 },
      })[1];
      const peers = [5000, 5001].map((port) => new ScriptedPeer(host, { port }));
      for (const peer of peers) peer.open();
      for (let i = 0; i < 60; i++) for (const peer of peers) peer.send({ flags: "A", seq: peer.nxt, data: 1000 });
      const { enqueued, partially_enqueued, fifo_full } = host.errors("established");
      const acked = peers.map((peer) => (peer.takeAll().at(-1)?.ack ?? 0) - 1);
      expect(partially_enqueued).toBe(2);
      expect(fifo_full).toBeGreaterThan(0);
      expect(enqueued).toBe(acked.reduce((sum, each) => sum + Math.floor(each / 1000), 0));
    }
    prediction.isOn = true;
  });
});
