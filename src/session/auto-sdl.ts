import { addressBits, type IpAddress, type Prefix } from "../ip/address.js";
import type { Random } from "../random/random.js";
import type { Timed } from "../graph/engine.js";
import { C_FIB, C_FLAGS, C_RMT, CF_IP6 } from "../transport/transport.js";
import type { AppNamespace } from "./app-namespace.js";
import {
  AutoSdlPeers,
  P_COUNT,
  P_SINCE,
  P_STATE,
  PEER_COUNTED,
  PEER_DENIED,
  type PeerIndex,
} from "./auto-sdl-peers.js";
import { fibOfFamily } from "./namespace-address.js";
import { MAX_AUTO_SDL_THRESHOLD, MAX_AUTO_SDL_TIMEOUT_S, type SdlRecord } from "./sdl-record.js";
import type { SessionCore } from "./session-core.js";
import { SESSION_E_ALLOC, SESSION_E_INVALID, SESSION_E_NOSUPPORT, type SessionErrorValue } from "./session-errors.js";
import type { SdlWatcher, SessionSdl } from "./session-sdl.js";

/** Ticks of 100 us. */
const TICKS_PER_S = 10_000;
/** Peers whose time is over that are dealt with in one turn. */
const MAX_EXPIRED = 1024;

const STATES = [PEER_DENIED, PEER_COUNTED] as const;

/** A peer that is watched. */
export interface AutoSdlView {
  readonly fib: number;
  readonly address: IpAddress;
  /** Whether it is in the source deny list. */
  readonly isDenied: boolean;
  /** Handshakes that it left incomplete. */
  readonly count: number;
  /** Since it was first counted, or denied. */
  readonly ageMs: number;
}

/**
 * Automatic entries of the source deny list (VPP's plugin auto_sdl): a peer that leaves handshakes incomplete, as many as
 * the threshold within the timeout, is denied for the timeout, and then forgotten. Off unless it is switched on: whoever can
 * send packets with the address of another host that does not answer can have that host denied.
 */
export class AutoSdl implements SdlWatcher, Timed {
  readonly #core: SessionCore;
  readonly #sdl: SessionSdl;
  readonly #random: Random;
  /** Made when it is switched on first. */
  #peers: AutoSdlPeers | undefined;
  #isOn = false;
  #threshold: number;
  #removeTimeoutS: number;
  #evicted = 0;
  #refused = 0;
  #tick = 0;

  constructor(core: SessionCore, sdl: SessionSdl, random: Random) {
    this.#core = core;
    this.#sdl = sdl;
    this.#random = random;
    this.#threshold = core.config.autoSdlThreshold;
    this.#removeTimeoutS = core.config.autoSdlRemoveTimeoutS;
    sdl.watcher = this;
  }

  /** Whether peers are watched, and by what they are judged. */
  get settings(): { readonly isOn: boolean; readonly threshold: number; readonly removeTimeoutS: number } {
    return { isOn: this.#isOn, threshold: this.#threshold, removeTimeoutS: this.#removeTimeoutS };
  }

  /** Peers by state, those that made room for others, and those that the source deny list had no room for. */
  counts(): Readonly<Record<"peersDenied" | "peersCounted" | "peersEvicted" | "peersRefused", number>> {
    return {
      peersDenied: this.#peers?.length(PEER_DENIED) ?? 0,
      peersCounted: this.#peers?.length(PEER_COUNTED) ?? 0,
      peersEvicted: this.#evicted,
      peersRefused: this.#refused,
    };
  }

  /**
   * Switches it on, with what a record says of it, or off, which deletes its entries. While it is on, new settings hold for
   * the peers that it knows, too. Returns 0, NOSUPPORT (the engine sdl is off), INVALID, ALLOC (the window is full).
   */
  apply(record: Extract<SdlRecord, { kind: "auto-sdl" }>): SessionErrorValue {
    if (!this.#sdl.isOn) return SESSION_E_NOSUPPORT;
    if (typeof record.enable !== "boolean") return SESSION_E_INVALID;
    if (!record.enable) {
      this.#switchOff();
      return 0;
    }
    const { autoSdlThreshold, autoSdlRemoveTimeoutS, maxAutoSdlPeers } = this.#core.config;
    const { threshold = autoSdlThreshold, removeTimeoutS = autoSdlRemoveTimeoutS } = record;
    const isSound = isWithin(threshold, MAX_AUTO_SDL_THRESHOLD) && isWithin(removeTimeoutS, MAX_AUTO_SDL_TIMEOUT_S);
    if (!isSound) return SESSION_E_INVALID;
    try {
      this.#peers ??= new AutoSdlPeers(this.#core.window, this.#core.lookup, this.#random, maxAutoSdlPeers);
    } catch {
      return SESSION_E_ALLOC;
    }
    this.#threshold = threshold;
    this.#removeTimeoutS = removeTimeoutS;
    this.#isOn = true;
    return 0;
  }

  #switchOff(): void {
    this.#isOn = false;
    for (const state of STATES) {
      for (let peer = this.#oldest(state); peer >= 0; peer = this.#oldest(state)) this.#forget(peer);
    }
  }

  /** The peer of the connection in this row left a handshake incomplete (VPP auto_sdl_track_prefix). */
  track(row: number): void {
    const peers = this.#peers;
    if (!this.#isOn || peers === undefined) return;
    const { i32 } = this.#core;
    const family = (i32[row + C_FLAGS] & CF_IP6) === 0 ? 4 : 6;
    const fib = i32[row + C_FIB];
    const words = i32.slice(row + C_RMT, row + C_RMT + 4);
    let peer = peers.find(fib, family, words);
    if (peer < 0) {
      peer = peers.add(fib, family, words, this.#tick);
      if (peer < 0) {
        this.#forget(peers.victim());
        this.#evicted++;
        peer = peers.add(fib, family, words, this.#tick);
      }
    }
    const r = peers.row(peer);
    i32[r + P_COUNT]++;
    if (i32[r + P_COUNT] >= this.#threshold && i32[r + P_STATE] === PEER_COUNTED) this.#deny(peers, peer);
  }

  #deny(peers: AutoSdlPeers, peer: PeerIndex): void {
    const { fib, address } = peers.placeOf(peer);
    // Somebody may have said by hand what becomes of it, or the namespace that it came to may be gone.
    const isLeft = this.#sdl.deciding(fib, address) !== undefined || !this.#sdl.isInUse(address.family, fib);
    if (!isLeft && this.#sdl.add({ fib, prefix: hostPrefix(address) }, "drop") === 0) {
      peers.deny(peer, this.#tick);
      return;
    }
    if (!isLeft) this.#refused++;
    peers.remove(peer);
  }

  /** Forgets a peer; its entry is deleted. */
  #forget(peer: PeerIndex): void {
    const peers = this.#peers;
    if (peers === undefined) return;
    const isDenied = this.#core.i32[peers.row(peer) + P_STATE] === PEER_DENIED;
    const { fib, address } = peers.placeOf(peer);
    peers.remove(peer);
    if (isDenied) this.#sdl.remove({ fib, prefix: hostPrefix(address) });
  }

  #oldest(state: number): PeerIndex {
    return this.#peers?.oldest(state) ?? -1;
  }

  // ---- SdlWatcher ----

  entryRemoved(fib: number, { address, length }: Prefix): void {
    const peers = this.#peers;
    if (peers === undefined || length < addressBits(address.family)) return;
    const peer = peers.find(fib, address.family, address.words);
    if (peer >= 0) peers.remove(peer);
  }

  namespacesChanged(): void {
    const peers = this.#peers;
    if (peers === undefined) return;
    for (const peer of STATES.flatMap((state) => [...peers.of(state)])) {
      const { fib, address } = peers.placeOf(peer);
      if (!this.#sdl.isInUse(address.family, fib)) peers.remove(peer);
    }
  }

  switchedOff(): void {
    this.#switchOff();
  }

  // ---- Time ----

  setNow(tick: number): void {
    this.#tick = tick;
  }

  expire(tick: number): void {
    this.#tick = tick;
    let left = MAX_EXPIRED;
    for (const state of STATES) {
      for (; left > 0 && this.#ticksLeft(state) === 0; left--) this.#forget(this.#oldest(state));
    }
  }

  nextExpiry(tick: number): number {
    this.#tick = tick;
    const denied = this.#ticksLeft(PEER_DENIED);
    const counted = this.#ticksLeft(PEER_COUNTED);
    return denied < 0 || (counted >= 0 && counted < denied) ? counted : denied;
  }

  /** Ticks until the oldest peer of a state is to go; -1: there is none. */
  #ticksLeft(state: number): number {
    if (this.#peers === undefined) return -1;
    const peer = this.#peers.oldest(state);
    if (peer < 0) return -1;
    const age = (this.#tick - this.#core.i32[this.#peers.row(peer) + P_SINCE]) | 0;
    const ticks = this.#removeTimeoutS * TICKS_PER_S - age;
    return ticks > 0 ? ticks : 0;
  }

  // ---- Listings ----

  /** The peers, those that are denied first; of each kind the oldest first. */
  *list(namespace?: AppNamespace): Generator<AutoSdlView> {
    const peers = this.#peers;
    if (peers === undefined) return;
    for (const state of STATES) {
      for (const peer of peers.of(state)) {
        const { fib, address } = peers.placeOf(peer);
        if (namespace !== undefined && fibOfFamily(namespace, address.family) !== fib) continue;
        yield this.#view(peers, peer);
      }
    }
  }

  /** The peer of a FIB's list with that address; undefined when it is not known. */
  find(fib: number, { family, words }: IpAddress): AutoSdlView | undefined {
    const peer = this.#peers?.find(fib, family, words) ?? -1;
    return this.#peers === undefined || peer < 0 ? undefined : this.#view(this.#peers, peer);
  }

  #view(peers: AutoSdlPeers, peer: PeerIndex): AutoSdlView {
    const { i32 } = this.#core;
    const r = peers.row(peer);
    return {
      ...peers.placeOf(peer),
      isDenied: i32[r + P_STATE] === PEER_DENIED,
      count: i32[r + P_COUNT],
      ageMs: ((this.#tick - i32[r + P_SINCE]) | 0) / 10,
    };
  }
}

function isWithin(value: unknown, max: number): boolean {
  return Number.isInteger(value) && Number(value) >= 1 && Number(value) <= max;
}

/** The prefix of one address. */
function hostPrefix(address: IpAddress): Prefix {
  return { address, length: addressBits(address.family) };
}
