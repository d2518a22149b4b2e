import { FifoTable, type FifoLimits } from "../../src/mem/fifo-table.js";
import type { FifoOffset } from "../../src/mem/fifo-layout.js";
import { MemoryWindow } from "../../src/mem/window.js";

/** A window with a segment and two scratch areas, for fifo tests. */
export interface Bench {
  readonly window: MemoryWindow;
  readonly segment: FifoTable;
  /** Source bytes, `scratchBytes` of them. */
  readonly src: number;
  /** Destination bytes, as many. */
  readonly dst: number;
}

export function bench(segmentBytes: number, limits: Partial<FifoLimits> = {}, scratchBytes = 1 << 18): Bench {
  const all: FifoLimits = { maxFifos: 16, ...limits };
  const window = MemoryWindow.plain(segmentBytes + 2 * scratchBytes + (1 << 20));
  const src = window.reserve("src", scratchBytes, 4096);
  const dst = window.reserve("dst", scratchBytes, 4096);
  const base = window.reserve("segment", segmentBytes, 4096);
  return { window, segment: new FifoTable(window, base, segmentBytes, all), src, dst };
}

/** Fills the source area with bytes that differ from position to position and from seed to seed. */
export function fill(b: Bench, len: number, seed: number): void {
  const { u8 } = b.window;
  for (let i = 0; i < len; i++) u8[b.src + i] = (Math.imul(i + 1, 0x9e3779b1) ^ Math.imul(seed + 1, 0x85ebca6b)) >>> 24;
}

/** `len` bytes of the window from `offset`, as a copy. */
export function bytesAt(window: MemoryWindow, offset: number, len: number): number[] {
  return Array.from(window.u8.subarray(offset, offset + len));
}

/** The bytes that a number of spans show. */
export function spanBytes(window: MemoryWindow, pairs: Int32Array, n: number, at = 0): number[] {
  const out: number[] = [];
  for (let i = 0; i < n; i++) out.push(...bytesAt(window, pairs[at + 2 * i], pairs[at + 2 * i + 1]));
  return out;
}

/** What a fifo must do, in the plainest form: readable bytes, and bytes by distance from the tail. */
export class FifoModel {
  readable: number[] = [];
  ahead = new Map<number, number>();
  cap: number;
  readonly maxIntervals: number;

  constructor(cap: number, maxIntervals = 32) {
    this.cap = cap;
    this.maxIntervals = maxIntervals;
  }

  get room(): number {
    return Math.max(0, this.cap - this.readable.length);
  }

  /** Maximal runs of stored distances, as [offset, length]. */
  intervals(): number[][] {
    const at = [...this.ahead.keys()].sort((a, b) => a - b);
    const runs: number[][] = [];
    for (const d of at) {
      const last = runs[runs.length - 1];
      if (last !== undefined && last[0] + last[1] === d) last[1]++;
      else runs.push([d, 1]);
    }
    return runs;
  }

  enqueue(bytes: number[]): number {
    const taken = bytes.slice(0, this.room);
    if (taken.length === 0) return 0;
    const before = this.readable.length;
    this.readable.push(...taken);
    let moved = taken.length;
    if ([...this.ahead.keys()].some((d) => d <= taken.length)) {
      while (this.ahead.has(moved)) {
        this.readable.push(this.ahead.get(moved) as number);
        moved++;
      }
    }
    const rest = new Map<number, number>();
    for (const [d, byte] of this.ahead) if (d >= moved) rest.set(d - moved, byte);
    this.ahead = rest;
    return this.readable.length - before;
  }

  enqueueOoo(offset: number, bytes: number[]): number {
    if (bytes.length === 0 || offset + bytes.length > this.room) return 0;
    const runs = this.intervals();
    const end = offset + bytes.length;
    const touches = runs.some(([start, len]) => start <= end && offset <= start + len);
    if (!touches && runs.length >= this.maxIntervals) return 0;
    for (let i = 0; i < bytes.length; i++) this.ahead.set(offset + i, bytes[i]);
    return bytes.length;
  }

  dequeue(len: number): number[] {
    return this.readable.splice(0, len);
  }

  peek(offset: number, len: number): number[] {
    return this.readable.slice(offset, offset + len);
  }
}

/** Compares everything that can be seen of a fifo with the model; returns what differs. */
export function differs(b: Bench, f: FifoOffset, m: FifoModel): string | undefined {
  const { segment, window } = b;
  const bad = segment.validate(f);
  if (bad !== undefined) return bad;
  if (segment.maxDequeue(f) !== m.readable.length) return `maxDequeue ${segment.maxDequeue(f)} != ${m.readable.length}`;
  if (segment.maxEnqueue(f) !== m.room) return `maxEnqueue ${segment.maxEnqueue(f)} != ${m.room}`;
  const out = new Int32Array(256);
  const runs = m.intervals();
  const n = segment.oooIntervals(f, out, 128);
  if (n !== runs.length || n !== segment.oooCount(f)) return `${n} intervals != ${runs.length}`;
  for (let i = 0; i < n; i++) {
    if (out[2 * i] !== runs[i][0] || out[2 * i + 1] !== runs[i][1]) return `interval ${i} is not ${runs[i].join("+")}`;
  }
  if (segment.oooBytes(f) !== m.ahead.size) return "oooBytes differs";
  const pairs = segment.spans(f, 0, 1 << 30, out, 128);
  const seen = spanBytes(window, out, pairs);
  for (let i = 0; i < m.readable.length; i++) {
    if (seen[i] !== m.readable[i]) return `unread byte ${i} is ${seen[i]}, not ${m.readable[i]}`;
  }
  return seen.length === m.readable.length ? undefined : `${seen.length} bytes in spans`;
}
