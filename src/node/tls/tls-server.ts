import type { App } from "../../app/app.js";
import type { Session, SessionAddress } from "../../app/session.js";
import type { SessionError } from "../../session/session-errors.js";
import type { ListenArguments, ListenOptions } from "../net/arguments.js";
import { argumentError } from "../net/net-error.js";
import { type Prepared, Server, type ServerHome, type ServerOptions } from "../net/server.js";
import type { Socket, SocketOptions } from "../net/socket.js";
import { alpnNames, type AlpnProtocols } from "./alpn.js";
import type { Lease } from "./credentials.js";
import { createSecureContext, SecureContext, type SecureContextOptions } from "./secure-context.js";
import { codedError, tlsError, unsupported } from "./tls-error.js";
import { TLSSocket } from "./tls-socket.js";

/** Gives the application that listens, and what it listens with. */
export interface TlsServerHome extends ServerHome {
  lease(context: SecureContext): Promise<Lease>;
}

/** Answers with a secure context, with none (the server's own is taken), or with an error, which ends the handshake. */
export type SniAnswer = (error: Error | null, context?: SecureContext | null) => void;

/** How to make a {@link TlsServer}. */
export interface TlsServerOptions extends Omit<ServerOptions, "tls">, SecureContextOptions {
  /** Clients are asked for a certificate. Default false. */
  readonly requestCert?: boolean | undefined;
  /** Those without a good one are refused. Default true. */
  readonly rejectUnauthorized?: boolean | undefined;
  /** Names of application protocols, best first. */
  readonly ALPNProtocols?: AlpnProtocols | undefined;
  /** Chooses the certificate by the name that a client asks for. Default: by {@link TlsServer.addContext}. */
  readonly SNICallback?: ((servername: string, callback: SniAnswer) => void) | undefined;
}

/**
 * Listens for TLS on ports of the stack, shaped like Node's tls.Server. Events: `listening`, `secureConnection`,
 * `tlsClientError`, `drop`, `error`, `close`.
 */
export class TlsServer extends Server {
  readonly #home: TlsServerHome;
  readonly #options: TlsServerOptions;
  readonly #alpn: readonly string[];
  readonly #named: { readonly pattern: RegExp; readonly context: SecureContext }[] = [];
  #context: SecureContext;

  /** Made by `tls.createServer`. Throws for options that are wrong, or not supported. */
  constructor(home: TlsServerHome, options: TlsServerOptions, onConnection?: (socket: TLSSocket) => void) {
    super(home, options);
    this.#home = home;
    this.#options = options;
    this.#alpn = alpnNames(options.ALPNProtocols);
    this.#context = createSecureContext(options);
    if (onConnection !== undefined) this.on("secureConnection", onConnection);
  }

  /** As net's, on `tls://` URIs. */
  override listen(...args: ListenArguments): this {
    const [first] = args;
    if (typeof first === "string" && first.includes("://") && !/^tls:/i.test(first)) {
      throw argumentError("ERR_INVALID_ARG_VALUE", `tls speaks tls: ${first}`);
    }
    return super.listen(...args);
  }

  /** The certificate for handshakes to come. Whom it trusts and what it speaks stay as it began to listen. */
  setSecureContext(options: SecureContextOptions): void {
    this.#context = createSecureContext(options);
  }

  /** The certificate for clients that ask for a name, or for one of `*.example.org`; the last that fits is taken. */
  addContext(hostname: string, context: SecureContext | SecureContextOptions): void {
    if (hostname === "")
      throw Object.assign(new Error("hostname is required"), { code: "ERR_TLS_REQUIRED_SERVER_NAME" });
    const literal = hostname.toLowerCase().replace(/[.^$+?\-\\[\]{}()|/]/g, "\\$&");
    const pattern = new RegExp(`^${literal.replaceAll("*", "[^.]*")}$`);
    this.#named.push({ pattern, context: context instanceof SecureContext ? context : createSecureContext(context) });
  }

  /** Throws ERR_WEFT_TLS_UNSUPPORTED: keys of tickets are not handed out. */
  getTicketKeys(): never {
    throw unsupported("getTicketKeys");
  }

  /** See {@link getTicketKeys}. */
  setTicketKeys(): never {
    throw unsupported("setTicketKeys");
  }

  protected override async prepare(_app: App, _options: ListenOptions): Promise<Prepared> {
    const { requestCert = false, rejectUnauthorized = true } = this.#options;
    const lease = await this.#home.lease(this.#context);
    const verify = !requestCert ? "none" : rejectUnauthorized ? "require" : "report";
    return { tls: { ...lease.options, pair: "ask", verify, alpn: this.#alpn }, release: lease.release };
  }

  /** The certificate of a handshake, by its index. For the rooms of tls. */
  async certificateFor(servername: string): Promise<number> {
    let context: SecureContext;
    try {
      context = await this.#contextFor(servername);
    } catch (error) {
      // The handshake's own end does not know of it.
      this.emit("tlsClientError", error, new TLSSocket().destroy());
      throw error;
    }
    const lease = await this.#home.lease(context);
    // It is in use as soon as it is answered.
    setImmediate(lease.release);
    const { pair } = lease.options;
    return typeof pair === "number" ? pair : -1;
  }

  async #contextFor(servername: string): Promise<SecureContext> {
    const { SNICallback: choose } = this.#options;
    if (servername === "") return this.#context;
    if (choose === undefined) {
      const name = servername.toLowerCase();
      return this.#named.findLast(({ pattern }) => pattern.test(name))?.context ?? this.#context;
    }
    const chosen = await new Promise<SecureContext | null | undefined>((resolve, reject) => {
      choose(servername, (error, context) => {
        if (error) reject(error);
        else resolve(context);
      });
    });
    if (chosen === undefined || chosen === null || chosen instanceof SecureContext) return chosen ?? this.#context;
    throw codedError("ERR_TLS_INVALID_CONTEXT", "SNICallback: not a context of this stack's createSecureContext");
  }

  /** A client did not get through its handshake. For the rooms of tls. */
  handshakeFailed(error: SessionError, remote: SessionAddress | undefined): void {
    const socket = new TLSSocket();
    if (remote !== undefined) socket.cameFrom(remote);
    socket.destroy();
    this.emit("tlsClientError", tlsError(error), socket);
  }

  protected override socketFor(session: Session, options: SocketOptions): Socket {
    const socket = new TLSSocket(options);
    socket.server = this;
    const info = session.tlsInfo();
    if (info !== undefined) socket.secured(info, info.verifyError);
    return socket;
  }

  protected override announce(socket: Socket): void {
    this.emit("secureConnection", socket);
  }
}
