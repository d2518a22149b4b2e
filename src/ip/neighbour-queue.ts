import type { BufferIndex, PacketPool } from "../graph/packet-pool.js";
import type { NeighbourIndex } from "./neighbour-rows.js";

/**
 * The packets that wait for neighbours: per neighbour first in, first out, bounded per neighbour and in total. It holds
 * one reference to each packet; whoever takes a packet out gets the reference with it.
 */
export class NeighbourQueue {
  readonly #pool: PacketPool;
  readonly #perNeighbour: number;
  readonly #limit: number;
  /** The packet behind a waiting packet, by buffer, -1 at the end. */
  readonly #behind: Int32Array;
  readonly #first: Int32Array;
  readonly #last: Int32Array;
  readonly #counts: Int32Array;
  #total = 0;

  /** Queues for `rows` neighbours, `perNeighbour` packets each, `limit` in all. */
  constructor(pool: PacketPool, rows: number, perNeighbour: number, limit: number) {
    this.#pool = pool;
    this.#perNeighbour = perNeighbour;
    this.#limit = limit;
    this.#behind = new Int32Array(pool.capacity);
    this.#first = new Int32Array(rows);
    this.#last = new Int32Array(rows);
    this.#counts = new Int32Array(rows);
  }

  /** Packets that wait, in all. */
  get total(): number {
    return this.#total;
  }

  /** Packets that wait for this neighbour. */
  count(row: NeighbourIndex): number {
    return this.#counts[row];
  }

  /**
   * Takes packet `b` with its reference, its tails copied. Returns -1, or the packet that had to make room and is now
   * the caller's to drop: the neighbour's oldest (RFC 4861 7.2.2: the newest are kept), or `b` itself when the total is
   * reached by other neighbours' packets or there is no buffer to copy its tails to.
   */
  hold(row: NeighbourIndex, b: BufferIndex): BufferIndex {
    const held = this.#counts[row];
    if (held < this.#perNeighbour && this.#total >= this.#limit && held === 0) return b;
    const own = this.#pool.linearize(b);
    if (own < 0) return b;
    const victim = held > 0 && (held >= this.#perNeighbour || this.#total >= this.#limit) ? this.take(row) : -1;
    this.#behind[own] = -1;
    if (this.#counts[row] === 0) this.#first[row] = own;
    else this.#behind[this.#last[row]] = own;
    this.#last[row] = own;
    this.#counts[row]++;
    this.#total++;
    return victim;
  }

  /** Moves the packets of neighbour `from` behind those of `to`. */
  move(from: NeighbourIndex, to: NeighbourIndex): void {
    const count = this.#counts[from];
    if (count === 0) return;
    if (this.#counts[to] === 0) this.#first[to] = this.#first[from];
    else this.#behind[this.#last[to]] = this.#first[from];
    this.#last[to] = this.#last[from];
    this.#counts[to] += count;
    this.#counts[from] = 0;
  }

  /** Takes the neighbour's oldest packet out, -1 when none waits. */
  take(row: NeighbourIndex): BufferIndex {
    if (this.#counts[row] === 0) return -1;
    const b = this.#first[row];
    this.#first[row] = this.#behind[b];
    this.#counts[row]--;
    this.#total--;
    return b;
  }
}
