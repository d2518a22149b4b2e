import type { FifoOffset, SegmentIndex } from "../mem/fifo-layout.js";
import type { FifoTable } from "../mem/fifo-table.js";

/** Makes and takes back the memory of segments: pages of the fifos' area, which other processes may share. */
export interface SegmentMaker {
  /** Makes a segment of about `bytes`. Returns it, or -1 without room. */
  make(bytes: number): SegmentIndex;
  /** Takes a segment back that no fifo uses any more. */
  drop(segment: SegmentIndex): void;
  /** Of applications in other processes: makes segments that this one and that of `other` both have. */
  sharedWith?(other: SegmentMaker): SegmentMaker;
}

/** What an application may ask of its fifo memory (VPP's attach options). */
export interface SegmentOptions {
  /** Bytes of the first segment. Absent: the application's fifos are in the stack's own segment, with those of others. */
  readonly segmentBytes?: number | undefined;
  /** Bytes of each further segment; default as the first. */
  readonly addSegmentBytes?: number | undefined;
  /** Bytes of all segments at most; default: only the first segment. */
  readonly maxFifoMemoryBytes?: number | undefined;
  /** Usage in percent from which pressure is high; default 80. A further segment is made then, if there may be one. */
  readonly highWatermark?: number | undefined;
  /** Usage in percent from which pressure is low; default 50. */
  readonly lowWatermark?: number | undefined;
}

/** VPP's pressure states, from none on. */
export const MEMORY_PRESSURES = ["no-pressure", "low-pressure", "high-pressure", "no-memory"] as const;

/** How short fifo memory is (VPP fifo_segment_mem_status_t). */
export type MemoryPressure = (typeof MEMORY_PRESSURES)[number];

/** Least bytes of a segment. */
export const LEAST_SEGMENT_BYTES = 64 << 10;
/** Most bytes of a segment. */
export const MOST_SEGMENT_BYTES = 1 << 30;
const HIGH_WATERMARK = 80;
const LOW_WATERMARK = 50;

function isSegmentSize(bytes: number | undefined): boolean {
  return (
    bytes === undefined || (Number.isInteger(bytes) && bytes >= LEAST_SEGMENT_BYTES && bytes <= MOST_SEGMENT_BYTES)
  );
}

function isPercent(value: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= 100;
}

/** Whether options make sense: sizes of 64 KiB to 1 GiB, percent, and none without `segmentBytes`. */
export function areSegmentOptions(options: SegmentOptions): boolean {
  const { segmentBytes, addSegmentBytes, maxFifoMemoryBytes } = options;
  const { highWatermark = HIGH_WATERMARK, lowWatermark = LOW_WATERMARK } = options;
  const sizes = [segmentBytes, addSegmentBytes, maxFifoMemoryBytes];
  if (!sizes.every(isSegmentSize) || !isPercent(highWatermark) || !isPercent(lowWatermark)) return false;
  if (lowWatermark > highWatermark || (maxFifoMemoryBytes ?? MOST_SEGMENT_BYTES) < (segmentBytes ?? 0)) return false;
  return segmentBytes !== undefined || (addSegmentBytes === undefined && maxFifoMemoryBytes === undefined);
}

/**
 * Where the fifos of an application worker get their memory (VPP segment_manager): in segments of its own, so that it takes
 * nothing from others, or in the stack's. A further segment is made when those there are come under pressure, and one that
 * no fifo uses goes, but for the first.
 */
export class SegmentManager {
  readonly #fifos: FifoTable;
  readonly #maker: SegmentMaker | undefined;
  readonly #options: SegmentOptions;
  readonly #segments: SegmentIndex[] = [];
  readonly #bytes = new Map<SegmentIndex, number>();
  #hasFailed = false;
  #isClosed = false;

  /** Without a maker: of the stack's own segment. Else `open` makes the first one. */
  constructor(fifos: FifoTable, maker?: SegmentMaker, options: SegmentOptions = {}) {
    this.#fifos = fifos;
    this.#maker = maker;
    this.#options = options;
    if (maker === undefined) this.#segments.push(0);
  }

  /** Makes the first segment. False without room for it. */
  open(): boolean {
    return this.#maker === undefined || this.#add(this.#options.segmentBytes ?? LEAST_SEGMENT_BYTES);
  }

  /** Its segments, the first one first. */
  get segments(): readonly SegmentIndex[] {
    return this.#segments;
  }

  /** Whether its segments are its own. */
  get isOwner(): boolean {
    return this.#maker !== undefined;
  }

  /** Whether another process has its segments. */
  get isShared(): boolean {
    return this.#maker?.sharedWith !== undefined;
  }

  /** A maker of segments that the processes of both managers have; undefined when one of them is of this process. */
  makerWith(other: SegmentManager): SegmentMaker | undefined {
    return other.#maker === undefined ? undefined : this.#maker?.sharedWith?.(other.#maker);
  }

  /** What it was asked to be. */
  get options(): SegmentOptions {
    return this.#options;
  }

  /** Makes a fifo in the segment that has most room. Returns 0 without memory for it. */
  alloc(capBytes: number): FifoOffset {
    if (!this.isOwner) return this.#fifos.allocFifo(capBytes);
    let segment = this.#roomiest();
    if (this.#usage(segment) >= this.#highWatermark && this.#mayAdd()) {
      if (this.#add(this.#addBytes)) segment = this.#segments.at(-1) ?? segment;
    }
    if (segment < 0 || this.#usage(segment) >= 100) {
      this.#hasFailed = true;
      return 0;
    }
    return this.#fifos.allocFifo(capBytes, segment);
  }

  /** A fifo of `segment` was freed: the segment goes if it was the last, and the manager is done with it. */
  freed(segment: SegmentIndex): void {
    if (this.#maker === undefined || this.#fifos.fifosOf(segment) > 0) return;
    const at = this.#segments.indexOf(segment);
    if (at < 0 || (at === 0 && !this.#isClosed)) return;
    this.#segments.splice(at, 1);
    this.#bytes.delete(segment);
    this.#maker.drop(segment);
  }

  /** The worker is gone: segments go as soon as no fifo uses them. */
  close(): void {
    this.#isClosed = true;
    for (const segment of this.#segments.slice()) this.freed(segment);
  }

  /** Whether it is closed and has no segment left. */
  get isGone(): boolean {
    return this.#isClosed && this.#segments.length === 0;
  }

  /** Bytes of chunks in use, and that there may be in all segments. */
  get memory(): { readonly usedBytes: number; readonly totalBytes: number } {
    const pools = this.#segments.map((segment) => this.#fifos.pool(segment));
    return {
      usedBytes: pools.reduce((sum, pool) => sum + (pool?.bytesInUse ?? 0), 0),
      totalBytes: pools.reduce((sum, pool) => sum + (pool?.capacityBytes ?? 0), 0),
    };
  }

  /** How short memory is. Once there was none it stays so until usage is below the high watermark. */
  get pressure(): MemoryPressure {
    const { usedBytes, totalBytes } = this.memory;
    const usage = totalBytes === 0 ? 100 : (usedBytes / totalBytes) * 100;
    if (usage < this.#highWatermark) this.#hasFailed = false;
    if (this.#hasFailed || usage >= 100) return "no-memory";
    if (usage >= this.#highWatermark) return "high-pressure";
    return usage >= (this.#options.lowWatermark ?? LOW_WATERMARK) ? "low-pressure" : "no-pressure";
  }

  get #highWatermark(): number {
    return this.#options.highWatermark ?? HIGH_WATERMARK;
  }

  get #addBytes(): number {
    return this.#options.addSegmentBytes ?? this.#options.segmentBytes ?? LEAST_SEGMENT_BYTES;
  }

  #usage(segment: SegmentIndex): number {
    const pool = this.#fifos.pool(segment);
    return pool === undefined ? 100 : (pool.bytesInUse / pool.capacityBytes) * 100;
  }

  #roomiest(): SegmentIndex {
    let best: SegmentIndex = -1;
    let most = -1;
    for (const segment of this.#segments) {
      const pool = this.#fifos.pool(segment);
      const room = pool === undefined ? -1 : pool.capacityBytes - pool.bytesInUse;
      if (room > most) [best, most] = [segment, room];
    }
    return best;
  }

  #mayAdd(): boolean {
    const { maxFifoMemoryBytes = 0 } = this.#options;
    const made = [...this.#bytes.values()].reduce((sum, each) => sum + each, 0);
    return !this.#isClosed && made + this.#addBytes <= maxFifoMemoryBytes;
  }

  #add(bytes: number): boolean {
    const segment = this.#maker?.make(bytes) ?? -1;
    if (segment < 0) return false;
    this.#segments.push(segment);
    this.#bytes.set(segment, bytes);
    return true;
  }
}
