import { isIP } from "node:net";
import { checkServerIdentity, type PeerCertificate, rootCertificates } from "node:tls";
import type { Session } from "../../app/session.js";
import type { AttachPoint } from "../attach-point.js";
import { type Callback, type ConnectArguments, type ConnectOptions, normalizeConnect } from "../net/arguments.js";
import { argumentError } from "../net/net-error.js";
import { alpnNames, type AlpnProtocols } from "./alpn.js";
import {
  createSecureContext,
  refuseUnsupported,
  type SecureContext,
  type SecureContextOptions,
} from "./secure-context.js";
import { type ClientSecurity, TlsApp } from "./tls-app.js";
import { TlsServer, type TlsServerOptions } from "./tls-server.js";
import { TLSSocket } from "./tls-socket.js";

/** How to connect: what tls.connect takes, and so also what https and http2 hand on. */
export interface TlsConnectOptions extends Omit<ConnectOptions, "tls">, SecureContextOptions {
  /** The name that the server is asked for. Default: the host, if it is a name. */
  readonly servername?: string | undefined;
  /** False: connect whatever the certificate is; `authorized` and `authorizationError` tell. Default true. */
  readonly rejectUnauthorized?: boolean | undefined;
  /** Names of application protocols, best first. */
  readonly ALPNProtocols?: AlpnProtocols | undefined;
  /** Instead of key, cert, ca, ….*/
  readonly secureContext?: SecureContext | undefined;
  /** Compares name and certificate instead of Node's own. */
  readonly checkServerIdentity?: ((name: string, certificate: PeerCertificate) => Error | undefined) | undefined;
}

/** What `tls.connect` may be called with. A string is a URI `tls://[name]address/port` or a numeral. */
export type TlsConnectArguments =
  | readonly [options: TlsConnectOptions, callback?: Callback]
  | readonly [portOrUri: number | string, callback?: Callback]
  | readonly [portOrUri: number | string, options?: TlsConnectOptions, callback?: Callback]
  | readonly [port: number | string, host?: string, callback?: Callback]
  | readonly [port: number | string, host?: string, options?: TlsConnectOptions, callback?: Callback];

/** What a server is made with: (options, onConnection) or (onConnection). */
export type TlsServerArguments =
  | readonly [options?: TlsServerOptions, onConnection?: (socket: TLSSocket) => void]
  | readonly [onConnection: (socket: TLSSocket) => void];

/** A stack's TLS, shaped like node:tls: programs written for that run on it. */
export interface Tls {
  /** A server: (options, onConnection), (onConnection). */
  createServer(...args: TlsServerArguments): TlsServer;
  /** Connects: (options), (port, host, options), (uri, options), each with a callback for `secureConnect`. */
  connect(...args: TlsConnectArguments): TLSSocket;
  /** Reads and checks certificate, key and trust. */
  createSecureContext(options?: SecureContextOptions): SecureContext;
  /** Node's own. */
  readonly checkServerIdentity: typeof checkServerIdentity;
  readonly rootCertificates: readonly string[];
  /** The class of sockets, to ask whether one is. */
  readonly TLSSocket: typeof TLSSocket;
  /** The class of servers. */
  readonly Server: new (
    ...args: TlsServerArguments
  ) => TlsServer;
  /** Destroys every socket, closes every server and leaves the stack. */
  close(): Promise<void>;
}

/** Splits a call of `connect`: where to, as net has it; how; and whom to tell. */
function normalize(args: TlsConnectArguments): {
  readonly where: ConnectArguments;
  readonly options: TlsConnectOptions;
  readonly callback: Callback | undefined;
} {
  const list: readonly (Callback | TlsConnectOptions | string | number | undefined)[] = args;
  const callback = list.find((each) => typeof each === "function");
  const options = list.find((each) => typeof each === "object") ?? {};
  const [first, second] = list;
  if (typeof first === "string" && first.includes("://")) {
    if (!/^tls:/i.test(first)) throw argumentError("ERR_INVALID_ARG_VALUE", `tls speaks tls: ${first}`);
    const target = normalizeConnect([first]).options;
    const { hostname } = target.tls ?? {};
    const servername = options.servername ?? hostname;
    const { port, host } = target;
    return { where: [{ ...options, port, host }], options: { ...options, port, host, servername }, callback };
  }
  if (typeof first !== "number" && typeof first !== "string") return { where: [options], options, callback };
  const given = { ...options, port: first, ...(typeof second === "string" ? { host: second } : {}) };
  return { where: [given], options: given, callback };
}

function securityOf(options: TlsConnectOptions): ClientSecurity {
  refuseUnsupported(options);
  const host = options.host ?? "localhost";
  const { servername = isIP(host) === 0 ? host : "", secureContext, rejectUnauthorized, ALPNProtocols } = options;
  return {
    context: secureContext ?? createSecureContext(options),
    // An address is no name (RFC 6066 3).
    servername: isIP(servername) === 0 ? servername : "",
    identity: servername === "" ? host : servername,
    alpn: alpnNames(ALPNProtocols),
    rejectUnauthorized: rejectUnauthorized !== false,
    checkServerIdentity: options.checkServerIdentity,
  };
}

/** Makes the tls of a stack. Nothing is attached before the first socket or server needs it. */
export function createTls(stack: AttachPoint): Tls {
  const home = new TlsApp(stack, "tls");
  class StackServer extends TlsServer {
    constructor(...[first, second]: TlsServerArguments) {
      if (typeof first === "function") super(home, {}, first);
      else super(home, first ?? {}, second);
    }
  }
  const connect = (...args: TlsConnectArguments): TLSSocket => {
    const { where, options, callback } = normalize(args);
    const security = securityOf(options);
    const { allowHalfOpen = false, signal } = options;
    const socket: TLSSocket = new TLSSocket(
      { allowHalfOpen, ...(signal === undefined ? {} : { signal }) },
      (address, target): Promise<Session> => home.dialSecure(address, target, socket, security),
    );
    home.keep(socket);
    if (callback !== undefined) socket.once("secureConnect", () => callback());
    return socket.connect(...where);
  };
  return {
    createServer: (...args) => new StackServer(...args),
    connect,
    createSecureContext,
    checkServerIdentity,
    rootCertificates,
    TLSSocket,
    Server: StackServer,
    close: () => home.close(),
  };
}
