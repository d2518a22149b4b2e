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
  #pairs: { readonly ends: readonly SegmentManager[]; readonly manager: SegmentManager }[] = [];

  constructor(fifos: FifoTable) {
    this.#fifos = fifos;
    this.#own = new OwnSegments(fifos);
    this.#shared = new SegmentManager(fifos);
  }

  /** The one of all applications that have no segments of their own. */
  get shared(): SegmentManager {
    return this.#shared;
  }

  /** The managers of the two workers that a manager of cut-through segments is between; of others itself. */
  endsOf(manager: SegmentManager): readonly SegmentManager[] {
    return this.#pairs.find((pair) => pair.manager === manager)?.ends ?? [manager];
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

  /**
   * Where the fifos of a cut-through session between two workers are: in the segments of the one that is in another process,
   * else of the server; between two other processes in segments that only these two have (VPP's custom segments).
   * Undefined without room for one.
   */
  between(server: SegmentManager, client: SegmentManager): SegmentManager | undefined {
    if (server === client || !client.isShared) return server;
    if (!server.isShared) return client;
    const known = this.#pairs.find(({ ends }) => ends.includes(server) && ends.includes(client));
    if (known !== undefined) return known.manager;
    const maker = server.makerWith(client);
    const manager = maker === undefined ? undefined : new SegmentManager(this.#fifos, maker, server.options);
    if (manager?.open() !== true) return undefined;
    this.#managers.add(manager);
    this.#pairs.push({ ends: [server, client], manager });
    return manager;
  }

  /** A worker is gone, and what it shared with others. */
  close(manager: SegmentManager): void {
    if (!this.#managers.has(manager)) return;
    const pairs = this.#pairs.filter(({ ends }) => ends.includes(manager));
    this.#pairs = this.#pairs.filter((pair) => !pairs.includes(pair));
    for (const each of [manager, ...pairs.map((pair) => pair.manager)]) {
      each.close();
      if (each.isGone) this.#managers.delete(each);
    }
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
