import type { AppListeners } from "./app-listeners.js";
import type { Applications } from "./applications.js";
import { FLOW_NOBODY } from "./rt-backend.js";
import type { RuleListeners } from "./rule-backend.js";
import { RULE_PROTOS } from "./rule-record.js";
import { SESSION_E_ALLOC } from "./session-errors.js";

/** Kinds of listeners of one application: protocol by family. */
const KINDS = RULE_PROTOS.length * 2;
/** Words of a kind: listening session for packets, its FIB, listening session for cut-through. */
const KIND_WORDS = 3;
const WORDS = KINDS * KIND_WORDS;

/** An application that rules name; it need not be attached. */
interface Target {
  /** Its name, or its index. */
  readonly application: string | number;
  rules: number;
}

/** The applications that rules name, and their first listeners, which are looked up again when listeners have changed. */
export class RuleTargets implements RuleListeners {
  readonly #applications: Applications;
  readonly #listeners: AppListeners;
  readonly #max: number;
  readonly #list: (Target | undefined)[] = [];
  #words = new Int32Array(WORDS);
  /** {@link AppListeners.version} that the words are of; -1: of none. */
  #version = -1;

  constructor(applications: Applications, listeners: AppListeners, max: number) {
    this.#applications = applications;
    this.#listeners = listeners;
    this.#max = max;
  }

  /** The number of an application for `rules` more rules, or ALLOC. */
  acquire(application: string | number, rules: number): number {
    const known = this.#list.findIndex((each) => each?.application === application);
    if (known >= 0) (this.#list[known] as Target).rules += rules;
    if (known >= 0) return known;
    const free = this.#list.indexOf(undefined);
    const target = free < 0 ? this.#list.length : free;
    if (target >= this.#max) return SESSION_E_ALLOC;
    this.#list[target] = { application, rules };
    this.#version = -1;
    return target;
  }

  /** A rule that names the application is gone. */
  release(target: number): void {
    const known = this.#list[target];
    if (known !== undefined && --known.rules === 0) this.#list[target] = undefined;
  }

  /** The name or index that a number stands for. */
  applicationOf(target: number): string | number {
    return this.#list[target]?.application ?? "";
  }

  /** A listener of packets in another table could not answer there: it counts as none. */
  listenerOf(target: number, table: number, proto: number, isIp6: number): number {
    if (this.#version !== this.#listeners.version) this.#refresh();
    const at = target * WORDS + (proto * 2 + isIp6) * KIND_WORDS;
    const s = table < 0 ? this.#words[at + 2] : this.#words[at + 1] === table ? this.#words[at] : -1;
    return s < 0 ? FLOW_NOBODY : s;
  }

  #refresh(): void {
    this.#version = this.#listeners.version;
    this.#words = new Int32Array(this.#list.length * WORDS).fill(-1);
    for (const [target, each] of this.#list.entries()) if (each !== undefined) this.#fill(target, each.application);
  }

  #fill(target: number, application: string | number): void {
    const applications = this.#applications;
    const app = typeof application === "string" ? applications.byName(application) : applications.attached(application);
    if (app === undefined) return;
    const words = this.#words;
    // The first one made counts.
    for (const { proto, local, session, localSession, fib } of this.#listeners.ofApp(app).reverse()) {
      const at = target * WORDS + (proto * 2 + (local.family === 6 ? 1 : 0)) * KIND_WORDS;
      if (session >= 0) words[at] = session;
      if (session >= 0) words[at + 1] = fib;
      words[at + 2] = localSession >= 0 ? localSession : session;
    }
  }
}
