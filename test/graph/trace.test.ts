import { describe, expect, it } from "vitest";
import { CONSUMED } from "../../src/graph/frame.js";
import { F_TRACED, M_DATA, M_FLAGS, M_LEN } from "../../src/graph/packet-pool.js";
import { TRACE_BYTES } from "../../src/graph/trace.js";
import { Bench } from "./support.js";

function setUp(): { bench: Bench; wants: { count: number } } {
  const bench = new Bench();
  const wants = { count: 0 };
  bench.source("in", "middle", wants);
  bench.engine.register({
    name: "middle",
    next: ["sink"],
    errors: [],
    trace: {
      bytes: 4,
      format: (dv, length) => (length < 4 ? `short ${length}` : `word ${dv.getUint32(0)}\nsecond line`),
    },
    process: () => (frame) => {
      for (let i = 0; i < frame.count; i++) frame.next[i] = 0;
    },
  });
  bench.sink("sink");
  bench.engine.start(bench);
  return { bench, wants };
}

describe("tracer", () => {
  it("records the way of the wanted packets, and of no others", () => {
    const { bench, wants } = setUp();
    const { tracer } = bench.engine;
    expect(tracer.add("in", 2)).toBe(2);
    wants.count = 5;
    bench.clock.advanceUs(1_500_000);
    bench.engine.turn();
    expect(tracer.traces.map(({ records }) => records.map(({ node, next }) => `${node} ${next}`))).toEqual([
      ["in middle", "middle sink", "sink consumed"],
      ["in middle", "middle sink", "sink consumed"],
    ]);
    expect(tracer.active).toBe(0);
    wants.count = 5;
    bench.engine.turn();
    expect(tracer.traces.length).toBe(2);
    expect(tracer.format()).toContain("1:500000: middle -> sink\n  rx-if -1 tx-if -1 length 0\n  short 0\n");
    expect(tracer.format(1)).not.toContain("Packet 2");
    expect(bench.pool.inUse()).toEqual([]);
  });

  it("keeps what the packet was, not what it became", () => {
    const bench = new Bench();
    const { i32, dv } = bench.window;
    bench.source("in", "change", { count: 1 });
    for (const [name, next, word] of [
      ["change", "again", 5],
      ["again", "sink", 6],
    ] as const) {
      bench.engine.register({
        name,
        next: [next],
        errors: [],
        trace: { bytes: 4, format: (view, length) => (length < 4 ? "empty" : `word ${view.getUint32(0)}`) },
        process: () => (frame) => {
          const m = bench.pool.meta + (frame.buffers[0] << 4);
          i32[m + M_LEN] = 4;
          dv.setUint32(i32[m + M_DATA], word);
          frame.next[0] = 0;
        },
      });
    }
    bench.sink("sink");
    bench.engine.start(bench);
    bench.engine.tracer.add("in", 1);
    bench.engine.turn();
    const lines = bench.engine.tracer.format().split("\n");
    expect(lines.filter((line) => /empty|word/.test(line))).toEqual(["  empty", "  word 5"]);
  });

  it("copies as many bytes as the node wants and the head has", () => {
    const bench = new Bench();
    const { i32, dv } = bench.window;
    for (const [name, bytes] of [
      ["little", 2],
      ["much", 500],
    ] as const) {
      bench.engine.register({
        name,
        kind: "input",
        next: ["sink"],
        errors: [],
        trace: { bytes, format: (view, length) => `${view.byteLength} ${length}` },
        process: () => (frame) => {
          if (bench.engine.turns > 1) return;
          const b = bench.pool.alloc();
          i32[bench.pool.meta + (b << 4) + M_LEN] = 200;
          dv.setUint32(i32[bench.pool.meta + (b << 4) + M_DATA], 0x01020304);
          frame.add(b, 0);
        },
      });
    }
    bench.sink("sink");
    bench.engine.start(bench);
    bench.engine.tracer.add("little", 1);
    bench.engine.tracer.add("much", 1);
    bench.engine.turn();
    const [little, much] = bench.engine.tracer.traces.map(({ records }) => records[0].bytes);
    expect([...little]).toEqual([1, 2]);
    expect(much.length).toBe(TRACE_BYTES);
    expect(much.slice(0, 4)).toEqual(Uint8Array.of(1, 2, 3, 4));
    expect(bench.engine.tracer.format()).toContain("  2 2\n");
  });

  it("does not take a slot's next packet for the one it traced", () => {
    const bench = new Bench();
    const wants = { count: 1 };
    bench.source("in", "swap", wants);
    bench.node("swap", ["sink"], (frame, node) => {
      for (let i = 0; i < frame.count; i++) {
        // Frees the traced packet behind the tracer's back: its slot comes again, unmarked.
        bench.pool.free(frame.buffers[i]);
        node.push(0, bench.pool.alloc());
        frame.next[i] = CONSUMED;
      }
    });
    bench.sink("sink");
    bench.engine.start(bench);
    bench.engine.tracer.add("in", 1);
    bench.engine.turn();
    expect(bench.engine.tracer.traces[0].records.map(({ node }) => node)).toEqual(["in", "swap"]);
    expect(bench.engine.tracer.active).toBe(0);
  });

  it("ends the trace of a packet that lost its mark", () => {
    const bench = new Bench();
    const wants = { count: 1 };
    bench.source("in", "unmark", wants);
    bench.router("unmark", ["sink"], (b) => {
      bench.window.i32[bench.pool.meta + (b << 4) + M_FLAGS] &= ~F_TRACED;
      return 0;
    });
    bench.sink("sink");
    bench.engine.start(bench);
    bench.engine.tracer.add("in", 1);
    bench.engine.turn();
    expect(bench.engine.tracer.traces[0].records.map(({ node }) => node)).toEqual(["in", "unmark"]);
    expect(bench.engine.tracer.active).toBe(0);
  });

  it("keeps to its limit, marks that are still to come included", () => {
    const { bench, wants } = setUp();
    const { tracer } = bench.engine;
    expect(tracer.add("in", 1000)).toBe(1000);
    expect(tracer.add("in", 1000)).toBe(24);
    expect(tracer.add("in", 1)).toBe(0);
    wants.count = 3000;
    for (let i = 0; i < 4; i++) bench.engine.turn();
    expect(tracer.traces.length).toBe(1024);
    expect(tracer.active).toBe(0);
    expect(tracer.add("in", 1)).toBe(0);
    tracer.clear();
    expect(tracer.format()).toBe("No packets in trace buffer\n");
    expect(tracer.add("in", 1)).toBe(1);
    tracer.clear();
    expect(tracer.active).toBe(0);
  });
});
