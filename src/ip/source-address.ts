import { A_IF, A_TYPE, ADJ_LOCAL, type AdjacencyTable } from "./adjacency.js";
import { type IpAddress, isLinkLocal6, isMulticast6 } from "./address.js";
import type { Fib } from "./fib.js";
import type { FibIndex } from "./fib4.js";
import type { LoadBalanceTable } from "./load-balance.js";

/** What the choice of a source address looks at. */
export interface SourceParts {
  readonly fib: Fib;
  readonly adjacencies: AdjacencyTable;
  readonly loadBalances: LoadBalanceTable;
}

/**
 * The address that packets to `destination` should come from: the destination itself when it is this host's, else an
 * address of the interface they leave by (RFC 1122 3.3.4.3, RFC 6724 5). `ifIndex` names the interface for destinations
 * of link scope; -1: the default one. undefined when there is no route, or the interface has no address of the family.
 * Control plane.
 */
export function sourceAddressFor(
  { fib, adjacencies, loadBalances }: SourceParts,
  fibIndex: FibIndex,
  destination: IpAddress,
  ifIndex = -1,
): IpAddress | undefined {
  const { family, words } = destination;
  const isLinkScope = family === 4 ? words[0] >>> 28 >= 14 : isLinkLocal6(words[0]) || isMulticast6(words[0]);
  let out = ifIndex;
  if (isLinkScope) {
    if (out < 0) out = fib.defaultInterface[family];
    if (fib.addresses.of(out, family).some(({ address }) => address.words.every((word, i) => word === words[i]))) {
      return destination;
    }
  } else {
    const adj = loadBalances.choose(fib.lookup(family, fibIndex, words), 0);
    if (adjacencies.get(adj, A_TYPE) === ADJ_LOCAL) return destination;
    out = adjacencies.get(adj, A_IF);
  }
  if (out < 0) return undefined;
  if (family === 4) {
    const word = fib.addresses.source4(out, words[0]);
    return word === 0 ? undefined : { family, words: Int32Array.of(word, 0, 0, 0) };
  }
  const source = fib.addresses.source6(out, words[0], words[1], words[2], words[3]);
  return source === undefined ? undefined : { family, words: source.slice() };
}
