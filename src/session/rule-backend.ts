import { FLOW_DROP, FLOW_PASS, type RtBackend } from "./rt-backend.js";
import { R_ACTION, type RuleIndex, type RuleTable } from "./rule-table.js";

/** The action `drop` in a rule's row; applications have numbers from 0 on. */
export const ACTION_DROP = FLOW_DROP;
/** The action `allow` in a rule's row. */
export const ACTION_ALLOW = FLOW_PASS;

/** Who finds the listener of an application that rules name. */
export interface RuleListeners {
  /** The session of the listener that takes a flow of a table, or FLOW_NOBODY. `target`: the number in the rule's row. */
  listenerOf(target: number, table: number, proto: number, isIp6: number): number;
}

/** The engine `rule-table`: what the rule that matches best says. */
export class RuleBackend implements RtBackend {
  readonly #i32: Int32Array;
  readonly #rules: RuleTable;
  readonly #listeners: RuleListeners;

  constructor(i32: Int32Array, rules: RuleTable, listeners: RuleListeners) {
    this.#i32 = i32;
    this.#rules = rules;
    this.#listeners = listeners;
  }

  decide4(table: number, proto: number, lcl: number, rmt: number, ports: number): number {
    return this.#verdict(this.#rules.find4(table, proto, lcl, rmt, ports), table, proto, 0);
  }

  decide6(
    table: number,
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
    return this.#verdict(this.#rules.find6(table, proto, l0, l1, l2, l3, r0, r1, r2, r3, ports), table, proto, 1);
  }

  #verdict(rule: RuleIndex, table: number, proto: number, isIp6: number): number {
    if (rule < 0) return FLOW_PASS;
    const action = this.#i32[this.#rules.row(rule) + R_ACTION];
    return action < 0 ? action : this.#listeners.listenerOf(action, table, proto, isIp6);
  }
}
