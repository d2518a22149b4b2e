import type { CertificateRequest } from "../../session/certificate-request.js";
import type { SessionLayer } from "../../session/session-layer.js";
import { C_FLAGS, type ConnectionIndex } from "../transport.js";
import { TLS_ENGINE, TLS_OPENER, type TlsConnections, TLSF_ASKED } from "./connection.js";
import type { CryptoStore } from "./crypto-store.js";
import { STACK_OWNER } from "./crypto-things.js";
import type { TlsEngine } from "./engine.js";
import { callbacksAt } from "./listening-app.js";

/** Handshakes of servers that wait for a certificate, of which the listener's application is asked by the name that the client wants. */
export class CertificateAsks {
  readonly #proto: number;
  readonly #i32: Int32Array;
  readonly #sessions: SessionLayer;
  readonly #rows: TlsConnections;
  readonly #engine: TlsEngine;
  readonly #store: CryptoStore;
  /** Context of a listener: an answer's is like it, but with that certificate. */
  readonly #contextOf: (listener: ConnectionIndex) => number;
  readonly #asked = new Map<ConnectionIndex, CertificateRequest>();

  /** `proto`: of the transport. */
  constructor(
    proto: number,
    sessions: SessionLayer,
    rows: TlsConnections,
    engine: TlsEngine,
    store: CryptoStore,
    contextOf: (listener: ConnectionIndex) => number,
  ) {
    this.#proto = proto;
    this.#i32 = sessions.window.i32;
    this.#sessions = sessions;
    this.#rows = rows;
    this.#engine = engine;
    this.#store = store;
    this.#contextOf = contextOf;
  }

  /** Asks, once for each connection. */
  ask(c: ConnectionIndex): void {
    const i32 = this.#i32;
    const r = this.#rows.row(c);
    if ((i32[r + C_FLAGS] & TLSF_ASKED) !== 0) return;
    i32[r + C_FLAGS] |= TLSF_ASKED;
    const { serverName = "" } = this.#engine.info(i32[r + TLS_ENGINE]);
    const request: CertificateRequest = {
      listener: i32[r + TLS_OPENER],
      serverName,
      answer: (pair) => this.#answer(c, request, pair),
      cancelled: undefined,
    };
    this.#asked.set(c, request);
    // Not within a turn.
    void Promise.resolve().then(() => this.#tell(c, request));
  }

  #tell(c: ConnectionIndex, request: CertificateRequest): void {
    if (this.#asked.get(c) !== request) return;
    try {
      const callbacks = callbacksAt(this.#sessions, request.listener, "certificate");
      if (callbacks?.certificate === undefined) request.answer(undefined);
      else callbacks.certificate(request);
    } catch (error) {
      request.answer(undefined);
      this.#sessions.reportError(error, this.#sessions.table.handle(request.listener));
    }
    this.#sessions.delivered();
  }

  #answer(c: ConnectionIndex, request: CertificateRequest, pair: unknown): void {
    if (this.#asked.get(c) !== request) return;
    this.#asked.delete(c);
    const { listener } = request;
    const owner = this.#sessions.listeners.of(listener)?.app.index ?? STACK_OWNER;
    const like = this.#contextOf(this.#sessions.connectionOf(listener));
    // Whatever an application answers: what is no index is no certificate.
    const context = this.#store.acquireLike(like, typeof pair === "number" ? pair : -1, owner);
    this.#engine.answer(this.#i32[this.#rows.row(c) + TLS_ENGINE], context < 0 ? -1 : context);
    this.#store.release(context);
    this.#sessions.wantTransmit(this.#proto, c);
  }

  /** The connection goes: an answer that comes yet is for nobody. */
  forget(c: ConnectionIndex): void {
    const request = this.#asked.get(c);
    this.#asked.delete(c);
    request?.cancelled?.();
  }
}
