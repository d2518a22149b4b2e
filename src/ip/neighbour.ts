import type { InterfaceIndex, InterfaceTable } from "../device/interface.js";
import type { Timed } from "../graph/engine.js";
import type { BufferIndex, PacketPool } from "../graph/packet-pool.js";
import type { MemoryWindow } from "../mem/window.js";
import type { Random } from "../random/random.js";
import { TimerWheel } from "../time/timer-wheel.js";
import { ETHERTYPE_IP4, ETHERTYPE_IP6 } from "../wire/ethernet.js";
import type { Family, IpAddress } from "./address.js";
import {
  A_NEIGHBOUR,
  A_REFS,
  A_TYPE,
  ADJ_ARP,
  ADJ_DROP,
  ADJ_REWRITE,
  type AdjacencyTable,
  type AdjIndex,
} from "./adjacency.js";
import { NeighbourQueue } from "./neighbour-queue.js";
import {
  N_ADDRESS,
  N_ADJ,
  N_FAMILY,
  N_FLAGS,
  N_IF,
  N_MAC_HI,
  N_MAC_LO,
  N_PROBES,
  N_SINCE,
  N_STATE,
  NB_DELAY,
  NB_FAILED,
  NB_FREE,
  NB_INCOMPLETE,
  NB_PROBE,
  NB_REACHABLE,
  NB_STALE,
  NB_STATIC,
  type NeighbourIndex,
  NeighbourRows,
  NF_ROUTED,
  NF_ROUTER,
} from "./neighbour-rows.js";

/** {@link NeighbourTable.use}: the adjacency has its rewrite, the packet may go. */
export const USE_FORWARD = 0;
/** {@link NeighbourTable.use}: the packet is to be held; a solicitation is under way. */
export const USE_HOLD = 1;
/** {@link NeighbourTable.use}: the packet is to be held, and a solicitation to be sent. */
export const USE_SOLICIT = 2;

/** Settings of the neighbour table, all positive. */
export interface NeighbourOptions {
  /** Entries per family. Default 1024. */
  readonly limit?: number;
  /** Packets that wait per neighbour. Default 8. */
  readonly perNeighbour?: number;
  /** Packets that wait in all. Default 256. */
  readonly queued?: number;
  /** Milliseconds that a confirmation holds on average (RFC 4861 REACHABLE_TIME). Default 30000. */
  readonly reachableMs?: number;
  /** Milliseconds between solicitations (RFC 4861 RETRANS_TIMER). Default 1000. */
  readonly retransMs?: number;
  /** Milliseconds after which an unused stale entry is forgotten. Default 600000. */
  readonly staleMs?: number;
}

/** Who is told which neighbours can be sent to directly: the FIB, which then needs no glean for them. */
export interface NeighbourRoutes {
  /** False when it makes no entry. */
  addNeighbour(ifIndex: InterfaceIndex, family: Family, words: Int32Array, adj: AdjIndex): boolean;
  removeNeighbour(ifIndex: InterfaceIndex, family: Family, words: Int32Array): void;
}

/** What the table is made of. `time` gives the tick of the engine's turn. */
export interface NeighbourParts {
  readonly window: MemoryWindow;
  readonly pool: PacketPool;
  readonly interfaces: InterfaceTable;
  readonly adjacencies: AdjacencyTable;
  readonly random: Random;
  readonly time: { readonly tick: number };
}

/** One neighbour, for listings. */
export interface NeighbourEntry {
  readonly ifIndex: InterfaceIndex;
  readonly address: IpAddress;
  /** Six bytes, zero while unknown. */
  readonly mac: Uint8Array;
  readonly state: NeighbourState;
  readonly isRouter: boolean;
  /** Milliseconds since the state began or was confirmed. */
  readonly ageMs: number;
  readonly queued: number;
}

const STATE_NAMES = ["free", "incomplete", "reachable", "stale", "delay", "probe", "failed", "static"] as const;

/** RFC 4861's states, and `failed` and `static`. */
export type NeighbourState = (typeof STATE_NAMES)[number];

/** RFC 4861 10: MAX_MULTICAST_SOLICIT and MAX_UNICAST_SOLICIT. */
const MAX_PROBES = 3;
/** RFC 4861 10: DELAY_FIRST_PROBE_TIME. */
const DELAY_MS = 5000;
const TICKS_PER_MS = 10;
/** A confirmation within this time of the last one says nothing new: one second. */
const CONFIRM_TICKS = 10_000;
/** Timers served per turn; the others are due the turn after. */
const MAX_DUE = 64;
/** Rows looked at for a victim: those that routes name cannot be taken. */
const MAX_VICTIM_STEPS = 32;
/** Words of an adjacency row, as a shift. */
const ADJ_SHIFT = 4;

/**
 * The neighbours on all links, for ARP and neighbor discovery alike, with the states and timers of RFC 4861 7.3. Each
 * entry has an adjacency: with its rewrite while the hardware address may be used, else of type ADJ_ARP, so that packets
 * come by ip4-arp or ip6-discover-neighbor. A stale entry is of type ADJ_ARP too: its next packet thereby makes
 * it DELAY, and the fast path knows nothing of states. So a stale entry is one that nobody uses: when the table is full the oldest
 * of these makes room, for a solicited neighbour also the oldest unanswered one, and nothing else ever does.
 *
 * The table sends nothing: nodes ask it what to do, and ip-neighbor-process serves {@link due}.
 */
export class NeighbourTable implements Timed {
  /** The rows, for nodes that read fields. */
  readonly rows: NeighbourRows;
  /** Rows whose timer wants a packet sent or failed: the first {@link dueCount}. */
  readonly due = new Int32Array(MAX_DUE);
  dueCount = 0;
  /** Entries that made room for others. */
  evicted = 0;
  /** Entries refused because nothing could make room. */
  refused = 0;
  readonly #window: MemoryWindow;
  readonly #interfaces: InterfaceTable;
  readonly #adjacencies: AdjacencyTable;
  readonly #random: Random;
  readonly #time: { readonly tick: number };
  readonly #wheel: TimerWheel;
  readonly #queue: NeighbourQueue;
  /** Row number of the queue's packets whose neighbour was evicted. */
  readonly #orphans: number;
  readonly #limit: number;
  readonly #reachableTicks: number;
  readonly #retransTicks: number;
  readonly #staleTicks: number;
  readonly #expired = new Int32Array(MAX_DUE);
  readonly #rewrite = new Uint8Array(14);
  readonly #words = new Int32Array(4);
  /** Adjacencies of forgotten neighbours: packets of this turn may still name them, so they wait for the next. */
  readonly #dying: Int32Array;
  #dyingCount = 0;
  #routes: NeighbourRoutes | undefined = undefined;

  /** Throws RangeError when a setting is out of range or the window is full. */
  constructor(parts: NeighbourParts, options: NeighbourOptions = {}) {
    const { window, pool, interfaces, adjacencies, random, time } = parts;
    const { limit = 1024, perNeighbour = 8, queued = 256 } = options;
    const { reachableMs = 30_000, retransMs = 1000, staleMs = 600_000 } = options;
    for (const value of [limit, perNeighbour, queued, reachableMs, retransMs, staleMs]) {
      if (!Number.isInteger(value) || value < 1 || value > 100_000_000) throw new RangeError(`neighbours: ${value}`);
    }
    const capacity = limit * 2;
    this.#window = window;
    this.#interfaces = interfaces;
    this.#adjacencies = adjacencies;
    this.#random = random;
    this.#time = time;
    this.#limit = limit;
    this.#reachableTicks = reachableMs * TICKS_PER_MS;
    this.#retransTicks = retransMs * TICKS_PER_MS;
    this.#staleTicks = staleMs * TICKS_PER_MS;
    this.rows = new NeighbourRows(window, capacity, random);
    this.#wheel = new TimerWheel(window, "neighbour timers", capacity, time.tick);
    this.#queue = new NeighbourQueue(pool, capacity + 1, perNeighbour, queued);
    this.#orphans = capacity;
    this.#dying = new Int32Array(capacity);
  }

  /** Names who is told of neighbours that can be sent to directly. */
  useRoutes(routes: NeighbourRoutes): void {
    this.#routes = routes;
  }

  /** Packets that wait, in all. */
  get queued(): number {
    return this.#queue.total;
  }

  /**
   * The adjacency of a neighbour that a route names, unresolved when the neighbour is new; -1 when the table is full.
   * An entry whose adjacency a load balance retains is never evicted. Control plane.
   */
  adjacencyFor(ifIndex: InterfaceIndex, family: Family, words: Int32Array): AdjIndex {
    const row = this.lookup(ifIndex, family, words[0], words[1], words[2], words[3]);
    return row < 0 ? -1 : this.rows.get(row, N_ADJ);
  }

  /** The row of a neighbour to send to, unresolved (NB_FAILED) when it is new; -1 when the table is full. */
  lookup(ifIndex: InterfaceIndex, family: Family, w0: number, w1: number, w2: number, w3: number): NeighbourIndex {
    const row = this.rows.find(ifIndex, family, w0, w1, w2, w3);
    if (row >= 0) return row;
    const created = this.#create(ifIndex, family, w0, w1, w2, w3, true);
    if (created >= 0) this.#enter(created, NB_FAILED);
    return created;
  }

  #create(
    ifIndex: InterfaceIndex,
    family: Family,
    w0: number,
    w1: number,
    w2: number,
    w3: number,
    mayTakeIncomplete: boolean,
  ): NeighbourIndex {
    const full = this.rows.count(family) >= this.#limit;
    if (full && !this.#evict(family, false) && !(mayTakeIncomplete && this.#evict(family, true))) {
      this.refused++;
      return -1;
    }
    const mtu = this.#interfaces.at(ifIndex)?.mtu ?? 0;
    const adj = this.#adjacencies.alloc(ADJ_ARP, ifIndex, family, mtu);
    if (adj < 0) {
      this.refused++;
      return -1;
    }
    const row = this.rows.insert(ifIndex, family, w0, w1, w2, w3);
    this.rows.set(row, N_ADJ, adj);
    this.#adjacencies.setNextHop(adj, { family, words: Int32Array.of(w0, w1, w2, w3) }, row);
    return row;
  }

  /** Whether a load balance names the row's adjacency. */
  #isPinned(row: NeighbourIndex): boolean {
    return this.#adjacencies.get(this.rows.get(row, N_ADJ), A_REFS) > 0;
  }

  #evict(family: Family, incomplete: boolean): boolean {
    const { rows } = this;
    let row = rows.oldest(family, incomplete);
    for (let steps = 0; row >= 0 && steps < MAX_VICTIM_STEPS; steps++) {
      const younger = rows.younger(row);
      this.#unroute(row);
      if (!this.#isPinned(row)) {
        this.#remove(row);
        this.evicted++;
        return true;
      }
      rows.touch(row);
      row = younger;
    }
    return false;
  }

  #remove(row: NeighbourIndex): void {
    this.#unroute(row);
    this.#queue.move(row, this.#orphans);
    this.#wheel.stop(row as number);
    const adj = this.rows.get(row, N_ADJ);
    const a = this.#adjacencies.base + (adj << ADJ_SHIFT);
    this.#window.i32[a + A_TYPE] = ADJ_DROP;
    this.#window.i32[a + A_NEIGHBOUR] = -1;
    if (this.#dyingCount < this.#dying.length) this.#dying[this.#dyingCount++] = adj;
    else this.#adjacencies.free(adj);
    this.rows.remove(row);
  }

  #wordsOf(row: NeighbourIndex): Int32Array {
    for (let i = 0; i < 4; i++) this.#words[i] = this.rows.get(row, N_ADDRESS + i);
    return this.#words;
  }

  #route(row: NeighbourIndex): void {
    const { rows } = this;
    const flags = rows.get(row, N_FLAGS);
    if ((flags & NF_ROUTED) !== 0 || this.#routes === undefined) return;
    const family = rows.get(row, N_FAMILY) === 4 ? 4 : 6;
    if (this.#routes.addNeighbour(rows.get(row, N_IF), family, this.#wordsOf(row), rows.get(row, N_ADJ))) {
      rows.set(row, N_FLAGS, flags | NF_ROUTED);
    }
  }

  #unroute(row: NeighbourIndex): void {
    const { rows } = this;
    const flags = rows.get(row, N_FLAGS);
    if ((flags & NF_ROUTED) === 0) return;
    rows.set(row, N_FLAGS, flags & ~NF_ROUTED);
    this.#routes?.removeNeighbour(rows.get(row, N_IF), rows.get(row, N_FAMILY) === 4 ? 4 : 6, this.#wordsOf(row));
  }

  #start(row: NeighbourIndex, ticks: number): void {
    this.#wheel.setNow(this.#time.tick);
    this.#wheel.start(row as number, ticks);
  }

  /** Begins a state: its timer, and the type of the adjacency. */
  #enter(row: NeighbourIndex, state: number): void {
    this.rows.setState(row, state, this.#time.tick);
    const usable = state === NB_REACHABLE || state === NB_DELAY || state === NB_PROBE || state === NB_STATIC;
    const adj = this.#adjacencies.base + (this.rows.get(row, N_ADJ) << ADJ_SHIFT);
    this.#window.i32[adj + A_TYPE] = usable ? ADJ_REWRITE : ADJ_ARP;
    this.rows.set(row, N_PROBES, 0);
    if (usable) this.#route(row);
    if (state === NB_REACHABLE) this.#start(row, this.#randomReachableTicks());
    else if (state === NB_STALE) this.#start(row, this.#staleTicks);
    else if (state === NB_DELAY) this.#start(row, DELAY_MS * TICKS_PER_MS);
    else if (state === NB_FAILED || state === NB_STATIC) this.#wheel.stop(row as number);
    else {
      this.rows.set(row, N_PROBES, 1);
      this.#start(row, this.#retransTicks);
    }
  }

  /** RFC 4861 6.3.2: between 0.5 and 1.5 times the base value. */
  #randomReachableTicks(): number {
    const base = this.#reachableTicks;
    return (base >> 1) + this.#random.nextBelow(base + 1);
  }

  #setMac(row: NeighbourIndex, hi: number, lo: number): void {
    const { rows } = this;
    rows.set(row, N_MAC_HI, hi);
    rows.set(row, N_MAC_LO, lo);
    const iface = this.#interfaces.at(rows.get(row, N_IF));
    const bytes = this.#rewrite;
    const type = rows.get(row, N_FAMILY) === 4 ? ETHERTYPE_IP4 : ETHERTYPE_IP6;
    bytes[0] = hi >>> 8;
    bytes[1] = hi;
    for (let i = 0; i < 4; i++) bytes[2 + i] = lo >>> (24 - (i << 3));
    if (iface !== undefined) bytes.set(iface.device.mac, 6);
    bytes[12] = type >>> 8;
    bytes[13] = type;
    const adj = rows.get(row, N_ADJ);
    this.#adjacencies.setRewrite(adj, bytes, this.#adjacencies.get(adj, A_TYPE));
  }

  /** A packet is to be sent to the neighbour: moves the state on and says what to do with it (USE_). */
  use(row: NeighbourIndex): number {
    switch (this.rows.get(row, N_STATE)) {
      case NB_INCOMPLETE:
        return USE_HOLD;
      case NB_FAILED:
        this.#enter(row, NB_INCOMPLETE);
        return USE_SOLICIT;
      case NB_STALE:
        this.#enter(row, NB_DELAY);
        return USE_FORWARD;
      default:
        return USE_FORWARD;
    }
  }

  /**
   * Holds a packet, with the caller's reference, until the neighbour is resolved or fails. Returns -1, or a packet that
   * the caller must drop instead: an older one, or `b` itself.
   */
  hold(row: NeighbourIndex, b: BufferIndex): BufferIndex {
    return this.#queue.hold(row, b);
  }

  /** The oldest held packet, for the caller to send or drop; -1 when there is none. */
  take(row: NeighbourIndex): BufferIndex {
    return this.#queue.take(row);
  }

  /** A packet of an evicted neighbour, for the caller to drop; -1 when there is none. */
  takeOrphan(): BufferIndex {
    return this.#queue.take(this.#orphans);
  }

  /**
   * Somebody on the link has said where he is without being asked: an ARP request, gratuitous ARP, a solicitation with
   * a source link-layer address (RFC 4861 7.2.3). Updates the entry; `create` makes one, stale, when there is none.
   * Returns the row, -1 when there is none. Packets held for it are then for the caller to {@link take} and send.
   */
  learn(
    ifIndex: InterfaceIndex,
    family: Family,
    w0: number,
    w1: number,
    w2: number,
    w3: number,
    hi: number,
    lo: number,
    create: boolean,
  ): NeighbourIndex {
    const { rows } = this;
    const known = rows.find(ifIndex, family, w0, w1, w2, w3);
    if (known < 0 && !create) return -1;
    const row = known >= 0 ? known : this.#create(ifIndex, family, w0, w1, w2, w3, false);
    if (row < 0) return -1;
    const state = rows.get(row, N_STATE);
    if (state === NB_STATIC) return row;
    const unresolved = state === NB_INCOMPLETE || state === NB_FAILED || state === NB_FREE;
    if (!unresolved && rows.get(row, N_MAC_HI) === hi && rows.get(row, N_MAC_LO) === lo) return row;
    this.#setMac(row, hi, lo);
    this.#enterUnconfirmed(row);
    return row;
  }

  /** STALE, or at once DELAY when packets wait to be sent. */
  #enterUnconfirmed(row: NeighbourIndex): void {
    this.#enter(row, this.#queue.count(row) > 0 ? NB_DELAY : NB_STALE);
  }

  /**
   * The neighbour has said where it is: an advertisement (RFC 4861 7.2.5) or an ARP reply. `hi` is -1 when it names no
   * hardware address. False when that leaves it unresolved; else packets held for it are to be taken and sent.
   */
  advertise(row: NeighbourIndex, hi: number, lo: number, solicited: boolean, override: boolean): boolean {
    const { rows } = this;
    const state = rows.get(row, N_STATE);
    if (state === NB_STATIC) return true;
    if (state === NB_INCOMPLETE || state === NB_FAILED) {
      if (hi < 0) return false;
      this.#setMac(row, hi, lo);
      if (solicited) this.#enter(row, NB_REACHABLE);
      else this.#enterUnconfirmed(row);
      return true;
    }
    const differs = hi >= 0 && (rows.get(row, N_MAC_HI) !== hi || rows.get(row, N_MAC_LO) !== lo);
    if (differs && !override) {
      if (state === NB_REACHABLE) this.#enter(row, NB_STALE);
      return true;
    }
    if (differs) this.#setMac(row, hi, lo);
    if (solicited) this.#enter(row, NB_REACHABLE);
    else if (differs) this.#enter(row, NB_STALE);
    return true;
  }

  /** Notes whether the neighbour is a router (RFC 4861 4.4, the R flag). */
  setRouter(row: NeighbourIndex, isRouter: boolean): void {
    const others = this.rows.get(row, N_FLAGS) & ~NF_ROUTER;
    this.rows.set(row, N_FLAGS, isRouter ? others | NF_ROUTER : others);
  }

  /** A transport saw new data acknowledged through this adjacency: its neighbour is reachable (RFC 4861 7.3.1). */
  confirm(adj: AdjIndex): void {
    const row = this.#adjacencies.get(adj, A_NEIGHBOUR);
    if (row < 0) return;
    const state = this.rows.get(row, N_STATE);
    if (state === NB_REACHABLE && ((this.#time.tick - this.rows.get(row, N_SINCE)) | 0) < CONFIRM_TICKS) return;
    if (state === NB_REACHABLE || state === NB_DELAY || state === NB_PROBE || state === NB_STALE) {
      this.#enter(row, NB_REACHABLE);
    }
  }

  /** A transport lacks answers from behind this adjacency: its neighbour is to prove that it is there (RFC 1122 3.3.1.4). */
  doubt(adj: AdjIndex): void {
    const row = this.#adjacencies.get(adj, A_NEIGHBOUR);
    if (row >= 0 && this.rows.get(row, N_STATE) === NB_REACHABLE) this.#enter(row, NB_STALE);
  }

  /** Serves timers; what wants packets is put into {@link due}. Waits while the last lot has not been served. */
  expire(tick: number): void {
    for (let i = 0; i < this.#dyingCount; i++) this.#adjacencies.free(this.#dying[i]);
    this.#dyingCount = 0;
    if (this.dueCount > 0) return;
    const count = this.#wheel.advance(tick, this.#expired);
    for (let i = 0; i < count; i++) this.#timeout(this.#expired[i]);
  }

  #timeout(row: NeighbourIndex): void {
    const { rows } = this;
    switch (rows.get(row, N_STATE)) {
      case NB_REACHABLE:
        this.#enter(row, NB_STALE);
        return;
      case NB_STALE:
        this.#unroute(row);
        if (!this.#isPinned(row)) this.#remove(row);
        return;
      case NB_DELAY:
        this.#enter(row, NB_PROBE);
        break;
      case NB_INCOMPLETE:
      case NB_PROBE: {
        const probes = rows.get(row, N_PROBES);
        if (probes >= MAX_PROBES) this.#enter(row, NB_FAILED);
        else {
          rows.set(row, N_PROBES, probes + 1);
          this.#start(row, this.#retransTicks);
        }
        break;
      }
      default:
        return;
    }
    this.due[this.dueCount++] = row;
  }

  nextExpiry(tick: number): number {
    return this.dueCount > 0 ? 0 : this.#wheel.nextExpiry(tick);
  }

  /** Forgets a failed row of {@link due}, unless a route names it. What it held has been taken. */
  settle(row: NeighbourIndex): void {
    if (this.rows.get(row, N_STATE) === NB_FAILED) this.#forget(row);
  }

  /** Configures a neighbour: it is never learned, probed or aged. Throws RangeError when the table is full. */
  setStatic(ifIndex: InterfaceIndex, address: IpAddress, mac: Uint8Array): void {
    const { family, words } = address;
    const row = this.lookup(ifIndex, family, words[0], words[1], words[2], words[3]);
    if (row < 0) throw new RangeError("the neighbour table is full");
    this.#queue.move(row, this.#orphans);
    this.#setMac(row, (mac[0] << 8) | mac[1], (mac[2] << 24) | (mac[3] << 16) | (mac[4] << 8) | mac[5]);
    this.#enter(row, NB_STATIC);
  }

  /** Forgets a neighbour (one that a route names becomes unresolved). False when there is none. */
  delete(ifIndex: InterfaceIndex, address: IpAddress): boolean {
    const { family, words } = address;
    const row = this.rows.find(ifIndex, family, words[0], words[1], words[2], words[3]);
    if (row < 0) return false;
    this.#forget(row);
    return true;
  }

  /** Forgets what was learned on an interface, as when it goes down. */
  flush(ifIndex: InterfaceIndex): void {
    for (let row = 0; row < this.rows.capacity; row++) {
      const state = this.rows.get(row, N_STATE);
      if (state !== NB_FREE && state !== NB_STATIC && this.rows.get(row, N_IF) === ifIndex) this.#forget(row);
    }
  }

  #forget(row: NeighbourIndex): void {
    this.#unroute(row);
    if (!this.#isPinned(row)) {
      this.#remove(row);
      return;
    }
    this.#queue.move(row, this.#orphans);
    this.#enter(row, NB_FAILED);
  }

  /** All neighbours. */
  list(): NeighbourEntry[] {
    const entries: NeighbourEntry[] = [];
    for (let row = 0; row < this.rows.capacity; row++) {
      if (this.rows.get(row, N_STATE) !== NB_FREE) entries.push(this.#entry(row));
    }
    return entries;
  }

  #entry(row: NeighbourIndex): NeighbourEntry {
    const { rows } = this;
    const mac = new Uint8Array(6);
    const view = new DataView(mac.buffer);
    view.setUint16(0, rows.get(row, N_MAC_HI));
    view.setInt32(2, rows.get(row, N_MAC_LO));
    const words = Int32Array.from({ length: 4 }, (_, i) => rows.get(row, N_ADDRESS + i));
    return {
      ifIndex: rows.get(row, N_IF),
      address: { family: rows.get(row, N_FAMILY) === 4 ? 4 : 6, words },
      mac,
      state: STATE_NAMES[rows.get(row, N_STATE)],
      isRouter: (rows.get(row, N_FLAGS) & NF_ROUTER) !== 0,
      ageMs: ((this.#time.tick - rows.get(row, N_SINCE)) >>> 0) / TICKS_PER_MS,
      queued: this.#queue.count(row),
    };
  }
}
