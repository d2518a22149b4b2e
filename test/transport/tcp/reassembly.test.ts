import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  established,
  FAMILIES,
  isSame,
  listening,
  pattern,
  ScriptedPeer,
  type ScriptedStack,
} from "./scripted-peer.js";

function read(host: ScriptedStack): Uint8Array {
  const bytes = new Uint8Array(host.session.readableBytes);
  host.session.read(bytes);
  return bytes;
}

describe.each(FAMILIES)("reassembly over IPv%i", (family) => {
  it("keeps what is ahead, and acknowledges all when the gap is filled [SHLD-31, R5681-7]", () => {
    const [peer, host] = established({ family });
    peer.send({ flags: "PA", seq: 101, data: 100 }).expect({ flags: "A", ack: 1 });
    peer.send({ flags: "PA", seq: 301, data: 100 }).expect({ flags: "A", ack: 1 });
    expect(host.session.readableBytes).toBe(0);
    peer.send({ flags: "PA", seq: 1, data: 100 }).expect({ flags: "A", ack: 201 });
    peer.send({ flags: "PA", seq: 201, data: 100 }).expect({ flags: "A", ack: 401 });
    expect(read(host)).toEqual(pattern(0, 400));
    expect(host.errors("established")).toEqual({ enqueued: 2, enqueued_ooo: 2 });
  });

  it.each([
    ["the same again", 1, 100],
    ["the end of it again", 51, 50],
    ["a part in the middle", 41, 20],
  ])("drops old data and acknowledges it: %s", (_name, seq, data) => {
    const [peer, host] = established({ family });
    peer.send({ flags: "PA", data: 100 }).expect({ flags: "A", ack: 101 });
    peer.send({ flags: "PA", seq, data }).expect({ flags: "A", ack: 101 });
    expect(read(host)).toEqual(pattern(0, 100));
    expect(host.count("established", "segment_old")).toBe(1);
  });

  it("takes what is new of a segment that begins in old data, or before the first byte [SEGARR-WINDOW, SEGARR-TRIM]", () => {
    const [peer, host] = established({ family });
    peer.send({ flags: "PA", data: 100 }).expect({ flags: "A", ack: 101 });
    peer.send({ flags: "PA", seq: 51, data: 100 }).expect({ flags: "A", ack: 151 });
    peer.send({ flags: "PA", seq: 1, data: 200 }).expect({ flags: "A", ack: 201 });
    expect(read(host)).toEqual(pattern(0, 200));
  });

  it("cuts what lies right of the window, and a FIN behind it [SEGARR-WINDOW, SEGARR-TRIM]", () => {
    const [peer, host] = established({ family, rxFifoBytes: 1000 });
    peer.send({ flags: "FPA", data: 1400 }).expect({ flags: "A", ack: 1001, win: 0 });
    expect(peer.state).toBe("ESTABLISHED");
    expect(read(host)).toEqual(pattern(0, 1000));
    host.settle();
    peer.expect({ flags: "A", ack: 1001, win: 1000 });
    peer.send({ flags: "FPA", seq: 1001, data: 400 }).expect({ flags: "A", ack: 1402 });
    expect(peer.state).toBe("CLOSE_WAIT");
    expect(read(host)).toEqual(pattern(1000, 400));
  });

  it("keeps the last byte inside the window, ahead of a gap; nothing at its edge [SEGARR-WINDOW, R7323-4]", () => {
    const [peer, host] = established({ family, rxFifoBytes: 1000 });
    peer.send({ flags: "PA", seq: 1001, data: 10 }).expect({ flags: "A", ack: 1 });
    expect(host.count("established", "segment_invalid")).toBe(1);
    peer.send({ flags: "PA", seq: 1000, data: 10 }).expect({ flags: "A", ack: 1 });
    expect(host.count("established", "enqueued_ooo")).toBe(1);
    peer.send({ flags: "PA", seq: 1, data: 999 }).expect({ flags: "A", ack: 1001, win: 0 });
    expect(read(host)).toEqual(pattern(0, 1000));
  });

  it("a FIN before missing data ends the stream once the data is there [SEGARR-FIN]", () => {
    const [peer, host] = established({ family });
    peer.send({ flags: "FPA", seq: 101, data: 50 }).expect({ flags: "A", ack: 1 });
    expect(peer.state).toBe("ESTABLISHED");
    expect(host.log).toEqual([]);
    peer.send({ flags: "PA", seq: 1, data: 100 });
    expect(peer.takeAll().at(-1)).toMatchObject({ flags: "A", ack: 152 });
    expect(peer.state).toBe("CLOSE_WAIT");
    expect(host.log).toEqual(["rx", "disconnect"]);
    expect(read(host)).toEqual(pattern(0, 150));
  });

  it("a bare FIN before missing data, too, in FIN_WAIT_2", () => {
    const [peer, host] = established({ family });
    host.session.halfClose();
    host.settle();
    peer.expect({ flags: "FA" });
    peer.send({ flags: "A" });
    peer.send({ flags: "FA", seq: 101 }).expect({ flags: "A", ack: 1 });
    peer.send({ flags: "PA", seq: 1, data: 100 });
    expect(peer.takeAll().at(-1)).toMatchObject({ flags: "A", ack: 102 });
    expect(peer.state).toBe("TIME_WAIT");
    expect(read(host)).toEqual(pattern(0, 100));
  });

  it("any segments that cover the stream, in any order and with any overlaps, deliver it once [SEGARR-TRIM]", () => {
    const bytes = 3000;
    const [, host] = listening({ family });
    let port = 5000;
    const piece = fc.record({ from: fc.nat(bytes - 1), count: fc.integer({ min: 1, max: 1400 }) });
    fc.assert(
      fc.property(fc.array(piece, { minLength: 1, maxLength: 25 }), fc.nat(40), (pieces, together) => {
        const peer = new ScriptedPeer(host, { port: port++ });
        peer.open();
        const got: Uint8Array[] = [];
        const drain = (): unknown => got.push(read(host));
        const ends: number[] = [];
        const send = ({ from, count }: { from: number; count: number }): void => {
          peer.send({ flags: "A", seq: 1 + from, data: Math.min(count, bytes - from) });
        };
        host.together(() => {
          for (const each of pieces.slice(0, together)) send(each);
        });
        for (const each of pieces.slice(together)) {
          send(each);
          if (each.from % 3 === 0) drain();
          ends.push(peer.takeAll().at(-1)?.ack ?? -1);
        }
        // Acknowledgements never go back.
        expect(ends).toEqual([...ends].sort((a, b) => a - b));
        for (let from = 0; from < bytes; from += 1000) send({ from, count: 1000 });
        expect(peer.takeAll().at(-1)?.ack).toBe(bytes + 1);
        drain();
        expect(isSame(Buffer.concat(got), pattern(0, bytes))).toBe(true);
        expect(host.stack.host.fifos.stats().oooIntervals).toBe(0);
        peer.send({ flags: "R" });
      }),
      { numRuns: 20, seed: 42 },
    );
  });
});
