import type { App } from "../../app/app.js";
import type { AppCallbacks } from "../../app/callbacks.js";
import type { Listener } from "../../app/listener.js";
import type { Session } from "../../app/session.js";
import type { AttachPoint } from "../attach-point.js";
import { streamUri, type Target } from "./arguments.js";
import type { Server, ServerHome } from "./server.js";
import { linkCallbacks } from "./session-link.js";
import type { Socket } from "./socket.js";

/** The application of the stack behind servers and sockets. It attaches when one of them needs it first. */
export class NetApp implements ServerHome {
  readonly #stack: AttachPoint;
  readonly #name: string;
  readonly #servers = new Map<Listener, Server>();
  readonly #sockets = new Set<Socket>();
  #app: Promise<App> | undefined = undefined;

  constructor(stack: AttachPoint, name: string) {
    this.#stack = stack;
    this.#name = name;
  }

  app(): Promise<App> {
    this.#app ??= this.#stack.attach({ name: this.#name }, this.callbacks());
    return this.#app;
  }

  /** What the application hears. */
  protected callbacks(): AppCallbacks {
    return {
      ...linkCallbacks((session, listener) => this.#servers.get(listener)?.take(session) ?? false),
      unlistened: (listener) => void this.#servers.delete(listener),
      detached: () => this.#detached(),
    };
  }

  /** The server whose listener that is. */
  protected serverOf(listener: Listener): Server | undefined {
    return this.#servers.get(listener);
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

  /** Connects a session. */
  async dial(address: string, { port, localAddress, localPort, tls }: Target): Promise<Session> {
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
