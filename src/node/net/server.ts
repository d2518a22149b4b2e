import { EventEmitter } from "node:events";
import type { App } from "../../app/app.js";
import type { Listener } from "../../app/listener.js";
import type { Session } from "../../app/session.js";
import type { TlsOptions } from "../../transport/tls/crypto-config.js";
import { checkPort, type ListenArguments, type ListenOptions, normalizeListen, streamUri } from "./arguments.js";
import { publishAccepted, publishListenEnd, publishListenError, publishListenStart } from "./channels.js";
import { asNetError } from "./net-error.js";
import { Socket, type SocketOptions } from "./socket.js";

/** How to make a {@link Server}. */
export interface ServerOptions {
  /** Accepted sockets stay open for writing after the peer ended. Default false. */
  readonly allowHalfOpen?: boolean;
  /** Accepted sockets read nothing before `resume`. Default false. */
  readonly pauseOnConnect?: boolean;
  /** Accepted sockets send small segments without waiting for acknowledgements. Default false. */
  readonly noDelay?: boolean;
  /** Accepted sockets send keepalive probes, after so many idle milliseconds. Default false. */
  readonly keepAlive?: boolean;
  readonly keepAliveInitialDelay?: number;
  /** Of tls://: certificate, trust, ALPN. */
  readonly tls?: TlsOptions;
}

/** Gives the application that listens, and takes note of who hears of a listener's sessions. */
export interface ServerHome {
  app(): Promise<App>;
  own(listener: Listener, server: Server): void;
}

/** What a server listens with. */
export interface Prepared {
  readonly tls: TlsOptions | undefined;
  /** It listens, or cannot. */
  readonly release: () => void;
}

/** Where a server listens. */
export interface ServerAddress {
  readonly address: string;
  readonly family: string;
  readonly port: number;
}

/**
 * Listens on ports of the stack, of TCP or of TLS, shaped like Node's net.Server. Events: `listening`, `connection`, `drop`, `error`,
 * `close`.
 */
export class Server extends EventEmitter {
  /** Connections beyond this many are dropped; undefined: only the stack's own limit. */
  maxConnections: number | undefined = undefined;
  /** It accepts connections. */
  listening = false;
  readonly #home: ServerHome;
  readonly #options: ServerOptions;
  readonly #sockets = new Set<Socket>();
  #listeners: Listener[] = [];
  #address: ServerAddress | null = null;
  /** Counts calls of listen and close, so that a listen that was overtaken by a close gives up. */
  #epoch = 0;
  #isStarting = false;

  /** Made by `net.createServer`. */
  constructor(home: ServerHome, options: ServerOptions = {}, onConnection?: (socket: Socket) => void) {
    super();
    this.#home = home;
    this.#options = options;
    if (onConnection !== undefined) this.on("connection", onConnection);
  }

  /** Listens: (port, host, backlog), (options), (uri), each with a callback for `listening`. */
  listen(...args: ListenArguments): this {
    const { options, callback } = normalizeListen(args);
    const port = options.port === undefined ? 0 : checkPort(options.port, "options.port");
    if (this.listening || this.#isStarting) {
      const message = "Listen method has been called more than once without closing.";
      throw Object.assign(new Error(message), { code: "ERR_SERVER_ALREADY_LISTEN" });
    }
    if (callback !== undefined) this.once("listening", callback);
    if (options.signal?.aborted === true) {
      process.nextTick(() => this.emit("close"));
      return this;
    }
    this.#isStarting = true;
    const stop = (): void => void this.close();
    options.signal?.addEventListener("abort", stop, { once: true });
    this.once("close", () => options.signal?.removeEventListener("abort", stop));
    publishListenStart(this, options);
    void this.#start(options, port, ++this.#epoch);
    return this;
  }

  async #start(options: ListenOptions, port: number, epoch: number): Promise<void> {
    const { host, backlog } = options;
    // Without a host: any address of both families, as Node's default of a dual-stack `::`.
    const hosts = host === undefined || (host === "::" && options.ipv6Only !== true) ? ["::", "0.0.0.0"] : [host];
    const opened: Listener[] = [];
    let ready: Prepared | undefined;
    try {
      const app = await this.#home.app();
      ready = await this.prepare(app, options);
      const { tls } = ready;
      const how = { ...(backlog === undefined ? {} : { backlog }), ...(tls === undefined ? {} : { tls }) };
      let at = port;
      for (const each of hosts) {
        const listener = await app.listen(streamUri(each, at, tls), how);
        opened.push(listener);
        this.#home.own(listener, this);
        at = listener.local?.port ?? at;
      }
      if (epoch !== this.#epoch) {
        await closeAll(opened);
        return;
      }
      this.#isStarting = false;
      this.listening = true;
      this.#listeners = opened;
      const [address] = hosts;
      this.#address = { address, family: address.includes(":") ? "IPv6" : "IPv4", port: at };
    } catch (error) {
      await closeAll(opened);
      if (epoch !== this.#epoch) return;
      this.#isStarting = false;
      const place = host === undefined ? { address: "::", port } : { address: host, port };
      // Not in this promise: an error that nobody listens for must end up as an uncaught exception.
      const shown = asNetError("listen", error, place);
      publishListenError(this, shown);
      process.nextTick(() => this.emit("error", shown));
      return;
    } finally {
      ready?.release();
    }
    process.nextTick(() => {
      if (epoch !== this.#epoch) return;
      publishListenEnd(this);
      this.emit("listening");
    });
  }

  /** A session of one of its listeners; false refuses it. For the rooms of net. */
  take(session: Session): boolean {
    if (!this.listening) return false;
    if (this.maxConnections !== undefined && this.#sockets.size >= this.maxConnections) {
      const { local, remote } = session;
      this.emit("drop", {
        ...(local === undefined ? {} : { localAddress: local.address, localPort: local.port }),
        ...(remote === undefined ? {} : { remoteAddress: remote.address, remotePort: remote.port }),
      });
      return false;
    }
    const { allowHalfOpen = false, pauseOnConnect = false, noDelay, keepAlive, keepAliveInitialDelay } = this.#options;
    const socket = this.socketFor(session, { allowHalfOpen });
    if (noDelay === true) socket.setNoDelay();
    if (keepAlive === true) socket.setKeepAlive(true, keepAliveInitialDelay);
    this.#sockets.add(socket);
    socket.once("close", () => {
      this.#sockets.delete(socket);
      this.#emitCloseWhenDone();
    });
    socket.adopt(session, pauseOnConnect);
    this.announce(socket);
    publishAccepted(socket);
    return true;
  }

  /** What listening needs to be told of TLS; undefined: it is TCP. */
  protected async prepare(_app: App, { tls }: ListenOptions): Promise<Prepared> {
    return { tls: tls && { ...this.#options.tls, ...tls }, release: () => {} };
  }

  /** A socket for a session that was accepted. */
  protected socketFor(_session: Session, options: SocketOptions): Socket {
    return new Socket(options);
  }

  /** Tells of a new connection. */
  protected announce(socket: Socket): void {
    this.emit("connection", socket);
  }

  /** Stops listening; `close` comes when the last connection has ended. The callback gets an error if it did not listen. */
  close(callback?: (error?: Error) => void): this {
    const isOpen = this.listening || this.#isStarting;
    if (callback !== undefined) {
      if (isOpen) this.once("close", callback);
      else {
        const error = Object.assign(new Error("Server is not running."), { code: "ERR_SERVER_NOT_RUNNING" });
        this.once("close", () => callback(error));
      }
    }
    this.#epoch++;
    this.listening = this.#isStarting = false;
    const listeners = this.#listeners;
    this.#listeners = [];
    this.#address = null;
    void closeAll(listeners).then(() => this.#emitCloseWhenDone());
    return this;
  }

  #emitCloseWhenDone(): void {
    if (this.listening || this.#isStarting || this.#sockets.size > 0) return;
    const epoch = this.#epoch;
    process.nextTick(() => {
      if (epoch === this.#epoch && this.#closedEpoch !== epoch) {
        this.#closedEpoch = epoch;
        this.emit("close");
      }
    });
  }
  #closedEpoch = 0;

  /** Destroys all connections; for the end of the stack, or of the application. */
  destroyConnections(error?: Error): void {
    for (const socket of this.#sockets) socket.destroy(error);
  }

  /** Where it listens; null while it does not. */
  address(): ServerAddress | null {
    return this.#address;
  }

  /** Tells how many connections there are. */
  getConnections(callback: (error: Error | null, count: number) => void): this {
    process.nextTick(() => callback(null, this.#sockets.size));
    return this;
  }

  /** Servers never hold the process: the stack does. */
  ref(): this {
    return this;
  }

  /** See {@link ref}. */
  unref(): this {
    return this;
  }
}

async function closeAll(listeners: readonly Listener[]): Promise<void> {
  // A listener that has gone already, with the stack or its application, is as good as closed.
  await Promise.allSettled(listeners.map((listener) => listener.close()));
}
