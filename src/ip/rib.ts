import { addressBits, type Family, type IpAddress, maskPrefix, type Prefix, prefixCovers } from "./address.js";
import type { Fib4, FibIndex } from "./fib4.js";
import type { Fib6 } from "./fib6.js";
import type { LbIndex, LoadBalanceTable } from "./load-balance.js";

/** Who wants a route, the one that wins first (VPP's FIB sources). */
export type RouteSource = "interface" | "route" | "neighbour" | "default";

const RANK: Readonly<Record<RouteSource, number>> = { interface: 0, route: 1, neighbour: 2, default: 3 };

interface Claim {
  readonly source: RouteSource;
  readonly owner: string;
  lb: LbIndex;
}

interface Entry {
  readonly prefix: Prefix;
  /** Best first. */
  readonly claims: Claim[];
}

/** A route as it is in force. */
export interface RibRoute {
  readonly prefix: Prefix;
  readonly source: RouteSource;
  readonly lb: LbIndex;
}

function keyOf({ address, length }: Prefix): string {
  return `${address.words.join(" ")}/${length}`;
}

/**
 * Who claims which prefix: several sources may want the same one, the best is in force in the forwarding table and the
 * others step in when it goes. Owns one load balance reference per claim.
 */
export class Rib {
  readonly #fib4: Fib4;
  readonly #fib6: Fib6;
  readonly #loadBalances: LoadBalanceTable;
  readonly #tables4: Map<string, Entry>[] = [];
  readonly #tables6: Map<string, Entry>[] = [];

  constructor(fib4: Fib4, fib6: Fib6, loadBalances: LoadBalanceTable) {
    this.#fib4 = fib4;
    this.#fib6 = fib6;
    this.#loadBalances = loadBalances;
  }

  #table(family: Family, fib: FibIndex): Map<string, Entry> {
    const tables = family === 4 ? this.#tables4 : this.#tables6;
    return (tables[fib] ??= new Map<string, Entry>());
  }

  /** The default route that a new table was made with. */
  noteDefault(family: Family, fib: FibIndex, lb: LbIndex): void {
    const prefix: Prefix = { address: { family, words: new Int32Array(4) }, length: 0 };
    this.#table(family, fib).set(keyOf(prefix), { prefix, claims: [{ source: "default", owner: "default", lb }] });
  }

  /**
   * Adds or changes the claim of (source, owner) on a prefix without host bits; takes over one reference of `lb`.
   * Throws RangeError, with nothing changed, when the forwarding table is full.
   */
  set(fib: FibIndex, prefix: Prefix, source: RouteSource, owner: string, lb: LbIndex): void {
    const table = this.#table(prefix.address.family, fib);
    const entry = table.get(keyOf(prefix)) ?? { prefix, claims: [] };
    const known = entry.claims.find((claim) => claim.source === source && claim.owner === owner);
    const at = entry.claims.findIndex((claim) => RANK[claim.source] > RANK[source]);
    const isBest = known === undefined ? at === 0 || entry.claims.length === 0 : known === entry.claims[0];
    if (isBest) this.#write(fib, prefix, lb);
    if (known !== undefined) {
      this.#loadBalances.release(known.lb);
      known.lb = lb;
    } else entry.claims.splice(at < 0 ? entry.claims.length : at, 0, { source, owner, lb });
    table.set(keyOf(prefix), entry);
  }

  /** Withdraws a claim; false when there was none. */
  remove(fib: FibIndex, prefix: Prefix, source: RouteSource, owner: string): boolean {
    const table = this.#table(prefix.address.family, fib);
    const entry = table.get(keyOf(prefix));
    const at = entry?.claims.findIndex((claim) => claim.source === source && claim.owner === owner) ?? -1;
    if (entry === undefined || at < 0) return false;
    const [claim] = entry.claims.splice(at, 1);
    if (entry.claims.length === 0) {
      this.#erase(fib, prefix);
      table.delete(keyOf(prefix));
    } else if (at === 0) this.#write(fib, prefix, entry.claims[0].lb);
    this.#loadBalances.release(claim.lb);
    return true;
  }

  #write(fib: FibIndex, { address, length }: Prefix, lb: LbIndex): void {
    if (address.family === 4) this.#fib4.set(fib, address.words[0], length, lb);
    else this.#fib6.set(fib, address.words, length, lb);
  }

  #erase(fib: FibIndex, { address, length }: Prefix): void {
    if (address.family === 4) this.#fib4.remove(fib, address.words[0], length);
    else this.#fib6.remove(fib, address.words, length);
  }

  /** Takes all routes of a table out. */
  clear(family: Family, fib: FibIndex): void {
    const table = this.#table(family, fib);
    for (const { prefix, claims } of table.values()) {
      if (prefix.length > 0) this.#erase(fib, prefix);
      for (const { lb } of claims) this.#loadBalances.release(lb);
    }
    table.clear();
  }

  /** The longest match for an address among the claims that are not of `source`; -1 when there is none. */
  lookupWithout(fib: FibIndex, address: IpAddress, source: RouteSource): LbIndex {
    const table = this.#table(address.family, fib);
    for (let length = addressBits(address.family); length >= 0; length--) {
      const entry = table.get(keyOf(maskPrefix({ address, length })));
      const claim = entry?.claims.find((each) => each.source !== source);
      if (claim !== undefined) return claim.lb;
    }
    return -1;
  }

  /** The addresses of neighbour entries within a prefix. */
  neighboursWithin(fib: FibIndex, prefix: Prefix): IpAddress[] {
    const found: IpAddress[] = [];
    for (const entry of this.#table(prefix.address.family, fib).values()) {
      const isNeighbour = entry.claims.some(({ source }) => source === "neighbour");
      if (isNeighbour && prefixCovers(prefix, entry.prefix.address)) found.push(entry.prefix.address);
    }
    return found;
  }

  /** What is in force, by address and length. */
  routes(family: Family, fib: FibIndex): RibRoute[] {
    const routes = [...this.#table(family, fib).values()].map(({ prefix, claims }) => ({
      prefix,
      source: claims[0].source,
      lb: claims[0].lb,
    }));
    return routes.sort((a, b) => compare(a.prefix, b.prefix));
  }
}

function compare(a: Prefix, b: Prefix): number {
  for (let i = 0; i < 4; i++) {
    const difference = (a.address.words[i] >>> 0) - (b.address.words[i] >>> 0);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}
