import { isAssignable, parsePrefix, tryParseAddress } from "../ip/address.js";
import { isRuleAction, isTag, MAX_TAG_LENGTH } from "../session/rule-record.js";
import { SessionError } from "../session/session-errors.js";
import { parseUri } from "../session/uri.js";
import { isCryptoName } from "../transport/tls/crypto-things.js";
import { TLS_VERSION_WORDS } from "../transport/tls/versions.js";
import { quoteValue } from "./config-error.js";
import { parseMetricsListen } from "./metrics/metrics-listen.js";
import { parseAllowed, parseProxyTo } from "./proxy-config.js";

// Checks of single values: each says what is wrong with one, or nothing.

/** Says what is wrong with a value, undefined when nothing is. */
export type Leaf = (value: unknown) => string | undefined;

/** `address/length`; `isInterface`: of an address that an interface may have. */
export function prefixLeaf(isInterface: boolean): Leaf {
  return (value) => {
    const wrong = `not an address prefix: ${quoteValue(value)}`;
    if (typeof value !== "string") return wrong;
    try {
      const { address } = parsePrefix(value);
      return !isInterface || isAssignable(address) ? undefined : `not an interface's address: ${quoteValue(value)}`;
    } catch {
      return wrong;
    }
  };
}

/** An IP address without a length. */
export const addressLeaf: Leaf = (value) =>
  typeof value === "string" && tryParseAddress(value) !== undefined
    ? undefined
    : `not an address: ${quoteValue(value)}`;

/** A whole number in a range. */
export function intLeaf(min: number, max: number): Leaf {
  return (value) =>
    typeof value === "number" && Number.isInteger(value) && value >= min && value <= max
      ? undefined
      : `not a whole number from ${min} to ${max}: ${quoteValue(value)}`;
}

/** A name: a word without blanks. */
export function nameLeaf(maxLength: number): Leaf {
  return (value) =>
    typeof value === "string" && /^\S+$/.test(value) && value.length <= maxLength
      ? undefined
      : `not a name of 1 to ${maxLength} characters: ${quoteValue(value)}`;
}

/** A namespace's secret: a text, or a whole number as in VPP. The value is not quoted. */
export const secretLeaf: Leaf = (value) => {
  if (typeof value === "string") return value.length <= 256 ? undefined : "longer than 256 characters";
  return Number.isSafeInteger(value) && Number(value) >= 0 ? undefined : "not a text or a whole number from 0";
};

/** What becomes of the flows of a session rule. */
export const actionLeaf: Leaf = (value) =>
  isRuleAction(value) ? undefined : `not drop, allow or { application: NAME or INDEX }: ${quoteValue(value)}`;

/** A session rule's tag. */
export const tagLeaf: Leaf = (value) =>
  isTag(value) ? undefined : `not a text of 1 to ${MAX_TAG_LENGTH} characters: ${quoteValue(value)}`;

/** True or false. */
export const booleanLeaf: Leaf = (value) =>
  typeof value === "boolean" ? undefined : `not true or false: ${quoteValue(value)}`;

/** One of some words; `later` says for which others there will be a time. */
export function wordLeaf(words: readonly string[], later: readonly string[] = []): Leaf {
  return (value) => {
    if (typeof value === "string" && words.includes(value)) return undefined;
    if (typeof value === "string" && later.includes(value)) return `not supported yet: ${quoteValue(value)}`;
    return `not one of ${words.join(", ")}: ${quoteValue(value)}`;
  };
}

/** The name of a kernel interface (Linux dev_valid_name). */
export const interfaceNameLeaf: Leaf = (value) =>
  typeof value === "string" && /^[^\s/:\0]{1,15}$/.test(value) && value !== "." && value !== ".."
    ? undefined
    : `not an interface name of 1 to 15 characters: ${quoteValue(value)}`;

/** The name of a network namespace: a file name. */
export const netnsLeaf: Leaf = (value) =>
  typeof value === "string" && /^[\w.-]{1,64}$/.test(value) && !/^\.{1,2}$/.test(value)
    ? undefined
    : `not a network namespace name: ${quoteValue(value)}`;

/** A unicast hardware address in colon notation. */
export const macLeaf: Leaf = (value) =>
  typeof value === "string" && /^[0-9a-f][02468ace](:[0-9a-f]{2}){5}$/i.test(value)
    ? undefined
    : `not a unicast hardware address: ${quoteValue(value)}`;

/** A path: text without a NUL, of limited length. */
export const pathLeaf: Leaf = (value) =>
  typeof value === "string" && value !== "" && value.length <= 4096 && !value.includes("\0")
    ? undefined
    : `not a path: ${quoteValue(value)}`;

/** Where records of sessions go: an absolute path or a URI of TCP. */
export const collectorLeaf: Leaf = (value) => {
  if (typeof value === "string" && value.startsWith("/")) return pathLeaf(value);
  const isTcp = typeof value === "string" && /^tcp:/i.test(value);
  return isTcp ? uriLeaf(value) : `not an absolute path or a tcp URI: ${quoteValue(value)}`;
};

/** What operators call a thing of the crypto store. */
export const cryptoNameLeaf: Leaf = (value) =>
  typeof value === "string" && isCryptoName(value)
    ? undefined
    : `not a name of 1 to 64 characters, not digits alone: ${quoteValue(value)}`;

/** A version of TLS. Without quotes YAML has it as a number. */
export const tlsVersionLeaf: Leaf = (value) =>
  TLS_VERSION_WORDS.some((word) => word === value) ? undefined : `not "1.2" or "1.3", in quotes: ${quoteValue(value)}`;

/** Name of an application protocol (RFC 7301). */
export const alpnLeaf: Leaf = (value) =>
  typeof value === "string" && /^[\x20-\x7e]{1,255}$/.test(value)
    ? undefined
    : `not a name of 1 to 255 characters: ${quoteValue(value)}`;

/** Where a proxy leads to. */
export const proxyToLeaf: Leaf = (value) =>
  typeof value === "string" && parseProxyTo(value) !== undefined
    ? undefined
    : `not direct, a tcp or udp URI with a port, or socks5://[USER:PASSWORD@]HOST:PORT: ${quoteValue(value)}`;

/** A destination that a proxy may reach. */
export const allowedLeaf: Leaf = (value) =>
  typeof value === "string" && parseAllowed(value) !== undefined
    ? undefined
    : `not an address or prefix, with or without a port: ${quoteValue(value)}`;

/** Where metrics are served. */
export const metricsListenLeaf: Leaf = (value) =>
  typeof value === "string" && pathLeaf(value) === undefined && parseMetricsListen(value) !== undefined
    ? undefined
    : `not ADDRESS:PORT or an absolute path: ${quoteValue(value)}`;

/** Any text up to a length. */
export function textLeaf(maxLength: number): Leaf {
  return (value) =>
    typeof value === "string" && value.length <= maxLength
      ? undefined
      : `not a text of at most ${maxLength} characters: ${quoteValue(value)}`;
}

/** A URI to listen on. */
export const uriLeaf: Leaf = (value) => {
  if (typeof value !== "string") return `not a URI: ${quoteValue(value)}`;
  try {
    parseUri(value);
    return undefined;
  } catch (error) {
    // "uri "tcp://x": bad address "x" (INVALID)"
    if (error instanceof SessionError) return error.message.replace(/^uri (.*) \(\w+\)$/s, "not a URI: $1");
    throw error;
  }
};
