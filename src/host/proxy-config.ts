import { addressBits, type Prefix, parsePrefix, tryParseAddress } from "../ip/address.js";
import { isAnyAddress, parseUri } from "../session/uri.js";

/** Where a proxy leads to: on through the stack, or out by sockets of the kernel, straight or through a SOCKS5 server. */
export type ProxyTo =
  | { readonly kind: "session"; readonly uri: string; readonly protocol: "tcp" | "udp" }
  | { readonly kind: "direct" }
  | ({ readonly kind: "socks5" } & SocksServer);

/** A SOCKS5 server (RFC 1928), and what it is told about who asks (RFC 1929). */
export interface SocksServer {
  readonly host: string;
  readonly port: number;
  /** Both or none; 1 to 255 bytes each. */
  readonly user: string | undefined;
  readonly password: string | undefined;
}

/** Destinations: a prefix, and a port or (0) all. */
export interface Allowed {
  readonly prefix: Prefix;
  readonly port: number;
}

/** Reads where a proxy leads to; undefined when the text says nothing of the kind. */
export function parseProxyTo(text: string): ProxyTo | undefined {
  if (text === "direct") return { kind: "direct" };
  if (/^socks5:/i.test(text)) return parseSocks(text);
  try {
    const { protocol, endpoint } = parseUri(text);
    if ((protocol !== "tcp" && protocol !== "udp") || endpoint.port === 0 || isAnyAddress(endpoint)) return undefined;
    return { kind: "session", uri: text, protocol };
  } catch {
    return undefined;
  }
}

/** Whether a proxy to there takes sessions of a protocol. */
export function leads(to: string, protocol: string): boolean {
  const exit = parseProxyTo(to);
  if (exit?.kind === "session") return exit.protocol === protocol;
  return exit !== undefined && (protocol === "tcp" || protocol === "udp");
}

function parseSocks(text: string): ProxyTo | undefined {
  if (!URL.canParse(text)) return undefined;
  const { hostname, port, username, password, pathname, search, hash } = new URL(text);
  if (hostname === "" || Number(port) < 1 || `${search}${hash}` !== "" || pathname.length > 1) return undefined;
  const host = hostname.startsWith("[") ? hostname.slice(1, -1) : hostname;
  const who = { user: decode(username), password: decode(password) };
  const isOf = (each: string | undefined): boolean => each !== undefined && Buffer.byteLength(each) <= 255;
  if (!isOf(who.user) || !isOf(who.password) || (username === "") !== (password === "")) return undefined;
  const nobody = { user: undefined, password: undefined };
  return { kind: "socks5", host, port: Number(port), ...(username === "" ? nobody : who) };
}

function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

/**
 * Reads `198.18.0.0/24`, `198.18.0.1`, `2001:db8::/32`, each with a port behind it or without, an IPv6 prefix with a port in
 * brackets: `[2001:db8::/32]:443`. Undefined when it is none.
 */
export function parseAllowed(text: string): Allowed | undefined {
  const match = /^(?:\[([^\]]+)\]|([^[\]:]+))(?::([1-9]\d{0,4}))?$/.exec(text);
  const name = match === null ? text : (match[1] ?? match[2]);
  const port = Number(match?.[3] ?? 0);
  const address = tryParseAddress(name);
  const prefix = address === undefined ? prefixOf(name) : { address, length: addressBits(address.family) };
  if (prefix === undefined || port > 65_535) return undefined;
  return (match?.[1] === undefined) === (prefix.address.family === 4 || match === null) ? { prefix, port } : undefined;
}

function prefixOf(text: string): Prefix | undefined {
  try {
    return parsePrefix(text);
  } catch {
    return undefined;
  }
}
