import type { SegmentIndex } from "../mem/fifo-layout.js";
import type { FifoTable } from "../mem/fifo-table.js";
import { PAGE_BYTES } from "../mem/page-ranges.js";
import type { SegmentMaker } from "./segment-manager.js";

/** Segments of applications of this process that asked for some of their own: pages of the fifos' area. */
export class OwnSegments implements SegmentMaker {
  readonly #fifos: FifoTable;
  readonly #ranges = new Map<SegmentIndex, { from: number; bytes: number }>();

  constructor(fifos: FifoTable) {
    this.#fifos = fifos;
  }

  make(bytes: number): SegmentIndex {
    const whole = Math.ceil(bytes / PAGE_BYTES) * PAGE_BYTES;
    const from = this.#fifos.pages.take(whole);
    if (from < 0) return -1;
    const segment = this.#fifos.addSegment(from, from + whole);
    if (segment < 0) this.#fifos.pages.give(from, whole);
    else this.#ranges.set(segment, { from, bytes: whole });
    return segment;
  }

  drop(segment: SegmentIndex): void {
    const range = this.#ranges.get(segment);
    if (range === undefined || !this.#fifos.delSegment(segment)) return;
    this.#ranges.delete(segment);
    this.#fifos.pages.give(range.from, range.bytes);
  }
}
