import type { SegmentIndex } from "../../mem/fifo-layout.js";
import { segmentDataRel } from "../../mem/fifo-mirror-layout.js";
import type { FifoMirrors } from "../../mem/fifo-mirror.js";
import type { FifoTable } from "../../mem/fifo-table.js";
import type { Offset } from "../../mem/flavor.js";
import { PAGE_BYTES } from "../../mem/page-ranges.js";
import type { SegmentMaker } from "../../session/segment-manager.js";

/** Memory that other processes can map; what it is (a memfd) only the host knows. */
export interface SharedMemory {
  readonly bytes: number;
}

/** What the host can do with shared memory. */
export interface SharedMemoryHost {
  /** Makes zeroed memory of whole pages and maps it at `offset` of the stack's window; undefined when there is none. */
  map(name: string, offset: Offset, bytes: number): SharedMemory | undefined;
  /** Takes a part of it from the system now, so that no session pays for a fresh page. */
  touch(offset: Offset, bytes: number): void;
  /** Takes it out of the window again, and forgets it. */
  unmap(memory: SharedMemory, offset: Offset): void;
}

/** A segment as clients know it. */
export interface ClientSegment {
  /** Never used again. */
  readonly handle: number;
  readonly memory: SharedMemory;
}

/** A client worker as its segments see it. */
export interface SegmentOwner {
  /** It is to get a segment, before any session that uses it. */
  segmentAdded(segment: ClientSegment): void;
  /** No session of any worker uses the segment any more. */
  segmentDeleted(segment: ClientSegment): void;
}

/** All segments that clients have, by their number in the fifo table. */
export class ClientSegmentTable {
  readonly #fifos: FifoTable;
  readonly #mirrors: FifoMirrors;
  readonly #host: SharedMemoryHost;
  readonly #segments = new Map<SegmentIndex, ClientSegment & { readonly from: number }>();
  #lastHandle = 0;

  constructor(fifos: FifoTable, mirrors: FifoMirrors, host: SharedMemoryHost) {
    this.#fifos = fifos;
    this.#mirrors = mirrors;
    this.#host = host;
  }

  /** The segment of that number; undefined when no client has it. */
  at(segment: SegmentIndex): ClientSegment | undefined {
    return this.#segments.get(segment);
  }

  /** Makes a segment of `bytes`, rounded up to pages. Returns its number, or -1. */
  make(bytes: number): SegmentIndex {
    const whole = Math.ceil(bytes / PAGE_BYTES) * PAGE_BYTES;
    const { pages, base } = this.#fifos;
    const from = pages.take(whole);
    if (from < 0) return -1;
    const handle = this.#lastHandle + 1;
    const memory = this.#host.map(`weft-segment-${handle}`, base + from, whole);
    const segment = memory === undefined ? -1 : this.#mirrors.addSegment(from, whole);
    if (memory === undefined || segment < 0) {
      if (memory !== undefined) this.#host.unmap(memory, base + from);
      pages.give(from, whole);
      return -1;
    }
    this.#lastHandle = handle;
    this.#segments.set(segment, { handle, memory, from });
    return segment;
  }

  /** Takes the memory of `bytes` of a segment's data from the system, or of all of it. */
  touch(segment: ClientSegment, bytes: number): void {
    for (const known of this.#segments.values()) {
      if (known.handle !== segment.handle) continue;
      const dataRel = segmentDataRel(known.memory.bytes);
      const most = known.memory.bytes - dataRel;
      this.#host.touch(this.#fifos.base + known.from + dataRel, bytes < most ? bytes : most);
    }
  }

  /** Takes back a segment that no fifo uses. */
  drop(segment: SegmentIndex): void {
    const known = this.#segments.get(segment);
    if (known === undefined || !this.#mirrors.delSegment(segment)) return;
    this.#segments.delete(segment);
    this.#host.unmap(known.memory, this.#fifos.base + known.from);
    this.#fifos.pages.give(known.from, known.memory.bytes);
  }
}

/** Makes the segments of one client worker, or those that two have in common. */
export class ClientSegments implements SegmentMaker {
  readonly #table: ClientSegmentTable;
  readonly #owners: readonly SegmentOwner[];

  constructor(table: ClientSegmentTable, owners: readonly SegmentOwner[]) {
    this.#table = table;
    this.#owners = owners;
  }

  make(bytes: number): SegmentIndex {
    const segment = this.#table.make(bytes);
    const made = this.#table.at(segment);
    if (made !== undefined) for (const owner of this.#owners) owner.segmentAdded(made);
    return segment;
  }

  drop(segment: SegmentIndex): void {
    const known = this.#table.at(segment);
    this.#table.drop(segment);
    if (known !== undefined) for (const owner of this.#owners) owner.segmentDeleted(known);
  }

  sharedWith(other: SegmentMaker): SegmentMaker {
    const owners = other instanceof ClientSegments ? other.#owners : [];
    return new ClientSegments(this.#table, [...this.#owners, ...owners]);
  }
}
