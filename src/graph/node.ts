import type { Flavor } from "../mem/flavor.js";
import type { MemoryWindow } from "../mem/window.js";
import type { Frame } from "./frame.js";
import type { BufferIndex } from "./packet-pool.js";

/** Names a node of one engine. */
export type NodeIndex = Flavor<"NodeIndex">;

/** How bad a counted event is, as in VPP's error tables. */
export type Severity = "info" | "warn" | "error";

/** One counter of a node. */
export interface NodeError {
  /** VPP's symbol in lower case, e.g. `bad_length`. */
  readonly symbol: string;
  readonly severity: Severity;
  readonly text: string;
}

/** What a node remembers of a traced packet, and how it prints it. */
export interface TraceForm {
  /** Bytes copied from M_DATA on when the packet enters the node, 0 to 96; less when the head is shorter. */
  readonly bytes: number;
  /** One or more lines about a record: `dv` starts at the copied bytes, of which `length` are there. */
  format(dv: DataView, length: number, meta: Int32Array): string;
}

/** Maps the frame's buffers to next indices; called with at least one buffer, or with none for input and sched nodes. */
export type Process = (frame: Frame, node: NodeRuntime) => void;

/**
 * The one form of a node file, in this order. `Host` is what the node may reach of its host.
 * Kinds: `internal` nodes get frames; `input` nodes fill an empty frame at the start of each turn; `sched` nodes
 * likewise, after timers have run (VPP's SCHED: session-input and session-queue).
 */
export interface NodeForm<Host> {
  /** VPP's node name. */
  readonly name: string;
  /** Default `internal`. */
  readonly kind?: "internal" | "input" | "sched";
  /** Names of the next nodes; `next[i]` indexes this list. */
  readonly next: readonly string[];
  /** Counters; `node.errorBase + i` names counter i engine-wide. */
  readonly errors: readonly NodeError[];
  readonly trace: TraceForm;
  /** Called once per stack; the function it returns is the node's body. */
  process(host: Host): Process;
}

/** What a running node can do besides mapping its frame. */
export interface NodeRuntime {
  readonly name: string;
  readonly index: NodeIndex;
  /** Engine-wide number of the node's counter 0: set `M_ERROR = errorBase + error` before sending a packet to drop. */
  readonly errorBase: number;
  /** Counts an event that drops no packet. */
  count(error: number, times: number): void;
  /** Sends a new packet (fragment, error, acknowledgement) to `next`. */
  push(next: number, buffer: BufferIndex): void;
}

/** Trace form of nodes that have nothing of their own to say. */
export const NO_TRACE: TraceForm = { bytes: 0, format: () => "" };

/**
 * Declares a node's counters. The result's `list` goes into the form, and `index.symbol` is the number to count by:
 * `const errors = nodeErrors({ too_short: ["error", "ip4 length < 20 bytes"] })`.
 */
export function nodeErrors<const T extends Record<string, readonly [Severity, string]>>(
  table: T,
): { readonly list: readonly NodeError[]; readonly index: { readonly [K in keyof T]: number } } {
  const list = Object.entries(table).map(([symbol, [severity, text]]) => ({ symbol, severity, text }));
  const index = Object.fromEntries(list.map((error, i) => [error.symbol, i])) as { [K in keyof T]: number };
  return { list, index };
}

/** What the tracer needs of the engine. */
export interface TraceSource {
  readonly window: MemoryWindow;
  /** Word index of buffer 0's metadata line. */
  readonly meta: number;
}
