import type { InterfaceIndex, InterfaceTable } from "../device/interface.js";
import { ETH_HEADER_LEN, ETHERTYPE_IP4, ETHERTYPE_IP6 } from "../wire/ethernet.js";
import {
  A_IF,
  A_TYPE,
  ADJ_BROADCAST,
  ADJ_GLEAN,
  ADJ_INDEX_DROP,
  ADJ_INDEX_LOCAL,
  ADJ_INDEX_PUNT,
  ADJ_INDEX_UNREACHABLE,
  ADJ_MULTICAST,
  type AdjacencyTable,
  type AdjIndex,
} from "./adjacency.js";
import {
  addressBits,
  addressEqual,
  type Family,
  formatAddress,
  formatPrefix,
  type IpAddress,
  ip4Address,
  ip6Address,
  isAssignable,
  isLinkLocal6,
  isMulticast4,
  isMulticast6,
  maskPrefix,
  parseAddress,
  parsePrefix,
  type Prefix,
  prefixCovers,
  solicitedNode,
} from "./address.js";
import type { Fib4, FibIndex } from "./fib4.js";
import type { Fib6 } from "./fib6.js";
import { InterfaceAddresses } from "./interface-address.js";
import type { LbIndex, LoadBalancePath, LoadBalanceTable } from "./load-balance.js";
import { Rib, type RouteSource } from "./rib.js";

/** One way to a destination, as control records name it. */
export interface RoutePath {
  /** Next hop; without one the destinations themselves are neighbours on `interface`. */
  readonly via?: string;
  /** Interface by index; without one the subnet that covers `via` tells. */
  readonly interface?: number;
  /** Share of the flows, 1 to 255; default 1. */
  readonly weight?: number;
}

/** What becomes of packets to a prefix that are not forwarded. */
export type RouteVerdict = "drop" | "unreachable" | "local" | "punt";

/** A change of the forwarding tables: a plain object that can be kept, sent and applied again in the same order. */
export type FibRecord =
  | { readonly kind: "table"; readonly table: number; readonly add: boolean }
  | { readonly kind: "interface-table"; readonly interface: number; readonly table: number }
  | { readonly kind: "mtu"; readonly interface: number; readonly mtu: number }
  | { readonly kind: "address"; readonly interface: number; readonly prefix: string; readonly add: boolean }
  | { readonly kind: "group"; readonly interface: number; readonly group: string; readonly add: boolean }
  | {
      readonly kind: "route";
      readonly table: number;
      readonly prefix: string;
      readonly add: boolean;
      /** Not looked at when `add` is false. A route that exists is replaced. */
      readonly paths?: readonly RoutePath[] | RouteVerdict;
    };

/** Where the FIB gets the adjacencies of next hops from: the neighbour table. */
export interface NextHops {
  /** The adjacency of a neighbour, made (incomplete) when unknown; -1 when the table is full. Rows with references stay. */
  adjacencyFor(ifIndex: InterfaceIndex, family: Family, words: Int32Array): AdjIndex;
}

/** Who depends on the addresses and tables of interfaces. */
export interface FibWatcher {
  /** An address of the interface came or went. */
  addressesChanged(ifIndex: InterfaceIndex): void;
  /** What keeps the interface in its table, as `namespace blue`; undefined when nothing does. */
  userOfInterface(ifIndex: InterfaceIndex): string | undefined;
  /** What uses a table and keeps it from being removed; undefined when nothing does. */
  userOfTable(fib4: FibIndex, fib6: FibIndex): string | undefined;
}

/** One path of a route, for listings. */
export interface PathView {
  /** What kind of adjacency it is, as `arp` or `glean`. */
  readonly type: string;
  /** Next hop. */
  readonly via: string | null;
  /** Interface by name. */
  readonly interface: string | null;
  readonly weight: number;
}

/** One route, for listings. */
export interface RouteView {
  readonly prefix: string;
  readonly source: RouteSource;
  readonly paths: readonly PathView[];
}

/** What the control plane of the forwarding tables works on. */
export interface FibParts {
  readonly interfaces: InterfaceTable;
  readonly adjacencies: AdjacencyTable;
  readonly loadBalances: LoadBalanceTable;
  readonly fib4: Fib4;
  readonly fib6: Fib6;
}

const VERDICTS: Readonly<Record<RouteVerdict, AdjIndex>> = {
  drop: ADJ_INDEX_DROP,
  unreachable: ADJ_INDEX_UNREACHABLE,
  local: ADJ_INDEX_LOCAL,
  punt: ADJ_INDEX_PUNT,
};

const MIN_MTU = 68;
const MIN_MTU6 = 1280;

/**
 * The control plane of the forwarding tables: applies records, and keeps for each interface address its local entry, its
 * subnet and its broadcast address. Throws RangeError on what is wrong with a record, and then nothing has changed.
 */
export class Fib {
  readonly addresses = new InterfaceAddresses();
  /** Per interface, -1 while there is none: adjacency for IPv4 groups and 255.255.255.255 on the link. */
  readonly multicast4: Int32Array;
  /** Per interface, -1 while there is none: adjacency for IPv6 groups on the link. */
  readonly multicast6: Int32Array;
  /** Per interface, -1 while IPv6 is off: the IPv6 table for destinations of link scope and joined groups. */
  readonly link6: Int32Array;
  /** The interface of local packets of link scope that name none: the first with an address; -1: none. Index: family. */
  readonly defaultInterface = new Int32Array(8).fill(-1);
  readonly #parts: FibParts;
  readonly #rib: Rib;
  readonly #indices4 = new Map<number, FibIndex>();
  readonly #indices6 = new Map<number, FibIndex>();
  #nextHops: NextHops | undefined;
  #watcher: FibWatcher | undefined;

  constructor(parts: FibParts) {
    this.#parts = parts;
    const { capacity } = parts.interfaces;
    this.multicast4 = new Int32Array(capacity).fill(-1);
    this.multicast6 = new Int32Array(capacity).fill(-1);
    this.link6 = new Int32Array(capacity).fill(-1);
    this.#rib = new Rib(parts.fib4, parts.fib6, parts.loadBalances);
    this.#addTable(0);
  }

  /** Names the neighbour table; without it only connected and verdict routes can be added. */
  useNextHops(nextHops: NextHops): void {
    this.#nextHops = nextHops;
  }

  /** Names who depends on addresses and tables: the application namespaces. */
  useWatcher(watcher: FibWatcher): void {
    this.#watcher = watcher;
  }

  /** Applies one record. Throws RangeError, with nothing changed, when it cannot be. */
  apply(record: FibRecord): void {
    this.#apply(record);
    if (record.kind === "address") this.#watcher?.addressesChanged(record.interface);
  }

  #apply(record: FibRecord): void {
    switch (record.kind) {
      case "table":
        return record.add ? this.#addTable(record.table) : this.#removeTable(record.table);
      case "interface-table":
        return this.#setInterfaceTable(record.interface, record.table);
      case "mtu":
        return this.#setMtu(record.interface, record.mtu);
      case "address": {
        const prefix = parsePrefix(record.prefix);
        return record.add ? this.#addAddress(record.interface, prefix) : this.#removeAddress(record.interface, prefix);
      }
      case "group":
        return this.#setGroup(record.interface, parseAddress(record.group), record.add);
      case "route":
        return this.#setRoute(record);
    }
  }

  /** The FIB index of table `table`, -1 when there is no such table. */
  indexOf(family: Family, table: number): FibIndex {
    return (family === 4 ? this.#indices4 : this.#indices6).get(table) ?? -1;
  }

  /** The table ids, ascending. */
  tables(): number[] {
    return [...this.#indices4.keys()].sort((a, b) => a - b);
  }

  /** The load balance for a destination: the data path's own lookup, for the control plane. */
  lookup(family: Family, fib: FibIndex, words: Int32Array): LbIndex {
    const { fib4, fib6 } = this.#parts;
    return family === 4 ? fib4.lookup(fib, words[0]) : fib6.lookup(fib, words[0], words[1], words[2], words[3]);
  }

  /**
   * The neighbour table knows a neighbour: packets to it need no glean any more. False, and nothing is done, when the
   * address is not in a subnet of that interface (VPP's refinement of the connected prefix), or the table is full.
   * The entry does not retain the adjacency: {@link removeNeighbour} comes before the adjacency is freed.
   */
  addNeighbour(ifIndex: InterfaceIndex, family: Family, words: Int32Array, adj: AdjIndex): boolean {
    const address: IpAddress = { family, words: words.slice(0, 4) };
    const fib = this.#scopeOf(ifIndex, address);
    if (fib < 0 || !this.#isAttached(ifIndex, address, fib)) return false;
    const { loadBalances } = this.#parts;
    let lb: LbIndex = -1;
    try {
      lb = loadBalances.acquireBorrowed(adj);
      this.#rib.set(fib, { address, length: addressBits(family) }, "neighbour", `neighbour ${ifIndex}`, lb);
    } catch (error) {
      if (lb >= 0) loadBalances.release(lb);
      if (error instanceof RangeError) return false;
      throw error;
    }
    return true;
  }

  /** The neighbour table has forgotten a neighbour. */
  removeNeighbour(ifIndex: InterfaceIndex, family: Family, words: Int32Array): void {
    const address: IpAddress = { family, words: words.slice(0, 4) };
    const fib = this.#scopeOf(ifIndex, address);
    if (fib >= 0) this.#rib.remove(fib, { address, length: addressBits(family) }, "neighbour", `neighbour ${ifIndex}`);
  }

  /** The FIB index that holds an address as seen from an interface; -1 when there is none. */
  #scopeOf(ifIndex: InterfaceIndex, { family, words }: IpAddress): FibIndex {
    const iface = this.#parts.interfaces.at(ifIndex);
    if (iface === undefined) return -1;
    if (family === 4) return iface.fib4;
    return isLinkLocal6(words[0]) || isMulticast6(words[0]) ? this.link6[ifIndex] : iface.fib6;
  }

  #isAttached(ifIndex: InterfaceIndex, address: IpAddress, fib: FibIndex): boolean {
    if (this.addresses.find(address) >= 0) return false;
    if (address.family === 6 && isLinkLocal6(address.words[0])) return true;
    const { loadBalances, adjacencies } = this.#parts;
    const lb = this.#rib.lookupWithout(fib, address, "neighbour");
    return loadBalances
      .pathsOf(lb)
      .some(({ adj }) => adjacencies.get(adj, A_TYPE) === ADJ_GLEAN && adjacencies.get(adj, A_IF) === ifIndex);
  }

  /** All routes of a table, by prefix; for IPv6 the link tables too when `table` is -1. */
  routes(family: Family, table: number): RouteView[] {
    const fibs =
      table >= 0 ? [this.indexOf(family, table)] : family === 6 ? [...this.link6].filter((fib) => fib >= 0) : [];
    return fibs.flatMap((fib) =>
      this.#rib.routes(family, fib).map(({ prefix, source, lb }) => ({
        prefix: formatPrefix(prefix),
        source,
        paths: this.#parts.loadBalances.pathsOf(lb).map((path) => this.#viewPath(path)),
      })),
    );
  }

  #viewPath({ adj, weight }: LoadBalancePath): PathView {
    const { adjacencies, interfaces } = this.#parts;
    const hop = adjacencies.nextHopOf(adj);
    return {
      type: adjacencies.typeName(adj),
      via: hop === undefined ? null : formatAddress(hop),
      interface: interfaces.at(adjacencies.get(adj, A_IF))?.name ?? null,
      weight,
    };
  }

  // Tables.

  #addTable(table: number): void {
    if (!Number.isInteger(table) || table < 0) throw new RangeError(`table ${table}: not a number from 0`);
    if (this.#indices4.has(table)) throw new RangeError(`table ${table} exists`);
    const { fib4, fib6, loadBalances } = this.#parts;
    const lb = loadBalances.acquireSingle(ADJ_INDEX_UNREACHABLE);
    loadBalances.acquireSingle(ADJ_INDEX_UNREACHABLE);
    const v4 = fib4.addTable(lb);
    let v6: FibIndex;
    try {
      v6 = fib6.addTable(lb);
    } catch (error) {
      fib4.removeTable(v4);
      throw error;
    }
    this.#rib.noteDefault(4, v4, lb);
    this.#rib.noteDefault(6, v6, lb);
    this.#indices4.set(table, v4);
    this.#indices6.set(table, v6);
    for (const [fib, prefix, verdict] of [
      [v4, "0.0.0.0/8", "drop"],
      [v4, "127.0.0.0/8", "local"],
      [v4, "224.0.0.0/4", "drop"],
      [v4, "224.0.0.1/32", "local"],
      [v4, "240.0.0.0/4", "drop"],
      [v4, "255.255.255.255/32", "local"],
      [v6, "::/128", "drop"],
      [v6, "::1/128", "local"],
    ] as const) {
      this.#enter(fib, parsePrefix(prefix), "default", "default", [{ adj: VERDICTS[verdict], weight: 1 }]);
    }
  }

  #removeTable(table: number): void {
    const v4 = this.indexOf(4, table);
    const v6 = this.indexOf(6, table);
    if (v4 < 0 || table === 0) throw new RangeError(`no table ${table} that can be removed`);
    for (const { name, fib4, fib6 } of this.#parts.interfaces.all()) {
      if (fib4 === v4 || fib6 === v6) throw new RangeError(`table ${table} is in use by interface ${name}`);
    }
    const user = this.#watcher?.userOfTable(v4, v6);
    if (user !== undefined) throw new RangeError(`table ${table} is in use by ${user}`);
    this.#rib.clear(4, v4);
    this.#rib.clear(6, v6);
    this.#parts.fib4.removeTable(v4);
    this.#parts.fib6.removeTable(v6);
    this.#indices4.delete(table);
    this.#indices6.delete(table);
  }

  #interface(index: number): { index: InterfaceIndex; fib4: FibIndex; fib6: FibIndex; mtu: number; mac: Uint8Array } {
    const iface = this.#parts.interfaces.at(index);
    if (iface === undefined) throw new RangeError(`no interface ${index}`);
    return { index: iface.index, fib4: iface.fib4, fib6: iface.fib6, mtu: iface.mtu, mac: iface.device.mac };
  }

  #setInterfaceTable(index: number, table: number): void {
    const iface = this.#parts.interfaces.at(index);
    if (iface === undefined) throw new RangeError(`no interface ${index}`);
    if (!this.#indices4.has(table)) throw new RangeError(`no table ${table}`);
    if (this.addresses.of(index, 4).length + this.addresses.of(index, 6).length > 0) {
      throw new RangeError(`interface ${iface.name} has addresses: its table cannot change`);
    }
    const user = this.#watcher?.userOfInterface(index);
    if (user !== undefined) throw new RangeError(`interface ${iface.name} is in use by ${user}`);
    iface.fib4 = this.indexOf(4, table);
    iface.fib6 = this.indexOf(6, table);
  }

  #setMtu(index: number, mtu: number): void {
    const iface = this.#parts.interfaces.at(index);
    if (iface === undefined) throw new RangeError(`no interface ${index}`);
    const least = this.link6[index] >= 0 ? MIN_MTU6 : MIN_MTU;
    if (!Number.isInteger(mtu) || mtu < least || mtu > iface.device.mtu) {
      throw new RangeError(`mtu ${mtu}: not from ${least} to ${iface.device.mtu}`);
    }
    iface.mtu = mtu;
    this.#parts.adjacencies.setMtu(index, mtu);
  }

  // Interface addresses.

  #addAddress(index: number, prefix: Prefix): void {
    const { address, length } = prefix;
    const { family } = address;
    this.#interface(index);
    if (!isAssignable(address)) throw new RangeError(`${formatAddress(address)} cannot be an interface's address`);
    if (length === 0) throw new RangeError(`${formatPrefix(prefix)}: a subnet of everything`);
    if (family === 4 && length <= 30) {
      const host = address.words[0] & (-1 >>> length);
      if (host === 0 || host === -1 >>> length) throw new RangeError(`${formatPrefix(prefix)}: not a host's address`);
    }
    this.#checkOverlap(index, prefix);
    if (family === 6 && this.link6[index] < 0) {
      this.#enableIp6(index);
      // The link-local address that came with IPv6 may be the very one.
      if (this.addresses.find(address) >= 0 && isLinkLocal6(address.words[0])) return;
    }
    this.addresses.add(index, prefix);
    const undo: (() => void)[] = [() => this.addresses.remove(index, address)];
    try {
      this.#ensureMulticast(index, family);
      for (const [to, adj] of this.#entriesOf(index, prefix)) {
        const fib = this.#scopeOf(index, to.address);
        this.#enter(fib, to, "interface", ownerOf(index, address), [{ adj: adj(), weight: 1 }]);
        undo.push(() => this.#rib.remove(fib, to, "interface", ownerOf(index, address)));
      }
    } catch (error) {
      for (const step of undo.reverse()) step();
      throw error;
    }
    this.#updateDefaults();
  }

  #removeAddress(index: number, prefix: Prefix): void {
    this.#interface(index);
    const known = this.addresses.remove(index, prefix.address);
    if (known === undefined) throw new RangeError(`the interface has no address ${formatAddress(prefix.address)}`);
    for (const [to] of this.#entriesOf(index, known)) {
      this.#rib.remove(this.#scopeOf(index, to.address), to, "interface", ownerOf(index, known.address));
    }
    const fib = this.#scopeOf(index, known.address);
    for (const { family, words } of this.#rib.neighboursWithin(fib, known)) {
      if (this.addresses.isOnLink(index, family, words[0], words[1], words[2], words[3])) continue;
      this.removeNeighbour(index, family, words);
    }
    this.#updateDefaults();
  }

  #updateDefaults(): void {
    for (const family of [4, 6] as const) this.defaultInterface[family] = this.addresses.firstWith(family);
  }

  /** The same address may be there once per table, the same subnet only on one interface of a table. */
  #checkOverlap(index: number, prefix: Prefix): void {
    const { address } = prefix;
    for (const other of this.#parts.interfaces.all()) {
      if (this.#scopeOf(other.index, address) !== this.#scopeOf(index, address)) continue;
      for (const known of this.addresses.of(other.index, address.family)) {
        if (addressEqual(known.address, address))
          throw new RangeError(`${formatAddress(address)} is in use on ${other.name}`);
        const isLink = address.family === 6 && isLinkLocal6(address.words[0]);
        const overlaps = prefixCovers(known, address) || prefixCovers(prefix, known.address);
        if (other.index !== index && overlaps && !isLink) {
          throw new RangeError(`${formatPrefix(prefix)} overlaps ${formatPrefix(known)} on ${other.name}`);
        }
      }
    }
  }

  /** What an interface address puts into the tables, with the makers of the adjacencies. */
  #entriesOf(index: number, prefix: Prefix): [Prefix, () => AdjIndex][] {
    const { address, length } = prefix;
    const { family } = address;
    const bits = addressBits(family);
    const local = (): AdjIndex => ADJ_INDEX_LOCAL;
    const entries: [Prefix, () => AdjIndex][] = [[{ address, length: bits }, local]];
    if (length < bits) entries.push([maskPrefix(prefix), () => this.#makeAdj(ADJ_GLEAN, index, family)]);
    if (family === 4 && length <= 30) {
      const network = maskPrefix(prefix).address.words[0];
      // All-zeros is the old form of broadcast: not a host (RFC 1122 3.3.6). RFC 3021: /31 has neither.
      entries.push([{ address: ip4Address(network), length: 32 }, () => ADJ_INDEX_DROP]);
      const broadcast = network | (-1 >>> length);
      entries.push([{ address: ip4Address(broadcast), length: 32 }, () => this.#makeAdj(ADJ_BROADCAST, index, 4)]);
    }
    if (family === 6) entries.push([{ address: solicitedNode(address), length: 128 }, local]);
    return entries;
  }

  #makeAdj(type: number, index: number, family: Family): AdjIndex {
    const adj = this.#parts.adjacencies.alloc(type, index, family, this.#interface(index).mtu);
    if (adj < 0) throw new RangeError("the adjacency table is full");
    return adj;
  }

  #ensureMulticast(index: number, family: Family): void {
    const table = family === 4 ? this.multicast4 : this.multicast6;
    if (table[index] >= 0) return;
    const adj = this.#makeAdj(ADJ_MULTICAST, index, family);
    const rewrite = new Uint8Array(ETH_HEADER_LEN);
    const type = family === 4 ? ETHERTYPE_IP4 : ETHERTYPE_IP6;
    rewrite.set(this.#interface(index).mac, 6);
    rewrite.set([type >>> 8, type & 0xff], 12);
    this.#parts.adjacencies.setRewrite(adj, rewrite, ADJ_MULTICAST);
    table[index] = adj;
  }

  /** IPv6 starts on an interface: its link table, the all-nodes group and a link-local address (RFC 4291 2.5.6). */
  #enableIp6(index: number): void {
    const { fib6, loadBalances } = this.#parts;
    const { mac, mtu } = this.#interface(index);
    if (mtu < MIN_MTU6) throw new RangeError(`mtu ${mtu} is too small for IPv6 (${MIN_MTU6})`);
    const lb = loadBalances.acquireSingle(ADJ_INDEX_DROP);
    this.link6[index] = fib6.addTable(lb);
    this.#rib.noteDefault(6, this.link6[index], lb);
    this.#setGroup(index, parseAddress("ff02::1"), true);
    const view = new DataView(mac.buffer, mac.byteOffset, 6);
    // Modified EUI-64 (RFC 4291 appendix A).
    const w2 = ((view.getInt32(0) & 0xffff_ff00) ^ 0x0200_0000) | 0xff;
    const w3 = 0xfe00_0000 | (view.getUint8(3) << 16) | view.getUint16(4);
    this.#addAddress(index, { address: ip6Address(0xfe80_0000 | 0, 0, w2, w3), length: 64 });
  }

  #setGroup(index: number, group: IpAddress, add: boolean): void {
    this.#interface(index);
    const isGroup = group.family === 4 ? isMulticast4(group.words[0]) : isMulticast6(group.words[0]);
    if (!isGroup) throw new RangeError(`${formatAddress(group)} is not a multicast group`);
    const fib = this.#scopeOf(index, group);
    if (fib < 0) throw new RangeError(`interface ${index} has no IPv6 address`);
    const prefix = { address: group, length: addressBits(group.family) };
    if (add) this.#enter(fib, prefix, "interface", `group ${index}`, [{ adj: ADJ_INDEX_LOCAL, weight: 1 }]);
    else if (!this.#rib.remove(fib, prefix, "interface", `group ${index}`)) {
      throw new RangeError(`interface ${index} is not in ${formatAddress(group)}`);
    }
  }

  // Routes.

  #setRoute(record: FibRecord & { readonly kind: "route" }): void {
    const prefix = maskPrefix(parsePrefix(record.prefix));
    const { family } = prefix.address;
    const fib = this.indexOf(family, record.table);
    if (fib < 0) throw new RangeError(`no table ${record.table}`);
    if (!record.add) {
      if (!this.#rib.remove(fib, prefix, "route", "route")) throw new RangeError(`no route to ${formatPrefix(prefix)}`);
      return;
    }
    const { paths } = record;
    if (paths === undefined || paths.length === 0)
      throw new RangeError(`route to ${formatPrefix(prefix)} without a path`);
    if (typeof paths === "string") this.#enter(fib, prefix, "route", "route", [{ adj: VERDICTS[paths], weight: 1 }]);
    else {
      const resolved = paths.map((path) => this.#resolve(family, fib, path));
      this.#enter(fib, prefix, "route", "route", resolved);
    }
  }

  #resolve(family: Family, fib: FibIndex, path: RoutePath): LoadBalancePath {
    const weight = path.weight ?? 1;
    if (path.via === undefined) {
      if (path.interface === undefined) throw new RangeError("a path has neither next hop nor interface");
      return { adj: this.#makeAdj(ADJ_GLEAN, path.interface, family), weight };
    }
    const via = parseAddress(path.via);
    if (via.family !== family) throw new RangeError(`next hop ${path.via} is of the other family`);
    if (this.addresses.find(via) >= 0) throw new RangeError(`next hop ${path.via} is this host`);
    const ifIndex = path.interface ?? this.#interfaceTowards(fib, via);
    this.#interface(ifIndex);
    if (family === 6 ? isMulticast6(via.words[0]) : isMulticast4(via.words[0])) {
      throw new RangeError(`next hop ${path.via} is a group`);
    }
    const adj = this.#nextHops?.adjacencyFor(ifIndex, family, via.words) ?? -1;
    if (adj < 0) throw new RangeError(`no room for next hop ${path.via} in the neighbour table`);
    return { adj, weight };
  }

  #interfaceTowards(fib: FibIndex, via: IpAddress): InterfaceIndex {
    const { loadBalances, adjacencies } = this.#parts;
    const [path] = loadBalances.pathsOf(this.#rib.lookupWithout(fib, via, "neighbour"));
    if (path === undefined || adjacencies.get(path.adj, A_TYPE) !== ADJ_GLEAN) {
      throw new RangeError(`next hop ${formatAddress(via)} is in no connected subnet`);
    }
    return adjacencies.get(path.adj, A_IF);
  }

  #enter(fib: FibIndex, prefix: Prefix, source: RouteSource, owner: string, paths: readonly LoadBalancePath[]): void {
    const { loadBalances, adjacencies } = this.#parts;
    let lb: LbIndex = -1;
    try {
      lb = loadBalances.acquire(paths);
    } finally {
      // Glean and broadcast adjacencies belong to the entry alone: they go when their load balance goes.
      for (const { adj } of paths) {
        const type = adjacencies.get(adj, A_TYPE);
        if (type === ADJ_GLEAN || type === ADJ_BROADCAST) adjacencies.freeWithLast(adj);
      }
    }
    try {
      this.#rib.set(fib, prefix, source, owner, lb);
    } catch (error) {
      loadBalances.release(lb);
      throw error;
    }
  }
}

function ownerOf(index: number, address: IpAddress): string {
  return `address ${index} ${formatAddress(address)}`;
}
