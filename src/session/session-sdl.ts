import { type Family, formatPrefix, type IpAddress, maskPrefix, type Prefix } from "../ip/address.js";
import type { AppNamespace } from "./app-namespace.js";
import { fibOfFamily } from "./namespace-address.js";
import type { RtBackend } from "./rt-backend.js";
import { isTag } from "./rule-record.js";
import { SdlBackend, type SdlTable } from "./sdl-backend.js";
import { isSdlAction, SDL_ACTIONS, type SdlAction, sdlPrefix, type SdlRecord } from "./sdl-record.js";
import type { SessionCore } from "./session-core.js";
import {
  SESSION_E_ALLOC,
  SESSION_E_INVALID,
  SESSION_E_INVALID_NS,
  SESSION_E_IPINUSE,
  SESSION_E_NOROUTE,
  SESSION_E_NOSUPPORT,
  type SessionErrorValue,
} from "./session-errors.js";

const FAMILIES = [4, 6] as const;

/** An entry that there is. */
export interface SdlView {
  readonly family: Family;
  readonly fib: number;
  readonly prefix: Prefix;
  readonly action: SdlAction;
  readonly tag: string | undefined;
}

/** Who has put entries into the list, and must know that they, or all of it, are gone (VPP session_sdl_callback_fn_t). */
export interface SdlWatcher {
  /** An entry was deleted. */
  entryRemoved(fib: number, prefix: Prefix): void;
  /** Namespaces came, went or changed: lists of FIBs that none of them has are gone. */
  namespacesChanged(): void;
  /** The engine is off. */
  switchedOff(): void;
}

/** Where an entry is: a FIB's list, and its prefix there. */
interface Place {
  readonly fib: number;
  readonly prefix: Prefix;
}

/**
 * The source deny list (VPP session_sdl): which peers are dropped before they have a connection. Each FIB of a namespace
 * has a list of its own, which the namespaces of that FIB share, and which goes with the last of them.
 */
export class SessionSdl {
  readonly #core: SessionCore;
  /** Made when the engine is switched on first. */
  #backend: SdlBackend | undefined;
  #isOn = false;
  #entries = 0;
  #refused = 0;
  /** By {@link tagKey}. */
  readonly #byTag = new Map<string, Place>();
  /** By {@link placeKey}. */
  readonly #tags = new Map<string, string>();
  /** Who hears of what is gone. */
  watcher: SdlWatcher | undefined;

  constructor(core: SessionCore) {
    this.#core = core;
  }

  /** Whether the engine is on. */
  get isOn(): boolean {
    return this.#isOn;
  }

  /** Switches the engine on. */
  switchOn(): RtBackend {
    this.#isOn = true;
    return (this.#backend ??= new SdlBackend(this.#core.window));
  }

  /** Switches the engine off: its entries are gone. */
  switchOff(): void {
    this.#isOn = false;
    for (const family of FAMILIES) for (const fib of this.#fibs(family)) this.#removeTable(family, fib);
    this.watcher?.switchedOff();
  }

  /** How many there are, for `show session rt-backend`. */
  counts(): Readonly<Record<"prefixes" | "prefixesRefused" | "prefixBytes", number>> {
    return { prefixes: this.#entries, prefixesRefused: this.#refused, prefixBytes: this.#backend?.bytes ?? 0 };
  }

  /**
   * Adds or deletes an entry. Returns 0, or NOSUPPORT (the engine is off), INVALID (also: another entry of the table has the
   * tag), INVALID_NS, NOROUTE (the namespace lacks the family; for a delete: no such entry), IPINUSE (the prefix is there, or
   * it is everything, for which VPP's table has an entry of its own), ALLOC (too many, or the window is full).
   */
  apply(record: Extract<SdlRecord, { kind: "sdl" }>): SessionErrorValue {
    if (!this.#isOn) return SESSION_E_NOSUPPORT;
    const { namespace = "", add, remote, tag } = record;
    if (typeof add !== "boolean" || typeof namespace !== "string") return SESSION_E_INVALID;
    if (tag !== undefined && !isTag(tag)) return SESSION_E_INVALID;
    const prefix = sdlPrefix(remote);
    const isByTag = !add && tag !== undefined;
    if (prefix === undefined && (remote !== undefined || !isByTag)) return SESSION_E_INVALID;
    const within = this.#core.namespaces.find(namespace);
    if (within === undefined) return SESSION_E_INVALID_NS;
    if (isByTag) return this.#removeTagged(within, tag);
    if (prefix === undefined) return SESSION_E_INVALID;
    const fib = fibOfFamily(within, prefix.address.family);
    if (fib < 0) return SESSION_E_NOROUTE;
    if (!add) return this.remove({ fib, prefix });
    const { action = "drop" } = record;
    return isSdlAction(action) ? this.add({ fib, prefix }, action, tag) : SESSION_E_INVALID;
  }

  /** Adds an entry to a FIB's list. Returns 0, INVALID (the tag is taken), IPINUSE or ALLOC. */
  add(place: Place, action: SdlAction, tag?: string): SessionErrorValue {
    const backend = this.#backend;
    if (backend === undefined || !this.#isOn) return SESSION_E_NOSUPPORT;
    const { fib, prefix } = place;
    const { address, length } = prefix;
    if (tag !== undefined && this.#byTag.has(tagKey(address.family, fib, tag))) return SESSION_E_INVALID;
    if (length === 0 || this.#actionOf(place) !== undefined) return SESSION_E_IPINUSE;
    if (this.#entries >= this.#core.config.maxSdlPrefixes) {
      this.#refused++;
      return SESSION_E_ALLOC;
    }
    try {
      backend.makeTable(address.family, fib)[action].add(address.words, length);
    } catch {
      this.#refused++;
      return SESSION_E_ALLOC;
    }
    this.#entries++;
    if (tag === undefined) return 0;
    this.#byTag.set(tagKey(address.family, fib, tag), place);
    this.#tags.set(placeKey(place), tag);
    return 0;
  }

  /** Deletes an entry of a FIB's list. Returns 0 or NOROUTE. */
  remove(place: Place): SessionErrorValue {
    const { fib, prefix } = place;
    const { address, length } = prefix;
    const action = this.#actionOf(place);
    if (action === undefined) return SESSION_E_NOROUTE;
    this.#backend?.table(address.family, fib)?.[action].remove(address.words, length);
    this.#entries--;
    const tag = this.#tags.size === 0 ? undefined : this.#tags.get(placeKey(place));
    if (tag !== undefined) this.#untag(place, tag);
    this.watcher?.entryRemoved(fib, prefix);
    return 0;
  }

  #removeTagged(within: AppNamespace, tag: string): SessionErrorValue {
    const found = FAMILIES.map((family) => this.#byTag.get(tagKey(family, fibOfFamily(within, family), tag)));
    let error: SessionErrorValue = SESSION_E_NOROUTE;
    for (const place of found) if (place !== undefined) error = this.remove(place);
    return error;
  }

  #untag(place: Place, tag: string): void {
    this.#tags.delete(placeKey(place));
    this.#byTag.delete(tagKey(place.prefix.address.family, place.fib, tag));
  }

  #actionOf({ fib, prefix: { address, length } }: Place): SdlAction | undefined {
    const lists = this.#backend?.table(address.family, fib);
    return lists && SDL_ACTIONS.find((action) => lists[action].has(address.words, length));
  }

  // ---- Tables come and go with namespaces ----

  /** Namespaces came, went or changed: FIBs that none of them has lose their lists. */
  namespacesChanged(): void {
    for (const family of FAMILIES) {
      for (const fib of this.#fibs(family)) if (!this.isInUse(family, fib)) this.#removeTable(family, fib);
    }
    this.watcher?.namespacesChanged();
  }

  /** Whether a namespace has this FIB: others have no list. */
  isInUse(family: Family, fib: number): boolean {
    return this.#core.namespaces.all().some((each) => fibOfFamily(each, family) === fib);
  }

  #fibs(family: Family): number[] {
    return this.#backend?.fibs(family) ?? [];
  }

  #removeTable(family: Family, fib: number): void {
    const { drop, allow } = this.#backend?.table(family, fib) ?? {};
    this.#entries -= (drop?.entries ?? 0) + (allow?.entries ?? 0);
    this.#backend?.removeTable(family, fib);
    for (const [key, place] of this.#byTag) {
      if (place.fib !== fib || place.prefix.address.family !== family) continue;
      this.#byTag.delete(key);
      this.#tags.delete(placeKey(place));
    }
  }

  // ---- Listings ----

  /** How many entries {@link list} has: those in the tables of a namespace, or all. */
  count(namespace?: AppNamespace): number {
    let count = 0;
    for (const { sets } of this.#lists(namespace)) count += sets.drop.entries + sets.allow.entries;
    return count;
  }

  /** The entries, table by table; what drops before what is allowed, by address. What changes meanwhile may be left out. */
  *list(namespace?: AppNamespace): Generator<SdlView> {
    for (const { family, fib, sets } of this.#lists(namespace)) {
      for (const action of SDL_ACTIONS)
        for (const prefix of sets[action]) yield this.#view(family, fib, prefix, action);
    }
  }

  *#lists(namespace: AppNamespace | undefined): Generator<{ family: Family; fib: number; sets: SdlTable }> {
    for (const family of FAMILIES) {
      for (const fib of this.#fibs(family)) {
        const sets = this.#backend?.table(family, fib);
        const isAsked = namespace === undefined || fibOfFamily(namespace, family) === fib;
        if (sets !== undefined && isAsked) yield { family, fib, sets };
      }
    }
  }

  /** The entry that decides on a peer in a FIB; undefined: none does. */
  deciding(fib: number, address: IpAddress): SdlView | undefined {
    const { family, words } = address;
    const sets = this.#backend?.table(family, fib);
    if (sets === undefined) return undefined;
    const [drop, allow] = SDL_ACTIONS.map((action) => sets[action].longest(words));
    const length = Math.max(drop, allow);
    if (length === 0) return undefined;
    return this.#view(family, fib, maskPrefix({ address, length }), drop > allow ? "drop" : "allow");
  }

  #view(family: Family, fib: number, prefix: Prefix, action: SdlAction): SdlView {
    const tag = this.#tags.size === 0 ? undefined : this.#tags.get(placeKey({ fib, prefix }));
    return { family, fib, prefix, action, tag };
  }
}

function placeKey({ fib, prefix }: Place): string {
  return `${fib} ${formatPrefix(prefix)}`;
}

/** A tag within its table: a FIB has one for each family (as VPP). */
function tagKey(family: Family, fib: number, tag: string): string {
  return `${family} ${fib} ${tag}`;
}
