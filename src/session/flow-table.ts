import type { Flavor } from "../mem/flavor.js";
import type { MemoryWindow } from "../mem/window.js";

/** Names a row of the {@link FlowTable}. */
export type FlowIndex = Flavor<"FlowIndex">;

// A row: two lines of the window. The key comes first.
/** Transport << 1 | 1 for IPv6. */
export const FL_NAME = 0;
/** FIB index of its packets. */
export const FL_FIB = 1;
/** Local port << 16 | remote port. */
export const FL_PORTS = 2;
/** Local address: one word (IPv4) or four, the others 0. */
export const FL_LCL = 3;
/** Remote address. */
export const FL_RMT = 7;
const KEY_WORDS = 11;
/** One of the FLOW_ states. */
export const FL_STATE = 11;
/** The packet that waits, -1 for none. */
export const FL_BUFFER = 12;
/** When the flow came, or when a packet of one that is decided came last. */
export const FL_TICK = 13;
/** Index of the namespace whose hook decides. */
export const FL_HOOK = 14;
/** Interface of the first packet, -1 for none. */
export const FL_RX_IF = 15;
/** How often the row was taken: part of the token. */
export const FL_GENERATION = 16;
/** What was decided: one of VERDICT_. */
export const FL_VERDICT = 17;
/** Of VERDICT_APPLICATION: which, as a number of RuleTargets. */
export const FL_TARGET = 18;
/** Of TCP: sequence number of the SYN. */
export const FL_SEQ = 19;
const FL_CHAIN = 20;
const FL_NEXT = 21;
const FL_PREVIOUS = 22;
const ROW_SHIFT = 5;

/** Nobody was asked about it yet. */
export const FLOW_NEW = 1;
/** The hook was asked. */
export const FLOW_ASKED = 2;
/** It is decided, and its packet has not come by since. */
export const FLOW_RESUMED = 3;
/** It is decided. */
export const FLOW_DECIDED = 4;

/** On to the listeners; the first three are in the order of FLOW_VERDICTS. */
export const VERDICT_ACCEPT = 0;
/** Nobody is there. */
export const VERDICT_RESET = 1;
/** No answer. */
export const VERDICT_DROP = 2;
/** An application takes it. */
export const VERDICT_APPLICATION = 3;

/** Generations are counted modulo this. */
const GENERATIONS = 1 << 20;

/** Rows in a list, oldest first. */
class FlowList {
  first = -1;
  last = -1;
  length = 0;
}

/**
 * The flows that a hook decides, or has decided: rows in the window, found by their key through keyed hashes, and in two
 * lists, undecided and decided ones, each by their time. Both have a limit.
 */
export class FlowTable {
  readonly #window: MemoryWindow;
  readonly #i32: Int32Array;
  #base = 0;
  #buckets = 0;
  #mask = 0;
  readonly #maxUndecided: number;
  readonly #maxDecided: number;
  readonly #undecided = new FlowList();
  readonly #decided = new FlowList();
  /** First free row, -1 when there is none; the others follow by FL_NEXT. */
  #free = -1;
  #touched = 0;

  /** {@link open} makes room. */
  constructor(window: MemoryWindow, maxUndecided: number, maxDecided: number) {
    this.#window = window;
    this.#i32 = window.i32;
    this.#maxUndecided = maxUndecided;
    this.#maxDecided = maxDecided;
  }

  /**
   * Reserves, when called first, 128 bytes a flow, untouched until used, and its buckets: before the first flow. Throws
   * RangeError when the window is full.
   */
  open(): void {
    if (this.#mask > 0) return;
    const capacity = this.#maxUndecided + this.#maxDecided;
    let buckets = 64;
    while (buckets < capacity) buckets *= 2;
    const bucketBytes = buckets << 2;
    this.#buckets = this.#window.reserve("flows", bucketBytes + (capacity << (ROW_SHIFT + 2))) >> 2;
    this.#base = this.#buckets + buckets;
    this.#mask = buckets - 1;
  }

  /** Word index of a row. */
  row(flow: FlowIndex): number {
    return this.#base + (flow << ROW_SHIFT);
  }

  /** Flows that wait for a decision. */
  get undecided(): number {
    return this.#undecided.length;
  }

  /** Flows whose decision is remembered. */
  get decided(): number {
    return this.#decided.length;
  }

  /** Whether one more may wait. */
  get hasRoom(): boolean {
    return this.#undecided.length < this.#maxUndecided;
  }

  /** The one that waits longest, -1 when none does. */
  get oldestUndecided(): FlowIndex {
    return this.#undecided.first;
  }

  /** The decided one from which nothing came for the longest time, -1 without one. */
  get oldestDecided(): FlowIndex {
    return this.#decided.first;
  }

  /** The one after `flow` in its list, -1 after the last. */
  next(flow: FlowIndex): FlowIndex {
    return this.#i32[this.row(flow) + FL_NEXT];
  }

  #bucket(hash: number): number {
    return this.#buckets + (hash & this.#mask);
  }

  /** The flow with this key (KEY_WORDS words), whose keyed hash is `hash`; -1 when there is none. */
  find(key: Int32Array, hash: number): FlowIndex {
    const i32 = this.#i32;
    // Buckets hold the index + 1, so that the untouched window has none.
    for (let flow = i32[this.#bucket(hash)] - 1; flow >= 0; flow = i32[this.row(flow) + FL_CHAIN] - 1) {
      const r = this.row(flow);
      let same = 0;
      while (same < KEY_WORDS && i32[r + same] === key[same]) same++;
      if (same === KEY_WORDS) return flow;
    }
    return -1;
  }

  /** Adds a flow that waits, in state FLOW_NEW and without a packet; only when {@link hasRoom}. */
  add(key: Int32Array, hash: number, tick: number): FlowIndex {
    const i32 = this.#i32;
    const flow = this.#free >= 0 ? this.#free : this.#touched++;
    const r = this.row(flow);
    if (flow === this.#free) this.#free = i32[r + FL_NEXT];
    for (let i = 0; i < KEY_WORDS; i++) i32[r + i] = key[i];
    i32[r + FL_STATE] = FLOW_NEW;
    i32[r + FL_BUFFER] = -1;
    i32[r + FL_TICK] = tick;
    i32[r + FL_GENERATION] = (i32[r + FL_GENERATION] + 1) & (GENERATIONS - 1);
    i32[r + FL_TARGET] = -1;
    const bucket = this.#bucket(hash);
    i32[r + FL_CHAIN] = i32[bucket];
    i32[bucket] = flow + 1;
    this.#append(this.#undecided, flow);
    return flow;
  }

  /** Takes a flow out; `hash` is that of its key. */
  remove(flow: FlowIndex, hash: number): void {
    const i32 = this.#i32;
    let at = this.#bucket(hash);
    while (i32[at] !== flow + 1) at = this.row(i32[at] - 1) + FL_CHAIN;
    const r = this.row(flow);
    i32[at] = i32[r + FL_CHAIN];
    this.#unlink(flow);
    i32[r + FL_STATE] = 0;
    i32[r + FL_NEXT] = this.#free;
    this.#free = flow;
  }

  /** A flow that waited is decided. Returns the one that has to go for that, -1 for none. */
  decide(flow: FlowIndex, tick: number): FlowIndex {
    this.#unlink(flow);
    this.#i32[this.row(flow) + FL_STATE] = FLOW_RESUMED;
    this.#i32[this.row(flow) + FL_TICK] = tick;
    const goes = this.#decided.length >= this.#maxDecided ? this.#decided.first : -1;
    this.#append(this.#decided, flow);
    return goes;
  }

  /** A packet of a decided flow came. */
  touch(flow: FlowIndex, tick: number): void {
    const r = this.row(flow);
    this.#i32[r + FL_TICK] = tick;
    this.#unlink(flow);
    this.#append(this.#decided, flow);
  }

  #listOf(flow: FlowIndex): FlowList {
    return this.#i32[this.row(flow) + FL_STATE] <= FLOW_ASKED ? this.#undecided : this.#decided;
  }

  #append(list: FlowList, flow: FlowIndex): void {
    const i32 = this.#i32;
    const r = this.row(flow);
    i32[r + FL_NEXT] = -1;
    i32[r + FL_PREVIOUS] = list.last;
    if (list.last >= 0) i32[this.row(list.last) + FL_NEXT] = flow;
    else list.first = flow;
    list.last = flow;
    list.length++;
  }

  #unlink(flow: FlowIndex): void {
    const i32 = this.#i32;
    const list = this.#listOf(flow);
    const r = this.row(flow);
    const next = i32[r + FL_NEXT];
    const previous = i32[r + FL_PREVIOUS];
    if (previous >= 0) i32[this.row(previous) + FL_NEXT] = next;
    else list.first = next;
    if (next >= 0) i32[this.row(next) + FL_PREVIOUS] = previous;
    else list.last = previous;
    list.length--;
  }

  /** Names a flow for good, while it is there. */
  token(flow: FlowIndex): number {
    return this.#i32[this.row(flow) + FL_GENERATION] * 0x100_0000 + flow;
  }

  /** The flow of a token, -1 when it has gone; any value may come. */
  ofToken(token: unknown): FlowIndex {
    if (typeof token !== "number" || !Number.isSafeInteger(token) || token < 0) return -1;
    const flow = token % 0x100_0000;
    if (flow >= this.#touched || this.#i32[this.row(flow) + FL_STATE] === 0) return -1;
    return this.token(flow) === token ? flow : -1;
  }
}
