import { isIP, isIPv4, isIPv6 } from "node:net";
import type { App } from "../../app/app.js";
import type { Listener } from "../../app/listener.js";
import type { Session } from "../../app/session.js";
import type { AttachPoint } from "../attach-point.js";
import { type ConnectArguments, normalizeConnect, streamUri, type Target } from "./arguments.js";
import { Server, type ServerHome, type ServerOptions } from "./server.js";
import { linkCallbacks } from "./session-link.js";
import { Socket, type SocketOptions } from "./socket.js";

/** What a server is made with: (options, onConnection) or (onConnection). */
export type ServerArguments =
  | readonly [options?: ServerOptions, onConnection?: (socket: Socket) => void]
  | readonly [onConnection: (socket: Socket) => void];

/** A stack's networking, shaped like node:net: programs written for that run on it. */
export interface Net {
  /** A server: (options, onConnection), (onConnection). */
  createServer(...args: ServerArguments): Server;
  /** Connects: (options), (port, host), (uri), each with a callback. */
  connect(...args: ConnectArguments): Socket;
  /** The same as {@link connect}: what `http.request` and agents call. */
  createConnection(...args: ConnectArguments): Socket;
  /** The class of this stack's sockets: `new net.Socket().connect(…)`. */
  readonly Socket: new (
    options?: SocketOptions,
  ) => Socket;
  /** The class of this stack's servers. */
  readonly Server: new (
    ...args: ServerArguments
  ) => Server;
  /** 4, 6, or 0 for what is no address. */
  isIP(text: string): number;
  isIPv4(text: string): boolean;
  isIPv6(text: string): boolean;
  /** Destroys every socket, closes every server and leaves the stack. */
  close(): Promise<void>;
}

/** The application behind one {@link Net}. It attaches at first use. */
class NetApp implements ServerHome {
  readonly #stack: AttachPoint;
  readonly #servers = new Map<Listener, Server>();
  readonly #sockets = new Set<Socket>();
  #app: Promise<App> | undefined = undefined;

  constructor(stack: AttachPoint) {
    this.#stack = stack;
  }

  app(): Promise<App> {
    const callbacks = linkCallbacks((session, listener) => this.#servers.get(listener)?.take(session) ?? false);
    const unlistened = (listener: Listener): void => void this.#servers.delete(listener);
    const detached = (): void => this.#detached();
    this.#app ??= this.#stack.attach({ name: "net" }, { ...callbacks, unlistened, detached });
    return this.#app;
  }

  /** The stack took the application away, maybe with its namespace: connections break, and what comes next attaches anew. */
  #detached(): void {
    this.#app = undefined;
    for (const server of new Set(this.#servers.values())) {
      server.close();
      server.destroyConnections(detachedError());
    }
    this.#servers.clear();
    for (const socket of this.#sockets) socket.destroy(detachedError());
  }

  own(listener: Listener, server: Server): void {
    this.#servers.set(listener, server);
  }

  /** Notes a socket, to be destroyed with the stack. */
  keep(socket: Socket): void {
    this.#sockets.add(socket);
    socket.once("close", () => this.#sockets.delete(socket));
  }

  async dial(address: string, target: Target): Promise<Session> {
    const { port, localAddress, localPort, tls } = target;
    const any = address.includes(":") ? "::" : "0.0.0.0";
    const isBound = localAddress !== undefined || localPort !== undefined;
    return (await this.app()).connect(streamUri(address, port, tls), {
      ...(isBound ? { from: streamUri(localAddress ?? any, localPort ?? 0, tls) } : {}),
      ...(tls === undefined ? {} : { tls }),
    });
  }

  async close(): Promise<void> {
    for (const server of new Set(this.#servers.values())) {
      server.close();
      server.destroyConnections();
    }
    for (const socket of this.#sockets) socket.destroy();
    const app = await this.#app?.catch(() => undefined);
    this.#app = undefined;
    // It rejects when the application has left already, which is what is wanted.
    await app?.detach().catch(() => undefined);
  }
}

function detachedError(): Error {
  return Object.assign(new Error("the application was detached"), { code: "ECONNABORTED" });
}

/** Makes the net of a stack. Nothing is attached before the first socket or server needs it. */
export function createNet(stack: AttachPoint): Net {
  const home = new NetApp(stack);
  class StackSocket extends Socket {
    constructor(options: SocketOptions = {}) {
      super(options, (address, target) => home.dial(address, target));
      home.keep(this);
    }
  }
  class StackServer extends Server {
    constructor(...[first, second]: ServerArguments) {
      if (typeof first === "function") super(home, {}, first);
      else super(home, first, second);
    }
  }
  const connect = (...args: ConnectArguments): Socket => {
    const { allowHalfOpen = false, signal } = normalizeConnect(args).options;
    return new StackSocket({ allowHalfOpen, ...(signal === undefined ? {} : { signal }) }).connect(...args);
  };
  return {
    createServer: (...args) => new StackServer(...args),
    connect,
    createConnection: connect,
    Socket: StackSocket,
    Server: StackServer,
    isIP,
    isIPv4,
    isIPv6,
    close: () => home.close(),
  };
}
