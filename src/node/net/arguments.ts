import { isIP } from "node:net";
import { parseUri } from "../../session/uri.js";
import { formatAddress } from "../../ip/address.js";
import { argumentError } from "./net-error.js";

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
}

/** Finds the address of a name, as `dns.lookup` does. */
export type LookupFunction = (
  hostname: string,
  options: { readonly family: number },
  callback: (error: Error | null, address: string, family: number) => void,
) => void;

/** How a connection is told where to go. */
export interface ConnectOptions {
  readonly port: number | string;
  /** An address, or a name that `lookup` knows. Default `localhost`. */
  readonly host?: string;
  readonly localAddress?: string;
  readonly localPort?: number;
  /** 4 or 6: of a name's addresses only those; 0: any. */
  readonly family?: number;
  /** Default `dns.lookup`: the names of the system that the process runs on. */
  readonly lookup?: LookupFunction;
  readonly allowHalfOpen?: boolean;
  readonly timeout?: number;
  readonly noDelay?: boolean;
  readonly keepAlive?: boolean;
  readonly keepAliveInitialDelay?: number;
  readonly signal?: AbortSignal;
  /** Not supported; refused so that it is not silently ignored. */
  readonly path?: string;
}

/** A port number of a number or a numeral. Throws ERR_SOCKET_BAD_PORT. */
export function checkPort(port: unknown, name: string): number {
  const isNumeral = typeof port === "number" || (typeof port === "string" && port.trim() !== "");
  const value = isNumeral ? Number(port) : NaN;
  if (Number.isInteger(value) && value >= 0 && value <= 65535) return value;
  throw argumentError("ERR_SOCKET_BAD_PORT", `${name} should be >= 0 and < 65536. Received ${String(port)}.`);
}

/** Splits a call's arguments into what is asked and the callback, the last function. */
function splitCallback(args: readonly unknown[]): {
  rest: unknown[];
  callback: ((...of: unknown[]) => void) | undefined;
} {
  const rest = args.filter((arg, i) => i === 0 || (arg !== undefined && arg !== null));
  const last = rest.at(-1);
  if (typeof last !== "function") return { rest, callback: undefined };
  rest.pop();
  return { rest, callback: (...of) => void Reflect.apply(last, undefined, of) };
}

/** What {@link normalizeListen} and {@link normalizeConnect} return. */
export interface Normalized<Options> {
  readonly options: Options;
  readonly callback: (() => void) | undefined;
}

function isUri(text: unknown): text is string {
  return typeof text === "string" && text.includes("://");
}

function fromUri(uri: string): { port: number; host: string } {
  const { protocol, endpoint } = parseUri(uri);
  if (protocol !== "tcp") throw argumentError("ERR_INVALID_ARG_VALUE", `net speaks tcp, not ${protocol}: ${uri}`);
  return { port: endpoint.port, host: formatAddress({ family: endpoint.family, words: endpoint.address }) };
}

/** Reads the arguments of `server.listen`: (port, host, backlog), (options), (uri), each with a callback. */
export function normalizeListen(args: readonly unknown[]): Normalized<ListenOptions> {
  const { rest, callback } = splitCallback(args);
  const [first, host, backlog] = rest;
  // A URI names one family, as everywhere in Weft; only Node's own forms are dual-stack.
  if (isUri(first)) return { options: { ...fromUri(first), ipv6Only: true }, callback };
  if (typeof first === "object" && first !== null) return { options: checkPath(first), callback };
  const options: ListenOptions = {
    port: first === undefined || first === null ? 0 : checkPort(first, "options.port"),
    ...(typeof host === "string" ? { host } : {}),
    ...(typeof host === "number" ? { backlog: host } : typeof backlog === "number" ? { backlog } : {}),
  };
  return { options, callback };
}

/** Reads the arguments of `net.connect`: (options), (port, host), (uri), each with a callback. */
export function normalizeConnect(args: readonly unknown[]): Normalized<ConnectOptions> {
  const { rest, callback } = splitCallback(args);
  const [first, host] = rest;
  if (isUri(first)) return { options: fromUri(first), callback };
  if (typeof first === "object" && first !== null) {
    const options = checkPath(first);
    if ("port" in options) return { options: options as ConnectOptions, callback };
    throw argumentError("ERR_MISSING_ARGS", 'The "options.port" argument must be specified');
  }
  const port = checkPort(first, "options.port");
  return { options: typeof host === "string" ? { port, host } : { port }, callback };
}

function checkPath<Options extends object>(options: Options): Options {
  if ("path" in options && options.path !== undefined && options.path !== null && !("port" in options)) {
    throw argumentError("ERR_INVALID_ARG_VALUE", "a stack has no pipes: options.path is not supported");
  }
  return options;
}

/** The URI of an address and port. Throws ERR_INVALID_IP_ADDRESS when it is no address. */
export function tcpUri(address: string, port: number): string {
  const family = isIP(address);
  if (family === 0) throw argumentError("ERR_INVALID_IP_ADDRESS", `Invalid IP address: ${address}`);
  return family === 6 ? `tcp://[${address}]:${port}` : `tcp://${address}:${port}`;
}
