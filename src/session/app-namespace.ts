import type { LocalAddresses } from "./local-addresses.js";
import {
  SESSION_E_ALLOC,
  SESSION_E_INVALID,
  SESSION_E_INVALID_NS,
  SESSION_E_NOINTF,
  SESSION_E_NOROUTE,
  type SessionErrorValue,
} from "./session-errors.js";

/** Id and index of the namespace that is always there. */
export const DEFAULT_NAMESPACE = "default";
/** Longest id and secret. */
const MAX_TEXT_LENGTH = 64;
const MAX_SECRET_LENGTH = 256;
/** Local tables have numbers below 0, tables of packets from 0 on, so both can be in one hash table. */
const LOCAL_TABLE_BASE = -2;

/** A change of the namespaces: a plain object that can be kept, sent and applied again in the same order. */
export type NamespaceRecord =
  | {
      readonly kind: "namespace";
      readonly add: true;
      readonly id: string;
      /** Empty or absent: none is asked for. */
      readonly secret?: string | number;
      /** By name. Its tables are the namespace's, and its addresses the only ones; overrides `table4` and `table6`. */
      readonly interface?: string;
      /** Tables by number. Only one of them: the namespace has no other family. Neither: 0 and 0. */
      readonly table4?: number;
      readonly table6?: number;
    }
  | { readonly kind: "namespace"; readonly add: false; readonly id: string };

/** An application namespace (VPP app_namespace_t): what its applications may see of the host. */
export interface AppNamespace {
  readonly index: number;
  readonly id: string;
  secret: string;
  /** Interface by index, -1: any. */
  ifIndex: number;
  /** FIB index of each family, -1: the namespace does not have the family. */
  fib4: number;
  fib6: number;
  /** Its own session table: where listeners of local scope are found. */
  readonly localTable: number;
}

/** Compares a secret with a namespace's in a time that does not tell how far they agree. */
export function secretMatches({ secret: ours }: AppNamespace, secret: unknown): boolean {
  if (typeof secret !== "string" && typeof secret !== "number") return false;
  const theirs = String(secret);
  let difference = ours.length ^ theirs.length;
  for (let i = 0; i < theirs.length; i++) {
    difference |= theirs.charCodeAt(i) ^ ours.charCodeAt(i % (ours.length || 1));
  }
  return difference === 0;
}

function isText(value: unknown, max: number): value is string {
  return typeof value === "string" && value.length >= 1 && value.length <= max;
}

function secretText(secret: unknown): string | undefined {
  if (typeof secret === "number") return Number.isSafeInteger(secret) && secret >= 0 ? String(secret) : undefined;
  return typeof secret === "string" && secret.length <= MAX_SECRET_LENGTH ? secret : undefined;
}

/** The application namespaces. The default one has index 0, tables 0 and 0, and stays. */
export class AppNamespaces {
  readonly #addresses: LocalAddresses;
  readonly #max: number;
  readonly #list: (AppNamespace | undefined)[];

  /** At most `max` namespaces, the default one counted. `secret` is that of the default one. */
  constructor(addresses: LocalAddresses, max: number, secret: string) {
    this.#addresses = addresses;
    this.#max = max;
    const localTable = LOCAL_TABLE_BASE;
    this.#list = [{ index: 0, id: DEFAULT_NAMESPACE, secret, ifIndex: -1, fib4: 0, fib6: 0, localTable }];
  }

  /** The namespace of that id; an empty one names the default namespace. */
  find(id: string): AppNamespace | undefined {
    const wanted = id === "" ? DEFAULT_NAMESPACE : id;
    return this.#list.find((each) => each?.id === wanted);
  }

  /** The namespace of that index. */
  at(index: number): AppNamespace | undefined {
    return this.#list[index];
  }

  /** All of them, by index. */
  all(): AppNamespace[] {
    return this.#list.filter((each) => each !== undefined);
  }

  /**
   * Adds a namespace, or changes one: what is open in it stays as it is, what comes later sees the change. Returns it, or
   * INVALID, NOINTF (no such interface), NOROUTE (no such table), ALLOC.
   */
  add(record: NamespaceRecord & { readonly add: true }): AppNamespace | SessionErrorValue {
    const { id, secret = "", table4, table6 } = record;
    const text = secretText(secret);
    if (!isText(id, MAX_TEXT_LENGTH) || text === undefined) return SESSION_E_INVALID;
    if (![table4, table6].every((table) => table === undefined || Number.isInteger(table))) return SESSION_E_INVALID;
    const where = record.interface === undefined ? this.#inTables(table4, table6) : this.#onInterface(record.interface);
    if (typeof where === "number") return where;
    const known = this.find(id);
    if (known !== undefined) return Object.assign(known, { secret: text, ...where });
    let index = this.#list.indexOf(undefined);
    if (index < 0) index = this.#list.length;
    if (index >= this.#max) return SESSION_E_ALLOC;
    const added = { index, id, secret: text, ...where, localTable: LOCAL_TABLE_BASE - index };
    this.#list[index] = added;
    return added;
  }

  #inTables(
    table4: number | undefined,
    table6: number | undefined,
  ): Pick<AppNamespace, "ifIndex" | "fib4" | "fib6"> | SessionErrorValue {
    const isDefault = table4 === undefined && table6 === undefined;
    const fibs = ([4, 6] as const).map((family) => {
      const table = isDefault ? 0 : family === 4 ? table4 : table6;
      return table === undefined ? -1 : this.#addresses.fibOf(family, table);
    });
    const isUnknown = (fibs[0] < 0 && (isDefault || table4 !== undefined)) || (fibs[1] < 0 && table6 !== undefined);
    return isUnknown ? SESSION_E_NOROUTE : { ifIndex: -1, fib4: fibs[0], fib6: fibs[1] };
  }

  #onInterface(name: string): Pick<AppNamespace, "ifIndex" | "fib4" | "fib6"> | SessionErrorValue {
    return this.#addresses.interfaceOf(name) ?? SESSION_E_NOINTF;
  }

  /** The namespace on an interface; undefined when there is none. */
  onInterface(ifIndex: number): AppNamespace | undefined {
    return this.all().find((each) => each.ifIndex === ifIndex);
  }

  /** The namespace that uses one of these tables; undefined when none does. */
  userOf(fib4: number, fib6: number): AppNamespace | undefined {
    return this.all().find((each) => each.fib4 === fib4 || each.fib6 === fib6);
  }

  /** Takes a namespace away, whose applications were detached. 0, INVALID_NS, or INVALID for the default one. */
  remove(id: string): SessionErrorValue {
    const known = this.find(id);
    if (known === undefined) return SESSION_E_INVALID_NS;
    if (known.index === 0) return SESSION_E_INVALID;
    this.#list[known.index] = undefined;
    return 0;
  }
}
