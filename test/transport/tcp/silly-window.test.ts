import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { T_RCV_EDGE, T_RCV_NXT } from "../../../src/transport/tcp/connection.js";
import { C_RX_FIFO } from "../../../src/transport/transport.js";
import { established, FAMILIES, listening, pattern, ScriptedPeer } from "./scripted-peer.js";

describe.each(FAMILIES)("silly windows over IPv%i", (family) => {
  it("the sender waits for a full segment while the window opens crumb by crumb [MUST-38]", () => {
    const [peer, host] = established({ family }, { mss: 1000, win: 10_000 });
    host.session.write(pattern(0, 30_000));
    host.settle();
    expect(peer.takeAll()).toHaveLength(10);
    peer.send({ flags: "A", win: 0 });
    for (const win of [10, 200, 600, 999]) peer.send({ flags: "A", win }).expectNothing();
    peer.send({ flags: "A", win: 1000 }).expect({ seq: 10_001, len: 1000 });
    peer.expectNothing();
  });

  it("half of the largest window seen is enough", () => {
    const [peer, host] = established({ family }, { mss: 1000, win: 600 });
    host.session.write(pattern(0, 5000));
    host.settle();
    peer.expect({ seq: 1, len: 600 });
    peer.send({ flags: "A", win: 299 }).expectNothing();
    peer.send({ flags: "A", win: 300 }).expect({ seq: 601, len: 300 });
    expect(host.session.queuedBytes).toBe(4400);
  });

  it("all that is queued is enough", () => {
    const [peer, host] = established({ family }, { mss: 1000, win: 10_000 });
    host.session.write(pattern(0, 10_050));
    host.settle();
    expect(peer.takeAll()).toHaveLength(10);
    peer.send({ flags: "A", win: 49 }).expectNothing();
    peer.send({ flags: "A", win: 50 }).expect({ flags: "PA", seq: 10_001, len: 50 });
  });

  it("a small window is used after the override timer, whole", () => {
    const [peer, host] = established({ family }, { mss: 1000, win: 10_000 });
    host.session.write(pattern(0, 30_000));
    host.settle();
    peer.takeAll();
    peer.send({ flags: "A", win: 400 }).expectNothing();
    host.pass(199);
    peer.expectNothing();
    host.pass(2);
    peer.expect({ seq: 10_001, len: 400 });
    peer.send({ flags: "A", win: 400 }).expectNothing();
    host.pass(1000);
    peer.expect({ seq: 10_401, len: 400 });
    expect(host.session.queuedBytes).toBe(19_600);
  });

  it("bulk goes in full segments, the last one pushed [SHLD-28, MUST-61]", () => {
    const [peer, host] = established({ family }, { mss: 1000, win: 65_535 });
    host.session.write(pattern(0, 9500));
    host.settle();
    const sent = peer.takeAll();
    expect(sent.map(({ len }) => len)).toEqual([...new Array<number>(9).fill(1000), 500]);
    expect(sent.map(({ flags }) => flags)).toEqual([...new Array<string>(9).fill("A"), "PA"]);
  });

  it("the receiver moves the right edge by useful steps only [MUST-39]", () => {
    const [peer, host] = established({ family, rxFifoBytes: 8000 }, { mss: 1000 });
    peer.send({ flags: "PA", data: 1000 });
    for (let i = 1; i < 8; i++) peer.send({ flags: "PA", data: 1000 });
    expect(peer.takeAll().at(-1)).toMatchObject({ ack: 8001, win: 0 });
    const edges: number[] = [];
    for (let i = 0; i < 800; i++) {
      host.session.drop(10);
      host.settle();
      edges.push(...peer.takeAll().map(({ ack, win }) => ack + win));
    }
    expect(edges[0]).toBe(9001);
    for (let i = 1; i < edges.length; i++) expect(edges[i] - edges[i - 1]).toBeGreaterThanOrEqual(1000);
    expect(edges.length).toBeLessThanOrEqual(8);
  });

  it.each([
    ["without scaling", 40_000, undefined],
    ["with scaling", 200_000, 5],
    ["with much scaling", 900_000, 0],
  ] as const)(
    "the right edge never moves left, nor past the fifo, %s [SHLD-14, R7323-4]",
    (_name, rxFifoBytes, wscale) => {
      const step = fc.record({
        seq: fc.integer({ min: -2000, max: 4000 }),
        count: fc.integer({ min: 0, max: 1460 }),
        read: fc.oneof(fc.constant(0), fc.constant(0), fc.nat(3000)),
      });
      const [, host] = listening({ family, rxFifoBytes });
      let port = 5000;
      fc.assert(
        fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
          const peer = new ScriptedPeer(host, { port: port++, ...(wscale === undefined ? {} : { wscale }) });
          peer.open();
          const unit = wscale === undefined ? 1 : 1 << (Math.ceil(Math.log2((rxFifoBytes + 1) / 65_536)) | 0);
          let shown = 1;
          let edge = Number.NEGATIVE_INFINITY;
          for (const { seq, count, read } of steps) {
            peer.send({ flags: "A", seq: Math.max(1, shown + seq), data: count });
            if (read > 0) host.session.drop(read);
            host.settle();
            for (const got of peer.takeAll()) {
              shown = got.ack;
              // What scaling cannot say may be cut off (RFC 7323 2.4).
              const moved = got.ack + got.win * unit - edge;
              if (moved <= -unit) throw new Error(`from ${edge} by ${moved}`);
              edge = Math.max(edge, got.ack + got.win * unit);
            }
            const window = peer.field(T_RCV_EDGE) - peer.field(T_RCV_NXT);
            expect(window).toBeGreaterThanOrEqual(0);
            expect(window).toBeLessThanOrEqual(host.stack.host.fifos.maxEnqueue(peer.field(C_RX_FIFO)));
          }
          peer.send({ flags: "R", seq: shown });
        }),
        { numRuns: 15, seed: 7 },
      );
    },
  );

  it("full segments that nobody reads do not move it left either, though the scale is coarse [SHLD-14]", () => {
    const [peer] = established({ family, rxFifoBytes: 900_000, tcp: { delayedAckMs: 0 } }, { wscale: 0 });
    let edge = 0;
    for (let i = 0; i < 590; i++) {
      peer.send({ flags: "A", data: 1441 + (i % 20) });
      const { ack, win } = peer.expect({ flags: "A" });
      if (i > 0 && ack + win * 16 < edge) throw new Error(`segment ${i}: from ${edge} to ${ack + win * 16}`);
      edge = ack + win * 16;
    }
    expect(edge).toBeLessThanOrEqual(900_001);
    expect(edge).toBeGreaterThan(870_000);
  });

  it("the end of the session does not move it left", () => {
    const [peer, host] = established({ family, rxFifoBytes: 900_000 }, { wscale: 0 });
    peer.send({ flags: "A", data: 1000 });
    host.session.drop(1000);
    host.session.close();
    host.settle();
    peer.send({ flags: "A" });
    peer.send({ flags: "FA" });
    peer.send({ flags: "FA", seq: 1001 });
    const edges = peer.takeAll().map(({ ack, win }) => ack + win * 16);
    expect(peer.state).toBe("TIME_WAIT");
    expect(edges.length).toBeGreaterThan(2);
    expect(edges).toEqual([...edges].sort((a, b) => a - b));
  });

  it("single bytes that nobody reads close the window in the end, scaled as it may be", () => {
    const [peer] = established({ family, rxFifoBytes: 70_000, tcp: { delayedAckMs: 0 } }, { wscale: 0 });
    for (let i = 0; i < 48; i++) peer.send({ flags: "A", data: 1400 });
    for (let i = 0; i < 300; i++) peer.send({ flags: "A", data: 1 });
    const { ack, win } = peer.takeAll().at(-1) as { ack: number; win: number };
    expect(ack).toBe(48 * 1400 + 301);
    expect(ack + win * 2).toBeLessThanOrEqual(70_001);
  });
});
