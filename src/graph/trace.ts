import type { Frame } from "./frame.js";
import type { TraceForm, TraceSource } from "./node.js";
import { type BufferIndex, F_TRACED, M_DATA, M_FLAGS, M_LEN, M_RX_IF, M_TX_IF } from "./packet-pool.js";

/** Most bytes that a trace record copies of a packet. */
export const TRACE_BYTES = 96;
const META_WORDS = 16;

/** What one node saw of one packet. */
export interface TraceRecord {
  readonly node: string;
  readonly timeUs: number;
  readonly meta: Int32Array;
  readonly bytes: Uint8Array;
  readonly format: TraceForm;
  /** Name of the node it went to, `consumed`, or empty while unknown. */
  next: string;
}

/** The records of one packet, in the order in which it was seen. */
export interface PacketTrace {
  readonly records: TraceRecord[];
}

/** A node as the tracer sees it. */
export interface TracedNode {
  readonly name: string;
  readonly trace: TraceForm;
  nextName(next: number): string;
}

/**
 * Packet traces (VPP `trace add`): the first N packets that an input node takes are marked, and each node that they
 * pass leaves a record. Off the hot path: with nothing marked the engine pays one comparison per frame.
 */
export class Tracer {
  /** Marked packets now in the graph, and marks still to give: the engine traces while this is not 0. */
  active = 0;
  readonly #source: TraceSource;
  readonly #limit: number;
  readonly #wanted = new Map<string, number>();
  readonly #live = new Map<BufferIndex, PacketTrace>();
  #traces: PacketTrace[] = [];
  #records: TraceRecord[] = [];

  /** Keeps at most `limit` packets. */
  constructor(source: TraceSource, limit = 1024) {
    this.#source = source;
    this.#limit = limit;
  }

  /** Marks the next `count` packets that input node `node` takes. Returns how many there is room for. */
  add(node: string, count: number): number {
    let promised = this.#traces.length;
    for (const marks of this.#wanted.values()) promised += marks;
    const room = Math.min(count, this.#limit - promised);
    if (room > 0) this.#wanted.set(node, (this.#wanted.get(node) ?? 0) + room);
    this.#update();
    return Math.max(room, 0);
  }

  /** Forgets all traces and marks. */
  clear(): void {
    this.#traces = [];
    this.#wanted.clear();
    this.#live.clear();
    this.#update();
  }

  /** The traces so far, oldest first. */
  get traces(): readonly PacketTrace[] {
    return this.#traces;
  }

  #update(): void {
    this.active = this.#wanted.size + this.#live.size;
  }

  /** Before `node` processes `frame`: records what it is given. */
  enter(node: TracedNode, frame: Frame, timeUs: number): void {
    const { i32 } = this.#source.window;
    this.#records = [];
    for (let i = 0; i < frame.count; i++) {
      const b = frame.buffers[i];
      const m = this.#source.meta + (b << 4);
      const trace = this.#live.get(b);
      if (trace === undefined) continue;
      // A freed slot's new packet carries no mark: the trace of its predecessor is over.
      if ((i32[m + M_FLAGS] & F_TRACED) === 0) this.#live.delete(b);
      else this.#records[i] = this.#record(node, b, timeUs, trace);
    }
    this.#update();
  }

  #record(node: TracedNode, b: BufferIndex, timeUs: number, trace: PacketTrace): TraceRecord {
    const { i32, u8 } = this.#source.window;
    const m = this.#source.meta + (b << 4);
    const from = i32[m + M_DATA];
    const bytes = u8.slice(from, from + Math.min(node.trace.bytes, i32[m + M_LEN], TRACE_BYTES));
    const meta = i32.slice(m, m + META_WORDS);
    const record = { node: node.name, timeUs, meta, bytes, format: node.trace, next: "" };
    trace.records.push(record);
    return record;
  }

  /** After `node` processed `frame`: notes where each traced packet went; for an input node marks wanted packets. */
  exit(node: TracedNode, frame: Frame, timeUs: number, isInput: boolean): void {
    if (isInput) this.#mark(node, frame, timeUs);
    for (let i = 0; i < frame.count; i++) {
      const record = this.#records[i];
      if (record === undefined) continue;
      record.next = frame.next[i] < 0 ? "consumed" : node.nextName(frame.next[i]);
      if (frame.next[i] < 0) this.#live.delete(frame.buffers[i]);
    }
    this.#records = [];
    this.#update();
  }

  #mark(node: TracedNode, frame: Frame, timeUs: number): void {
    const wanted = this.#wanted.get(node.name) ?? 0;
    const count = Math.min(wanted, frame.count);
    for (let i = 0; i < count; i++) {
      const b = frame.buffers[i];
      const trace: PacketTrace = { records: [] };
      this.#traces.push(trace);
      this.#live.set(b, trace);
      this.#source.window.i32[this.#source.meta + (b << 4) + M_FLAGS] |= F_TRACED;
      this.#records[i] = this.#record(node, b, timeUs, trace);
    }
    if (count === wanted) this.#wanted.delete(node.name);
    else this.#wanted.set(node.name, wanted - count);
  }

  /** The traces as text, in the manner of VPP's `show trace`; at most `max` packets. */
  format(max = 50): string {
    const lines: string[] = [];
    for (const [i, trace] of this.#traces.slice(0, max).entries()) {
      lines.push(`Packet ${i + 1}`, "");
      for (const record of trace.records) {
        const rx = record.meta[M_RX_IF];
        const tx = record.meta[M_TX_IF];
        lines.push(`${formatTime(record.timeUs)}: ${record.node} -> ${record.next}`);
        const text = record.format.format(
          new DataView(record.bytes.buffer, record.bytes.byteOffset, record.bytes.length),
          record.bytes.length,
          record.meta,
        );
        lines.push(`  rx-if ${rx} tx-if ${tx} length ${record.meta[M_LEN]}`);
        for (const line of text.split("\n")) if (line !== "") lines.push(`  ${line}`);
      }
      lines.push("");
    }
    return lines.length === 0 ? "No packets in trace buffer\n" : lines.join("\n");
  }
}

function formatTime(timeUs: number): string {
  const seconds = Math.floor(timeUs / 1e6);
  const micros = Math.floor(timeUs - seconds * 1e6);
  return `${seconds}:${String(micros).padStart(6, "0")}`;
}
