import type { SessionLayer } from "../../session/session-layer.js";
import { S_WORKER } from "../../session/session-table.js";
import { C_FLAGS, type ConnectionIndex, TRANSPORT_TLS } from "../transport.js";
import { TLS_ENGINE, TLS_OPENER, type TlsConnections, TLSF_ASKED } from "./connection.js";
import type { CryptoStore } from "./crypto-store.js";
import { type CryptoOwner, STACK_OWNER } from "./crypto-things.js";
import type { TlsEngine } from "./engine.js";

/** Handshakes of servers that wait for a certificate, which is asked for by the name that the client wants. */
export class CertificateAsks {
  readonly #i32: Int32Array;
  readonly #sessions: SessionLayer;
  readonly #rows: TlsConnections;
  readonly #engine: TlsEngine;
  readonly #store: CryptoStore;
  /** Context of a listener: an answer's is like it, but with that certificate. */
  readonly #contextOf: (listener: ConnectionIndex) => number;
  readonly #asked = new Map<ConnectionIndex, object>();

  constructor(
    sessions: SessionLayer,
    rows: TlsConnections,
    engine: TlsEngine,
    store: CryptoStore,
    contextOf: (listener: ConnectionIndex) => number,
  ) {
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
    const question = {};
    this.#asked.set(c, question);
    const { serverName = "" } = this.#engine.info(i32[r + TLS_ENGINE]);
    const { onServerName } = this.#store;
    // Not within a turn, and what it throws is a refusal.
    void Promise.resolve(serverName)
      .then((name) => onServerName?.(name) ?? -1)
      .then(
        (pair) => this.#answer(c, question, pair),
        () => this.#answer(c, question, -1),
      );
  }

  #answer(c: ConnectionIndex, question: object, pair: number): void {
    if (this.#asked.get(c) !== question) return;
    this.#asked.delete(c);
    const session = this.#i32[this.#rows.row(c) + TLS_OPENER];
    const listener = this.#sessions.connectionOf(session);
    // Whatever an application answers: what is no index is no certificate.
    const wanted = Number.isInteger(pair) ? pair : -1;
    const context = this.#store.acquireLike(this.#contextOf(listener), wanted, this.#ownerOf(session));
    this.#engine.answer(this.#i32[this.#rows.row(c) + TLS_ENGINE], context < 0 ? -1 : context);
    this.#store.release(context);
    this.#sessions.wantTransmit(TRANSPORT_TLS, c);
  }

  #ownerOf(session: number): CryptoOwner {
    const { applications, table } = this.#sessions;
    return applications.workerAt(this.#i32[table.row(session) + S_WORKER])?.app.index ?? STACK_OWNER;
  }

  /** The connection goes: an answer that comes yet is for nobody. */
  forget(c: ConnectionIndex): void {
    this.#asked.delete(c);
  }
}
