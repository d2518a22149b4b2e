import { type Family, type IpAddress, maskPrefix, type Prefix, parsePrefix } from "../ip/address.js";

/**
 * Where a rule holds: for packets, in its namespace's table of the family; for connects by cut-through, in its namespace's
 * local table; in both. The one list of scopes: records, configuration and CLI use its words, and nothing numbers them.
 */
export const RULE_SCOPES = ["global", "local", "both"] as const;

/** One of them. */
export type RuleScope = (typeof RULE_SCOPES)[number];

/** Protocols that rules are about, each at its number. */
export const RULE_PROTOS = ["tcp", "udp"] as const;

/** One of them. */
export type RuleProto = (typeof RULE_PROTOS)[number];

/**
 * What becomes of a flow: it is dropped; it goes on to the listeners; it is for the first listener of an application, by
 * its name or its index, and for nobody when that has none.
 */
export type RuleAction = "drop" | "allow" | { readonly application: string | number };

/** Longest tag. */
export const MAX_TAG_LENGTH = 64;
/** Longest name of an application. */
const MAX_NAME_LENGTH = 64;

/** Which flows a rule is for. One of `local` and `remote` may be absent: any address of the other's family. */
export interface RuleFlows {
  readonly proto: RuleProto;
  /** `address/length`; bits behind the length do not count. In local scope the local end does not count. */
  readonly local?: string;
  /** 0 or absent: any. */
  readonly localPort?: number;
  readonly remote?: string;
  readonly remotePort?: number;
}

/** A rule's name: what it matches, and where. */
export interface RuleName extends RuleFlows {
  /** By id; absent: the default one. */
  readonly namespace?: string;
  /** Absent: global. */
  readonly scope?: RuleScope;
  /** 1 to 64 characters; one rule of a table and protocol has it. */
  readonly tag?: string;
}

/** A rule. */
export interface SessionRule extends RuleName {
  readonly action: RuleAction;
}

/** A change of the session rules: a plain object that can be kept, sent and applied again in the same order. */
export type RuleRecord =
  | ({ readonly kind: "rule"; readonly add: true } & SessionRule)
  /** With a tag: the rule that has it, whatever it matches (as VPP); else the rule that matches exactly this. */
  | ({ readonly kind: "rule"; readonly add: false } & RuleName);

/** Which flows a rule is for, checked: the bits behind a prefix are 0. */
export interface RuleKey {
  /** By number. */
  readonly proto: number;
  readonly local: Prefix;
  readonly remote: Prefix;
  readonly localPort: number;
  readonly remotePort: number;
}

/** The number of a rule's protocol, -1 when it is none of {@link RULE_PROTOS}. */
export function ruleProto(proto: unknown): number {
  return RULE_PROTOS.findIndex((each) => each === proto);
}

/** Whether something that came from outside is a tag. */
export function isTag(value: unknown): value is string {
  return typeof value === "string" && value.length >= 1 && value.length <= MAX_TAG_LENGTH;
}

/** Whether something that came from outside is an action. */
export function isRuleAction(value: unknown): value is RuleAction {
  if (value === "drop" || value === "allow") return true;
  if (typeof value !== "object" || value === null) return false;
  const application: unknown = Reflect.get(value, "application");
  if (Object.keys(value).length !== 1) return false;
  if (typeof application === "number") return Number.isInteger(application) && application >= 0;
  return typeof application === "string" && application !== "" && application.length <= MAX_NAME_LENGTH;
}

/** Every address of a family. */
export function anyPrefix(family: Family): Prefix {
  const address: IpAddress = { family, words: new Int32Array(4) };
  return { address, length: 0 };
}

/** The key of what a record says of flows; undefined when something is wrong with it. */
export function ruleKey({ proto, local, localPort = 0, remote, remotePort = 0 }: RuleFlows): RuleKey | undefined {
  const number = ruleProto(proto);
  const near = prefixOf(local);
  const far = prefixOf(remote);
  const family = (near ?? far)?.address.family;
  if (number < 0 || !isPort(localPort) || !isPort(remotePort) || family === undefined) return undefined;
  if ((local !== undefined && near === undefined) || (remote !== undefined && far === undefined)) return undefined;
  const key = { proto: number, local: near ?? anyPrefix(family), remote: far ?? anyPrefix(family) };
  return key.remote.address.family === family ? { ...key, localPort, remotePort } : undefined;
}

function isPort(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= 65_535;
}

function prefixOf(text: unknown): Prefix | undefined {
  if (typeof text !== "string") return undefined;
  try {
    return maskPrefix(parsePrefix(text));
  } catch {
    return undefined;
  }
}
