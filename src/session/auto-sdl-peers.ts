import type { MemoryWindow } from "../mem/window.js";
import type { Family, IpAddress } from "../ip/address.js";
import type { Random } from "../random/random.js";
import { C_COMMON_WORDS, C_FIB, C_RMT } from "../transport/transport.js";
import { ConnectionRows, ConnectionTable, tableTag } from "./connection-table.js";
import type { SessionLookup } from "./lookup.js";

// A peer's row has its address and FIB where a connection has them, so that a connection table finds it; local address and
// ports are 0. C_FIB is the FIB << 1, plus 1 for IPv6. The others:
/** Handshakes that it left incomplete. */
export const P_COUNT = 0;
/** Tick at which it was first counted, or denied. */
export const P_SINCE = 1;
/** The next peer of its list, or the next free row, + 1. */
const P_NEXT = 2;
/** The one before it in its list, + 1. */
const P_PREV = 4;
/** One of the states below. */
export const P_STATE = 14;
/** Its tag in the hash table. */
const P_TAG = 15;

/** The row is free. */
const PEER_FREE = 0;
/** It is below the threshold. */
export const PEER_COUNTED = 1;
/** It is in the source deny list. */
export const PEER_DENIED = 2;

/** Rows that are looked at to find one whose peer is only counted. */
const EVICTION_TRIES = 8;

/** Names a peer's row. */
export type PeerIndex = number;

/**
 * Peers that left handshakes incomplete, each in one of two lists: counted, or denied. A list is in order of time, so its
 * first is the one whose time is over first.
 */
export class AutoSdlPeers {
  readonly #i32: Int32Array;
  readonly #base: number;
  readonly #max: number;
  readonly #lookup: SessionLookup;
  readonly #random: Random;
  readonly #slots: ConnectionTable;
  /** First and last of each list + 1, by state. */
  readonly #first = new Int32Array(3);
  readonly #last = new Int32Array(3);
  readonly #lengths = new Int32Array(3);
  /** First free row + 1. */
  #firstFree = 0;
  /** Rows that were ever used. */
  #usedRows = 0;

  /** Reserves (untouched until used) about 100 bytes a peer. Throws RangeError when the window is full. */
  constructor(window: MemoryWindow, lookup: SessionLookup, random: Random, max: number) {
    this.#i32 = window.i32;
    this.#max = max;
    this.#lookup = lookup;
    this.#random = random;
    this.#base = window.reserve("auto-sdl peers", max * C_COMMON_WORDS * 4) >> 2;
    const rows = new ConnectionRows();
    rows.base[0] = this.#base;
    rows.stride[0] = C_COMMON_WORDS;
    this.#slots = new ConnectionTable(window, "auto-sdl slots", rows, max);
  }

  /** Peers in a state. */
  length(state: number): number {
    return this.#lengths[state];
  }

  /** Word index of a peer's row. */
  row(peer: PeerIndex): number {
    return this.#base + peer * C_COMMON_WORDS;
  }

  /** The peer whose time is over first among those of a state, -1 when there is none. */
  oldest(state: number): PeerIndex {
    return this.#first[state] - 1;
  }

  /** The peers of a state, the oldest first. */
  *of(state: number): Generator<PeerIndex> {
    for (let peer = this.oldest(state); peer >= 0; peer = this.#i32[this.row(peer) + P_NEXT] - 1) yield peer;
  }

  /** FIB index, family and address of a peer. */
  placeOf(peer: PeerIndex): { readonly fib: number; readonly address: IpAddress } {
    const r = this.row(peer);
    const family: Family = (this.#i32[r + C_FIB] & 1) === 0 ? 4 : 6;
    return {
      fib: this.#i32[r + C_FIB] >> 1,
      address: { family, words: this.#i32.slice(r + C_RMT, r + C_RMT + 4) },
    };
  }

  /** The peer of that address, -1 when it is not known. */
  find(fib: number, family: Family, [w0, w1, w2, w3]: Int32Array): PeerIndex {
    const key = keyOf(fib, family);
    const tag = this.#tag(key, family, w0, w1, w2, w3);
    return family === 4
      ? this.#slots.find4(tag, key, 0, 0, w0, 0)
      : this.#slots.find6(tag, key, 0, 0, 0, 0, 0, w0, w1, w2, w3, 0);
  }

  #tag(key: number, family: Family, w0: number, w1: number, w2: number, w3: number): number {
    const hash = family === 4 ? this.#lookup.hash4(0, w0, 0) : this.#lookup.hash6(0, 0, 0, 0, w0, w1, w2, w3, 0);
    return tableTag(hash, key);
  }

  /** Adds a peer that is not known, as counted since `tick`. Returns -1 when there is no free row. */
  add(fib: number, family: Family, words: Int32Array, tick: number): PeerIndex {
    let peer = this.#firstFree - 1;
    if (peer >= 0) this.#firstFree = this.#i32[this.row(peer) + P_NEXT];
    else if (this.#usedRows < this.#max) peer = this.#usedRows++;
    else return -1;
    const key = keyOf(fib, family);
    const [w0, w1, w2, w3] = words;
    const r = this.row(peer);
    this.#i32.fill(0, r, r + C_COMMON_WORDS);
    this.#i32[r + C_FIB] = key;
    this.#i32.set(words.subarray(0, family === 4 ? 1 : 4), r + C_RMT);
    this.#i32[r + P_TAG] = this.#tag(key, family, w0, w1, w2, w3);
    this.#slots.add(this.#i32[r + P_TAG], 0, peer);
    this.#append(peer, PEER_COUNTED, tick);
    return peer;
  }

  /** Makes a counted peer a denied one, since `tick`. */
  deny(peer: PeerIndex, tick: number): void {
    this.#unlink(peer);
    this.#append(peer, PEER_DENIED, tick);
  }

  /** Forgets a peer. */
  remove(peer: PeerIndex): void {
    const r = this.row(peer);
    this.#unlink(peer);
    this.#slots.remove(this.#i32[r + P_TAG], 0, peer);
    this.#i32[r + P_STATE] = PEER_FREE;
    this.#i32[r + P_NEXT] = this.#firstFree;
    this.#firstFree = peer + 1;
  }

  /**
   * Who makes room when all rows are used: one of those that are only counted, by lot, so that nobody who floods us with
   * addresses knows whose count will be forgotten; else the one that was denied first.
   */
  victim(): PeerIndex {
    for (let i = 0; i < EVICTION_TRIES; i++) {
      const peer = this.#random.nextBelow(this.#usedRows);
      if (this.#i32[this.row(peer) + P_STATE] === PEER_COUNTED) return peer;
    }
    const counted = this.oldest(PEER_COUNTED);
    return counted >= 0 ? counted : this.oldest(PEER_DENIED);
  }

  #append(peer: PeerIndex, state: number, tick: number): void {
    const r = this.row(peer);
    this.#i32[r + P_STATE] = state;
    this.#i32[r + P_SINCE] = tick;
    this.#i32[r + P_NEXT] = 0;
    this.#i32[r + P_PREV] = this.#last[state];
    if (this.#last[state] === 0) this.#first[state] = peer + 1;
    else this.#i32[this.row(this.#last[state] - 1) + P_NEXT] = peer + 1;
    this.#last[state] = peer + 1;
    this.#lengths[state]++;
  }

  #unlink(peer: PeerIndex): void {
    const r = this.row(peer);
    const state = this.#i32[r + P_STATE];
    const next = this.#i32[r + P_NEXT];
    const previous = this.#i32[r + P_PREV];
    if (next === 0) this.#last[state] = previous;
    else this.#i32[this.row(next - 1) + P_PREV] = previous;
    if (previous === 0) this.#first[state] = next;
    else this.#i32[this.row(previous - 1) + P_NEXT] = next;
    this.#lengths[state]--;
  }
}

function keyOf(fib: number, family: Family): number {
  return (fib << 1) | (family === 6 ? 1 : 0);
}
