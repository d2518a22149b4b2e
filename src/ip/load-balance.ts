import type { Flavor } from "../mem/flavor.js";
import type { MemoryWindow } from "../mem/window.js";
import type { AdjacencyTable, AdjIndex } from "./adjacency.js";

/** Names a row of the {@link LoadBalanceTable}: what a FIB lookup yields. */
export type LbIndex = Flavor<"LbIndex">;

// Four words per load balance at `i32[loadBalances.base + (lb << 2) + FIELD]`. Choosing a path:
// `i32[i32[row + L_BUCKETS] + (hash & i32[row + L_MASK])]`; with L_MASK 0 no hash is needed.
/** Number of buckets - 1; buckets are a power of two. */
export const L_MASK = 0;
/** Word index of the buckets, which hold adjacency indices. A single bucket is the row's own L_SINGLE. */
export const L_BUCKETS = 1;
/** The only bucket of a load balance with one path. */
export const L_SINGLE = 2;
/** References by routes. */
export const L_REFS = 3;

/** Most buckets of a load balance. */
export const LB_MAX_BUCKETS = 64;
/** Most paths of a load balance. */
export const LB_MAX_PATHS = 16;
const BUCKET_BLOCKS = 64;

/** One of several ways to a destination. */
export interface LoadBalancePath {
  readonly adj: AdjIndex;
  /** Share of the flows relative to the other paths, 1 to 255. */
  readonly weight: number;
}

/**
 * What routes point to: one adjacency, or buckets of them for flows to be spread over. Routes with the same paths share
 * one. Control plane; nodes only read rows.
 */
export class LoadBalanceTable {
  /** Word index of row 0. */
  readonly base: number;
  readonly capacity: number;
  readonly #window: MemoryWindow;
  readonly #adjacencies: AdjacencyTable;
  readonly #byKey = new Map<string, LbIndex>();
  readonly #paths = new Map<LbIndex, { key: string; paths: readonly LoadBalancePath[]; borrowed: boolean }>();
  readonly #free: LbIndex[] = [];
  readonly #freeBlocks: number[] = [];
  readonly #maxBlocks: number;
  #blocks = 0;
  #used = 0;

  /** Room for `capacity` rows (default 4096), `multipath` of which (default 1024) may have more than one path. */
  constructor(window: MemoryWindow, adjacencies: AdjacencyTable, capacity = 4096, multipath = 1024) {
    this.capacity = capacity;
    this.#window = window;
    this.#adjacencies = adjacencies;
    this.#maxBlocks = multipath;
    this.base = window.reserve("load balances", capacity << 4) >> 2;
  }

  /** Rows in use. */
  get used(): number {
    return this.#paths.size;
  }

  /**
   * The load balance over these paths (1 to 16), with one more reference. Throws RangeError when there is no room, or
   * when the paths are not 1 to 16 of weight 1 to 255.
   */
  acquire(paths: readonly LoadBalancePath[]): LbIndex {
    if (paths.length < 1 || paths.length > LB_MAX_PATHS)
      throw new RangeError(`${paths.length} paths: not 1 to ${LB_MAX_PATHS}`);
    for (const { weight } of paths) {
      if (!Number.isInteger(weight) || weight < 1 || weight > 255)
        throw new RangeError(`path weight ${weight}: not 1 to 255`);
    }
    const key = paths.map(({ adj, weight }) => `${adj}*${weight}`).join();
    const lb = this.#byKey.get(key) ?? this.#make(key, paths);
    this.#window.i32[this.base + (lb << 2) + L_REFS]++;
    return lb;
  }

  /** The load balance over one adjacency, with one more reference. */
  acquireSingle(adj: AdjIndex): LbIndex {
    return this.acquire([{ adj, weight: 1 }]);
  }

  /**
   * As {@link acquireSingle} without retaining the adjacency, so that its owner still sees whether routes need it. The
   * owner has the load balance released before it frees the adjacency.
   */
  acquireBorrowed(adj: AdjIndex): LbIndex {
    const key = `borrowed ${adj}`;
    const lb = this.#byKey.get(key) ?? this.#make(key, [{ adj, weight: 1 }], true);
    this.#window.i32[this.base + (lb << 2) + L_REFS]++;
    return lb;
  }

  #make(key: string, paths: readonly LoadBalancePath[], borrowed = false): LbIndex {
    const lb = this.#free.pop() ?? (this.#used < this.capacity ? this.#used++ : -1);
    if (lb < 0) throw new RangeError(`more than ${this.capacity} load balances`);
    const { i32 } = this.#window;
    const row = this.base + (lb << 2);
    const buckets = spread(paths);
    const at = buckets.length === 1 ? row + L_SINGLE : this.#block();
    if (at < 0) {
      this.#free.push(lb);
      throw new RangeError(`more than ${this.#maxBlocks} routes with several paths`);
    }
    i32[row + L_MASK] = buckets.length - 1;
    i32[row + L_BUCKETS] = at;
    i32[row + L_REFS] = 0;
    i32.set(buckets, at);
    if (!borrowed) for (const { adj } of paths) this.#adjacencies.retain(adj);
    this.#byKey.set(key, lb);
    this.#paths.set(lb, { key, paths: [...paths], borrowed });
    return lb;
  }

  #block(): number {
    if (this.#freeBlocks.length === 0) {
      const count = Math.min(4, this.#maxBlocks - this.#blocks);
      const bytes = LB_MAX_BUCKETS << 2;
      if (count <= 0 || this.#window.freeBytes < count * bytes + 64) return -1;
      const block = this.#window.reserve("load balance buckets", count * bytes) >> 2;
      for (let i = 0; i < count; i++) this.#freeBlocks.push(block + i * BUCKET_BLOCKS);
      this.#blocks += count;
    }
    return this.#freeBlocks.pop() ?? -1;
  }

  /** Drops a reference; with the last one the row is free and its adjacencies are let go. */
  release(lb: LbIndex): void {
    const { i32 } = this.#window;
    const row = this.base + (lb << 2);
    if (--i32[row + L_REFS] > 0) return;
    const known = this.#paths.get(lb);
    if (known === undefined) return;
    if (i32[row + L_MASK] !== 0) this.#freeBlocks.push(i32[row + L_BUCKETS]);
    if (!known.borrowed) for (const { adj } of known.paths) this.#adjacencies.release(adj);
    this.#byKey.delete(known.key);
    this.#paths.delete(lb);
    this.#free.push(lb);
  }

  /** The adjacency that a flow with hash `flowHash` takes (only needed when there are several). */
  choose(lb: LbIndex, flowHash: number): AdjIndex {
    const { i32 } = this.#window;
    const row = this.base + (lb << 2);
    return i32[i32[row + L_BUCKETS] + (flowHash & i32[row + L_MASK])];
  }

  /** The paths of a load balance, as they were given. */
  pathsOf(lb: LbIndex): readonly LoadBalancePath[] {
    return this.#paths.get(lb)?.paths ?? [];
  }
}

/** Buckets in proportion to the weights, largest remainders first: 1 for one path, else up to LB_MAX_BUCKETS. */
function spread(paths: readonly LoadBalancePath[]): Int32Array {
  if (paths.length === 1) return Int32Array.of(paths[0].adj);
  const total = paths.reduce((sum, { weight }) => sum + weight, 0);
  // Equal weights of 2, 4, 8, … paths come out even; others within 1 in 64.
  const isEven = paths.every(({ weight }) => weight === paths[0].weight) && (paths.length & (paths.length - 1)) === 0;
  const size = isEven ? paths.length : LB_MAX_BUCKETS;
  const shares = paths.map(({ weight }) => Math.max(1, Math.floor((weight * size) / total)));
  // How far each is from its fair share; the farthest below gains a bucket, the farthest above (not its last) gives one.
  const missing = (i: number): number => (paths[i].weight * size) / total - shares[i];
  let sum = shares.reduce((a, b) => a + b, 0);
  while (sum !== size) {
    const step = sum < size ? 1 : -1;
    let pick = -1;
    for (let i = 0; i < paths.length; i++) {
      if (step < 0 && shares[i] === 1) continue;
      if (pick < 0 || missing(i) * step > missing(pick) * step) pick = i;
    }
    shares[pick] += step;
    sum += step;
  }
  const buckets = new Int32Array(size);
  let at = 0;
  for (const [i, share] of shares.entries()) for (let n = 0; n < share; n++) buckets[at++] = paths[i].adj;
  return buckets;
}
