import type { Host } from "../../../nodes/host.js";
import { addressBits, parsePrefix, type Prefix } from "../../ip/address.js";
import type { AppNamespace } from "../../session/app-namespace.js";
import {
  isTag,
  MAX_TAG_LENGTH,
  RULE_PROTOS,
  RULE_SCOPES,
  type RuleAction,
  ruleKey,
  type RuleProto,
  ruleProto,
  type RuleScope,
} from "../../session/rule-record.js";
import { SESSION_E_ADDR_NOT_IN_USE, SESSION_E_INVALID, SESSION_E_NOSUPPORT } from "../../session/session-errors.js";
import type { RuleView } from "../../session/session-rules.js";
import { columns } from "../columns.js";
import type { Command } from "../command.js";
import { CliError, type Words } from "../words.js";
import { checkResult } from "./check-result.js";

/** Rules that a listing shows unless told otherwise. */
const DEFAULT_MAX = 1000;
/** VPP's numbers of actions that are no applications. */
const ACTION_NUMBERS: Readonly<Record<string, RuleAction>> = { "-2": "drop", "-3": "allow" };

/** The four words that VPP names flows with. */
interface Flows {
  readonly local: string;
  readonly localPort: number;
  readonly remote: string;
  readonly remotePort: number;
}

/** What the words of a rule command say. */
interface RuleWords {
  namespace?: string;
  scope?: RuleScope;
  proto?: RuleProto;
  flows?: Flows;
  action?: RuleAction;
  tag?: string;
}

function takeScope(words: Words): RuleScope {
  const text = words.take("scope");
  // VPP's command says all for what its API calls both.
  const scope = RULE_SCOPES.find((each) => each === (text === "all" ? "both" : text));
  if (scope === undefined) throw new CliError(`scope: not one of ${RULE_SCOPES.join(", ")}: "${text}"`);
  return scope;
}

function takeProto(words: Words): RuleProto {
  const text = words.take("proto");
  const proto = RULE_PROTOS.find((each) => each === text);
  if (proto === undefined) throw new CliError(`proto: not one of ${RULE_PROTOS.join(", ")}: "${text}"`);
  return proto;
}

function takePrefix(words: Words, what: string): Prefix & { readonly text: string } {
  const text = words.take(what);
  try {
    return { ...parsePrefix(text), text };
  } catch {
    throw new CliError(`${what}: not ADDRESS/LENGTH: "${text}"`);
  }
}

function takeFlows(words: Words): Flows {
  const local = takePrefix(words, "local address");
  const localPort = words.integer("local port", 0, 65_535);
  const remote = takePrefix(words, "remote address");
  if (addressBits(local.address.family) !== addressBits(remote.address.family)) {
    throw new CliError("the two addresses are of different families");
  }
  return { local: local.text, localPort, remote: remote.text, remotePort: words.integer("remote port", 0, 65_535) };
}

function takeAction(words: Words): RuleAction {
  const text = words.take("action");
  if (text === "drop" || text === "allow") return text;
  const numbered = ACTION_NUMBERS[text];
  if (numbered !== undefined) return numbered;
  if (text.startsWith("-")) throw new CliError(`action: not drop, allow or an application: "${text}"`);
  return { application: /^\d{1,9}$/.test(text) ? Number(text) : text };
}

function takeTag(words: Words): string {
  const tag = words.take("tag");
  if (!isTag(tag)) throw new CliError(`tag: longer than ${MAX_TAG_LENGTH} characters`);
  return tag;
}

/** Takes one part of a rule; false when the next word begins none. */
function takePart(words: Words, rule: RuleWords): boolean {
  if (words.accept("appns")) rule.namespace = words.take("appns");
  else if (words.accept("scope")) rule.scope = takeScope(words);
  else if (words.accept("proto")) rule.proto = takeProto(words);
  else if (words.next.includes("/")) rule.flows = takeFlows(words);
  else return false;
  return true;
}

/** What a session error means of a rule, where the table's text does not say it. */
function explain(result: number, isAdd: boolean): void {
  if (result === SESSION_E_NOSUPPORT) throw new CliError("rules are off: session enable rt-backend rule-table");
  if (result === SESSION_E_ADDR_NOT_IN_USE) throw new CliError("no such rule");
  if (result === SESSION_E_INVALID && isAdd) throw new CliError("another rule has that tag");
  checkResult(result);
}

const addRule: Command = {
  name: "session rule add",
  usage:
    "[appns ID] [scope global|local|both] proto tcp|udp LCL-IP/LEN LCL-PORT RMT-IP/LEN RMT-PORT action drop|allow|APP [tag T]",
  help: "adds a rule about flows that have no connection yet, or overwrites it; port 0: any; APP: by index or name",
  run(words, { host }) {
    const rule: RuleWords = {};
    while (words.left > 0) {
      if (takePart(words, rule)) continue;
      if (words.accept("action")) rule.action = takeAction(words);
      else if (words.accept("tag")) rule.tag = takeTag(words);
      else words.end();
    }
    const { proto, flows, action, ...more } = rule;
    if (proto === undefined) throw new CliError("proto is missing");
    if (flows === undefined) throw new CliError("addresses and ports are missing");
    if (action === undefined) throw new CliError("action is missing");
    explain(host.sessions.apply({ kind: "rule", add: true, proto, ...flows, action, ...more }), true);
    return "";
  },
};

const delRule: Command = {
  name: "session rule del",
  usage: "[appns ID] [scope global|local|both] proto tcp|udp LCL-IP/LEN LCL-PORT RMT-IP/LEN RMT-PORT | tag T",
  help: "deletes a rule by what it matches, or by its tag; more specific ones stay",
  run(words, { host }) {
    const rule: RuleWords = {};
    while (words.left > 0) {
      if (takePart(words, rule)) continue;
      if (words.accept("tag")) rule.tag = takeTag(words);
      else words.end();
    }
    const { proto, flows, ...more } = rule;
    if (proto === undefined) throw new CliError("proto is missing");
    if (flows === undefined && more.tag === undefined) throw new CliError("addresses and ports, or tag, are missing");
    explain(host.sessions.apply({ kind: "rule", add: false, proto, ...flows, ...more }), false);
    return "";
  },
};

/** A rule for machines: its record without what all have. */
function ruleRecord({ kind: _kind, add: _add, ...rest }: RuleView): Readonly<Record<string, unknown>> {
  return rest;
}

function actionText(action: RuleAction): string {
  return typeof action === "string" ? action : `app ${action.application}`;
}

function ruleRow(rule: RuleView): readonly string[] {
  const { namespace, scope, proto, local = "", localPort = 0, remote = "", remotePort = 0, action, tag = "-" } = rule;
  const port = (value: number): string => (value === 0 ? "*" : String(value));
  return [namespace, scope, proto, local, port(localPort), remote, port(remotePort), actionText(action), tag];
}

const HEADINGS = ["Namespace", "Scope", "Proto", "Local", "Port", "Remote", "Port", "Action", "Tag"];

function namespaceOf(host: Host, id: string): AppNamespace {
  const found = host.sessions.namespaces.find(id);
  if (found === undefined) throw new CliError(`no namespace "${id}"`);
  return found;
}

/** The rule that decides on these flows, in each scope that was asked for. */
function decidingRules(host: Host, { namespace = "", scope = "global", proto, flows }: RuleWords): RuleView[] {
  if (proto === undefined) throw new CliError("proto is missing");
  const key = ruleKey({ proto, ...flows });
  if (key === undefined) return [];
  const within = namespaceOf(host, namespace);
  return (["global", "local"] as const)
    .filter((each) => scope === "both" || scope === each)
    .flatMap((each) => host.sessions.rules.deciding(within, each, key) ?? []);
}

const showRules: Command = {
  name: "show session rules",
  usage:
    "[[proto] tcp|udp] [appns ID] [scope global|local|both] [LCL-IP/LEN LCL-PORT RMT-IP/LEN RMT-PORT] [max N] [--json]",
  help: "session rules, those that decide first before the others; or the one that decides on some flows",
  run(words, { host }) {
    const asked: RuleWords = {};
    let max = DEFAULT_MAX;
    let isJson = false;
    while (words.left > 0) {
      if (ruleProto(words.next) >= 0) asked.proto = takeProto(words);
      else if (takePart(words, asked)) continue;
      else if (words.accept("max")) max = words.integer("max", 1, 1_000_000);
      else if (words.accept("--json")) isJson = true;
      else words.end();
    }
    const shown: RuleView[] = [];
    let more = 0;
    if (asked.flows !== undefined) shown.push(...decidingRules(host, asked));
    else {
      const namespace = asked.namespace === undefined ? undefined : namespaceOf(host, asked.namespace);
      const proto = asked.proto === undefined ? undefined : ruleProto(asked.proto);
      for (const rule of host.sessions.rules.list({ namespace, scope: asked.scope, proto })) {
        if (shown.length < max) shown.push(rule);
        else more++;
      }
    }
    if (isJson) return JSON.stringify(shown.map(ruleRecord));
    const table = columns(HEADINGS, shown.map(ruleRow));
    return more === 0 ? table : `${table}\n${more} more: max N shows them`;
  },
};

/** Commands about session rules. */
export const SESSION_RULE_COMMANDS: readonly Command[] = [addRule, delRule, showRules];
