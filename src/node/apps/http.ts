import { createHash } from "node:crypto";
import { parseUri } from "../../session/uri.js";
import type { TlsOptions } from "../../transport/tls/crypto-config.js";
import { type AppHandle, type AppStack, formatUri } from "./app-host.js";
import { homePage } from "./http-page.js";
import { openRoot, type StaticFiles } from "./http-files.js";
import { createHttpFront, HTTP_ALPN, type HttpRequest, type HttpResponse } from "./http-versions.js";
import type { Socket } from "../net/socket.js";
import { PATTERN_PERIOD_BYTES, patternBytes } from "./pattern.js";

/** Largest N of `GET /bytes/N`: a terabyte. */
const MAX_BODY_BYTES = 2 ** 40;
/** A piece of a body: a multiple of the pattern's period, so that every piece starts with byte 0 of it. */
const PIECE_BYTES = PATTERN_PERIOD_BYTES * 1024;
/** Connections at a time; more are dropped. */
const MAX_CONNECTIONS = 4096;

/**
 * A web server: Node's own http on the stack's sockets, on `tls://` URIs also http2, by ALPN. `GET /` tells who served it, `GET /bytes/N` sends N bytes of a
 * known pattern (byte i is i % 251), `POST /sha256` answers with the digest of what it got, and `root` is a directory
 * of files to serve. Rejects when a URI cannot be listened on or the root is no directory.
 */
export async function startHttp(
  stack: AppStack,
  listen: readonly string[],
  root?: string,
  tls: TlsOptions = {},
): Promise<AppHandle> {
  const files = root === undefined ? undefined : await openRoot(root);
  const pattern = patternBytes(PIECE_BYTES);
  const http = createHttpFront((request, response, socket) => {
    respond({ request, response, socket }, pattern, files).catch(() => response.destroy());
  });
  const servers: ReturnType<AppStack["net"]["createServer"]>[] = [];
  const close = async (): Promise<void> => {
    const running = servers.splice(0);
    for (const server of running) {
      server.close();
      server.destroyConnections();
    }
    http.close();
  };
  const uris: string[] = [];
  try {
    for (const uri of listen) {
      const server = stack.net.createServer({ allowHalfOpen: true, tls: { alpn: HTTP_ALPN, ...tls } }, http.take);
      server.maxConnections = MAX_CONNECTIONS;
      servers.push(server);
      await new Promise<void>((resolve, reject) => {
        server.once("error", reject);
        server.listen(uri, () => {
          server.removeListener("error", reject);
          resolve();
        });
      });
      const address = server.address();
      uris.push(address === null ? uri : formatUri(parseUri(uri).protocol, address.address, address.port));
    }
  } catch (error) {
    await close();
    throw error;
  }
  return { kind: "http", uris, close };
}

/** A request, and what it is answered with. */
interface Exchange {
  readonly request: HttpRequest;
  readonly response: HttpResponse;
  readonly socket: Socket;
}

async function respond(
  { request, response, socket }: Exchange,
  pattern: Buffer,
  files: StaticFiles | undefined,
): Promise<void> {
  const { method = "", url = "/" } = request;
  const query = url.indexOf("?");
  const path = query < 0 ? url : url.slice(0, query);
  if (path === "/sha256") {
    if (method === "POST" || method === "PUT") return digest(request, response);
    return refuse(response, 405, { allow: "POST, PUT" });
  }
  if (method !== "GET" && method !== "HEAD") return refuse(response, 405, { allow: "GET, HEAD" });
  const body = /^\/bytes\/(\d{1,13})$/.exec(path);
  if (body !== null) return sendPattern(request, response, pattern, Number(body[1]));
  if (files !== undefined && (await files.serve(request, response, path))) return;
  if (path !== "/") return refuse(response, 404);
  const page = homePage(socket.remoteAddress, socket.localAddress);
  response.writeHead(200, { "content-type": "text/html; charset=utf-8", "content-length": Buffer.byteLength(page) });
  if (method === "HEAD") response.end();
  else response.end(page);
}

/** Answers with a status and its name. */
export function refuse(response: HttpResponse, status: number, headers: Readonly<Record<string, string>> = {}): void {
  response.writeHead(status, { "content-type": "text/plain; charset=utf-8", ...headers });
  response.end(`${status}\n`);
}

/** Writes the pattern piece by piece, each when there is room for it, all from one buffer. */
function sendPattern(request: HttpRequest, response: HttpResponse, pattern: Buffer, bytes: number): void {
  if (bytes > MAX_BODY_BYTES) return refuse(response, 416);
  response.writeHead(200, { "content-type": "application/octet-stream", "content-length": bytes });
  if (request.method === "HEAD") {
    response.end();
    return;
  }
  let left = bytes;
  const go = (): void => {
    while (left > 0 && !response.destroyed) {
      const piece = left < pattern.length ? pattern.subarray(0, left) : pattern;
      left -= piece.length;
      if (!response.write(piece)) {
        if (left > 0) response.once("drain", go);
        break;
      }
    }
    if (left === 0) response.end();
  };
  go();
}

async function digest(request: HttpRequest, response: HttpResponse): Promise<void> {
  const hash = createHash("sha256");
  for await (const chunk of request) hash.update(chunk as Uint8Array);
  const answer = `${hash.digest("hex")}\n`;
  response.writeHead(200, { "content-type": "text/plain; charset=utf-8", "content-length": answer.length });
  response.end(answer);
}
