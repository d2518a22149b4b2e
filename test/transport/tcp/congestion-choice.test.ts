import { describe, expect, it } from "vitest";
import { DEFAULT_TCP_CONFIG } from "../../../src/transport/tcp/config.js";
import type { CongestionControl } from "../../../src/transport/tcp/congestion.js";
import { ChosenCongestion } from "../../../src/transport/tcp/congestion-choice.js";
import { CC_WORDS, ROW_WORDS, T_CC, T_CWND, T_RECOVERY, T_SSTHRESH } from "../../../src/transport/tcp/connection.js";
import { Cubic } from "../../../src/transport/tcp/cubic.js";
import { NewReno } from "../../../src/transport/tcp/newreno.js";
import { TCP_CC_CUBIC, TCP_CC_NEWRENO } from "../../../src/transport/transport.js";
import { CongestionRow } from "./congestion-row.js";
import { FAMILIES, listening, ScriptedPeer, ScriptedStack } from "./scripted-peer.js";
import { sending } from "./sending.js";

/** Three losses seen by selective acknowledgements: what a window of 10,000 bytes becomes. */
function lose(peer: ScriptedPeer): number {
  for (let end = 2001; end <= 4001; end += 1000) peer.send({ flags: "A", ack: 1, sack: [[1001, end]] });
  return peer.field(T_SSTHRESH);
}

describe.each(FAMILIES)("attribute congestion over IPv%i", (family) => {
  it.each([
    ["cubic", TCP_CC_CUBIC, TCP_CC_NEWRENO, 5000],
    ["newreno", TCP_CC_NEWRENO, TCP_CC_CUBIC, 7000],
  ] as const)("is %s as configured; another one takes over at once [MAY-18]", (name, first, second, ssthresh) => {
    const [peer, host] = sending({ family, bytes: 10_000, tcp: { congestionControl: name } });
    const { session } = host;
    expect(session.attribute("congestion")).toBe(first);
    const before = [peer.field(T_CWND), peer.field(T_SSTHRESH)];
    expect(session.setAttribute("congestion", second)).toBe(0);
    expect(session.attribute("congestion")).toBe(second);
    expect([peer.field(T_CWND), peer.field(T_SSTHRESH)]).toEqual(before);
    host.pass(100);
    expect(lose(peer)).toBe(ssthresh);
  });

  it("is the connection's own: another connection keeps its own", () => {
    const [peer, host] = sending({ family, bytes: 10_000, tcp: { congestionControl: "newreno" } });
    const other = new ScriptedPeer(host, { port: 5000, mss: 1000, sack: true });
    other.open();
    const [first, second] = host.sessions;
    first.setAttribute("congestion", TCP_CC_CUBIC);
    expect([first, second].map((session) => session.attribute("congestion"))).toEqual([TCP_CC_CUBIC, TCP_CC_NEWRENO]);
    second.write(new Uint8Array(10_000));
    host.pass(100);
    expect([lose(peer), lose(other)]).toEqual([7000, 5000]);
  });

  it("is a listener's for its connections, and an active open's from the start", () => {
    const [peer, host] = listening({ family });
    const { session: listener } = host.app.listeners[0];
    expect(listener.attribute("congestion")).toBe(TCP_CC_NEWRENO);
    expect(listener.setAttribute("congestion", TCP_CC_CUBIC)).toBe(0);
    peer.open();
    listener.setAttribute("congestion", TCP_CC_NEWRENO);
    expect(host.session.attribute("congestion")).toBe(TCP_CC_CUBIC);
    const active = new ScriptedStack({ family });
    const server = new ScriptedPeer(active, { port: 80, localPort: 0 });
    active.connect(80, undefined, { congestion: TCP_CC_CUBIC });
    server.accept();
    expect(active.session.attribute("congestion")).toBe(TCP_CC_CUBIC);
    expect(server.field(T_CWND)).toBe(14_600 - (family === 6 ? 200 : 0));
  });
});

describe("the choice of a row", () => {
  const config = { ...DEFAULT_TCP_CONFIG, congestionControl: "cubic" } as const;

  it("is part of a word whose other bits stay", () => {
    const row = new CongestionRow();
    const chosen = new ChosenCongestion(row.window, row, config);
    row.set(T_RECOVERY, 0x1234 | (1 << 30));
    chosen.choose(row.r);
    expect([chosen.chosen(row.r), row.word(T_RECOVERY) & 0xffff]).toEqual([TCP_CC_CUBIC, 0x1234]);
    chosen.choose(row.r, TCP_CC_NEWRENO);
    expect([chosen.chosen(row.r), row.word(T_RECOVERY)]).toEqual([TCP_CC_NEWRENO, 0x1234 | (1 << 30)]);
  });

  it.each([
    ["cubic", TCP_CC_CUBIC],
    ["newreno", TCP_CC_NEWRENO],
  ] as const)("every call goes to %s", (name, number) => {
    const one = new CongestionRow();
    const two = new CongestionRow();
    const chosen = new ChosenCongestion(one.window, one, config);
    chosen.choose(one.r, number);
    const alone = name === "cubic" ? new Cubic(two.window, two, config) : new NewReno(two.window, 10);
    const words = (row: CongestionRow): Int32Array =>
      row.window.i32.slice(row.r, row.r + ROW_WORDS).map((word, i) => (i === T_RECOVERY ? 0 : word));
    for (const row of [one, two]) row.rttMs = 100;
    const calls: readonly ((row: CongestionRow, algorithm: CongestionControl) => void)[] = [
      ({ r }, algorithm) => algorithm.init(r),
      ({ r }, algorithm) => algorithm.acked(r, 5000, 10_000, true, 100_000),
      ({ r }, algorithm) => algorithm.remember(r),
      ({ r }, algorithm) => algorithm.enterRecovery(r, 12_000),
      ({ r }, algorithm) => algorithm.acked(r, 5000, 10_000, true, 100_000),
      ({ r }, algorithm) => algorithm.undo(r),
      ({ r }, algorithm) => algorithm.timeout(r, 9000, true),
      ({ r }, algorithm) => algorithm.acked(r, 9000, 9000, true, 100_000),
      ({ r }, algorithm) => algorithm.idleRestart(r, 5000),
      ({ r }, algorithm) => algorithm.adopt(r),
    ];
    for (const [i, call] of calls.entries()) {
      call(one, chosen);
      call(two, alone);
      one.nowMs += 100;
      two.nowMs += 100;
      expect([i, words(one)]).toEqual([i, words(two)]);
    }
  });
});

describe("an algorithm that takes over", () => {
  it.each([
    ["cubic", (row: CongestionRow) => new Cubic(row.window, row, DEFAULT_TCP_CONFIG)],
    ["newreno", (row: CongestionRow) => new NewReno(row.window, 10)],
  ] as const)("%s begins with what is there, not with what the other left in its words", (_name, make) => {
    const grow = (dirt: number): number[] => {
      const row = new CongestionRow();
      for (let i = 0; i < CC_WORDS; i++) row.set(T_CC + i, dirt);
      row.cwnd = 20_000;
      row.ssthresh = 15_000;
      row.rttMs = 100;
      const algorithm = make(row);
      algorithm.adopt(row.r);
      expect([row.cwnd, row.ssthresh]).toEqual([20_000, 15_000]);
      return Array.from({ length: 50 }, () => {
        row.nowMs += 100;
        algorithm.acked(row.r, row.cwnd, row.cwnd, true, 100_000);
        return row.cwnd;
      });
    };
    const clean = grow(0);
    expect(grow(0x1234_5678)).toEqual(clean);
    expect(grow(-1)).toEqual(clean);
    expect(clean[49]).toBeGreaterThan(40_000);
    // In congestion avoidance: no jump.
    expect(clean[0]).toBeLessThanOrEqual(21_000);
  });
});
