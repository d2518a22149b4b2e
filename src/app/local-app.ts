import type { ApplicationOptions } from "../session/application.js";
import { SESSION_E_INVALID, SESSION_E_NOAPP, SessionError } from "../session/session-errors.js";
import type { SessionLayer } from "../session/session-layer.js";
import type { CryptoStore, TlsProfile } from "../transport/tls/crypto-store.js";
import type { TlsPairText } from "../transport/tls/engine.js";
import type { App } from "./app.js";
import type { ConnectOptions, ListenOptions } from "./app-worker.js";
import type { AppCallbacks } from "./callbacks.js";
import { cryptoStoreOf } from "./crypto-store-of.js";
import { LocalAppWorker } from "./local-app-worker.js";
import type { LocalListener } from "./local-listener.js";
import type { LocalSession } from "./local-session.js";
import type { SessionObjects } from "./session-objects.js";

/** Callbacks are wrapped before the session layer sees them, so they are looked at here. */
function checkCallbacks(callbacks: unknown, what: string): void {
  if (typeof callbacks === "object" && callbacks !== null) return;
  throw new SessionError(SESSION_E_INVALID, what, "no callbacks");
}

/** An attached application of the stack's process. */
export class LocalApp implements App {
  readonly name: string;
  readonly #objects: SessionObjects;
  readonly #index: number;
  #workers: LocalAppWorker[] = [];

  /** Throws SessionError. */
  constructor(objects: SessionObjects, options: ApplicationOptions, callbacks: AppCallbacks) {
    const what = `attach ${JSON.stringify(options?.name)}`;
    checkCallbacks(callbacks, what);
    this.#objects = objects;
    this.name = options?.name ?? "";
    const worker = new LocalAppWorker(this.#objects, callbacks, () => this.workers);
    this.#index = this.#sessions.attach(options, worker.coreCallbacks());
    if (this.#index < 0) throw new SessionError(this.#index, what);
    worker.bind(this.#index, 0);
    this.#workers.push(worker);
  }

  get #sessions(): SessionLayer {
    return this.#objects.context.sessions;
  }

  get index(): number {
    return this.#index;
  }

  get workers(): LocalAppWorker[] {
    return this.#workers.filter(({ isAttached }) => isAttached);
  }

  get listeners(): LocalListener[] {
    return this.workers.flatMap(({ listeners }) => listeners);
  }

  async addWorker(callbacks: AppCallbacks): Promise<LocalAppWorker> {
    this.#default(`add worker to ${this.name}`);
    checkCallbacks(callbacks, `add worker to ${this.name}`);
    const worker = new LocalAppWorker(this.#objects, callbacks, () => this.workers);
    const number = this.#sessions.addWorker(this.#index, worker.coreCallbacks());
    if (number < 0) throw new SessionError(number, `add worker to ${this.name}`);
    worker.bind(this.#index, number);
    this.#workers = [...this.workers, worker];
    return worker;
  }

  async listen(uri: string, options: ListenOptions = {}): Promise<LocalListener> {
    return this.#default(`listen ${uri}`).listen(uri, options);
  }

  async connect(uri: string, options: ConnectOptions = {}): Promise<LocalSession> {
    return this.#default(`connect ${uri}`).connect(uri, options);
  }

  async addCertificate(pair: TlsPairText): Promise<number> {
    return this.#store("add certificate").addPair(pair, this.#index);
  }

  async setOcsp(certificate: number, response: Uint8Array): Promise<void> {
    this.#store("set ocsp").setOcsp(certificate, response, this.#index);
  }

  async delCertificate(index: number): Promise<void> {
    this.#store("delete certificate").delPair(index, this.#index);
  }

  async addTrust(certificates: Uint8Array, crl?: Uint8Array): Promise<number> {
    return this.#store("add trust").addTrust(certificates, crl, this.#index);
  }

  async updateCrl(trust: number, crl: Uint8Array): Promise<void> {
    this.#store("update crl").updateCrl(trust, crl, this.#index);
  }

  async delTrust(index: number): Promise<void> {
    this.#store("delete trust").delTrust(index, this.#index);
  }

  async addTlsProfile(profile: TlsProfile): Promise<number> {
    return this.#store("add tls profile").addProfile(profile, this.#index);
  }

  async delTlsProfile(index: number): Promise<void> {
    this.#store("delete tls profile").delProfile(index, this.#index);
  }

  /** The store, of an application that is attached: once it is not, its index may be another's. */
  #store(what: string): CryptoStore {
    this.#default(what);
    return cryptoStoreOf(this.#sessions, what);
  }

  async detach(): Promise<void> {
    this.#default(`detach ${this.name}`);
    this.#sessions.detach(this.#index);
  }

  #default(what: string): LocalAppWorker {
    const [worker] = this.workers;
    if (worker === undefined) throw new SessionError(SESSION_E_NOAPP, what);
    return worker;
  }
}
