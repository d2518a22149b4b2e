import { isIP, type LookupFunction } from "node:net";
import { parseUri } from "../../session/uri.js";
import { formatAddress } from "../../ip/address.js";
import type { TlsOptions } from "../../transport/tls/crypto-config.js";
import { argumentError } from "./net-error.js";

/** What a client says of TLS. */
export interface TlsTarget extends TlsOptions {
  /** Name that the server is asked for, and that has to be in its certificate. Default: its address has to be. */
  readonly hostname?: string;
}

/** How {@link import("./server.js").Server.listen} is told where to listen. */
export interface ListenOptions {
  /** 0 or absent: one that is free. */
  readonly port?: number | string;
  /** An address of the stack; absent: any, of both families. */
  readonly host?: string;
  /** Half-open connections at most. */
  readonly backlog?: number;
  /** With host `::`: no IPv4. */
  readonly ipv6Only?: boolean;
  /** Aborting it closes the server. */
  readonly signal?: AbortSignal;
  /** Listens for TLS, with this certificate, trust, ALPN; what is missing is as the server was made. A URI `tls://` is `{}`. */
  readonly tls?: TlsOptions;
}

/** Any function as a callback: `http.request` passes one with parameters that net never gives. */
export type Callback = (...args: never[]) => void;

/** What `server.listen` may be called with. A string is a URI or a numeral. */
export type ListenArguments =
  | readonly [callback?: Callback]
  | readonly [options: ListenOptions, callback?: Callback]
  | readonly [portOrUri: number | string | undefined, callback?: Callback]
  | readonly [port: number | string | undefined, hostOrBacklog?: string | number, callback?: Callback]
  | readonly [port: number | string | undefined, host?: string, backlog?: number, callback?: Callback];

/** How a connection is told where to go: what net.connect takes, and so also what http hands on. */
export interface ConnectOptions {
  readonly port?: number | string | null | undefined;
  /** An address, or a name that `lookup` knows. Default `localhost`. */
  readonly host?: string | null | undefined;
  readonly localAddress?: string | undefined;
  readonly localPort?: number | undefined;
  /** 4 or 6: of a name's addresses only those; 0: any. */
  readonly family?: number | undefined;
  /** Default `dns.lookup`: the names of the system that the process runs on. */
  readonly lookup?: LookupFunction | undefined;
  readonly allowHalfOpen?: boolean | undefined;
  readonly timeout?: number | undefined;
  /** See {@link import("./socket.js").Socket.setNoDelay}. Default false. */
  readonly noDelay?: boolean | undefined;
  /** See {@link import("./socket.js").Socket.setKeepAlive}. Default false. */
  readonly keepAlive?: boolean | undefined;
  readonly keepAliveInitialDelay?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** A pipe, which a stack has none of: refused, unless there is a port. */
  readonly path?: string | null | undefined;
  /** Speaks TLS, with this certificate, trust, ALPN. A URI `tls://[name]…` is `{ hostname: name }`. */
  readonly tls?: TlsTarget | undefined;
}

/** What `net.connect` may be called with. A string is a URI or a numeral. */
export type ConnectArguments =
  | readonly [options: ConnectOptions, callback?: Callback]
  | readonly [portOrUri: number | string, callback?: Callback]
  | readonly [port: number | string, host?: string, callback?: Callback];

/** A port number of a number or a numeral. Throws ERR_SOCKET_BAD_PORT. */
export function checkPort(port: unknown, name: string): number {
  const isNumeral = typeof port === "number" || (typeof port === "string" && port.trim() !== "");
  const value = isNumeral ? Number(port) : NaN;
  if (Number.isInteger(value) && value >= 0 && value <= 65535) return value;
  throw argumentError("ERR_SOCKET_BAD_PORT", `${name} should be >= 0 and < 65536. Received ${String(port)}.`);
}

/** What {@link normalizeListen} and {@link normalizeConnect} return. */
export interface Normalized<Options> {
  readonly options: Options;
  readonly callback: (() => void) | undefined;
}

/** Splits a call's arguments into what is asked and the callback, the last function. */
function splitCallback(args: readonly unknown[]): { rest: unknown[]; callback: (() => void) | undefined } {
  const rest = [...args];
  while (rest.length > 1 && rest.at(-1) === undefined) rest.pop();
  const last = rest.at(-1);
  if (typeof last !== "function") return { rest, callback: undefined };
  rest.pop();
  return { rest, callback: () => void Reflect.apply(last, undefined, []) };
}

function isUri(text: unknown): text is string {
  return typeof text === "string" && text.includes("://");
}

function fromUri(uri: string): { port: number; host: string; tls?: TlsTarget } {
  const { protocol, endpoint, hostname } = parseUri(uri);
  const where = { port: endpoint.port, host: formatAddress({ family: endpoint.family, words: endpoint.address }) };
  if (protocol === "tcp") return where;
  if (protocol === "tls") return { ...where, tls: hostname === undefined ? {} : { hostname } };
  throw argumentError("ERR_INVALID_ARG_VALUE", `net speaks tcp and tls, not ${protocol}: ${uri}`);
}

/** Reads the arguments of `server.listen`: (port, host, backlog), (options), (uri), each with a callback. */
export function normalizeListen(args: ListenArguments): Normalized<ListenOptions> {
  const { rest, callback } = splitCallback(args);
  const [first, host, backlog] = rest;
  // A URI names one address, and the any address of one family.
  if (isUri(first)) return { options: { ...fromUri(first), ipv6Only: true }, callback };
  if (typeof first === "object" && first !== null) return { options: checkPath(first), callback };
  const options: ListenOptions = {
    port: first === undefined || first === null ? 0 : checkPort(first, "options.port"),
    ...(typeof host === "string" ? { host } : {}),
    ...(typeof host === "number" ? { backlog: host } : typeof backlog === "number" ? { backlog } : {}),
  };
  return { options, callback };
}

/** Where to connect to, with the port checked. */
export type Target = ConnectOptions & { readonly port: number };

/** Reads the arguments of `net.connect`: (options), (port, host), (uri), each with a callback. */
export function normalizeConnect(args: ConnectArguments): Normalized<Target> {
  const { rest, callback } = splitCallback(args);
  const [first, host] = rest;
  if (isUri(first)) return { options: fromUri(first), callback };
  if (typeof first === "object" && first !== null) {
    const options: ConnectOptions = checkPath(first);
    if (options.port === undefined || options.port === null) {
      throw argumentError("ERR_MISSING_ARGS", 'The "options.port" argument must be specified');
    }
    return { options: { ...options, port: checkPort(options.port, "options.port") }, callback };
  }
  const port = checkPort(first, "options.port");
  return { options: typeof host === "string" ? { port, host } : { port }, callback };
}

function checkPath<Options extends object>(options: Options): Options {
  if ("path" in options && typeof options.path === "string" && !("port" in options)) {
    throw argumentError("ERR_INVALID_ARG_VALUE", "a stack has no pipes: options.path is not supported");
  }
  return options;
}

/** The URI of an address and port, of TLS too. Throws ERR_INVALID_IP_ADDRESS when it is no address. */
export function streamUri(address: string, port: number, tls?: TlsTarget): string {
  if (isIP(address) === 0) throw argumentError("ERR_INVALID_IP_ADDRESS", `Invalid IP address: ${address}`);
  if (tls === undefined) return `tcp://${address}/${port}`;
  return tls.hostname === undefined ? `tls://${address}/${port}` : `tls://[${tls.hostname}]${address}/${port}`;
}
