import type { FifoOffset, SegmentIndex } from "../mem/fifo-layout.js";
import type { FifoTable } from "../mem/fifo-table.js";
import { OwnSegments } from "./own-segments.js";
import { SegmentManager, type SegmentMaker, type SegmentOptions } from "./segment-manager.js";

/** The segment managers of a stack. */
export class SegmentManagers {
  readonly #fifos: FifoTable;
  readonly #own: OwnSegments;
  readonly #shared: SegmentManager;
  readonly #managers = new Set<SegmentManager>();

  constructor(fifos: FifoTable) {
    this.#fifos = fifos;
    this.#own = new OwnSegments(fifos);
    this.#shared = new SegmentManager(fifos);
  }

  /** Those that have segments of their own. */
  get all(): readonly SegmentManager[] {
    return [...this.#managers];
  }

  /**
   * The manager of a new worker: the one that all share, unless it asks for segments or brings a maker of them. Undefined
   * when there is no room for its first one.
   */
  open(options: SegmentOptions, maker?: SegmentMaker): SegmentManager | undefined {
    if (maker === undefined && options.segmentBytes === undefined) return this.#shared;
    const manager = new SegmentManager(this.#fifos, maker ?? this.#own, options);
    if (!manager.open()) return undefined;
    this.#managers.add(manager);
    return manager;
  }

  /** A worker is gone, or a pair of workers whose sessions were its. */
  close(manager: SegmentManager): void {
    if (!this.#managers.has(manager)) return;
    manager.close();
    if (manager.isGone) this.#managers.delete(manager);
  }

  /** Frees a fifo, and with the last one of a segment that may go the segment; one that a client has stays until it is closed. */
  freeFifo(f: FifoOffset): void {
    const segment: SegmentIndex = this.#fifos.isFifo(f) ? this.#fifos.segmentOf(f) : 0;
    if (!this.#fifos.freeFifo(f) || segment === 0) return;
    for (const manager of this.#managers) {
      if (!manager.segments.includes(segment)) continue;
      manager.freed(segment);
      if (manager.isGone) this.#managers.delete(manager);
      return;
    }
  }
}
