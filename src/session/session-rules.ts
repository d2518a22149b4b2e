import { formatPrefix } from "../ip/address.js";
import type { Random } from "../random/random.js";
import type { AppListeners } from "./app-listeners.js";
import type { AppNamespace } from "./app-namespace.js";
import { fibOfFamily } from "./namespace-address.js";
import type { RtBackend } from "./rt-backend.js";
import { ACTION_ALLOW, ACTION_DROP, RuleBackend } from "./rule-backend.js";
import {
  anyPrefix,
  isRuleAction,
  isTag,
  RULE_PROTOS,
  RULE_SCOPES,
  type RuleAction,
  type RuleKey,
  ruleKey,
  ruleProto,
  type RuleRecord,
  type RuleScope,
} from "./rule-record.js";
import { R_ACTION, R_OWNER, type RuleIndex, RuleTable } from "./rule-table.js";
import { RuleTargets } from "./rule-targets.js";
import type { SessionCore } from "./session-core.js";
import {
  SESSION_E_ADDR_NOT_IN_USE,
  SESSION_E_ALLOC,
  SESSION_E_INVALID,
  SESSION_E_INVALID_NS,
  SESSION_E_NOROUTE,
  SESSION_E_NOSUPPORT,
  type SessionErrorValue,
} from "./session-errors.js";

/** A rule that there is: the record that adds it again, in the one of its scopes that it is listed for. */
export type RuleView = RuleRecord & { readonly add: true; readonly namespace: string; readonly scope: RuleScope };

/** Which rules to list; what is absent, any. */
export interface RuleFilter {
  /** Those in the tables of this namespace. */
  readonly namespace?: AppNamespace | undefined;
  readonly scope?: RuleScope | undefined;
  readonly proto?: number | undefined;
}

/** Where a rule is, or goes: a session table, and its key there. */
interface Place {
  readonly table: number;
  readonly key: RuleKey;
}

/** A rule on its way to another table (-1: none). */
interface Move extends Place {
  readonly rule: RuleIndex;
}

/**
 * The session rules (VPP session_rules_table), and the engine that decides by them. A rule is in the tables of its
 * namespace and belongs to it: it goes when the namespace goes, and with it when its tables change.
 */
export class SessionRules {
  readonly #core: SessionCore;
  readonly #random: Random;
  readonly #targets: RuleTargets;
  /** Made when the engine is switched on first. */
  #table: RuleTable | undefined;
  #isOn = false;
  /** By {@link tagKey}. */
  readonly #byTag = new Map<string, RuleIndex>();
  readonly #tags = new Map<RuleIndex, string>();
  #rulesRefused = 0;
  #masksRefused = 0;

  constructor(core: SessionCore, listeners: AppListeners, random: Random) {
    this.#core = core;
    this.#random = random;
    this.#targets = new RuleTargets(core.applications, listeners, core.config.maxApplications);
  }

  /** Switches the engine on. Throws RangeError when the window is full. */
  switchOn(): RtBackend {
    const { window, config, i32 } = this.#core;
    const { maxRules: rules, maxRuleMasks: masks } = config;
    this.#table ??= new RuleTable(window, this.#random, { rules, masks });
    this.#isOn = true;
    return new RuleBackend(i32, this.#table, this.#targets);
  }

  /** Switches the engine off: its rules are gone. */
  switchOff(): void {
    this.#isOn = false;
    for (const rule of Array.from(this.#table?.all() ?? [])) this.#remove(rule);
  }

  /** How many there are, for `show session rt-backend`. */
  counts(): Readonly<Record<"rules" | "masks" | "rulesRefused" | "masksRefused", number>> {
    const { entries = 0, masks = 0 } = this.#table ?? {};
    return { rules: entries, masks, rulesRefused: this.#rulesRefused, masksRefused: this.#masksRefused };
  }

  /**
   * Adds or deletes a rule, in all tables that the record's scope means or in none. A key that is there already is
   * overwritten. Returns 0, or NOSUPPORT (the engine is off), INVALID (also: another rule of the table has the tag),
   * INVALID_NS, NOROUTE (the namespace lacks the family), ALLOC (too many rules, masks or applications); for a delete
   * ADDR_NOT_IN_USE when no table has the rule.
   */
  apply(record: RuleRecord): SessionErrorValue {
    if (this.#table === undefined || !this.#isOn) return SESSION_E_NOSUPPORT;
    const { namespace = "", scope = "global", add, tag } = record;
    const isSound = typeof add === "boolean" && typeof namespace === "string" && RULE_SCOPES.includes(scope);
    if (!isSound || ruleProto(record.proto) < 0 || (tag !== undefined && !isTag(tag))) return SESSION_E_INVALID;
    const within = this.#core.namespaces.find(namespace);
    if (within === undefined) return SESSION_E_INVALID_NS;
    if (!record.add && tag !== undefined) {
      return this.#removeAll(this.#tagged(within, scope, ruleProto(record.proto), tag));
    }
    const key = ruleKey(record);
    if (key === undefined) return SESSION_E_INVALID;
    const places = placesOf(within, scope, key);
    if (places.some(({ table }) => table === -1)) return SESSION_E_NOROUTE;
    if (record.add) return this.#add(this.#table, places, within, record.action, tag);
    const rules = this.#table;
    return this.#removeAll(places.map(({ table, key: each }) => rules.exact(table, each)));
  }

  #add(
    rules: RuleTable,
    places: readonly Place[],
    { index }: AppNamespace,
    action: RuleAction,
    tag: string | undefined,
  ): SessionErrorValue {
    if (!isRuleAction(action)) return SESSION_E_INVALID;
    const known = places.map(({ table, key }) => rules.exact(table, key));
    for (const [i, place] of places.entries()) {
      const holder = tag === undefined ? undefined : this.#byTag.get(tagKey(place, tag));
      if (holder !== undefined && holder !== known[i]) return SESSION_E_INVALID;
    }
    const error = this.#room(rules, places, known);
    if (error < 0) return error;
    const number = this.#actionNumber(action, places.length);
    if (number === SESSION_E_ALLOC) return SESSION_E_ALLOC;
    for (const [i, place] of places.entries()) {
      if (known[i] >= 0) this.#remove(known[i]);
      this.#tag(rules.add(place.table, place.key, number, index), place, tag);
    }
    return 0;
  }

  /** Whether there is room for rules in these places, of which some are there; counts what is refused. */
  #room(rules: RuleTable, places: readonly Place[], known: readonly RuleIndex[]): SessionErrorValue {
    const added = places.filter((_, i) => known[i] < 0);
    if (added.length > rules.free) this.#rulesRefused++;
    else if (added.every(({ table, key }) => rules.hasMaskRoom(table, key, 0))) return 0;
    else this.#masksRefused++;
    return SESSION_E_ALLOC;
  }

  /** The number of an action in rows; ALLOC: too many applications. */
  #actionNumber(action: RuleAction, rules: number): number {
    if (action === "drop") return ACTION_DROP;
    return action === "allow" ? ACTION_ALLOW : this.#targets.acquire(action.application, rules);
  }

  #tag(rule: RuleIndex, place: Place, tag: string | undefined): void {
    if (tag === undefined) return;
    this.#tags.set(rule, tag);
    this.#byTag.set(tagKey(place, tag), rule);
  }

  /** The rules with a tag in a namespace's tables. */
  #tagged(within: AppNamespace, scope: RuleScope, proto: number, tag: string): RuleIndex[] {
    const places = ([4, 6] as const).flatMap((family) => {
      const prefix = anyPrefix(family);
      return placesOf(within, scope, { proto, local: prefix, remote: prefix, localPort: 0, remotePort: 0 });
    });
    return [...new Set(places.map((place) => this.#byTag.get(tagKey(place, tag)) ?? -1))];
  }

  #removeAll(rules: readonly RuleIndex[]): SessionErrorValue {
    const known = rules.filter((rule) => rule >= 0);
    for (const rule of known) this.#remove(rule);
    return known.length === 0 ? SESSION_E_ADDR_NOT_IN_USE : 0;
  }

  #remove(rule: RuleIndex): void {
    this.#targets.release(this.#take(rule));
  }

  /** Takes a rule out; who named its application still does. Returns its action. */
  #take(rule: RuleIndex): number {
    const rules = this.#table as RuleTable;
    const tag = this.#tags.get(rule);
    if (tag !== undefined) this.#byTag.delete(tagKey({ table: rules.tableOf(rule), key: rules.keyOf(rule) }, tag));
    this.#tags.delete(rule);
    const action = this.#core.i32[rules.row(rule) + R_ACTION];
    rules.remove(rule);
    return action;
  }

  // ---- Namespaces come, change and go ----

  /** A namespace is gone. */
  namespaceRemoved({ index }: AppNamespace): void {
    for (const rule of this.#owned(index)) this.#remove(rule);
  }

  /**
   * A namespace's tables have changed: its rules follow, those of a family that it has no more are gone. Where another
   * namespace has a rule with the same key, that is overwritten. Returns 0, or, with nothing changed, INVALID (a tag is
   * taken there) or ALLOC (too many masks).
   */
  namespaceChanged(namespace: AppNamespace, before: AppNamespace): SessionErrorValue {
    const rules = this.#table;
    if (rules === undefined) return 0;
    const moves: Move[] = [];
    for (const rule of this.#owned(namespace.index)) {
      const key = rules.keyOf(rule);
      const { family } = key.local.address;
      const table = fibOfFamily(namespace, family);
      if (rules.tableOf(rule) >= 0 && table !== fibOfFamily(before, family)) moves.push({ rule, key, table });
    }
    const error = this.#mayMove(rules, moves);
    if (error < 0) return error;
    for (const { rule, key, table } of moves) {
      const tag = this.#tags.get(rule);
      const action = this.#take(rule);
      if (table < 0) {
        this.#targets.release(action);
        continue;
      }
      const other = rules.exact(table, key);
      if (other >= 0) this.#remove(other);
      this.#tag(rules.add(table, key, action, namespace.index), { table, key }, tag);
    }
    return 0;
  }

  #mayMove(rules: RuleTable, moves: readonly Move[]): SessionErrorValue {
    const added = new Map<string, Set<string>>();
    for (const { rule, key, table } of moves) {
      if (table < 0) continue;
      const tag = this.#tags.get(rule);
      const holder = tag === undefined ? undefined : this.#byTag.get(tagKey({ table, key }, tag));
      if (holder !== undefined && holder !== rules.exact(table, key)) return SESSION_E_INVALID;
      const space = `${key.local.address.family} ${key.proto}`;
      const masks = added.get(space) ?? new Set();
      added.set(space, masks);
      const mask = [key.local.length, key.remote.length, key.localPort === 0, key.remotePort === 0].join(" ");
      if (masks.has(mask) || rules.hasMask(table, key)) continue;
      if (!rules.hasMaskRoom(table, key, masks.size)) {
        this.#masksRefused++;
        return SESSION_E_ALLOC;
      }
      masks.add(mask);
    }
    return 0;
  }

  #owned(index: number): RuleIndex[] {
    const rules = this.#table;
    if (rules === undefined) return [];
    return [...rules.all()].filter((rule) => this.#core.i32[rules.row(rule) + R_OWNER] === index);
  }

  // ---- Listings ----

  /** The rules, table by table, those that decide first before the others. What changes meanwhile may be left out. */
  *list({ namespace, scope = "both", proto }: RuleFilter = {}): Generator<RuleView> {
    const rules = this.#table;
    if (rules === undefined) return;
    for (const rule of rules.all()) {
      const table = rules.tableOf(rule);
      const key = rules.keyOf(rule);
      if (proto !== undefined && key.proto !== proto) continue;
      if (scope !== "both" && scopeOf(table) !== scope) continue;
      if (namespace !== undefined && !placesOf(namespace, "both", key).some((place) => place.table === table)) continue;
      yield this.#view(rules, rule, key);
    }
  }

  /** The rule that decides on all these flows in a namespace; undefined: none does. */
  deciding(namespace: AppNamespace, scope: "global" | "local", key: RuleKey): RuleView | undefined {
    const rules = this.#table;
    if (rules === undefined) return undefined;
    const [place] = placesOf(namespace, scope, key);
    const rule = rules.covering(place.table, place.key);
    return rule < 0 ? undefined : this.#view(rules, rule, rules.keyOf(rule));
  }

  #view(rules: RuleTable, rule: RuleIndex, { proto, local, localPort, remote, remotePort }: RuleKey): RuleView {
    const r = rules.row(rule);
    const { i32, namespaces } = this.#core;
    const tag = this.#tags.get(rule);
    const action = i32[r + R_ACTION];
    return {
      kind: "rule",
      add: true,
      namespace: namespaces.at(i32[r + R_OWNER])?.id ?? "",
      scope: scopeOf(rules.tableOf(rule)),
      proto: RULE_PROTOS[proto],
      local: formatPrefix(local),
      localPort,
      remote: formatPrefix(remote),
      remotePort,
      action:
        action === ACTION_DROP
          ? "drop"
          : action === ACTION_ALLOW
            ? "allow"
            : { application: this.#targets.applicationOf(action) },
      ...(tag === undefined ? {} : { tag }),
    };
  }
}

/** Local tables have numbers below 0. */
function scopeOf(table: number): "global" | "local" {
  return table < 0 ? "local" : "global";
}

/**
 * Where a scope puts a rule: the table is -1 when the namespace lacks the family. The local table knows no local end: it is
 * any (as VPP).
 */
function placesOf(namespace: AppNamespace, scope: RuleScope, key: RuleKey): Place[] {
  const { family } = key.local.address;
  const near: Place = { table: namespace.localTable, key: { ...key, local: anyPrefix(family), localPort: 0 } };
  const far: Place = { table: fibOfFamily(namespace, family), key };
  return scope === "both" ? [far, near] : [scope === "local" ? near : far];
}

/** A tag within its table: a FIB has one for each family, a local table one for both (as VPP). */
function tagKey({ table, key }: Place, tag: string): string {
  return `${table} ${table < 0 ? "" : key.local.address.family} ${key.proto} ${tag}`;
}
