import type { MemoryWindow } from "../mem/window.js";
import { hash3, hashWords } from "../random/half-sip-hash.js";
import type { Random } from "../random/random.js";
import {
  C_FIB,
  C_FLAGS,
  C_LCL,
  C_PORTS,
  C_RMT,
  CF_IP6,
  type ConnectionIndex,
  type Endpoint,
  type SessionIndex,
} from "../transport/transport.js";
import { ConnectionRows, ConnectionTable, tableTag } from "./connection-table.js";
import { ListenerTable } from "./listener-table.js";
import { FLOW_PASS, type RtBackend } from "./rt-backend.js";
import { isLoopback } from "./uri.js";

/** How much the lookup tables hold. */
export interface LookupLimits {
  /** Established connections of all transports. */
  readonly connections: number;
  /** Active opens under way. */
  readonly halfOpens: number;
  readonly listeners: number;
}

/**
 * Who a packet is for, in VPP's order (session_lookup_connection_wt4): established by full key, half-open by full key,
 * rules, listener on the exact address, listener on any address, proxy. Each step is a call of its own, so that nodes can
 * touch, batch, and leave out what cannot be.
 *
 * Everything is seen from this host: local is the packet's destination; `ports` is local port << 16 | remote port. The hash is keyed
 * with bits drawn when the stack is made, so outsiders cannot aim packets at one bucket.
 */
export class SessionLookup {
  readonly #window: MemoryWindow;
  readonly #rows = new ConnectionRows();
  readonly #established4: ConnectionTable;
  readonly #established6: ConnectionTable;
  readonly #halfOpen4: ConnectionTable;
  readonly #halfOpen6: ConnectionTable;
  readonly #listeners: ListenerTable;
  readonly #k0: number;
  readonly #k1: number;
  readonly #key6 = new Int32Array(9);
  /** The engine that decides on flows without a connection; absent: nothing does. */
  rtBackend: RtBackend | undefined;

  /** Reserves the tables and draws the key. Throws RangeError when the window is full. */
  constructor(window: MemoryWindow, random: Random, limits: LookupLimits) {
    this.#window = window;
    this.#k0 = random.nextInt32();
    this.#k1 = random.nextInt32();
    const rows = this.#rows;
    this.#established4 = new ConnectionTable(window, "established ip4", rows, limits.connections);
    this.#established6 = new ConnectionTable(window, "established ip6", rows, limits.connections);
    this.#halfOpen4 = new ConnectionTable(window, "half-open ip4", rows, limits.halfOpens);
    this.#halfOpen6 = new ConnectionTable(window, "half-open ip6", rows, limits.halfOpens);
    this.#listeners = new ListenerTable(window, "listeners", limits.listeners, random.nextInt32());
  }

  /** Tells where a transport keeps its rows; before its first connection. */
  registerRows(proto: number, rows: { readonly base: number; readonly stride: number }): void {
    this.#rows.base[proto] = rows.base;
    this.#rows.stride[proto] = rows.stride;
  }

  // ---- Hot path ----

  /** Keyed hash of an IPv4 five-tuple. */
  hash4(lcl: number, rmt: number, ports: number): number {
    return hash3(this.#k0, this.#k1, lcl, rmt, ports);
  }

  /** Keyed hash of an IPv6 five-tuple; addresses as big-endian words. */
  hash6(
    l0: number,
    l1: number,
    l2: number,
    l3: number,
    r0: number,
    r1: number,
    r2: number,
    r3: number,
    ports: number,
  ): number {
    const key = this.#key6;
    key[0] = l0;
    key[1] = l1;
    key[2] = l2;
    key[3] = l3;
    key[4] = r0;
    key[5] = r1;
    key[6] = r2;
    key[7] = r3;
    key[8] = ports;
    return hashWords(this.#k0, this.#k1, key, 0, 9);
  }

  /** Reads a word of the bucket that {@link established4} will look in: the touch pass. */
  touch4(fib: number, hash: number): number {
    return this.#established4.touch(tableTag(hash, fib));
  }

  /** As {@link touch4}, for {@link established6}. */
  touch6(fib: number, hash: number): number {
    return this.#established6.touch(tableTag(hash, fib));
  }

  /** What {@link touchAll4} and {@link touchAll6} take: `hash` from {@link hash4} or {@link hash6}. */
  tagOf(fib: number, hash: number): number {
    return tableTag(hash, fib);
  }

  /** Reads a word of each bucket, then of each row, that {@link established4} will look at for these tags. */
  touchAll4(proto: number, tags: Int32Array, count: number): number {
    return this.#established4.touchAll(tags, count, proto);
  }

  /** As {@link touchAll4}, for {@link established6}. */
  touchAll6(proto: number, tags: Int32Array, count: number): number {
    return this.#established6.touchAll(tags, count, proto);
  }

  /** The established connection of this key, -1 when there is none; `hash` from {@link hash4}. */
  established4(fib: number, proto: number, lcl: number, rmt: number, ports: number, hash: number): ConnectionIndex {
    return this.#established4.find4(tableTag(hash, fib), fib, proto, lcl, rmt, ports);
  }

  /** The half-open connection of this key, -1 when there is none. */
  halfOpen4(fib: number, proto: number, lcl: number, rmt: number, ports: number, hash: number): ConnectionIndex {
    return this.#halfOpen4.find4(tableTag(hash, fib), fib, proto, lcl, rmt, ports);
  }

  /** The established connection of this key, -1 when there is none; `hash` from {@link hash6}. */
  established6(
    fib: number,
    proto: number,
    l0: number,
    l1: number,
    l2: number,
    l3: number,
    r0: number,
    r1: number,
    r2: number,
    r3: number,
    ports: number,
    hash: number,
  ): ConnectionIndex {
    return this.#established6.find6(tableTag(hash, fib), fib, proto, l0, l1, l2, l3, r0, r1, r2, r3, ports);
  }

  /** The half-open connection of this key, -1 when there is none. */
  halfOpen6(
    fib: number,
    proto: number,
    l0: number,
    l1: number,
    l2: number,
    l3: number,
    r0: number,
    r1: number,
    r2: number,
    r3: number,
    ports: number,
    hash: number,
  ): ConnectionIndex {
    return this.#halfOpen6.find6(tableTag(hash, fib), fib, proto, l0, l1, l2, l3, r0, r1, r2, r3, ports);
  }

  /**
   * The connection, established or half-open, whose local address is at window offset `lclAt` and whose remote one is at
   * `rmtAt`, as in a packet; -1 when there is none. Off the hot path: nodes hash their vectors first.
   */
  connectionAt(
    isIp6: boolean,
    fib: number,
    proto: number,
    lclAt: number,
    rmtAt: number,
    ports: number,
  ): ConnectionIndex {
    const { dv } = this.#window;
    const l0 = dv.getInt32(lclAt);
    const r0 = dv.getInt32(rmtAt);
    if (!isIp6) {
      const hash = this.hash4(l0, r0, ports);
      const c = this.established4(fib, proto, l0, r0, ports, hash);
      return c >= 0 ? c : this.halfOpen4(fib, proto, l0, r0, ports, hash);
    }
    const l1 = dv.getInt32(lclAt + 4);
    const l2 = dv.getInt32(lclAt + 8);
    const l3 = dv.getInt32(lclAt + 12);
    const r1 = dv.getInt32(rmtAt + 4);
    const r2 = dv.getInt32(rmtAt + 8);
    const r3 = dv.getInt32(rmtAt + 12);
    const hash = this.hash6(l0, l1, l2, l3, r0, r1, r2, r3, ports);
    const c = this.established6(fib, proto, l0, l1, l2, l3, r0, r1, r2, r3, ports, hash);
    return c >= 0 ? c : this.halfOpen6(fib, proto, l0, l1, l2, l3, r0, r1, r2, r3, ports, hash);
  }

  /**
   * What rules say of a flow that has no connection: one of the FLOW_ constants of rt-backend.ts, or the session of the
   * listener that it is for.
   */
  decide4(fib: number, proto: number, lcl: number, rmt: number, ports: number): number {
    const backend = this.rtBackend;
    return backend === undefined ? FLOW_PASS : backend.decide4(fib, proto, lcl, rmt, ports);
  }

  /** As {@link decide4}. */
  decide6(
    fib: number,
    proto: number,
    l0: number,
    l1: number,
    l2: number,
    l3: number,
    r0: number,
    r1: number,
    r2: number,
    r3: number,
    ports: number,
  ): number {
    const backend = this.rtBackend;
    return backend === undefined ? FLOW_PASS : backend.decide6(fib, proto, l0, l1, l2, l3, r0, r1, r2, r3, ports);
  }

  /**
   * What the rules of a namespace's local table say of an endpoint that an application connects to, or listens on. It is
   * the remote end; the local one does not count (VPP session_lookup_local_endpoint).
   */
  decideTo(table: number, proto: number, { family, address: [a, b, c, d], port }: Endpoint): number {
    return family === 4
      ? this.decide4(table, proto, 0, a, port)
      : this.decide6(table, proto, 0, 0, 0, 0, a, b, c, d, port);
  }

  /**
   * The listener for packets to this address and port: on the address itself, else on any address, else a proxy: one on
   * the address and every port, or (only with `anyProxy`) on every address and port. -1 when nobody listens.
   */
  listener4(fib: number, proto: number, lcl: number, port: number): SessionIndex {
    const listeners = this.#listeners;
    const exact = listeners.find(fib, proto, 0, lcl, 0, 0, 0, port);
    if (exact >= 0) return exact;
    const any = listeners.find(fib, proto, 0, 0, 0, 0, 0, port);
    if (any >= 0 || listeners.proxies === 0) return any;
    const proxy = listeners.find(fib, proto, 0, lcl, 0, 0, 0, 0);
    return proxy >= 0 ? proxy : listeners.find(fib, proto, 0, 0, 0, 0, 0, 0);
  }

  /** As {@link listener4}. */
  listener6(fib: number, proto: number, l0: number, l1: number, l2: number, l3: number, port: number): SessionIndex {
    const listeners = this.#listeners;
    const exact = listeners.find(fib, proto, 1, l0, l1, l2, l3, port);
    if (exact >= 0) return exact;
    const any = listeners.find(fib, proto, 1, 0, 0, 0, 0, port);
    if (any >= 0 || listeners.proxies === 0) return any;
    const proxy = listeners.find(fib, proto, 1, l0, l1, l2, l3, 0);
    return proxy >= 0 ? proxy : listeners.find(fib, proto, 1, 0, 0, 0, 0, 0);
  }

  /**
   * The listener of a namespace's local table for a connect of an application of this host (VPP
   * session_lookup_local_endpoint): on the address itself; on any address, if the target is one of them (`isOwn`: loopback,
   * or an address of the namespace); a proxy, on the address or on all. -1: nobody.
   */
  localListener(table: number, proto: number, target: Endpoint, isOwn = isLoopback(target)): SessionIndex {
    const { family, address, port } = target;
    const isIp6 = family === 6 ? 1 : 0;
    const [a, b, c, d] = address;
    const listeners = this.#listeners;
    const exact = listeners.find(table, proto, isIp6, a, b, c, d, port);
    if (exact >= 0) return exact;
    if (isOwn) {
      const any = listeners.find(table, proto, isIp6, 0, 0, 0, 0, port);
      if (any >= 0) return any;
    }
    if (listeners.proxies === 0) return -1;
    const proxy = listeners.find(table, proto, isIp6, a, b, c, d, 0);
    return proxy >= 0 ? proxy : listeners.find(table, proto, isIp6, 0, 0, 0, 0, 0);
  }

  // ---- Control: keys are read from the connection's common row words, which must not change while it is in a table ----

  /** Adds a connection to the established table. False when its key is there already, or the table is full. */
  addEstablished(proto: number, c: ConnectionIndex): boolean {
    return this.#add(this.#established4, this.#established6, proto, c);
  }

  /** Takes a connection out of the established table. False when it was not in it. */
  delEstablished(proto: number, c: ConnectionIndex): boolean {
    return this.#remove(this.#established4, this.#established6, proto, c);
  }

  /** Adds a connection to the half-open table. False when its key is there already, or the table is full. */
  addHalfOpen(proto: number, c: ConnectionIndex): boolean {
    return this.#add(this.#halfOpen4, this.#halfOpen6, proto, c);
  }

  /** Takes a connection out of the half-open table. False when it was not in it. */
  delHalfOpen(proto: number, c: ConnectionIndex): boolean {
    return this.#remove(this.#halfOpen4, this.#halfOpen6, proto, c);
  }

  /** Adds a listener session. False when its key is taken, or the table is full. */
  addListener(fib: number, proto: number, local: Endpoint, session: SessionIndex): boolean {
    return this.#listeners.add(fib, proto, local.family === 6 ? 1 : 0, local.address, local.port, session);
  }

  /** Takes a listener out. False when there was none. */
  delListener(fib: number, proto: number, local: Endpoint): boolean {
    return this.#listeners.remove(fib, proto, local.family === 6 ? 1 : 0, local.address, local.port);
  }

  /** The listener on exactly this endpoint (any stands for itself only), -1 when there is none. */
  listenerAt(fib: number, proto: number, { family, address, port }: Endpoint): SessionIndex {
    const [a, b, c, d] = address;
    return this.#listeners.find(fib, proto, family === 6 ? 1 : 0, a, b, c, d, port);
  }

  /** Whether an established or half-open connection has this key. */
  isTaken(fib: number, proto: number, local: Endpoint, remote: Endpoint): boolean {
    const ports = (local.port << 16) | remote.port;
    const l = local.address;
    const r = remote.address;
    if (local.family === 4) {
      const hash = this.hash4(l[0], r[0], ports);
      return (
        this.established4(fib, proto, l[0], r[0], ports, hash) >= 0 ||
        this.halfOpen4(fib, proto, l[0], r[0], ports, hash) >= 0
      );
    }
    const tag = tableTag(this.hash6(l[0], l[1], l[2], l[3], r[0], r[1], r[2], r[3], ports), fib);
    const [l0, l1, l2, l3] = l;
    const [r0, r1, r2, r3] = r;
    return (
      this.#established6.find6(tag, fib, proto, l0, l1, l2, l3, r0, r1, r2, r3, ports) >= 0 ||
      this.#halfOpen6.find6(tag, fib, proto, l0, l1, l2, l3, r0, r1, r2, r3, ports) >= 0
    );
  }

  /** Entries of each table, for `show session lookup`. */
  counts(): { established4: number; established6: number; halfOpen4: number; halfOpen6: number; listeners: number } {
    return {
      established4: this.#established4.entries,
      established6: this.#established6.entries,
      halfOpen4: this.#halfOpen4.entries,
      halfOpen6: this.#halfOpen6.entries,
      listeners: this.#listeners.entries,
    };
  }

  #row(proto: number, c: ConnectionIndex): number {
    return this.#rows.base[proto] + Math.imul(c, this.#rows.stride[proto]);
  }

  #tag(row: number, isIp6: boolean): number {
    const { i32 } = this.#window;
    const l = row + C_LCL;
    const r = row + C_RMT;
    const ports = i32[row + C_PORTS];
    const hash = isIp6
      ? this.hash6(i32[l], i32[l + 1], i32[l + 2], i32[l + 3], i32[r], i32[r + 1], i32[r + 2], i32[r + 3], ports)
      : this.hash4(i32[l], i32[r], ports);
    return tableTag(hash, i32[row + C_FIB]);
  }

  #add(table4: ConnectionTable, table6: ConnectionTable, proto: number, c: ConnectionIndex): boolean {
    const { i32 } = this.#window;
    const row = this.#row(proto, c);
    const isIp6 = (i32[row + C_FLAGS] & CF_IP6) !== 0;
    const tag = this.#tag(row, isIp6);
    const fib = i32[row + C_FIB];
    const ports = i32[row + C_PORTS];
    const l = row + C_LCL;
    const r = row + C_RMT;
    if (!isIp6) {
      return table4.find4(tag, fib, proto, i32[l], i32[r], ports) < 0 && table4.add(tag, proto, c);
    }
    const [l0, l1, l2, l3] = [i32[l], i32[l + 1], i32[l + 2], i32[l + 3]];
    const taken = table6.find6(tag, fib, proto, l0, l1, l2, l3, i32[r], i32[r + 1], i32[r + 2], i32[r + 3], ports);
    return taken < 0 && table6.add(tag, proto, c);
  }

  #remove(table4: ConnectionTable, table6: ConnectionTable, proto: number, c: ConnectionIndex): boolean {
    const row = this.#row(proto, c);
    const isIp6 = (this.#window.i32[row + C_FLAGS] & CF_IP6) !== 0;
    return (isIp6 ? table6 : table4).remove(this.#tag(row, isIp6), proto, c);
  }
}
