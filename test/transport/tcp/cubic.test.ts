import { describe, expect, it } from "vitest";
import { MemoryWindow } from "../../../src/mem/window.js";
import { ManualClock } from "../../../src/time/manual-clock.js";
import {
  ROW_WORDS,
  T_CC,
  T_CWND,
  T_SND_MSS,
  T_SND_NXT,
  T_SND_UNA,
  T_SRTT_US,
  T_SSTHRESH,
} from "../../../src/transport/tcp/connection.js";
import { TCP_CC_NAMES } from "../../../src/transport/tcp/congestion-choice.js";
import { Cubic } from "../../../src/transport/tcp/cubic.js";
import { FAMILIES } from "./scripted-peer.js";
import { sending, seqs } from "./sending.js";

const MSS = 1000;
const W_MAX = T_CC;

/** CUBIC on a row of its own, and time. */
class Flow {
  readonly clock = new ManualClock(1_000_000);
  readonly #window = MemoryWindow.plain(1 << 16);
  readonly #row: number;
  readonly cubic: Cubic;
  rttMs: number;

  constructor(rttMs: number, cwnd = 0) {
    const { clock } = this;
    this.rttMs = rttMs;
    this.#row = this.#window.reserve("row", ROW_WORDS * 4) >> 2;
    const time = {
      get nowMs() {
        return Math.floor(clock.nowUs() / 1000) | 0;
      },
    };
    this.cubic = new Cubic(this.#window, time, { initialCwndSegments: 10 });
    this.set(T_SND_MSS, MSS);
    this.set(T_SRTT_US, rttMs * 1000);
    this.cubic.init(this.#row);
    if (cwnd > 0) this.set(T_CWND, cwnd);
  }

  get(field: number): number {
    return this.#window.i32[this.#row + field];
  }

  set(field: number, value: number): void {
    this.#window.i32[this.#row + field] = value;
  }

  get cwnd(): number {
    return this.get(T_CWND);
  }

  /** A loss with the window full; recovery ends at ssthresh. */
  lose(flight = this.cwnd): void {
    this.cubic.enterRecovery(this.#row, flight);
    this.set(T_CWND, this.get(T_SSTHRESH));
  }

  timeout(flight = this.cwnd): void {
    this.cubic.timeout(this.#row, flight, true);
  }

  /** One round trip: the window is acknowledged segment by segment over it. */
  round(isLimited = true, rttUs = this.rttMs * 1000): void {
    const { cwnd } = this;
    const segments = Math.max(1, Math.floor(cwnd / MSS));
    const next = this.get(T_SND_NXT) + segments * MSS;
    for (let i = 0; i < segments; i++) {
      this.clock.setUs(this.clock.nowUs() + Math.floor((this.rttMs * 1000) / segments));
      this.set(T_SND_UNA, this.get(T_SND_UNA) + MSS);
      this.set(T_SND_NXT, next);
      this.cubic.acked(this.#row, MSS, cwnd, isLimited, rttUs);
    }
  }
}

/** W_cubic of RFC 9438 equation 1, in bytes. */
function wCubic(wMaxBytes: number, cwndBytes: number, seconds: number): number {
  const k = Math.cbrt((wMaxBytes - cwndBytes) / MSS / 0.4);
  return 0.4 * (seconds - k) ** 3 * MSS + wMaxBytes;
}

describe("CUBIC (RFC 9438)", () => {
  it("after a loss: 0.7 of the window, of what is in flight at most [CUBIC-1]", () => {
    const flow = new Flow(100, 100_000);
    flow.lose();
    expect(flow.get(T_SSTHRESH)).toBe(70_000);
    const idle = new Flow(100, 100_000);
    idle.lose(50_000);
    expect(idle.cwnd).toBe(35_000);
    const small = new Flow(100, 2000);
    small.lose();
    expect(small.cwnd).toBe(2000);
  });

  it("grows by the cubic, concave to the plateau and convex behind it [CUBIC-2]", () => {
    const flow = new Flow(100, 400_000);
    flow.lose();
    const start = flow.clock.nowUs();
    const sizes: number[] = [];
    for (let i = 0; i < 120; i++) {
      flow.round();
      const seconds = (flow.clock.nowUs() - start) / 1e6;
      const wanted = wCubic(400_000, 280_000, seconds);
      sizes.push(flow.cwnd);
      // Within a round trip of the curve.
      expect(Math.abs(flow.cwnd - wanted) / wanted).toBeLessThan(0.03);
    }
    const k = Math.cbrt(120 / 0.4) * 10;
    const steps = sizes.slice(1).map((size, i) => size - sizes[i]);
    expect(steps.every((step) => step >= 0)).toBe(true);
    // Slow around the plateau, at round K of 6.7 seconds.
    const slowest = steps.indexOf(Math.min(...steps));
    expect(Math.abs(slowest - k)).toBeLessThan(15);
    expect(sizes.at(-1)).toBeGreaterThan(400_000);
  });

  it("grows by half at most in a round trip, however steep the curve [CUBIC-2]", () => {
    const flow = new Flow(1000, 20_000);
    flow.lose();
    for (let i = 0; i < 60; i++) {
      const before = flow.cwnd;
      flow.round();
      expect(flow.cwnd).toBeLessThanOrEqual(Math.ceil(before * 1.51) + MSS);
    }
    expect(flow.cwnd).toBeGreaterThan(100_000);
  });

  it("is no slower than Reno on short paths [CUBIC-3]", () => {
    const flow = new Flow(10, 20_000);
    flow.lose();
    // Reno with the same decrease gains 9/17 of a segment each round trip, up to the old window.
    let reno = flow.cwnd;
    for (let i = 0; i < 100; i++) {
      flow.round();
      reno += reno < 20_000 ? (MSS * 9) / 17 : MSS;
      expect(flow.cwnd).toBeGreaterThanOrEqual(reno * 0.93 - MSS);
    }
    expect(flow.cwnd).toBeGreaterThan(80_000);
  });

  it("time in which the application does not fill the window does not count [CUBIC-4]", () => {
    const busy = new Flow(100, 200_000);
    const idle = new Flow(100, 200_000);
    for (const flow of [busy, idle]) {
      flow.lose();
      for (let i = 0; i < 10; i++) flow.round();
    }
    expect(idle.cwnd).toBe(busy.cwnd);
    for (let i = 0; i < 50; i++) idle.round(false);
    expect(idle.cwnd).toBe(busy.cwnd);
    busy.round();
    idle.round();
    expect(Math.abs(idle.cwnd - busy.cwnd)).toBeLessThanOrEqual(2 * MSS);
  });

  it("a plateau that sinks is left further behind (fast convergence) [CUBIC-5]", () => {
    const flow = new Flow(100, 100_000);
    flow.lose();
    expect(flow.get(W_MAX)).toBe(100_000);
    flow.round();
    const second = flow.cwnd;
    expect(second).toBeLessThan(100_000);
    flow.lose();
    expect(flow.get(W_MAX)).toBe(Math.floor((second * 17) / 20));
  });

  it("below ssthresh: slow start, as much as was acknowledged [CUBIC-6]", () => {
    const flow = new Flow(100);
    expect(flow.cwnd).toBe(10_000);
    for (const size of [20_000, 40_000, 80_000]) {
      flow.round();
      expect(flow.cwnd).toBe(size);
    }
  });

  it("slow start ends before loss when round trips grow, unless they shrink again (HyStart++) [CUBIC-6]", () => {
    const grows = (rttUs: readonly number[]): number[] => {
      const flow = new Flow(50);
      for (let i = 0; i < 3; i++) flow.round(true, 50_000);
      return rttUs.map((us) => {
        const before = flow.cwnd;
        flow.round(true, us);
        return flow.cwnd / before;
      });
    };
    // An eighth of 50 ms is 6.25 ms.
    expect(grows([52_000, 52_000]).every((factor) => factor > 1.95)).toBe(true);
    const slowed = grows([60_000, 60_000, 60_000, 60_000, 60_000, 60_000, 60_000, 60_000]);
    // Conservative slow start: a quarter of the growth, for five rounds; then congestion avoidance.
    expect(slowed[1]).toBeLessThan(1.35);
    expect(slowed.at(-1)).toBeLessThan(1.2);
    const back = grows([60_000, 60_000, 50_000, 50_000, 50_000]);
    expect(back[1]).toBeLessThan(1.35);
    expect(back.at(-1)).toBeGreaterThan(1.9);
  });

  it("after a timeout: one segment, ssthresh by the cubic factor, and no plateau [CUBIC-7]", () => {
    const flow = new Flow(100, 100_000);
    flow.timeout();
    expect(flow.cwnd).toBe(MSS);
    expect(flow.get(T_SSTHRESH)).toBe(70_000);
    for (let i = 0; i < 7; i++) flow.round();
    expect(flow.cwnd).toBeGreaterThanOrEqual(70_000);
    // From there on it looks for a new plateau, from K = 0.
    const at = flow.cwnd;
    for (let i = 0; i < 5; i++) flow.round();
    expect(flow.cwnd).toBeGreaterThanOrEqual(at);
  });

  it("a window that is not used does not grow [CUBIC-8]", () => {
    for (const isLossy of [false, true]) {
      const flow = new Flow(100, 50_000);
      if (isLossy) flow.lose();
      const { cwnd } = flow;
      for (let i = 0; i < 200; i++) flow.round(false);
      expect(flow.cwnd).toBe(cwnd);
    }
  });
});

describe.each(FAMILIES)("congestion control over IPv%i", (family) => {
  it.each([
    ["cubic", 7000],
    ["newreno", 5000],
  ] as const)("is a choice: %s takes %i of 10,000 bytes for the next window [MAY-18, CUBIC-1]", (name, ssthresh) => {
    const [peer, host] = sending({ family, bytes: 10_000, tcp: { congestionControl: name } });
    expect(host.session.attribute("congestion")).toBe(TCP_CC_NAMES.indexOf(name));
    seqs(peer);
    host.pass(100);
    for (let end = 2001; end <= 4001; end += 1000) peer.send({ flags: "A", ack: 1, sack: [[1001, end]] });
    expect(peer.field(T_SSTHRESH)).toBe(ssthresh);
    peer.send({ flags: "A", ack: 10_001 });
    expect(peer.field(T_CWND)).toBe(ssthresh);
  });

  it.each(["cubic", "newreno"] as const)("%s counts bytes: ten ACKs for a segment are worth one [R5681-4]", (name) => {
    const [peer, host] = sending({ family, bytes: 40_000, tcp: { congestionControl: name } });
    expect(seqs(peer)).toHaveLength(10);
    host.pass(100);
    for (let ack = 101; ack <= 1001; ack += 100) peer.send({ flags: "A", ack });
    expect(peer.field(T_CWND)).toBe(11_000);
  });
});
