import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { T_RCV_EDGE, T_RCV_NXT, T_SCALES } from "../../../src/transport/tcp/connection.js";
import { C_RX_FIFO } from "../../../src/transport/transport.js";
import { FAMILIES, listening, ScriptedPeer } from "./scripted-peer.js";

const STEP = fc.oneof(
  // Text, from what the peer has had acknowledged; much of it is old, out of order or outside.
  { weight: 6, arbitrary: fc.record({ seq: fc.integer({ min: -2000, max: 6000 }), data: fc.nat(1448) }) },
  // In order, and often tiny.
  {
    weight: 6,
    arbitrary: fc.record({ data: fc.oneof(fc.nat(3), fc.constant(1448), fc.integer({ min: 1, max: 1448 })) }),
  },
  // Exactly up to the edge, and one byte past it.
  { weight: 1, arbitrary: fc.record({ past: fc.nat(1) }) },
  { weight: 3, arbitrary: fc.record({ read: fc.oneof(fc.nat(20), fc.nat(20_000)) }) },
  { weight: 2, arbitrary: fc.record({ ms: fc.nat(60) }) },
  { weight: 1, arbitrary: fc.record({ write: fc.nat(500) }) },
);

// SHLD-14 of RFC 9293; 2.4 of RFC 7323 says why the edge that a peer computes may lie left of the one before by less than
// a unit of the scale. That happens only when the fifo has no room to round up.
describe.each(FAMILIES)("the right edge of the window over IPv%i", (family) => {
  it.each([
    [0, 60_000],
    [0, 3000],
    [1, 100_000],
    [2, 250_000],
    [4, 900_000],
    [10, 60 << 20],
  ])("never moves left, and what was announced is taken: scale %i", (scale, rxFifoBytes) => {
    const limits = { fifoBytes: 2 << 20 };
    const tcp = { quickAcks: 3 };
    const [, host] = listening({ family, rxFifoBytes, limits, tcp, txFifoBytes: 64_000 });
    let port = 5000;
    fc.assert(
      fc.property(fc.array(STEP, { maxLength: 80 }), fc.boolean(), (steps, sack) => {
        host.receivers.length = 0;
        const peer = new ScriptedPeer(host, { port: port++, wscale: 0, sack, timestamps: true });
        peer.open();
        expect(peer.field(T_SCALES) & 0xff).toBe(scale);
        const unit = 1 << scale;
        let acked = 1;
        let shown = 0;
        let furthest = 0;
        let edge = peer.field(T_RCV_EDGE);

        /** Looks at all that the stack sent, and at what it remembers. */
        function look(): void {
          for (const { ack, win } of peer.takeAll()) {
            const next = ack + win * unit;
            const room = host.stack.host.fifos.maxEnqueue(peer.field(C_RX_FIFO));
            // With one unit more it would not lie left, but past the fifo.
            if (next < shown && (next <= shown - unit || (win + 1) * unit <= room)) {
              throw new Error(`from ${shown} to ${next}, with room for ${room}`);
            }
            acked = ack;
            shown = next;
            furthest = Math.max(furthest, next);
          }
          const now = peer.field(T_RCV_EDGE);
          expect((now - edge) | 0).toBeGreaterThanOrEqual(0);
          expect((now - peer.iss) | 0).toBeGreaterThanOrEqual(furthest);
          edge = now;
        }

        for (const step of steps) {
          const next = (peer.field(T_RCV_NXT) - peer.iss) | 0;
          if ("read" in step) host.session.drop(step.read);
          if ("write" in step) host.session.write(new Uint8Array(step.write));
          if ("ms" in step) host.pass(step.ms);
          if ("past" in step && furthest - 1448 > next) {
            peer.send({ flags: "A", seq: furthest - 1448 + step.past, data: 1448 });
          }
          if ("seq" in step) peer.send({ flags: "A", seq: Math.max(1, acked + step.seq), data: step.data });
          else if ("data" in step) peer.send({ flags: "A", seq: next, data: step.data });
          host.settle();
          look();
        }
        // All that was announced is taken, however the window looks now: nobody reads.
        const memory = Math.min(furthest, acked + 500_000);
        for (let seq = (peer.field(T_RCV_NXT) - peer.iss) | 0; seq < memory; seq += 1448) {
          peer.send({ flags: "A", seq, data: Math.min(1448, memory - seq) });
          look();
        }
        expect((peer.field(T_RCV_NXT) - peer.iss) | 0).toBeGreaterThanOrEqual(memory);
        peer.send({ flags: "R", seq: (peer.field(T_RCV_NXT) - peer.iss) | 0 });
        host.settle();
      }),
      { numRuns: 12, seed: 11 },
    );
  });
});
