import type { App, Listener } from "../../app/attach.js";
import type { Session } from "../../app/session.js";
import type { AttachPoint } from "../attach-point.js";
import { type ConnectOptions, normalizeConnect, tcpUri } from "./arguments.js";
import { Server, type ServerHome, type ServerOptions } from "./server.js";
import { linkCallbacks } from "./session-link.js";
import { Socket, type SocketOptions } from "./socket.js";

/** A stack's networking, shaped like node:net: programs written for that run on it. */
export interface Net {
  /** A server: (options, onConnection), (onConnection). */
  createServer(
    ...args: readonly [ServerOptions, ((socket: Socket) => void)?] | readonly [((socket: Socket) => void)?]
  ): Server;
  /** Connects: (options), (port, host), (uri), each with a callback. */
  connect(...args: readonly unknown[]): Socket;
  /** The same as {@link connect}: what `http.request` and agents call. */
  createConnection(...args: readonly unknown[]): Socket;
  /** A socket that is not connected yet. */
  createSocket(options?: SocketOptions): Socket;
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
    this.#app ??= this.#stack.attach({ name: "net" }, { ...callbacks, unlistened });
    return this.#app;
  }

  own(listener: Listener, server: Server): void {
    this.#servers.set(listener, server);
  }

  socket(options: SocketOptions): Socket {
    const socket = new Socket(options, (address, port, to) => this.#dial(address, port, to));
    this.#sockets.add(socket);
    socket.once("close", () => this.#sockets.delete(socket));
    return socket;
  }

  async #dial(address: string, port: number, { localAddress, localPort }: ConnectOptions): Promise<Session> {
    const any = address.includes(":") ? "::" : "0.0.0.0";
    const from =
      localAddress === undefined && localPort === undefined
        ? {}
        : { from: tcpUri(localAddress ?? any, localPort ?? 0) };
    return (await this.app()).connect(tcpUri(address, port), from);
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

/** Makes the net of a stack. Nothing is attached before the first socket or server needs it. */
export function createNet(stack: AttachPoint): Net {
  const home = new NetApp(stack);
  const connect = (...args: readonly unknown[]): Socket => {
    const { options } = normalizeConnect(args);
    const { allowHalfOpen = false, signal } = options;
    const socket = home.socket({ allowHalfOpen, ...(signal === undefined ? {} : { signal }) });
    return socket.connect(...args);
  };
  return {
    createServer: (...args) => {
      const [first, second] = args;
      return typeof first === "function" ? new Server(home, {}, first) : new Server(home, first, second);
    },
    connect,
    createConnection: connect,
    createSocket: (options = {}) => home.socket(options),
    close: () => home.close(),
  };
}
