import { isAnyAddress } from "./uri.js";
import type { LocalAddresses } from "./local-addresses.js";
import {
  SESSION_E_ADDR_NOT_IN_USE,
  SESSION_E_INVALID,
  SESSION_E_IPINUSE,
  SESSION_E_NOIP,
  SESSION_E_NOROUTE,
  type SessionErrorValue,
} from "./session-errors.js";

/** Addresses of one range. */
const MAX_RANGE = 1024;

/** Which addresses active opens that name none come from (VPP `tcp src-address`): a plain object, as all control. */
export interface SourceAddressRecord {
  readonly kind: "source-addresses";
  readonly add: boolean;
  readonly family: 4 | 6;
  /** Four words each; they differ in the last word of the family only. */
  readonly first: readonly number[];
  readonly last: readonly number[];
  /** Default 0. */
  readonly table?: number;
}

interface Pool {
  readonly fib: number;
  readonly family: 4 | 6;
  readonly addresses: Int32Array[];
  rotor: number;
}

/**
 * Source addresses by table and family, given in turn. One address and one remote endpoint allow as many connections as
 * there are source ports; more addresses allow that many times more.
 */
export class SourceAddresses {
  readonly #local: LocalAddresses;
  readonly #pools: Pool[] = [];

  constructor(local: LocalAddresses) {
    this.#local = local;
  }

  /**
   * Adds or removes a range. Returns 0; INVALID (no range, or too long), NOROUTE (no such table), NOIP (an address is not
   * this host's), IPINUSE (there already), ADDR_NOT_IN_USE (not there).
   */
  apply({ add, family, first, last, table = 0 }: SourceAddressRecord): SessionErrorValue {
    const at = family === 4 ? 0 : 3;
    if ((family !== 4 && family !== 6) || !isWords(first) || !isWords(last)) return SESSION_E_INVALID;
    const isRange = first.every((word, i) => i === at || (word | 0) === (last[i] | 0));
    const count = (last[at] >>> 0) - (first[at] >>> 0) + 1;
    if (!isRange || !(count >= 1 && count <= MAX_RANGE)) return SESSION_E_INVALID;
    const fib = this.#local.fibOf(family, table);
    if (fib < 0) return SESSION_E_NOROUTE;
    const range = Array.from({ length: count }, (_, i) => {
      const words = Int32Array.from(first);
      words[at] = (words[at] + i) | 0;
      return words;
    });
    if (range.some((address) => isAnyAddress({ address }))) return SESSION_E_INVALID;
    const known = this.#pool(fib, family);
    const pool: Pool = known ?? { fib, family, addresses: [], rotor: 0 };
    const places = range.map((address) => pool.addresses.findIndex((each) => same(each, address)));
    if (!add) {
      if (places.some((place) => place < 0)) return SESSION_E_ADDR_NOT_IN_USE;
      for (const place of places.sort((a, b) => b - a)) pool.addresses.splice(place, 1);
      return 0;
    }
    if (places.some((place) => place >= 0)) return SESSION_E_IPINUSE;
    if (!range.every((address) => this.#mayBeLocal(fib, family, address))) return SESSION_E_NOIP;
    pool.addresses.push(...range);
    if (known === undefined) this.#pools.push(pool);
    return 0;
  }

  /** The addresses of a table, the one whose turn it is first. Empty: routing chooses. */
  inTurn(fib: number, family: 4 | 6): readonly Int32Array[] {
    const pool = this.#pool(fib, family);
    if (pool === undefined || pool.addresses.length === 0) return [];
    const start = pool.rotor++ % pool.addresses.length;
    return [...pool.addresses.slice(start), ...pool.addresses.slice(0, start)];
  }

  #mayBeLocal(fib: number, family: 4 | 6, address: Int32Array): boolean {
    return this.#local.isLocal(fib, family, address) || this.#local.maySpoof(fib, family, -1, address);
  }

  #pool(fib: number, family: 4 | 6): Pool | undefined {
    return this.#pools.find((each) => each.fib === fib && each.family === family);
  }
}

function isWords(value: unknown): boolean {
  return Array.isArray(value) && value.length === 4 && value.every((word) => Number.isInteger(word));
}

function same(a: Int32Array, b: Int32Array): boolean {
  return a.every((word, i) => word === b[i]);
}
