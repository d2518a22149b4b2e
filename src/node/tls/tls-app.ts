import { checkServerIdentity, type PeerCertificate } from "node:tls";
import type { App } from "../../app/app.js";
import type { AppCallbacks } from "../../app/callbacks.js";
import type { Session } from "../../app/session.js";
import type { TlsInfo } from "../../transport/tls/engine.js";
import type { Target } from "../net/arguments.js";
import { NetApp } from "../net/net-app.js";
import { linkOf } from "../net/session-link.js";
import { Credentials, type Lease } from "./credentials.js";
import type { SecureContext } from "./secure-context.js";
import { codedError, tlsError } from "./tls-error.js";
import { TlsServer } from "./tls-server.js";
import { peerCertificate, type TLSSocket } from "./tls-socket.js";

/** How a client secures its connection. */
export interface ClientSecurity {
  readonly context: SecureContext;
  /** Said to the server; "": nothing. */
  readonly servername: string;
  /** What its certificate has to be for. */
  readonly identity: string;
  readonly alpn: readonly string[];
  /** Without: a certificate that is wrong is only told of. */
  readonly rejectUnauthorized: boolean;
  readonly checkServerIdentity?: ((name: string, certificate: PeerCertificate) => Error | undefined) | undefined;
}

/** The application behind one {@link import("./index.js").Tls}. */
export class TlsApp extends NetApp {
  /** They go with the application that they were made for. */
  readonly #credentials = new WeakMap<App, Credentials>();

  /** What a secure context is made of, by index. */
  async lease(context: SecureContext): Promise<Lease> {
    const app = await this.app();
    let credentials = this.#credentials.get(app);
    if (credentials === undefined) {
      credentials = new Credentials(app);
      this.#credentials.set(app, credentials);
    }
    return credentials.lease(context);
  }

  protected override callbacks(): AppCallbacks {
    return {
      ...super.callbacks(),
      certificate: (name, listener) => {
        const server = this.serverOf(listener);
        return server instanceof TlsServer ? server.certificateFor(name) : -1;
      },
      handshakeFailed: (listener, error, remote) => {
        const server = this.serverOf(listener);
        if (server instanceof TlsServer) server.handshakeFailed(error, remote);
      },
    };
  }

  /** Connects, and decides about the server's certificate before anything is said. */
  async dialSecure(address: string, target: Target, socket: TLSSocket, security: ClientSecurity): Promise<Session> {
    const { servername, alpn, rejectUnauthorized } = security;
    const lease = await this.lease(security.context);
    let session: Session;
    try {
      const hostname = servername === "" ? {} : { hostname: servername };
      const tls = { ...lease.options, ...hostname, alpn, verify: "report" as const };
      session = await this.dial(address, { ...target, tls });
    } catch (error) {
      throw error instanceof Error ? tlsError(error) : error;
    } finally {
      lease.release();
    }
    const info = session.tlsInfo();
    // It may have been short.
    if (info === undefined) throw ended(session);
    const problem = problemOf(info, security);
    if (problem !== undefined && rejectUnauthorized) {
      session.reset();
      throw problem;
    }
    socket.secured(info, problem && codeOf(problem));
    return session;
  }
}

/** How a session ended that nobody had yet. */
function ended(session: Session): Error {
  const { error } = linkOf(session);
  return error === undefined ? codedError("ECONNRESET", "the connection has ended") : tlsError(error);
}

/** What is wrong with a server's certificate. */
function problemOf(info: TlsInfo, { identity, checkServerIdentity: check }: ClientSecurity): Error | undefined {
  const { verifyError, verifyReason = "" } = info;
  if (verifyError !== undefined) return codedError(verifyError, verifyReason);
  return (check ?? checkServerIdentity)(identity, peerCertificate(info, true));
}

function codeOf(error: Error): string {
  return "code" in error && typeof error.code === "string" ? error.code : error.message;
}
