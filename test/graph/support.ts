import { Engine } from "../../src/graph/engine.js";
import { CONSUMED, type Frame } from "../../src/graph/frame.js";
import { NO_TRACE, type NodeForm, type NodeRuntime, nodeErrors, type Process } from "../../src/graph/node.js";
import { M_CONN, PacketPool } from "../../src/graph/packet-pool.js";
import { MemoryWindow } from "../../src/mem/window.js";
import { ManualClock } from "../../src/time/manual-clock.js";

/** An engine with nodes that tests write as functions. */
export class Bench {
  readonly clock = new ManualClock();
  readonly window = MemoryWindow.plain(4 << 20);
  readonly pool: PacketPool;
  readonly engine: Engine<Bench>;
  /** Packets that the sinks were given, in order, by sink. */
  readonly got: Record<string, number[]> = {};
  /** The same packets by their numbers: sources count what they bring in. */
  readonly numbers: Record<string, number[]> = {};
  #brought = 0;

  constructor(small = 1024) {
    this.pool = new PacketPool(this.window, { small, large: 1, poison: true });
    this.engine = new Engine<Bench>({ window: this.window, pool: this.pool, clock: this.clock });
  }

  /** Registers a node. */
  node(name: string, next: readonly string[], process: Process, kind: NodeForm<Bench>["kind"] = "internal"): void {
    this.engine.register({ name, kind, next, errors: ERRORS.list, trace: NO_TRACE, process: () => process });
  }

  /** Registers a node that sends packet i of a frame to `route(buffer)`. */
  router(name: string, next: readonly string[], route: (buffer: number) => number): void {
    this.node(name, next, (frame) => {
      for (let i = 0; i < frame.count; i++) frame.next[i] = route(frame.buffers[i]);
    });
  }

  /** Registers a node that frees and remembers what it gets. */
  sink(name: string): void {
    const got: number[] = [];
    const numbers: number[] = [];
    this.got[name] = got;
    this.numbers[name] = numbers;
    this.node(name, [], (frame) => {
      for (let i = 0; i < frame.count; i++) {
        got.push(frame.buffers[i]);
        numbers.push(this.window.i32[this.pool.meta + (frame.buffers[i] << 4) + M_CONN]);
        this.pool.free(frame.buffers[i]);
        frame.next[i] = CONSUMED;
      }
    });
  }

  /** Registers an input (or sched) node that brings in `wants.count` packets, all to its next 0. */
  source(name: string, next: string, wants: { count: number }, kind: "input" | "sched" = "input"): void {
    const fill = (frame: Frame): void => {
      while (frame.count < 256 && wants.count > 0) {
        wants.count--;
        const b = this.pool.alloc();
        this.window.i32[this.pool.meta + (b << 4) + M_CONN] = this.#brought++;
        frame.add(b, 0);
      }
    };
    this.node(name, [next], fill, kind);
  }

  /** Registers an input node that counts its calls in `calls`. */
  counter(name: string, count: (frame: Frame, node: NodeRuntime) => void): void {
    this.node(name, [], count, "input");
  }
}

/** The counters of every node of a {@link Bench}. */
export const ERRORS = nodeErrors({ bad: ["error", "something bad"], odd: ["info", "something odd"] });
