import { createServer as createServer1, type IncomingMessage, type ServerResponse } from "node:http";
import {
  createServer as createServer2,
  type Http2ServerRequest,
  type Http2ServerResponse,
  type ServerHttp2Session,
} from "node:http2";
import type { Socket } from "../net/socket.js";

/** A request of either version. */
export type HttpRequest = IncomingMessage | Http2ServerRequest;

/** What both versions' answers have, as they are used here. */
export interface HttpResponse extends NodeJS.WritableStream {
  readonly destroyed: boolean;
  writeHead(status: number, headers: Readonly<Record<string, string | number>>): unknown;
  destroy(): unknown;
}

/** Answers one request that came on a connection. */
export type HttpHandler = (request: HttpRequest, response: HttpResponse, socket: Socket) => void;

/** Gives connections to the server that speaks their version. */
export interface HttpFront {
  readonly take: (socket: Socket) => void;
  /** No more requests on idle connections. */
  close(): void;
}

/** Names for ALPN, best first. */
export const HTTP_ALPN = ["h2", "http/1.1"] as const;

/** Streams of one connection at a time (RFC 9113 6.5.2 recommends 100 at least). */
const MAX_STREAMS = 128;
/** Headers of one request, as they are counted in SETTINGS_MAX_HEADER_LIST_SIZE: as many as node:http takes. */
const MAX_HEADER_BYTES = 16_384;
/** Headers of one request. */
const MAX_HEADERS = 128;
/** What one connection may hold in memory, MB: its streams' windows and headers. */
const SESSION_MEMORY_MB = 10;
/** Time without a frame after which a connection of HTTP/2 is ended. */
const IDLE_MS = 120_000;

/** Makes both servers. HTTP/2 is for connections that agreed on it by ALPN; on all others it is HTTP/1.1. */
export function createHttpFront(handler: HttpHandler): HttpFront {
  const http1 = createServer1((request: IncomingMessage, response: ServerResponse) => {
    const socket: unknown = request.socket;
    handler(request, response, socket as Socket);
  });
  // Without an address of its own: the stack's servers give it their connections.
  http1.emit("listening");
  /** A session hides its socket. */
  const sockets = new WeakMap<ServerHttp2Session, Socket>();
  const http2 = createServer2({
    maxSessionMemory: SESSION_MEMORY_MB,
    maxHeaderListPairs: MAX_HEADERS,
    settings: { maxConcurrentStreams: MAX_STREAMS, maxHeaderListSize: MAX_HEADER_BYTES, enablePush: false },
  });
  http2.on("request", (request: Http2ServerRequest, response: Http2ServerResponse) => {
    const { session } = request.stream;
    const socket = session === undefined ? undefined : sockets.get(session as ServerHttp2Session);
    if (socket === undefined) request.destroy();
    else handler(request, response, socket);
  });
  let arriving: Socket | undefined;
  http2.on("session", (session) => {
    if (arriving !== undefined) sockets.set(session, arriving);
  });
  http2.setTimeout(IDLE_MS);
  // What a peer breaks is its own connection, which is destroyed.
  http2.on("sessionError", () => {});
  return {
    take(socket) {
      if (socket.tlsInfo()?.alpn !== "h2") {
        http1.emit("connection", socket);
        return;
      }
      arriving = socket;
      http2.emit("connection", socket);
    },
    close() {
      http1.close();
      http2.close();
    },
  };
}
