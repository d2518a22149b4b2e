import { describe, expect, it } from "vitest";
import type { Timed } from "../../src/graph/engine.js";
import { CONSUMED } from "../../src/graph/frame.js";
import { NO_TRACE } from "../../src/graph/node.js";
import { M_ERROR } from "../../src/graph/packet-pool.js";
import { Bench, ERRORS } from "./support.js";

describe("dispatch", () => {
  it("takes packets to the nodes that their next indices name, each packet in order", () => {
    const bench = new Bench();
    const wants = { count: 300 };
    bench.source("in", "split", wants);
    bench.router("split", ["even", "odd"], (b) => b & 1);
    bench.sink("even");
    bench.sink("odd");
    bench.engine.start(bench);
    expect(bench.engine.turn()).toBe(300);
    expect(bench.got["even"].every((b) => b % 2 === 0)).toBe(true);
    expect(bench.got["odd"].every((b) => b % 2 === 1)).toBe(true);
    expect(bench.got["even"].length + bench.got["odd"].length).toBe(300);
    expect(bench.engine.turn()).toBe(0);
    expect(bench.pool.inUse()).toEqual([]);
  });

  it("keeps order through nodes, whatever the frames look like", () => {
    const bench = new Bench();
    const wants = { count: 600 };
    bench.source("in", "split", wants);
    bench.router("split", ["join", "detour"], (b) => (b % 3 === 0 ? 1 : 0));
    bench.router("detour", ["join"], () => 0);
    bench.sink("join");
    bench.engine.start(bench);
    bench.engine.turn();
    // A detour may cost a packet its place, but not among those that took the same way.
    const seen = bench.numbers["join"].map((number, i) => [number, bench.got["join"][i] % 3 === 0] as const);
    for (const detour of [true, false]) {
      const way = seen.flatMap(([number, took]) => (took === detour ? [number] : []));
      expect(way).toEqual([...way].sort((x, y) => x - y));
    }
    expect(seen.length).toBe(600);
  });

  it("forgets consumed packets and takes pushed ones", () => {
    const bench = new Bench();
    const wants = { count: 10 };
    const kept: number[] = [];
    bench.source("in", "mixed", wants);
    bench.node("mixed", ["sink", "other"], (frame, node) => {
      for (let i = 0; i < frame.count; i++) {
        frame.next[i] = i % 2 === 0 ? CONSUMED : 0;
        if (i % 2 === 0) kept.push(frame.buffers[i]);
      }
      node.push(1, bench.pool.alloc());
    });
    bench.sink("sink");
    bench.sink("other");
    bench.engine.start(bench);
    bench.engine.turn();
    expect(bench.got["sink"].length).toBe(5);
    expect(bench.got["other"].length).toBe(1);
    expect(bench.pool.inUse()).toEqual(kept.sort((a, b) => a - b));
  });

  it("gives an input node four frames in a row at most, and drains in between", () => {
    const bench = new Bench(300);
    const wants = { count: 5000 };
    bench.source("in", "sink", wants);
    bench.sink("sink");
    bench.engine.start(bench);
    expect(bench.engine.turn()).toBe(1024);
    expect(wants.count).toBe(3976);
    expect(bench.pool.exhausted).toBe(0);
  });

  it("runs input nodes, then timers, then sched nodes", () => {
    const bench = new Bench();
    const order: string[] = [];
    bench.node("sched", [], () => order.push("sched"), "sched");
    bench.node("input", [], () => order.push("input"), "input");
    bench.engine.addTimed({ expire: () => order.push("timers"), nextExpiry: () => -1 });
    bench.engine.start(bench);
    bench.engine.turn();
    expect(order).toEqual(["input", "timers", "sched"]);
  });

  it("drains what timers and outsiders put in, even without an input node", () => {
    const bench = new Bench();
    bench.sink("sink");
    bench.engine.addTimed({ expire: () => bench.engine.inject("sink", bench.pool.alloc()), nextExpiry: () => -1 });
    bench.engine.start(bench);
    bench.engine.inject("sink", bench.pool.alloc());
    expect(bench.engine.nextExpiry()).toBe(0);
    bench.engine.turn();
    expect(bench.got["sink"].length).toBe(2);
    expect(bench.engine.nextExpiry()).toBe(-1);
  });

  it("a circling packet holds up neither the turn nor memory", () => {
    const bench = new Bench();
    const wants = { count: 1 };
    let passes = 0;
    bench.source("in", "circle", wants);
    bench.router("circle", ["circle", "sink"], () => (passes++ < 20_000 ? 0 : 1));
    bench.sink("sink");
    bench.engine.start(bench);
    bench.engine.turn();
    expect(bench.engine.cutTurns).toBeGreaterThan(0);
    expect(bench.engine.nextExpiry()).toBe(0);
    expect(passes).toBeLessThan(5000);
    for (let i = 0; i < 5; i++) bench.engine.turn();
    expect(bench.got["sink"].length).toBe(1);
    expect(bench.engine.nextExpiry()).toBe(-1);
    expect(bench.pool.inUse()).toEqual([]);
  });

  it("keeps packets in order that wait for the next turn", () => {
    const bench = new Bench();
    const wants = { count: 8 };
    let passes = 0;
    bench.source("in", "circle", wants);
    bench.router("circle", ["circle", "sink"], () => (passes++ < 8 * 9000 ? 0 : 1));
    bench.sink("sink");
    bench.engine.start(bench);
    for (let i = 0; i < 5; i++) bench.engine.turn();
    expect(bench.got["sink"]).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  });
});

describe("registration", () => {
  it("refuses names that are taken, and next names that nobody has", () => {
    const bench = new Bench();
    bench.sink("a");
    expect(() => bench.sink("a")).toThrow("registered twice");
    bench.router("b", ["nowhere"], () => 0);
    expect(() => bench.engine.start(bench)).toThrow("no node nowhere");
    expect(() => bench.engine.inject("nowhere", 0)).toThrow("no node nowhere");
    expect(() => bench.engine.arc("nowhere")).toThrow("no feature arc nowhere");
  });

  it("refuses to run nodes before the start", () => {
    const bench = new Bench();
    bench.sink("sink");
    bench.engine.inject("sink", bench.pool.alloc());
    expect(() => bench.engine.turn()).toThrow("not started");
  });

  it("gives the forms back", () => {
    const bench = new Bench();
    bench.sink("a");
    bench.sink("b");
    expect(bench.engine.forms().map(({ name }) => name)).toEqual(["a", "b"]);
  });
});

describe("counters", () => {
  it("are kept per node and by the engine-wide number that drop uses", () => {
    const bench = new Bench();
    const wants = { count: 3 };
    bench.source("in", "judge", wants);
    bench.node("judge", ["drop"], (frame, node) => {
      node.count(ERRORS.index.odd, 5);
      for (let i = 0; i < frame.count; i++) {
        bench.window.i32[bench.pool.meta + (frame.buffers[i] << 4) + M_ERROR] = node.errorBase + ERRORS.index.bad;
        frame.next[i] = 0;
      }
    });
    bench.node("drop", [], (frame) => {
      for (let i = 0; i < frame.count; i++) {
        bench.engine.errorCounters[bench.window.i32[bench.pool.meta + (frame.buffers[i] << 4) + M_ERROR]]++;
        bench.pool.free(frame.buffers[i]);
        frame.next[i] = CONSUMED;
      }
    });
    bench.engine.start(bench);
    bench.engine.turn();
    expect(bench.engine.errors()).toEqual([
      { node: "judge", symbol: "bad", severity: "error", text: "something bad", count: 3 },
      { node: "judge", symbol: "odd", severity: "info", text: "something odd", count: 5 },
    ]);
    expect(bench.engine.errorCount("judge", "bad")).toBe(3);
    expect(bench.engine.errorCount("judge", "none")).toBe(0);
    expect(bench.engine.errorCount("none", "bad")).toBe(0);
    bench.engine.clearErrors();
    expect(bench.engine.errors()).toEqual([]);
  });

  it("of calls, vectors and packets, with the time of one turn in 64", () => {
    const bench = new Bench();
    const wants = { count: 10 };
    bench.source("in", "slow", wants);
    bench.node("slow", ["sink"], (frame) => {
      bench.clock.advanceUs(7);
      frame.next.fill(0, 0, frame.count);
    });
    bench.sink("sink");
    bench.engine.start(bench);
    bench.engine.turn();
    wants.count = 10;
    bench.engine.turn();
    const slow = bench.engine.runtime().find(({ name }) => name === "slow");
    expect(slow).toMatchObject({
      kind: "internal",
      calls: 2,
      vectors: 2,
      packets: 20,
      timedNs: 7000,
      timedPackets: 10,
    });
    const input = bench.engine.runtime().find(({ name }) => name === "in");
    expect(input).toMatchObject({ kind: "input", calls: 2, vectors: 2, packets: 20 });
    bench.engine.turn();
    expect(input).toMatchObject({ calls: 3, vectors: 2 });
    for (let i = bench.engine.turns; i < 64; i++) bench.engine.turn();
    wants.count = 1;
    bench.engine.turn();
    expect(slow?.timedNs).toBe(14_000);
    bench.engine.clearRuntime();
    expect(slow).toMatchObject({ calls: 0, vectors: 0, packets: 0, timedNs: 0, timedPackets: 0 });
  });
});

describe("time", () => {
  it("is read once per turn, as microseconds, ticks of 100 us and milliseconds that wrap", () => {
    const bench = new Bench();
    bench.engine.start(bench);
    bench.clock.advanceUs(1_234_567);
    expect(bench.engine.nowUs).toBe(0);
    bench.engine.turn();
    expect([bench.engine.nowUs, bench.engine.tick, bench.engine.nowMs]).toEqual([1_234_567, 12_345, 1234]);
    bench.clock.setUs(2 ** 31 * 100 + 50);
    bench.engine.turn();
    expect(bench.engine.tick).toBe(-(2 ** 31));
  });

  it("asks all who have deadlines for the next one", () => {
    const bench = new Bench();
    const timed = (ticks: number): Timed => ({ expire: () => {}, nextExpiry: () => ticks });
    bench.engine.start(bench);
    expect(bench.engine.nextExpiry()).toBe(-1);
    bench.engine.addTimed(timed(-1));
    bench.engine.addTimed(timed(70));
    bench.engine.addTimed(timed(30));
    bench.engine.addTimed(timed(-1));
    expect(bench.engine.nextExpiry()).toBe(30);
  });
});

it("arcs add next slots to nodes as they are asked for", () => {
  const bench = new Bench();
  const arc = bench.engine.addArc("arc", ["start"], "end");
  arc.addFeature("feature");
  bench.engine.register({
    name: "start",
    next: ["other"],
    errors: [],
    trace: NO_TRACE,
    process: ({ engine }) => {
      const slots = engine.arc("arc").slotsOf("start");
      return (frame) => {
        for (let i = 0; i < frame.count; i++) frame.next[i] = arc.next(slots, frame.buffers[i] & 1, -1);
      };
    },
  });
  bench.router("feature", ["end"], () => 0);
  bench.sink("other");
  bench.sink("end");
  bench.engine.start(bench);
  arc.enable("feature", 1, true);
  for (let i = 0; i < 4; i++) bench.engine.inject("start", bench.pool.alloc());
  bench.engine.turn();
  expect(bench.got["end"].length).toBe(4);
  expect(bench.engine.runtime().find(({ name }) => name === "feature")?.packets).toBe(2);
});
