import type { MemoryWindow } from "../mem/window.js";
import { type Clock, msOfUs, tickOfUs } from "../time/clock.js";
import { FeatureArc, MAX_INTERFACES } from "./feature-arc.js";
import { CONSUMED, FRAME_SIZE, Frame } from "./frame.js";
import type { NodeError, NodeForm, NodeIndex, NodeRuntime, Process, TraceForm } from "./node.js";
import type { BufferIndex, PacketPool } from "./packet-pool.js";
import { Tracer } from "./trace.js";

/** Every n-th turn is timed node by node: reading the clock around each node would cost as much as the node. */
const TIMED_TURNS = 64;
/** Node calls in one turn, so that a packet that circles cannot hold the engine. */
const MAX_CALLS_PER_TURN = 4096;
/** Frames an input node may fill in a row before others get their turn. */
const MAX_INPUT_FRAMES = 4;

/** A counter of the engine: whose, what, and how often. */
export interface CountedError extends NodeError {
  readonly node: string;
  readonly count: number;
}

/** Runtime statistics of one node since the last clear. */
export interface NodeStatistics {
  readonly name: string;
  readonly kind: "internal" | "input" | "sched";
  /** Times the node was called. */
  calls: number;
  /** Calls that had packets. */
  vectors: number;
  packets: number;
  /** Time in the calls that were timed (one turn in 64), nanoseconds, and the packets of those calls. */
  timedNs: number;
  timedPackets: number;
}

/** Something with deadlines: the engine runs it once per turn and asks it how long it may sleep. */
export interface Timed {
  /** The time of a turn, before anything may start a timer. */
  setNow?(tick: number): void;
  /** Acts on everything due at `tick`. */
  expire(tick: number): void;
  /** Ticks from `tick` to the next deadline, 0 when due, -1 when there is none. */
  nextExpiry(tick: number): number;
}

class RunningNode<Host> implements NodeRuntime, NodeStatistics {
  readonly name: string;
  readonly kind: "internal" | "input" | "sched";
  readonly index: NodeIndex;
  readonly errorBase: number;
  readonly form: NodeForm<Host>;
  readonly trace: TraceForm;
  readonly #engine: Engine<Host>;
  body: Process = unbound;
  nextNodes: RunningNode<Host>[] = [];
  /** The queued frame that still takes packets. */
  open: Frame | undefined = undefined;
  calls = 0;
  vectors = 0;
  packets = 0;
  timedNs = 0;
  timedPackets = 0;

  constructor(engine: Engine<Host>, form: NodeForm<Host>, index: NodeIndex, errorBase: number) {
    this.#engine = engine;
    this.form = form;
    this.name = form.name;
    this.kind = form.kind ?? "internal";
    this.trace = form.trace;
    this.index = index;
    this.errorBase = errorBase;
  }

  count(error: number, times: number): void {
    this.#engine.errorCounters[this.errorBase + error] += times;
  }

  push(next: number, buffer: BufferIndex): void {
    this.#engine.append(this.nextNodes[next], buffer);
  }

  nextName(next: number): string {
    return this.nextNodes[next]?.name ?? "?";
  }
}

function unbound(): void {
  throw new Error("the engine was not started");
}

/** Whether the first `count` words are all the same. Four at a time: every node pays for this once per packet. */
function allEqual(words: Int32Array, count: number): boolean {
  const first = words[0];
  let differences = 0;
  let i = 1;
  for (; i + 3 < count; i += 4) {
    differences |= (words[i] ^ first) | (words[i + 1] ^ first) | (words[i + 2] ^ first) | (words[i + 3] ^ first);
  }
  for (; i < count; i++) differences |= words[i] ^ first;
  return differences === 0;
}

/** What an engine is made of. */
export interface EngineParts {
  readonly window: MemoryWindow;
  readonly pool: PacketPool;
  readonly clock: Clock;
  /** Interfaces that the arcs can tell apart. Default 1024. */
  readonly maxInterfaces?: number;
}

/**
 * Runs one graph on one thread. A turn: read the clock once; run input nodes, each followed by everything its packets
 * cause; expire timers; run sched nodes (application events, then transmission) likewise.
 * Draining after each input keeps tail spans honest: nothing frees fifo bytes between session-queue and interface-tx.
 */
export class Engine<Host> {
  readonly window: MemoryWindow;
  readonly pool: PacketPool;
  readonly tracer: Tracer;
  /** Time of this turn, microseconds. */
  nowUs = 0;
  /** Time of this turn, ticks of 100 us, int32 (wraps after 119 hours; compare by difference). */
  tick = 0;
  /** Time of this turn, milliseconds, int32: TCP timestamps. */
  nowMs = 0;
  /** Counters of all nodes; see {@link errors}. */
  errorCounters = new Float64Array(0);
  /** Turns that were cut short because a packet circled. */
  cutTurns = 0;
  turns = 0;
  readonly #clock: Clock;
  readonly #nodes: RunningNode<Host>[] = [];
  readonly #byName = new Map<string, RunningNode<Host>>();
  readonly #arcs = new Map<string, FeatureArc>();
  readonly #maxInterfaces: number;
  readonly #timed: Timed[] = [];
  #inputs: RunningNode<Host>[] = [];
  #scheds: RunningNode<Host>[] = [];
  // Frames that wait for their node, oldest first, from #head to #tail.
  readonly #queueNodes: RunningNode<Host>[] = [];
  readonly #queueFrames: Frame[] = [];
  #head = 0;
  #tail = 0;
  readonly #spare: Frame[] = [];
  #errorCount = 0;
  #timing = false;
  #callsLeft = 0;

  constructor(parts: EngineParts) {
    this.window = parts.window;
    this.pool = parts.pool;
    this.#clock = parts.clock;
    this.#maxInterfaces = parts.maxInterfaces ?? MAX_INTERFACES;
    this.tracer = new Tracer({ window: parts.window, meta: parts.pool.meta });
    this.#readClock();
  }

  /** Adds a node. All nodes are registered before {@link start}. Throws when the name is taken. */
  register(form: NodeForm<Host>): void {
    if (this.#byName.has(form.name)) throw new Error(`node ${form.name} is registered twice`);
    const node = new RunningNode(this, form, this.#nodes.length, this.#errorCount);
    this.#errorCount += form.errors.length;
    this.#nodes.push(node);
    this.#byName.set(form.name, node);
  }

  /** Adds a feature arc from `startNodes` to `endNode`; the nodes may be registered later. */
  addArc(name: string, startNodes: readonly string[], endNode: string): FeatureArc {
    const arc = new FeatureArc(name, startNodes, endNode, (from, to) => this.addNext(from, to), this.#maxInterfaces);
    this.#arcs.set(name, arc);
    return arc;
  }

  /** The arc of that name. Throws when there is none. */
  arc(name: string): FeatureArc {
    const arc = this.#arcs.get(name);
    if (arc === undefined) throw new Error(`no feature arc ${name}`);
    return arc;
  }

  /** Adds something with deadlines. */
  addTimed(timed: Timed): void {
    this.#timed.push(timed);
  }

  /** Resolves the next names and binds every node to its host. Throws when a name has no node. */
  start(host: Host): void {
    this.errorCounters = new Float64Array(this.#errorCount);
    for (const node of this.#nodes) node.nextNodes = node.form.next.map((name) => this.#node(name));
    for (const node of this.#nodes) node.body = node.form.process(host);
    this.#inputs = this.#nodes.filter((node) => node.kind === "input");
    this.#scheds = this.#nodes.filter((node) => node.kind === "sched");
  }

  #node(name: string): RunningNode<Host> {
    const node = this.#byName.get(name);
    if (node === undefined) throw new Error(`no node ${name}`);
    return node;
  }

  /**
   * The next index that leads from node `from` to node `to`, made where there is none (VPP vlib_node_add_named_next); after
   * {@link start}. Throws when a name has no node.
   */
  addNext(from: string, to: string): number {
    const node = this.#node(from);
    const target = this.#node(to);
    const known = node.nextNodes.indexOf(target);
    return known >= 0 ? known : node.nextNodes.push(target) - 1;
  }

  /** Reads the clock outside a turn: before a control call that starts timers or takes times. */
  refreshClock(): void {
    this.#readClock();
  }

  #readClock(): void {
    this.nowUs = this.#clock.nowUs();
    this.tick = tickOfUs(this.nowUs);
    this.nowMs = msOfUs(this.nowUs);
    for (let i = 0; i < this.#timed.length; i++) this.#timed[i].setNow?.(this.tick);
  }

  /** One turn. Returns the packets that input and sched nodes brought in: 0 means the engine may sleep. */
  turn(): number {
    this.#readClock();
    this.#timing = (this.turns++ & (TIMED_TURNS - 1)) === 0;
    this.#callsLeft = MAX_CALLS_PER_TURN;
    let moved = 0;
    for (let i = 0; i < this.#inputs.length; i++) moved += this.#runSource(this.#inputs[i]);
    for (let i = 0; i < this.#timed.length; i++) this.#timed[i].expire(this.tick);
    this.#drain();
    for (let i = 0; i < this.#scheds.length; i++) moved += this.#runSource(this.#scheds[i]);
    return moved;
  }

  /** Ticks until something is due: 0 now, -1 never. */
  nextExpiry(): number {
    if (this.#head < this.#tail) return 0;
    let least = -1;
    for (let i = 0; i < this.#timed.length; i++) {
      const ticks = this.#timed[i].nextExpiry(this.tick);
      if (ticks >= 0 && (least < 0 || ticks < least)) least = ticks;
    }
    return least;
  }

  #runSource(node: RunningNode<Host>): number {
    let moved = 0;
    for (let i = 0; i < MAX_INPUT_FRAMES; i++) {
      const frame = this.#takeFrame();
      this.#call(node, frame, true);
      const count = frame.count;
      if (count > 0) this.#scatter(node, frame);
      else this.#spare.push(frame);
      this.#drain();
      moved += count;
      if (count < FRAME_SIZE) break;
    }
    return moved;
  }

  /** Puts a packet on its way to `node`. For {@link NodeRuntime.push} and for {@link inject}. */
  append(node: NodeRuntime, buffer: BufferIndex): void {
    this.#append(node as RunningNode<Host>, buffer);
  }

  /** Puts a packet on its way to the node of that name: for whoever stands outside the graph (tests, neighbours). */
  inject(name: string, buffer: BufferIndex): void {
    this.#append(this.#node(name), buffer);
  }

  #append(node: RunningNode<Host>, buffer: BufferIndex): void {
    let frame = node.open;
    if (frame === undefined || frame.count === FRAME_SIZE) {
      frame = this.#takeFrame();
      this.#enqueue(node, frame);
    }
    frame.buffers[frame.count++] = buffer;
  }

  #enqueue(node: RunningNode<Host>, frame: Frame): void {
    node.open = frame;
    this.#queueNodes[this.#tail] = node;
    this.#queueFrames[this.#tail++] = frame;
  }

  #takeFrame(): Frame {
    const frame = this.#spare.pop() ?? new Frame();
    frame.count = 0;
    return frame;
  }

  #drain(): void {
    while (this.#head < this.#tail) {
      if (this.#callsLeft-- <= 0) {
        this.#cut();
        return;
      }
      const node = this.#queueNodes[this.#head];
      const frame = this.#queueFrames[this.#head++];
      if (node.open === frame) node.open = undefined;
      this.#call(node, frame, false);
      this.#scatter(node, frame);
    }
    this.#head = this.#tail = 0;
  }

  /** Leaves what waits to the next turn, at the start of the queue so that it does not creep on for ever. */
  #cut(): void {
    this.cutTurns++;
    this.#queueNodes.copyWithin(0, this.#head, this.#tail);
    this.#queueFrames.copyWithin(0, this.#head, this.#tail);
    this.#tail -= this.#head;
    this.#head = 0;
  }

  #call(node: RunningNode<Host>, frame: Frame, isSource: boolean): void {
    const tracing = this.tracer.active !== 0;
    if (tracing && !isSource) this.tracer.enter(node, frame, this.nowUs);
    if (this.#timing) this.#timedCall(node, frame);
    else node.body(frame, node);
    if (tracing) this.tracer.exit(node, frame, this.nowUs, isSource);
    node.calls++;
    if (frame.count > 0) node.vectors++;
    node.packets += frame.count;
  }

  #timedCall(node: RunningNode<Host>, frame: Frame): void {
    const startUs = this.#clock.nowUs();
    node.body(frame, node);
    if (frame.count === 0) return;
    node.timedNs += (this.#clock.nowUs() - startUs) * 1000;
    node.timedPackets += frame.count;
  }

  /** Sends each packet of a processed frame on; the frame itself moves when all go the same way. */
  #scatter(node: RunningNode<Host>, frame: Frame): void {
    const { buffers, next, count } = frame;
    const first = next[0];
    if (allEqual(next, count)) {
      if (first === CONSUMED) {
        this.#spare.push(frame);
        return;
      }
      const target = node.nextNodes[first];
      if (target.open === undefined) {
        this.#enqueue(target, frame);
        return;
      }
    }
    for (let i = 0; i < count; i++) {
      const slot = next[i];
      if (slot !== CONSUMED) this.#append(node.nextNodes[slot], buffers[i]);
    }
    this.#spare.push(frame);
  }

  /** Every counter that is not 0. */
  errors(): CountedError[] {
    const counted: CountedError[] = [];
    for (const node of this.#nodes) {
      for (const [i, error] of node.form.errors.entries()) {
        const count = this.errorCounters[node.errorBase + i];
        if (count > 0) counted.push({ ...error, node: node.name, count });
      }
    }
    return counted;
  }

  /** Times the counter `symbol` of node `name` was counted; 0 for unknown ones. */
  errorCount(name: string, symbol: string): number {
    const node = this.#byName.get(name);
    const i = node?.form.errors.findIndex((error) => error.symbol === symbol) ?? -1;
    return node === undefined || i < 0 ? 0 : this.errorCounters[node.errorBase + i];
  }

  /** All registered forms, in order: for documentation and for tests that must hit each counter. */
  forms(): NodeForm<Host>[] {
    return this.#nodes.map((node) => node.form);
  }

  /** Where a node can send packets to, arcs included, by next index; none for an unknown node. */
  nextNames(name: string): string[] {
    return this.#byName.get(name)?.nextNodes.map((node) => node.name) ?? [];
  }

  /** Runtime statistics, in order of registration (VPP `show runtime`). */
  runtime(): readonly NodeStatistics[] {
    return this.#nodes;
  }

  /** VPP `clear runtime`. */
  clearRuntime(): void {
    for (const node of this.#nodes) {
      node.calls = node.vectors = node.packets = node.timedNs = node.timedPackets = 0;
    }
  }

  /** VPP `clear errors`. */
  clearErrors(): void {
    this.errorCounters.fill(0);
  }
}
