import { channel, type Channel } from "node:diagnostics_channel";
import type { EventEmitter } from "node:events";
import type { Duplex } from "node:stream";
import type { ListenOptions } from "./arguments.js";

// What Node publishes of node:net on node:diagnostics_channel, of the stack's sockets. The names have a prefix: who
// subscribes to Node's own counts sockets of the kernel, and may rely on instances of its classes.

/** A socket is about to connect. */
const CLIENT_SOCKET = channel("weft:net.client.socket");
/** A server has accepted a socket, and told who listens. */
const SERVER_SOCKET = channel("weft:net.server.socket");
// A tracing channel's names, without tracingChannel, which is experimental in Node 20.
const LISTEN_START = channel("tracing:weft:net.server.listen:asyncStart");
const LISTEN_END = channel("tracing:weft:net.server.listen:asyncEnd");
const LISTEN_ERROR = channel("tracing:weft:net.server.listen:error");

/** Makes the message only if somebody is there. */
function publish(to: Channel, message: () => object): void {
  if (to.hasSubscribers) to.publish(message());
}

/** Publishes a socket that is about to connect. */
export function publishClient(socket: Duplex): void {
  publish(CLIENT_SOCKET, () => ({ socket }));
}

/** Publishes a socket that a server has accepted. */
export function publishAccepted(socket: Duplex): void {
  publish(SERVER_SOCKET, () => ({ socket }));
}

/** Publishes that a server begins to listen. */
export function publishListenStart(server: EventEmitter, options: ListenOptions): void {
  publish(LISTEN_START, () => ({ server, options }));
}

/** Publishes that a server listens. */
export function publishListenEnd(server: EventEmitter): void {
  publish(LISTEN_END, () => ({ server }));
}

/** Publishes that a server cannot listen. */
export function publishListenError(server: EventEmitter, error: Error): void {
  publish(LISTEN_ERROR, () => ({ server, error }));
}
