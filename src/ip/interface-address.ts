import { MAX_INTERFACES } from "../graph/feature-arc.js";
import type { InterfaceIndex } from "../device/interface.js";
import {
  addressEqual,
  type Family,
  type IpAddress,
  isLinkLocal6,
  isUniqueLocal6,
  maskWord,
  type Prefix,
} from "./address.js";

/** Most addresses of one interface, both families. */
export const MAX_INTERFACE_ADDRESSES = 64;

/** RFC 6724 3.1, as far as unicast addresses go: larger is wider. */
function scope6(w0: number): number {
  return isLinkLocal6(w0) ? 2 : 14;
}

/** RFC 6724 2.1: the labels that keep ULA with ULA. */
function label6(w0: number): number {
  return isUniqueLocal6(w0) ? 13 : w0 >>> 16 === 0x2002 ? 2 : w0 === 0x2001_0000 ? 5 : 1;
}

function commonBits(a: Int32Array, w0: number, w1: number, w2: number, w3: number): number {
  const x0 = a[0] ^ w0;
  if (x0 !== 0) return Math.clz32(x0);
  const x1 = a[1] ^ w1;
  if (x1 !== 0) return 32 + Math.clz32(x1);
  const x2 = a[2] ^ w2;
  return x2 !== 0 ? 64 + Math.clz32(x2) : 96 + Math.clz32(a[3] ^ w3);
}

/** The addresses of each interface, in the order in which they were given; the first of a family is its primary one. */
export class InterfaceAddresses {
  readonly #lists4: Prefix[][] = [];
  readonly #lists6: Prefix[][] = [];

  /** The addresses of a family on an interface, each with the length of its subnet's prefix. */
  of(ifIndex: InterfaceIndex, family: Family): readonly Prefix[] {
    return (family === 4 ? this.#lists4 : this.#lists6)[ifIndex] ?? [];
  }

  /** Adds an address. Throws RangeError when the interface has it already, or has too many. */
  add(ifIndex: InterfaceIndex, prefix: Prefix): void {
    if (!(ifIndex >= 0 && ifIndex < MAX_INTERFACES)) throw new RangeError(`no interface ${ifIndex}`);
    const lists = prefix.address.family === 4 ? this.#lists4 : this.#lists6;
    const list = (lists[ifIndex] ??= []);
    if (list.some(({ address }) => addressEqual(address, prefix.address)))
      throw new RangeError("the interface has this address");
    if (list.length >= MAX_INTERFACE_ADDRESSES) throw new RangeError(`more than ${MAX_INTERFACE_ADDRESSES} addresses`);
    list.push(prefix);
  }

  /** Takes an address away; the prefix it had, undefined when the interface did not have it. */
  remove(ifIndex: InterfaceIndex, address: IpAddress): Prefix | undefined {
    const list = (address.family === 4 ? this.#lists4 : this.#lists6)[ifIndex] ?? [];
    const at = list.findIndex((each) => addressEqual(each.address, address));
    return at < 0 ? undefined : list.splice(at, 1)[0];
  }

  /** Whether the interface has the address, given as four words, of which the first counts for IPv4. Hot: no allocation. */
  has(ifIndex: InterfaceIndex, family: Family, words: Int32Array): boolean {
    const list = (family === 4 ? this.#lists4 : this.#lists6)[ifIndex];
    if (list === undefined) return false;
    for (let i = 0; i < list.length; i++) {
      const own = list[i].address.words;
      if (own[0] !== words[0]) continue;
      if (family === 4 || (own[1] === words[1] && own[2] === words[2] && own[3] === words[3])) return true;
    }
    return false;
  }

  /** Whether an interface has the address; the interface is -1 when none has it. */
  find(address: IpAddress): InterfaceIndex {
    const lists = address.family === 4 ? this.#lists4 : this.#lists6;
    return lists.findIndex((list) => list?.some((each) => addressEqual(each.address, address)) ?? false);
  }

  /** The first interface that has an address of the family, -1 when none has. */
  firstWith(family: Family): InterfaceIndex {
    return (family === 4 ? this.#lists4 : this.#lists6).findIndex((list) => (list?.length ?? 0) > 0);
  }

  /** The source for IPv4 packets that leave by the interface: the address in the destination's subnet, else the first; 0: none. */
  source4(ifIndex: InterfaceIndex, destination: number): number {
    const list = this.#lists4[ifIndex];
    if (list === undefined || list.length === 0) return 0;
    for (let i = 0; i < list.length; i++) {
      const word = list[i].address.words[0];
      if (((word ^ destination) & maskWord(list[i].length, 0)) === 0) return word;
    }
    return list[0].address.words[0];
  }

  /**
   * The source for IPv6 packets that leave by the interface, as its four words; undefined when it has none. RFC 6724 5:
   * the destination itself, then fitting scope, same label, longest common prefix.
   */
  source6(ifIndex: InterfaceIndex, w0: number, w1: number, w2: number, w3: number): Int32Array | undefined {
    const list = this.#lists6[ifIndex];
    if (list === undefined || list.length === 0) return undefined;
    // A multicast destination carries its scope in the address; site-local groups and wider want a global source.
    const wanted = w0 >>> 24 === 0xff ? Math.min((w0 >>> 16) & 15, 14) : scope6(w0);
    let best: Int32Array | undefined;
    let bestRank = -1;
    for (let i = 0; i < list.length; i++) {
      const { words } = list[i].address;
      const scope = scope6(words[0]);
      const common = commonBits(words, w0, w1, w2, w3);
      // Wide enough beats too narrow; among the wide enough the narrowest, among the too narrow the widest (rule 2).
      const scopeRank = scope >= wanted ? 32 - scope : scope;
      const rank =
        ((common === 128 ? 64 : scopeRank) << 16) + ((label6(words[0]) === label6(w0) ? 1 : 0) << 8) + common;
      if (rank > bestRank) {
        best = words;
        bestRank = rank;
      }
    }
    return best;
  }

  /** Whether an address lies in a subnet of the interface. IPv4 addresses are `w0`. */
  isOnLink(ifIndex: InterfaceIndex, family: Family, w0: number, w1: number, w2: number, w3: number): boolean {
    const list = (family === 4 ? this.#lists4 : this.#lists6)[ifIndex];
    if (list === undefined) return false;
    for (let i = 0; i < list.length; i++) {
      const { address, length } = list[i];
      const { words } = address;
      const common = family === 4 ? Math.clz32(words[0] ^ w0) : commonBits(words, w0, w1, w2, w3);
      if (common >= length) return true;
    }
    return false;
  }
}
