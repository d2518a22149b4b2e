import type { ApplicationCallbacks } from "../../session/application.js";
import type { AppNamespace } from "../../session/app-namespace.js";
import { SESSION_E_NOAPP } from "../../session/session-errors.js";
import type { SessionLayer } from "../../session/session-layer.js";
import { S_RX_FIFO, S_WORKER } from "../../session/session-table.js";
import type { ConnectionIndex, SessionIndex } from "../transport.js";

/**
 * TLS as an application of TCP, DTLS as one of UDP (as in VPP): one per namespace, attached when it is wanted first. And whose
 * connection a session of the transport below is.
 */
export class TlsLower {
  readonly #name: string;
  readonly #sessions: SessionLayer;
  readonly #callbacks: ApplicationCallbacks;
  readonly #fifoBytes: number;
  /** By namespace, index of the application. */
  readonly #apps = new Map<AppNamespace, number>();
  /** By session: its connection + 1. */
  readonly #owners: number;
  readonly #i32: Int32Array;

  /** Reserves a word per session. Throws RangeError when the window is full. `name`: what the applications' begin with. */
  constructor(name: string, sessions: SessionLayer, callbacks: ApplicationCallbacks, fifoBytes: number) {
    this.#name = name;
    this.#sessions = sessions;
    this.#callbacks = callbacks;
    this.#fifoBytes = fifoBytes;
    this.#i32 = sessions.window.i32;
    const bytes = sessions.table.capacity * 4;
    this.#owners = sessions.window.reserve(`${name} sessions below`, bytes, 64, true) >> 2;
  }

  /** The application of TLS in the namespace of a session of the application above. Its index, or a negative session error. */
  appFor(session: SessionIndex): number {
    const { applications, table } = this.#sessions;
    const namespace = applications.workerAt(this.#i32[table.row(session) + S_WORKER])?.app.namespace;
    if (namespace === undefined) return SESSION_E_NOAPP;
    const known = this.#apps.get(namespace);
    if (known !== undefined) return known;
    let name = `${this.#name}-${namespace.index}`;
    // Nobody keeps TLS away by taking its name.
    for (let n = 1; applications.byName(name) !== undefined; n++) name = `${this.#name}-${namespace.index}.${n}`;
    const options = { name, namespace: namespace.id, secret: namespace.secret };
    const fifos = { rxFifoBytes: this.#fifoBytes, txFifoBytes: this.#fifoBytes };
    const app = this.#sessions.attach({ ...options, ...fifos, evtCollector: false }, this.#callbacks);
    if (app >= 0) this.#apps.set(namespace, app);
    return app;
  }

  /** Whether an application is one of these. */
  owns(app: number): boolean {
    return [...this.#apps.values()].includes(app);
  }

  /** Those that were detached, maybe with their namespace, are none any more. */
  forgetDetached(): void {
    for (const [namespace, app] of this.#apps) {
      if (this.#sessions.applications.attached(app)?.namespace !== namespace) this.#apps.delete(namespace);
    }
  }

  /** The application that a session belongs to, one of TLS or above it; -1: none. */
  appOf(session: SessionIndex): number {
    const { applications, table } = this.#sessions;
    return applications.workerAt(this.#i32[table.row(session) + S_WORKER])?.app.index ?? -1;
  }

  /** A session of TCP is a connection's. */
  bind(lower: SessionIndex, c: ConnectionIndex): void {
    this.#i32[this.#owners + lower] = c + 1;
  }

  /** It is nobody's any more: what happens to it does not matter. */
  unbind(lower: SessionIndex): void {
    this.#i32[this.#owners + lower] = 0;
  }

  /** The connection of a session of TCP, -1: nobody's. */
  owner(lower: SessionIndex): ConnectionIndex {
    return this.#i32[this.#owners + lower] - 1;
  }

  /** Closes a session of TCP after what is queued in it. What came in and is unread does not make that a reset. */
  close(lower: SessionIndex): void {
    const { table, fifos } = this.#sessions;
    if (!table.isUsed(lower)) return;
    const rx = this.#i32[table.row(lower) + S_RX_FIFO];
    if (rx !== 0) fifos.drop(rx, fifos.maxDequeue(rx));
    this.#sessions.close(lower);
  }
}
