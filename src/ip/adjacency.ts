import type { InterfaceIndex } from "../device/interface.js";
import type { Flavor } from "../mem/flavor.js";
import type { MemoryWindow } from "../mem/window.js";
import type { IpAddress } from "./address.js";

/** Names a row of the {@link AdjacencyTable}. */
export type AdjIndex = Flavor<"AdjIndex">;

// One 64-byte row per adjacency: 16 words at `i32[adjacencies.base + (adj << 4) + FIELD]`.
/** What becomes of the packet: an ADJ_ type. */
export const A_TYPE = 0;
/** Interface it leaves by (or, for ADJ_BROADCAST, whose subnet it names); -1 when none. */
export const A_IF = 1;
/** Largest IP packet, bytes. */
export const A_MTU = 2;
/** Bytes of the rewrite, 0 to 20. */
export const A_REWRITE_LEN = 3;
/** Five words that hold the rewrite at their end, so that with a 4-aligned IP header it is copied by words. */
export const A_REWRITE = 4;
/** Bytes of the rewrite area. */
export const A_REWRITE_BYTES = 20;
/** Address of the next hop: one word (IPv4) or four; zero for glean and multicast adjacencies. */
export const A_NEXT_HOP = 9;
/** 4 or 6. */
export const A_FAMILY = 13;
/** Row of the neighbour table behind the adjacency, -1 when none. */
export const A_NEIGHBOUR = 14;
/** References by load balances: the owner frees the row only when there are none. */
export const A_REFS = 15;

/** Dropped in silence: blackhole routes, class E. */
export const ADJ_DROP = 0;
/** Handed to whoever takes what the stack does not handle. */
export const ADJ_PUNT = 1;
/** For this host. */
export const ADJ_LOCAL = 2;
/** A neighbour whose hardware address is being asked for. */
export const ADJ_ARP = 3;
/** A connected subnet: each destination is a neighbour to be found. */
export const ADJ_GLEAN = 4;
/** A neighbour: the rewrite holds the whole link-layer header. */
export const ADJ_REWRITE = 5;
/** A link's groups (and 255.255.255.255): the rewrite's destination is made from the packet's. */
export const ADJ_MULTICAST = 6;
/** A subnet's broadcast address: for this host when it arrives on A_IF, else dropped (RFC 2644). */
export const ADJ_BROADCAST = 7;
/** No route: dropped, and a forwarded packet's sender is told. */
export const ADJ_UNREACHABLE = 8;
/** Number of ADJ_ types. */
export const ADJ_TYPES = 9;

/** The adjacencies every table has. */
export const ADJ_INDEX_DROP = 0;
/** Of type ADJ_PUNT. */
export const ADJ_INDEX_PUNT = 1;
/** Of type ADJ_LOCAL. */
export const ADJ_INDEX_LOCAL = 2;
/** Of type ADJ_UNREACHABLE. */
export const ADJ_INDEX_UNREACHABLE = 3;
const FIXED_TYPES = [ADJ_DROP, ADJ_PUNT, ADJ_LOCAL, ADJ_UNREACHABLE];

const ROW_SHIFT = 4;
const TYPE_NAMES = ["drop", "punt", "local", "arp", "glean", "rewrite", "multicast", "broadcast", "unreachable"];

/**
 * Next hops with their prebuilt link-layer headers. The control plane (FIB, neighbours) writes rows; nodes only read.
 * A row that a load balance still names keeps its place: {@link free} turns it into a drop until it is let go.
 */
export class AdjacencyTable {
  /** Word index of row 0. */
  readonly base: number;
  readonly capacity: number;
  readonly #i32: Int32Array;
  readonly #u8: Uint8Array;
  readonly #free: number[] = [];
  readonly #condemned = new Set<AdjIndex>();
  #used = 0;

  /** Room for `capacity` rows (default 4096, at least 16). */
  constructor(window: MemoryWindow, capacity = 4096) {
    this.capacity = Math.max(16, capacity);
    this.#i32 = window.i32;
    this.#u8 = window.u8;
    this.base = window.reserve("adjacencies", this.capacity << (ROW_SHIFT + 2)) >> 2;
    for (const type of FIXED_TYPES) this.alloc(type, -1, 4, 0);
  }

  /** Rows in use. */
  get used(): number {
    return this.#used - this.#free.length;
  }

  /** A new row without rewrite, next hop or neighbour; -1 when the table is full. `mtu` in bytes, of the interface. */
  alloc(type: number, ifIndex: InterfaceIndex, family: 4 | 6, mtu: number): AdjIndex {
    const adj = this.#free.pop() ?? (this.#used < this.capacity ? this.#used++ : -1);
    if (adj < 0) return -1;
    const row = this.base + (adj << ROW_SHIFT);
    this.#i32.fill(0, row, row + 16);
    this.#i32[row + A_TYPE] = type;
    this.#i32[row + A_IF] = ifIndex;
    this.#i32[row + A_MTU] = mtu;
    this.#i32[row + A_FAMILY] = family;
    this.#i32[row + A_NEIGHBOUR] = -1;
    return adj;
  }

  /**
   * Gives a row back: at once, or, while load balances name it, as a drop until the last one lets go. (An owner that
   * wants routes to keep their next hop leaves rows with A_REFS > 0 alone.)
   */
  free(adj: AdjIndex): void {
    if (adj < FIXED_TYPES.length) return;
    const row = this.base + (adj << ROW_SHIFT);
    this.#i32[row + A_TYPE] = ADJ_DROP;
    this.#i32[row + A_NEIGHBOUR] = -1;
    if (this.#i32[row + A_REFS] > 0) this.#condemned.add(adj);
    else this.#free.push(adj);
  }

  /** The row belongs to the load balances that name it: it is free when the last one lets go. */
  freeWithLast(adj: AdjIndex): void {
    if (adj < FIXED_TYPES.length) return;
    if (this.#i32[this.base + (adj << ROW_SHIFT) + A_REFS] > 0) this.#condemned.add(adj);
    else this.free(adj);
  }

  /** Notes that a load balance names the row. */
  retain(adj: AdjIndex): void {
    this.#i32[this.base + (adj << ROW_SHIFT) + A_REFS]++;
  }

  /** The opposite of {@link retain}. */
  release(adj: AdjIndex): void {
    const refs = --this.#i32[this.base + (adj << ROW_SHIFT) + A_REFS];
    if (refs === 0 && this.#condemned.delete(adj)) this.#free.push(adj);
  }

  /** Reads a field of a row. */
  get(adj: AdjIndex, field: number): number {
    return this.#i32[this.base + (adj << ROW_SHIFT) + field];
  }

  /** Names the next hop and the neighbour row behind the adjacency (-1: none). */
  setNextHop(adj: AdjIndex, nextHop: IpAddress, neighbour: number): void {
    const row = this.base + (adj << ROW_SHIFT);
    this.#i32.set(nextHop.words, row + A_NEXT_HOP);
    this.#i32[row + A_NEIGHBOUR] = neighbour;
  }

  /** The neighbour's hardware address is known: `rewrite` (at most 20 bytes) is the whole link-layer header. */
  setRewrite(adj: AdjIndex, rewrite: Uint8Array, type: number = ADJ_REWRITE): void {
    if (rewrite.length > A_REWRITE_BYTES) throw new RangeError(`a rewrite of ${rewrite.length} bytes`);
    const row = this.base + (adj << ROW_SHIFT);
    this.#u8.set(rewrite, ((row + A_REWRITE) << 2) + A_REWRITE_BYTES - rewrite.length);
    this.#i32[row + A_REWRITE_LEN] = rewrite.length;
    this.#i32[row + A_TYPE] = type;
  }

  /** The neighbour's hardware address is not known (any more). */
  setIncomplete(adj: AdjIndex): void {
    this.#i32[this.base + (adj << ROW_SHIFT) + A_TYPE] = ADJ_ARP;
  }

  /** Changes the largest packet, bytes, of every adjacency of an interface. */
  setMtu(ifIndex: InterfaceIndex, mtu: number): void {
    for (let adj = 0; adj < this.#used; adj++) {
      const row = this.base + (adj << ROW_SHIFT);
      if (this.#i32[row + A_IF] === ifIndex) this.#i32[row + A_MTU] = mtu;
    }
  }

  /** The rewrite as bytes, a copy. */
  rewriteOf(adj: AdjIndex): Uint8Array {
    const row = this.base + (adj << ROW_SHIFT);
    const end = ((row + A_REWRITE) << 2) + A_REWRITE_BYTES;
    return this.#u8.slice(end - this.#i32[row + A_REWRITE_LEN], end);
  }

  /** The next hop, undefined when the adjacency has none. */
  nextHopOf(adj: AdjIndex): IpAddress | undefined {
    const row = this.base + (adj << ROW_SHIFT);
    const words = this.#i32.slice(row + A_NEXT_HOP, row + A_NEXT_HOP + 4);
    if (words.every((word) => word === 0)) return undefined;
    return { family: this.#i32[row + A_FAMILY] === 6 ? 6 : 4, words };
  }

  /** The type's name, for `show ip fib`. */
  typeName(adj: AdjIndex): string {
    return TYPE_NAMES[this.get(adj, A_TYPE)] ?? "?";
  }
}
