import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  T_CWND,
  T_LOST,
  T_PRR_DELIVERED,
  T_PRR_OUT,
  T_SACKED,
  T_SND_MSS,
  T_SND_NXT,
  T_SND_UNA,
  T_SSTHRESH,
} from "../../../src/transport/tcp/connection.js";
import type { TcpCore } from "../../../src/transport/tcp/core.js";
import { initPrr, updatePrr } from "../../../src/transport/tcp/prr.js";
import { established } from "./scripted-peer.js";

/** The row of a connection whose numbers are the test's, and given back before the connection ends. */
let core: TcpCore;
let r: number;
let row: Int32Array;

/** `flight` segments of 1000 bytes are out; of them so many arrived out of order, and are lost. */
function network(flight: number, sacked: number, lost: number): void {
  const { i32 } = core.window;
  i32[r + T_SND_NXT] = i32[r + T_SND_UNA] + 1000 * flight;
  i32[r + T_SACKED] = 1000 * sacked;
  i32[r + T_LOST] = 1000 * lost;
}

/** Segments that cwnd lets go. */
function room(): number {
  return (core.window.i32[r + T_CWND] - core.scoreboard.pipe(r)) / 1000;
}

/** An acknowledgement delivers so many segments; then `sent` are sent. */
function update(delivered: number, isSafe = false, isForced = false): number {
  updatePrr(core, r, 1000 * delivered, isSafe, isForced);
  return room();
}

function sent(segments: number): void {
  core.window.i32[r + T_PRR_OUT] += 1000 * segments;
}

beforeEach(() => {
  const [peer, host] = established();
  core = host.core;
  r = peer.row;
  const { i32 } = core.window;
  row = i32.slice(r, r + 112);
  i32[r + T_SND_MSS] = 1000;
});

// Before the stack is wound up.
afterEach(() => core.window.i32.set(row, r));

describe("proportional rate reduction (RFC 6937)", () => {
  it("the first retransmission goes at once, whatever the proportion says [R5681-10]", () => {
    core.window.i32[r + T_SSTHRESH] = 10_000;
    initPrr(core, r, 20_000);
    network(20, 1, 1);
    expect(update(1)).toBe(1);
  });

  it("sends ssthresh / RecoverFS of what is delivered while more is out than ssthresh", () => {
    core.window.i32[r + T_SSTHRESH] = 14_000;
    initPrr(core, r, 20_000);
    let out = 0;
    for (let delivered = 1; delivered <= 10; delivered++) {
      // What is sent is a retransmission: pipe loses one per delivery, and gains what is sent.
      network(40, delivered, 20 - out);
      const may = update(1);
      const whole = Math.floor(may);
      sent(whole);
      out += whole;
      expect(out).toBeLessThanOrEqual(Math.ceil(delivered * 0.7) + 1);
      expect(out).toBeGreaterThanOrEqual(Math.floor(delivered * 0.7));
    }
    expect(core.window.i32[r + T_PRR_DELIVERED]).toBe(10_000);
  });

  it("below ssthresh makes up for it by slow start when it is safe: one more than delivered", () => {
    core.window.i32[r + T_SSTHRESH] = 10_000;
    initPrr(core, r, 20_000);
    network(20, 4, 12);
    sent(2);
    // Much was lost: 4 in the network, 4 delivered, 2 sent.
    expect(update(4, true)).toBe(5);
  });

  it("below ssthresh conserves packets when it is not: as many as delivered, and those it owes", () => {
    core.window.i32[r + T_SSTHRESH] = 10_000;
    initPrr(core, r, 20_000);
    network(20, 4, 12);
    sent(2);
    expect(update(4, false)).toBe(4);
    sent(4);
    expect(update(1, false)).toBe(1);
    // Some were not used: they may go later.
    expect(update(1, false)).toBe(1);
    expect(update(2, false)).toBe(2);
  });

  it("does not exceed ssthresh on the way up", () => {
    core.window.i32[r + T_SSTHRESH] = 10_000;
    initPrr(core, r, 20_000);
    network(20, 11, 0);
    sent(1);
    expect(update(11, true)).toBe(1);
  });

  it("a forced segment goes beside all that; nothing delivered lets nothing else go", () => {
    core.window.i32[r + T_SSTHRESH] = 10_000;
    initPrr(core, r, 20_000);
    network(20, 2, 2);
    sent(3);
    expect(update(0)).toBe(0);
    expect(update(0, false, true)).toBe(1);
  });

  it("cwnd is a segment at least, and sums stay within int32 however long recovery lasts", () => {
    core.window.i32[r + T_SSTHRESH] = 2000;
    initPrr(core, r, 0);
    network(0, 0, 0);
    for (let i = 0; i < 10; i++) {
      core.window.i32[r + T_PRR_DELIVERED] = (1 << 29) + 1;
      core.window.i32[r + T_PRR_OUT] = 1 << 30;
      update(1);
      expect(core.window.i32[r + T_CWND]).toBeGreaterThanOrEqual(1000);
      expect(core.window.i32[r + T_PRR_DELIVERED]).toBeGreaterThan(0);
    }
  });
});
