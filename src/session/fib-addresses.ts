import { isClassE4, isMulticast4, isMulticast6 } from "../ip/address.js";
import { A_TYPE, ADJ_LOCAL } from "../ip/adjacency.js";
import { type SourceParts, sourceAddressFor } from "../ip/source-address.js";
import type { LocalAddresses } from "./local-addresses.js";
import { SESSION_E_NOROUTE, type SessionErrorValue } from "./session-errors.js";

/** The host's addresses as its forwarding tables know them. */
export class FibAddresses implements LocalAddresses {
  readonly #parts: SourceParts;

  constructor(parts: SourceParts) {
    this.#parts = parts;
  }

  isLocal(fib: number, family: 4 | 6, address: Int32Array): boolean {
    const { fib: tables, loadBalances, adjacencies } = this.#parts;
    const word = address[0];
    // Groups and the limited broadcast address are local too, but nobody's own.
    if (family === 4 ? isMulticast4(word) || isClassE4(word) : isMulticast6(word)) return false;
    const adj = loadBalances.choose(tables.lookup(family, fib, address), 0);
    return adjacencies.get(adj, A_TYPE) === ADJ_LOCAL;
  }

  sourceFor(fib: number, family: 4 | 6, remote: Int32Array, out: Int32Array): SessionErrorValue {
    const source = sourceAddressFor(this.#parts, fib, { family, words: remote });
    if (source === undefined) return SESSION_E_NOROUTE;
    out.set(source.words);
    return 0;
  }
}
