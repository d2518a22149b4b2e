import type { Application, ApplicationCallbacks, ApplicationOptions } from "./application.js";
import type { SessionConfig } from "./session-config.js";
import {
  SESSION_E_ALLOC,
  SESSION_E_APP_ATTACHED,
  SESSION_E_INVALID,
  SESSION_E_INVALID_NS,
  SESSION_E_SCOPE,
  SESSION_E_WRONG_NS_SECRET,
} from "./session-errors.js";
import { S_APP, S_APP_NEXT, S_APP_PREVIOUS, type SessionTable } from "./session-table.js";
import type { SessionIndex } from "../transport/transport.js";

/** Id of the one namespace there is. */
const DEFAULT_NAMESPACE = "default";

/** Largest fifo an application may ask for, bytes. */
const MAX_FIFO_BYTES = 64 << 20;

/** Compares in a time that does not tell how far two secrets agree. */
function secretsDiffer(a: string, b: string): boolean {
  let difference = a.length ^ b.length;
  for (let i = 0; i < a.length; i++) difference |= a.charCodeAt(i) ^ b.charCodeAt(i % (b.length || 1));
  return difference !== 0;
}

function isFifoSize(bytes: number): boolean {
  return Number.isInteger(bytes) && bytes >= 1 && bytes <= MAX_FIFO_BYTES;
}

/** The attached applications, and which sessions are whose. */
export class Applications {
  readonly #i32: Int32Array;
  readonly #table: SessionTable;
  readonly #config: SessionConfig;
  readonly #list: (Application | undefined)[] = [];

  constructor(i32: Int32Array, table: SessionTable, config: SessionConfig) {
    this.#i32 = i32;
    this.#table = table;
    this.#config = config;
  }

  /** Attaches an application; returns it, or a negative session error. */
  attach(options: ApplicationOptions, callbacks: ApplicationCallbacks): Application | number {
    const { name, namespace = DEFAULT_NAMESPACE, secret = "", scope = ["global"] } = options;
    const { rxFifoBytes = this.#config.rxFifoBytes, txFifoBytes = this.#config.txFifoBytes } = options;
    if (typeof name !== "string" || name === "" || name.length > 64) return SESSION_E_INVALID;
    if (!isFifoSize(rxFifoBytes) || !isFifoSize(txFifoBytes)) return SESSION_E_INVALID;
    if (namespace !== DEFAULT_NAMESPACE && namespace !== "") return SESSION_E_INVALID_NS;
    if (secretsDiffer(secret, this.#config.secret)) return SESSION_E_WRONG_NS_SECRET;
    if (!scope.includes("global")) return SESSION_E_SCOPE;
    if (this.#list.some((app) => app?.isAttached === true && app.name === name)) return SESSION_E_APP_ATTACHED;
    let index = this.#list.indexOf(undefined);
    if (index < 0) index = this.#list.length;
    if (index >= this.#config.maxApplications) return SESSION_E_ALLOC;
    const app: Application = {
      index,
      name,
      namespace: DEFAULT_NAMESPACE,
      callbacks,
      fib4: 0,
      fib6: 0,
      rxFifoBytes,
      txFifoBytes,
      isAttached: true,
      firstSession: 0,
      sessionCount: 0,
    };
    this.#list[index] = app;
    return app;
  }

  /** The application of that index, attached or with sessions left. */
  at(index: number): Application | undefined {
    return this.#list[index];
  }

  /** All of them, for listings. */
  all(): Application[] {
    return this.#list.filter((app) => app !== undefined);
  }

  /** Puts a session into its application's list. */
  adopt(app: Application, s: SessionIndex): void {
    const i32 = this.#i32;
    const r = this.#table.row(s);
    i32[r + S_APP] = app.index;
    i32[r + S_APP_NEXT] = app.firstSession;
    i32[r + S_APP_PREVIOUS] = 0;
    if (app.firstSession > 0) i32[this.#table.row(app.firstSession - 1) + S_APP_PREVIOUS] = s + 1;
    app.firstSession = s + 1;
    app.sessionCount++;
  }

  /** Takes a session out of its application's list; the last one of a detached application takes that with it. */
  disown(s: SessionIndex): void {
    const i32 = this.#i32;
    const r = this.#table.row(s);
    const app = this.#list[i32[r + S_APP]];
    if (app === undefined) return;
    const next = i32[r + S_APP_NEXT];
    const previous = i32[r + S_APP_PREVIOUS];
    if (next > 0) i32[this.#table.row(next - 1) + S_APP_PREVIOUS] = previous;
    if (previous > 0) i32[this.#table.row(previous - 1) + S_APP_NEXT] = next;
    else app.firstSession = next;
    i32[r + S_APP] = -1;
    app.sessionCount--;
    this.#forget(app);
  }

  /** Ends an application's attachment; its row stays until its last session is gone. */
  detach(app: Application): void {
    app.isAttached = false;
    this.#forget(app);
  }

  /** Sessions of an application, as a copy: they may be closed while it is walked. */
  sessionsOf(app: Application): SessionIndex[] {
    const sessions: SessionIndex[] = [];
    for (let next = app.firstSession; next > 0; next = this.#i32[this.#table.row(next - 1) + S_APP_NEXT]) {
      sessions.push(next - 1);
    }
    return sessions;
  }

  #forget(app: Application): void {
    if (!app.isAttached && app.sessionCount === 0 && this.#list[app.index] === app) this.#list[app.index] = undefined;
  }
}
