import { describe, expect, it } from "vitest";
import { T_SCALES, T_SND_WND } from "../../../src/transport/tcp/connection.js";
import { scaleFor } from "../../../src/transport/tcp/receive-window.js";
import { connecting, established, FAMILIES, listening, pattern } from "./scripted-peer.js";

describe("the scale that is offered", () => {
  it.each([
    [1, 0],
    [65_535, 0],
    [65_536, 1],
    [131_071, 1],
    [131_072, 2],
    [256 * 1024, 3],
    [4 << 20, 7],
    [1 << 30, 14],
    [0x7fff_ffff, 14],
  ])("makes %i bytes fit: %i", (bytes, scale) => {
    expect(scaleFor(bytes)).toBe(scale);
  });
});

describe.each(FAMILIES)("window scale over IPv%i", (family) => {
  it("is in force when both offer it: what we send [R7323-1]", () => {
    const [peer, host] = established({ family, rxFifoBytes: 300_000 }, { wscale: 2 });
    peer.send({ flags: "PA", data: 1000 });
    const { win, ack } = peer.expect({ flags: "A" });
    expect(peer.field(T_SCALES)).toBe((2 << 8) | 3);
    // 299,000 bytes are free; one part in 32 of the fifo is kept back for the scale's coarseness.
    expect(win << 3).toBeLessThanOrEqual(299_000 - (300_000 >> 5));
    expect(win << 3).toBeGreaterThan(299_000 - (300_000 >> 5) - 8);
    expect(ack).toBe(1001);
    expect(host.session.readableBytes).toBe(1000);
  });

  it("is in force when both offer it: what we receive [R7323-1]", () => {
    const [peer, host] = established({ family, txFifoBytes: 600_000 }, { wscale: 7, win: 1000 });
    // The window of the SYN is not scaled, that of the ACK is.
    expect(peer.field(T_SND_WND)).toBe(128_000);
    host.session.write(pattern(0, 400_000));
    host.settle();
    let acked = 1;
    let most = 0;
    for (let i = 0; i < 60 && acked < 400_001; i++) {
      const sent = peer.takeAll();
      const end = Math.max(...sent.map(({ seq, len }) => seq + len));
      most = Math.max(most, end - acked);
      acked = end;
      peer.send({ flags: "A", ack: acked });
    }
    expect(acked).toBe(400_001);
    expect(most).toBeGreaterThan(100_000);
    expect(most).toBeLessThanOrEqual(128_000);
  });

  it.each([
    ["the peer does not offer it", {}, {}],
    ["we do not", { windowScale: false }, { wscale: 7 }],
  ] as const)("is not in force when %s [R7323-1]", (_name, tcp, options) => {
    const [peer, host] = listening({ family, tcp }, { ...options, win: 2000 });
    const answer = peer.open();
    expect(answer.wscale).toBeUndefined();
    expect(peer.field(T_SCALES)).toBe(0);
    expect(peer.field(T_SND_WND)).toBe(2000);
    peer.send({ flags: "PA", data: 3000 }).expect({ flags: "A", win: 65_535 });
    expect(host.session.readableBytes).toBe(3000);
  });

  it("is negotiated by the side that opens", () => {
    for (const wscale of [5, undefined]) {
      const [peer] = connecting({ family }, { win: 1000, ...(wscale === undefined ? {} : { wscale }) });
      expect(peer.accept().wscale).toBe(3);
      expect(peer.field(T_SCALES)).toBe(wscale === undefined ? 0 : (5 << 8) | 3);
      // Not scaled yet: it was in a SYN-ACK.
      expect(peer.field(T_SND_WND)).toBe(1000);
      peer.send({ flags: "A" });
      expect(peer.field(T_SND_WND)).toBe(wscale === undefined ? 1000 : 32_000);
    }
  });

  it("is not offered when it is switched off", () => {
    const [peer] = connecting({ family, tcp: { windowScale: false } });
    expect(peer.accept().wscale).toBeUndefined();
  });

  it.each([
    [14, 1 << 30],
    [15, 1 << 30],
    [255, 1 << 30],
  ])("of %i is used as at most 14 (RFC 7323 2.3) [R7323-2, REC-1]", (wscale, most) => {
    const [peer] = established({ family }, { wscale, win: 65_535 });
    expect(peer.field(T_SND_WND)).toBe(65_535 * (most / 65_536));
  });

  it("in a segment that is no SYN is ignored (RFC 7323 2.2) [R7323-3]", () => {
    const [peer] = established({ family }, { wscale: 2, win: 1000 });
    peer.send({ flags: "A", wscale: 7, data: 10 }).expect({ flags: "A", ack: 11 });
    expect(peer.field(T_SND_WND)).toBe(4000);
    const [plain] = established({ family }, { win: 1000 });
    plain.send({ flags: "A", wscale: 7, data: 10 }).expect({ flags: "A", ack: 11, win: 65_525 });
    expect(plain.field(T_SND_WND)).toBe(1000);
  });

  it("is that of a later acknowledgement, though its segment is older than another that came before it", () => {
    const [peer, host] = established({ family }, { win: 10_000, mss: 1000 });
    host.session.write(pattern(0, 5000));
    host.settle();
    peer.takeAll();
    peer.send({ flags: "A", seq: 101, ack: 1, data: 100, win: 10_000 });
    peer.send({ flags: "A", seq: 1, ack: 5001, data: 100, win: 5000 });
    // Counted from sndUna as it is now, the old window would reach 5000 bytes further than the peer has announced.
    expect(peer.field(T_SND_WND)).toBe(5000);
  });

  it("a window of 65535 without scaling is one, not a negative number [MUST-1]", () => {
    const [peer, host] = established({ family, tcp: { initialCwndSegments: 100 } }, { win: 65_535 });
    host.session.write(pattern(0, 100_000));
    host.settle();
    const sent = peer.takeAll();
    expect(sent.reduce((sum, { len }) => sum + len, 0)).toBeGreaterThan(65_535 - 1460);
    expect(sent.reduce((sum, { len }) => sum + len, 0)).toBeLessThanOrEqual(65_535);
  });
});
