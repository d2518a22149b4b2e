import type { Flavor } from "../mem/flavor.js";
import type { MemoryWindow } from "../mem/window.js";
import { maskWord } from "./address.js";
import type { LbIndex } from "./load-balance.js";
import { MTRIE_VALUE_SHIFT, Mtrie, PlyPool } from "./mtrie.js";

/** Names a forwarding table of one family, densely from 0; users name tables by id (see fib.ts). */
export type FibIndex = Flavor<"FibIndex">;

/** Limits of the IPv4 tables. */
export interface Fib4Options {
  /** Tables (default 64). */
  readonly maxTables?: number;
  /** Plies of 1 KiB (default 16384). */
  readonly maxPlies?: number;
  /** Routes from which on a table gets a 16-bit root of 256 KiB (default 1024). */
  readonly wideRootRoutes?: number;
}

interface Table {
  readonly trie: Mtrie;
  /** By {@link keyOf}. */
  readonly routes: Map<number, LbIndex>;
}

function keyOf(prefix: number, length: number): number {
  return length * 0x1_0000_0000 + (prefix >>> 0);
}

/**
 * The IPv4 forwarding tables: longest-prefix match to a load balance, as one mtrie per table. {@link lookup} is written
 * out again in ip4-lookup and must stay the same there.
 */
export class Fib4 {
  /** Two words per table at `i32[tables + (fib << 1)]`: word index of the mtrie's root, and its shift. */
  readonly tables: number;
  readonly maxTables: number;
  readonly #i32: Int32Array;
  readonly #plies: PlyPool;
  readonly #wideRootRoutes: number;
  readonly #tables: (Table | undefined)[] = [];

  constructor(window: MemoryWindow, options: Fib4Options = {}) {
    const { maxTables = 64, maxPlies = 16384, wideRootRoutes = 1024 } = options;
    this.maxTables = maxTables;
    this.#i32 = window.i32;
    this.#plies = new PlyPool(window, maxPlies);
    this.#wideRootRoutes = wideRootRoutes;
    this.tables = window.reserve("ip4 fib tables", maxTables << 3) >> 2;
  }

  /** Plies in use, 1 KiB each. */
  get plies(): number {
    return this.#plies.used;
  }

  /** A new table whose default route is `defaultLb`. Throws RangeError at the limits. */
  addTable(defaultLb: LbIndex): FibIndex {
    let fib = this.#tables.indexOf(undefined);
    if (fib < 0) fib = this.#tables.length;
    if (fib >= this.maxTables) throw new RangeError(`more than ${this.maxTables} ip4 tables`);
    const trie = new Mtrie(this.#plies, defaultLb);
    this.#tables[fib] = { trie, routes: new Map([[keyOf(0, 0), defaultLb]]) };
    this.#publish(fib, trie);
    return fib;
  }

  /** Takes a table away; nothing may name it any more. */
  removeTable(fib: FibIndex): void {
    this.#table(fib).trie.clear();
    this.#tables[fib] = undefined;
  }

  #table(fib: FibIndex): Table {
    const table = this.#tables[fib];
    if (table === undefined) throw new RangeError(`no ip4 fib ${fib}`);
    return table;
  }

  #publish(fib: FibIndex, trie: Mtrie): void {
    this.#i32[this.tables + (fib << 1)] = trie.root;
    this.#i32[this.tables + (fib << 1) + 1] = trie.shift;
  }

  /** Adds or changes a route (`prefix` without host bits). Throws RangeError, with nothing changed, at the limits. */
  set(fib: FibIndex, prefix: number, length: number, lb: LbIndex): void {
    const { trie, routes } = this.#table(fib);
    trie.set(prefix, length, lb);
    routes.set(keyOf(prefix, length), lb);
    if (routes.size >= this.#wideRootRoutes && trie.shift === 24) {
      trie.widen();
      this.#publish(fib, trie);
    }
  }

  /** Takes a route out; false when there is none. The default route is changed by {@link set} only. */
  remove(fib: FibIndex, prefix: number, length: number): boolean {
    const { trie, routes } = this.#table(fib);
    if (length === 0 || !routes.delete(keyOf(prefix, length))) return false;
    let cover = length - 1;
    while (!routes.has(keyOf(prefix & maskWord(cover, 0), cover))) cover--;
    trie.remove(prefix, length, cover, routes.get(keyOf(prefix & maskWord(cover, 0), cover)) ?? 0);
    return true;
  }

  /** The load balance for a destination. */
  lookup(fib: FibIndex, destination: number): LbIndex {
    const i32 = this.#i32;
    const row = this.tables + (fib << 1);
    let shift = i32[row + 1];
    let slot = i32[i32[row] + (destination >>> shift)];
    while ((slot & 1) === 0) {
      shift -= 8;
      slot = i32[(slot >>> 1) + ((destination >>> shift) & 255)];
    }
    return slot >>> MTRIE_VALUE_SHIFT;
  }
}
