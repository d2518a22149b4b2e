import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Host } from "../../../nodes/host.js";
import { removeStale } from "../stale-socket.js";
import type { MetricsListen } from "./metrics-listen.js";
import { makeMetrics, type MetricsText } from "./registry.js";

/** Connections at a time: a few scrapers. */
const MAX_CONNECTIONS = 16;
/** A request has so long to come. */
const REQUEST_TIMEOUT_MS = 5000;
/** Permissions of the socket file: its owner only. */
const SOCKET_MODE = 0o600;

/**
 * Serves the metrics of a stack over HTTP. On the kernel's sockets, not on the stack's own: what watches a stack must
 * answer when the stack's interfaces do not, and must not be among what it counts.
 */
export class MetricsServer {
  readonly #server: Server;
  readonly #metrics: MetricsText;
  readonly #listen: MetricsListen;

  private constructor(metrics: MetricsText, listen: MetricsListen) {
    this.#metrics = metrics;
    this.#listen = listen;
    this.#server = createServer((request, response) => void this.#answer(request, response));
    this.#server.maxConnections = MAX_CONNECTIONS;
    this.#server.requestTimeout = this.#server.headersTimeout = REQUEST_TIMEOUT_MS;
  }

  /** Listens; a socket that nobody listens on any more is replaced. Rejects when the place is taken, or none. */
  static async open(host: Host, listen: MetricsListen): Promise<MetricsServer> {
    const opened = new MetricsServer(await makeMetrics(host), listen);
    if ("path" in listen) await removeStale(listen.path);
    await opened.#start();
    return opened;
  }

  #start(): Promise<void> {
    const server = this.#server;
    return new Promise((resolve, reject) => {
      server.once("error", reject);
      // The owner's alone from the start.
      const mask = process.umask(0o777 & ~SOCKET_MODE);
      server.listen(this.#listen, () => {
        server.off("error", reject);
        server.on("error", () => undefined);
        // The stack keeps the process alive, not who watches it.
        server.unref();
        resolve();
      });
      process.umask(mask);
    });
  }

  /** Where it listens: with port 0, the port that was free. */
  get address(): string {
    const address = this.#server.address();
    if (address === null || typeof address === "string") return address ?? "";
    return `${address.family === "IPv6" ? `[${address.address}]` : address.address}:${address.port}`;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const refuse = (status: number, text: string): void => {
      response.writeHead(status, { "content-type": "text/plain; charset=utf-8" }).end(`${text}\n`);
    };
    const [path] = (request.url ?? "").split("?");
    if (request.method !== "GET" && request.method !== "HEAD") return refuse(405, "only GET");
    if (path !== "/metrics") return refuse(404, "nothing here but /metrics");
    try {
      const text = await this.#metrics.read();
      response.writeHead(200, { "content-type": this.#metrics.contentType }).end(text);
    } catch {
      refuse(500, "cannot be read");
    }
  }

  /** Ends its connections, and listens no more. */
  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => {
        resolve();
      });
      this.#server.closeAllConnections();
    });
  }
}
