import { type IpAddress, tryParseAddress, formatAddress } from "../ip/address.js";
import type { Endpoint } from "../transport/transport.js";
import { SESSION_E_INVALID, SessionError } from "./session-errors.js";

/** Transports that a URI can name. */
export const URI_PROTOCOLS = ["tcp", "udp", "tls", "dtls", "quic", "sctp"] as const;

/** One of them. */
export type UriProtocol = (typeof URI_PROTOCOLS)[number];

/** What a URI says. */
export interface SessionUri {
  readonly protocol: UriProtocol;
  readonly endpoint: Endpoint;
  /** For TLS: the server's name. */
  readonly hostname?: string;
}

/**
 * Reads `proto://address/port` (VPP's form), `proto://[hostname]address/port`, `proto://[v6]:port` and
 * `proto://v4:port`. Throws {@link SessionError} INVALID that names the part at fault.
 */
export function parseUri(uri: string): SessionUri {
  if (typeof uri !== "string") throw new SessionError(SESSION_E_INVALID, "uri", `not a text: ${typeof uri}`);
  const fail = (what: string): never => {
    throw new SessionError(SESSION_E_INVALID, `uri ${JSON.stringify(uri)}`, what);
  };
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(uri);
  if (scheme === null) return fail("no protocol: not of the form proto://address/port");
  const name = scheme[1].toLowerCase();
  const protocol = URI_PROTOCOLS.find((known) => known === name);
  if (protocol === undefined) return fail(`unknown protocol ${JSON.stringify(scheme[1])}`);
  const rest = uri.slice(scheme[0].length);

  const colon = /^(?:\[([^\]]*)\]|([^[\]:/]*)):([^:/]*)$/.exec(rest);
  const slash = /^(?:\[([^\]]*)\])?([^[\]/]*)\/([^/]*)$/.exec(rest);
  if (colon === null && slash === null) return fail(`not an address and a port: ${JSON.stringify(rest)}`);
  const hostname = colon === null ? slash?.[1] : undefined;
  const addressText = colon === null ? (slash?.[2] ?? "") : (colon[1] ?? colon[2]);
  const portText = colon === null ? (slash?.[3] ?? "") : colon[3];

  const address = tryParseAddress(addressText);
  if (address === undefined) return fail(`bad address ${JSON.stringify(addressText)}`);
  if (colon !== null && (colon[1] !== undefined) !== (address.family === 6)) {
    return fail(`bad address ${JSON.stringify(addressText)}: brackets are for IPv6`);
  }
  if (!/^(?:0|[1-9]\d{0,4})$/.test(portText) || Number(portText) > 65535) {
    return fail(`bad port ${JSON.stringify(portText)}`);
  }
  if (hostname !== undefined && !/^[a-z0-9_]([a-z0-9_.-]{0,252}[a-z0-9_.])?$/i.test(hostname)) {
    return fail(`bad hostname ${JSON.stringify(hostname)}`);
  }
  const endpoint = endpointOf(address, Number(portText));
  return hostname === undefined ? { protocol, endpoint } : { protocol, endpoint, hostname };
}

/** The endpoint of an address and a port. */
export function endpointOf(address: IpAddress, port: number): Endpoint {
  return { family: address.family, address: address.words, port };
}

/** The endpoint on any address of a family. */
export function anyEndpoint(family: 4 | 6, port: number): Endpoint {
  return { family, address: new Int32Array(4), port };
}

/** Whether something that came from outside is an endpoint. */
export function isEndpoint(value: unknown): value is Endpoint {
  if (typeof value !== "object" || value === null) return false;
  const { family, address, port } = value as Partial<Endpoint>;
  return (
    (family === 4 || family === 6) &&
    address?.length === 4 &&
    Object.prototype.toString.call(address) === "[object Int32Array]" &&
    Number.isInteger(port) &&
    (port as number) >= 0 &&
    (port as number) <= 65_535
  );
}

/** Whether the address is the unspecified one. */
export function isAnyAddress({ address }: Pick<Endpoint, "address">): boolean {
  return (address[0] | address[1] | address[2] | address[3]) === 0;
}

/** Whether the address is of this host only: 127.0.0.0/8 or ::1. */
export function isLoopback({ family, address: [a, b, c, d] }: Endpoint): boolean {
  return family === 4 ? a >>> 24 === 127 : (a | b | c) === 0 && d === 1;
}

/** 127.0.0.1 or ::1. */
export function loopbackAddress(family: 4 | 6): Int32Array<ArrayBuffer> {
  return family === 4 ? Int32Array.of(0x7f00_0001, 0, 0, 0) : Int32Array.of(0, 0, 0, 1);
}

/** `address:port`, IPv6 in brackets. */
export function formatEndpoint({ family, address, port }: Endpoint): string {
  const text = formatAddress({ family, words: address });
  return family === 6 ? `[${text}]:${port}` : `${text}:${port}`;
}
