import { describe, expect, it } from "vitest";
import { F_CHECKSUM_PARTIAL, F_L4_CHECKSUM_OK } from "../../../src/graph/packet-pool.js";
import { T_CWND, T_SND_WND } from "../../../src/transport/tcp/connection.js";
import { established, FAMILIES, isSame, pattern, type ScriptedPeer } from "./scripted-peer.js";

const OFFLOADS = { checksum: true, tso: true, uso: true };

/** A connection whose device takes superframes, its windows wide open. */
function wide(family: 4 | 6, options = {}, peerOptions = {}): ReturnType<typeof established> {
  const limits = { fifoBytes: 4 << 20 };
  const [peer, host] = established(
    { family, offloads: OFFLOADS, limits, txFifoBytes: 1 << 20, rxFifoBytes: 1 << 20, ...options },
    { wscale: 8, win: 60_000, ...peerOptions },
  );
  host.core.window.i32[peer.row + T_CWND] = 1 << 20;
  return [peer, host];
}

function bytes(peer: ScriptedPeer): { sizes: number[]; data: Uint8Array; gso: number[] } {
  const sent = peer.takeAll();
  return {
    sizes: sent.map(({ len }) => len),
    gso: sent.map(({ gso }) => gso),
    data: Buffer.concat(sent.map(({ data }) => data)),
  };
}

describe.each(FAMILIES)("superframes over IPv%i", (family) => {
  const mss = family === 4 ? 1460 : 1440;

  it("carry up to maxGsoBytes of whole segments, with their size beside them", () => {
    const [peer, host] = wide(family);
    host.session.write(pattern(0, 131_000));
    host.settle();
    const { sizes, gso, data } = bytes(peer);
    const full = 65_000 - (65_000 % mss);
    expect(sizes).toEqual([full, full, 131_000 - 2 * full]);
    expect(gso).toEqual([mss, mss, 131_000 - 2 * full > mss ? mss : 0]);
    expect(isSame(data, pattern(0, 131_000))).toBe(true);
  });

  it("leave nothing of their size on what is one segment", () => {
    const [peer, host] = wide(family);
    for (const count of [mss, 1, mss - 1, 300, 200]) {
      host.session.write(pattern(0, count));
      host.settle();
      expect(bytes(peer)).toMatchObject({ sizes: [count], gso: [0] });
    }
    host.session.write(pattern(0, mss + 1));
    host.settle();
    expect(bytes(peer)).toMatchObject({ sizes: [mss + 1], gso: [mss] });
  });

  it("are smaller when so configured", () => {
    const [peer, host] = wide(family, { tcp: { maxGsoBytes: 10_000 } });
    host.session.write(pattern(0, 30_000));
    host.settle();
    const { sizes } = bytes(peer);
    expect(Math.max(...sizes)).toBe(10_000 - (10_000 % mss));
  });

  it("are none when attribute gso is 0: segments leave the transport one by one", () => {
    const [peer, host] = wide(family);
    expect(host.session.attribute("gso")).toBe(1);
    expect(host.session.setAttribute("gso", 0)).toBe(0);
    host.session.write(pattern(0, 10 * mss + 5));
    host.settle();
    const { sizes, gso, data } = bytes(peer);
    expect(sizes).toEqual([...new Array<number>(10).fill(mss), 5]);
    expect(new Set(gso)).toEqual(new Set([0]));
    expect(isSame(data, pattern(0, 10 * mss + 5))).toBe(true);
    // Neither when all of it goes again.
    host.pass(1100);
    peer.send({ flags: "A", ack: 1 + mss });
    host.pass(3000);
    expect(bytes(peer).sizes.every((size) => size <= mss)).toBe(true);
    expect([host.session.setAttribute("gso", 1), host.session.attribute("gso")]).toEqual([0, 1]);
  });

  it("are cut in software, checksums completed, when attribute checksumOffload is 0", () => {
    const [peer, host] = wide(family);
    const isPartial: boolean[] = [];
    const { onSent } = host.device;
    host.device.onSent = (frame) => {
      isPartial.push(frame.checksumIsPartial);
      onSent(frame);
    };
    const sizes = (): number[] => {
      host.session.write(pattern(0, 3 * mss));
      host.settle();
      return bytes(peer).sizes;
    };
    expect(sizes()).toEqual([3 * mss]);
    expect(isPartial.splice(0)).toEqual([true]);
    expect(host.session.setAttribute("checksumOffload", 0)).toBe(0);
    expect(host.session.attribute("checksumOffload")).toBe(0);
    // The peer checks the checksums of frames that are whole.
    expect(sizes()).toEqual([mss, mss, mss]);
    peer.send({ flags: "PA", data: 1 }).expect({ flags: "A", ack: 2 });
    expect(isPartial.splice(0)).toEqual([false, false, false, false]);
    expect([host.session.setAttribute("checksumOffload", 1), host.session.attribute("checksumOffload")]).toEqual([
      0, 1,
    ]);
    expect(sizes()).toEqual([3 * mss]);
    expect(isPartial).toEqual([true]);
  });

  it("keep to the windows, in whole segments [R5681-1]", () => {
    const [peer, host] = wide(family);
    host.core.window.i32[peer.row + T_CWND] = 10 * mss + 700;
    host.session.write(pattern(0, 50_000));
    host.settle();
    expect(bytes(peer).sizes).toEqual([10 * mss]);
    const { i32 } = host.core.window;
    i32[peer.row + T_CWND] = 1 << 20;
    peer.send({ flags: "A", win: 100 });
    expect(peer.field(T_SND_WND)).toBe(25_600);
    expect(bytes(peer).sizes).toEqual([25_600 - (25_600 % mss)]);
  });

  it("count towards the peer's MSS less the timestamps", () => {
    const [peer, host] = wide(family, {}, { mss: 1000, timestamps: true });
    host.session.write(pattern(0, 20_000));
    host.settle();
    expect(bytes(peer)).toMatchObject({ sizes: [20_000], gso: [988] });
  });

  it("a superframe's loss is repaired segment by segment", () => {
    const [peer, host] = wide(family);
    host.session.write(pattern(0, 20 * mss));
    host.settle();
    expect(bytes(peer).sizes).toEqual([20 * mss]);
    for (let i = 0; i < 3; i++) peer.send({ flags: "A", ack: 1 + mss });
    peer.send({ flags: "A", ack: 1 + mss });
    expect(peer.takeAll()).toMatchObject([{ seq: 1 + mss, len: mss, gso: 0 }]);
  });

  it("without the device's help go out as segments with right checksums", () => {
    const [peer, host] = wide(family, { offloads: { checksum: false, tso: false, uso: false } });
    host.session.write(pattern(0, 30_000));
    host.settle();
    const { sizes, gso, data } = bytes(peer);
    expect(sizes).toEqual([...new Array<number>(Math.floor(30_000 / mss)).fill(mss), 30_000 % mss]);
    expect(new Set(gso)).toEqual(new Set([0]));
    expect(isSame(data, pattern(0, 30_000))).toBe(true);
  });

  it.each([
    ["F_L4_CHECKSUM_OK", F_L4_CHECKSUM_OK],
    ["a partial checksum", F_CHECKSUM_PARTIAL],
    ["a whole checksum", 0],
  ])("of 64 KiB are received with %s", (_name, flags) => {
    const [peer, host] = wide(family);
    const most = 65_535 - (family === 4 ? 40 : 20);
    peer.send({ flags: "A", data: 10 }).expect({ flags: "A", ack: 11 });
    const frame = peer.frame({ flags: "PA", data: most });
    host.receive(frame, flags);
    peer.expect({ flags: "A", ack: 11 + most });
    const got = new Uint8Array(most + 10);
    expect(host.session.read(got)).toBe(most + 10);
    expect(isSame(got, pattern(0, most + 10))).toBe(true);
  });

  it("are received out of order and with overlaps", () => {
    const [peer, host] = wide(family);
    peer.send({ flags: "A", data: 10 }).expect({ flags: "A", ack: 11 });
    const receive = (seq: number, data: number): void => host.receive(peer.frame({ flags: "A", seq, data }));
    receive(40_001, 50_000);
    receive(20_001, 30_000);
    receive(1, 60_000);
    expect(peer.takeAll().map(({ ack }) => ack)).toEqual([11, 11, 90_001]);
    const got = new Uint8Array(90_000);
    expect(host.session.read(got)).toBe(90_000);
    expect(isSame(got, pattern(0, 90_000))).toBe(true);
  });

  it("that do not fit into the window are taken as far as it goes", () => {
    const [peer, host] = established({ family, offloads: OFFLOADS, rxFifoBytes: 30_000 });
    host.receive(peer.frame({ flags: "PA", data: 60_000 }));
    peer.expect({ flags: "A", ack: 30_001, win: 0 });
    expect(host.session.readableBytes).toBe(30_000);
  });
});
