import { SESSION_E_INVALID, SESSION_E_NOCRYPTOCKP, SessionError } from "../../session/session-errors.js";
import type { TlsContextSettings, TlsEngine, TlsPairText } from "./engine.js";

/** What versions, suites and groups connections speak. */
export type TlsProfile = Pick<TlsContextSettings, "minVersion" | "maxVersion" | "ciphers" | "suites" | "groups">;

/** Which of the store's things a context is made of. */
export interface ContextRequest {
  readonly server: boolean;
  /** Index of the own certificate, -1: none. */
  readonly pair: number;
  readonly trust: number;
  readonly profile: number;
  readonly verify: number;
  readonly alpn: Uint8Array;
  readonly asks?: boolean;
}

interface Context {
  readonly key: string;
  readonly request: ContextRequest;
  users: number;
  /** A thing that it is made of was taken away: it goes with its last user. */
  isStale: boolean;
}

/** Contexts that are kept without a user. */
const MAX_IDLE_CONTEXTS = 64;
/** Pairs, and stores, and profiles, at most. */
const MAX_THINGS = 4096;

/** A certificate in PEM, and the engine's number of it with its key. */
interface Pair {
  readonly number: number;
  readonly certificate: Uint8Array;
}

/** Things by index; index 0 is there from the start. */
class Things<T> {
  readonly #list: (T | undefined)[] = [undefined];
  readonly #name: string;

  constructor(name: string) {
    this.#name = name;
  }

  /** Makes a thing if there is room for it. */
  add(make: () => T): number {
    let index = this.#list.indexOf(undefined, 1);
    if (index < 0) index = this.#list.length;
    if (index > MAX_THINGS) throw new SessionError(SESSION_E_INVALID, this.#name, `more than ${MAX_THINGS}`);
    this.#list[index] = make();
    return index;
  }

  get(index: number): T | undefined {
    return index > 0 ? this.#list[index] : undefined;
  }

  remove(index: number): T {
    const thing = this.get(index);
    if (thing === undefined) throw new SessionError(SESSION_E_NOCRYPTOCKP, `${this.#name} ${index}`, "there is none");
    this.#list[index] = undefined;
    return thing;
  }

  /** Those there are, by index. */
  entries(): [index: number, thing: T][] {
    return this.#list.flatMap((thing, index) => (thing === undefined ? [] : [[index, thing] as [number, T]]));
  }
}

/**
 * Certificates, trusted certificates and profiles of a stack (VPP's app_crypto), by index. What is taken away while it is in
 * use lives on in listeners and connections that have it. What a text is refused for is a SessionError INVALID with the
 * reason; an index that names nothing is NOCRYPTOCKP.
 */
export class CryptoStore {
  readonly engine: TlsEngine;
  /**
   * Names the certificate of a handshake by the name that the client wants ("": none), for listeners that ask. Without it, or
   * when it rejects, the handshake fails.
   */
  onServerName: ((serverName: string) => Promise<number>) | undefined;
  readonly #pairs = new Things<Pair>("certificate");
  readonly #trust = new Things<number>("trust");
  readonly #profiles = new Things<TlsProfile>("profile");
  readonly #contexts = new Map<number, Context>();
  readonly #byKey = new Map<string, number>();
  #testPair: TlsPairText | undefined;
  #testNumber = -1;

  constructor(engine: TlsEngine) {
    this.engine = engine;
  }

  #must(result: number | string, what: string): number {
    if (typeof result === "number") return result;
    throw new SessionError(SESSION_E_INVALID, what, result);
  }

  /** Index of a certificate (PEM, its chain after it) with its key. */
  addPair({ certificate, key }: TlsPairText): number {
    return this.#pairs.add(() => {
      const number = this.#must(this.engine.addPair(certificate, key), "certificate");
      return { number, certificate: certificate.slice() };
    });
  }

  /** Takes a certificate away; 0, the test certificate, stays. */
  delPair(index: number): void {
    this.engine.removePair(this.#pairs.remove(index).number);
    this.#forget(({ pair }) => pair === index);
  }

  /** Index of a list of trusted certificates (PEM). With `crl`, lists of revoked ones: there has to be that of the peer's issuer. */
  addTrust(certificates: Uint8Array, crl: Uint8Array = new Uint8Array(0)): number {
    return this.#trust.add(() => this.#must(this.engine.addStore(certificates, crl), "trust"));
  }

  /** Takes it away; 0, Node's root certificates, stays. */
  delTrust(index: number): void {
    this.engine.removeStore(this.#trust.remove(index));
    this.#forget(({ trust }) => trust === index);
  }

  /** Index of a profile. */
  addProfile(profile: TlsProfile): number {
    const context = this.#must(this.engine.addContext({ server: true, ...profile }), "profile");
    this.engine.removeContext(context);
    return this.#profiles.add(() => ({ ...profile }));
  }

  /** Takes it away; 0, the defaults, stays. */
  delProfile(index: number): void {
    this.#profiles.remove(index);
    this.#forget(({ profile }) => profile === index);
  }

  /** The certificates there are (PEM), by index; 0 once it was wanted. */
  certificates(): readonly (readonly [index: number, certificate: Uint8Array])[] {
    const test = this.#testPair === undefined ? [] : [[0, this.#testPair.certificate] as const];
    return [...test, ...this.#pairs.entries().map(([index, { certificate }]) => [index, certificate] as const)];
  }

  /** The profiles there are, by index; 0, the defaults, is empty. */
  profiles(): readonly (readonly [index: number, profile: TlsProfile])[] {
    return [[0, {}], ...this.#profiles.entries()];
  }

  /** Certificate 0: a fresh one for `localhost`, made when it is wanted first. */
  get testPair(): TlsPairText {
    return (this.#testPair ??= this.engine.makePair("localhost"));
  }

  /** The engine's number of a certificate, undefined when there is none. */
  #pairNumber(index: number): number | undefined {
    if (index !== 0) return index < 0 ? -1 : this.#pairs.get(index)?.number;
    if (this.#testNumber < 0) {
      const { certificate, key } = this.testPair;
      this.#testNumber = this.#must(this.engine.addPair(certificate, key), "certificate 0");
    }
    return this.#testNumber;
  }

  /** The engine's number of a context made of such things, to be released; NOCRYPTOCKP when there is no such thing, INVALID. */
  acquire(request: ContextRequest): number {
    const { server, pair, trust, profile, verify, alpn, asks = false } = request;
    const key = `${server} ${pair} ${trust} ${profile} ${verify} ${asks} ${alpn.join()}`;
    const known = this.#byKey.get(key);
    if (known !== undefined) {
      this.#hold(known, 1);
      return known;
    }
    const ownPair = this.#pairNumber(pair);
    const store = trust === 0 ? this.#rootsFor(request) : this.#trust.get(trust);
    const settings = profile === 0 ? {} : this.#profiles.get(profile);
    if (ownPair === undefined || store === undefined || settings === undefined) return SESSION_E_NOCRYPTOCKP;
    const names = alpn.length === 0 ? {} : { alpn };
    const made = this.engine.addContext({ ...settings, server, pair: ownPair, store, verify, asks, ...names });
    if (typeof made === "string") return SESSION_E_INVALID;
    this.#dropIdle();
    this.#contexts.set(made, { key, request, users: 1, isStale: false });
    this.#byKey.set(key, made);
    return made;
  }

  /** A context as another one but with this certificate, to be released; negative when there is no such thing. */
  acquireLike(number: number, pair: number): number {
    const request = this.#contexts.get(number)?.request;
    if (request === undefined || !(pair >= 0)) return SESSION_E_NOCRYPTOCKP;
    return this.acquire({ ...request, pair, asks: false });
  }

  /** Who verifies nothing needs no roots, which take a while to read. */
  #rootsFor({ verify }: ContextRequest): number {
    return verify === 0 ? -1 : this.engine.roots();
  }

  #hold(number: number, by: number): void {
    const context = this.#contexts.get(number);
    if (context === undefined) return;
    context.users += by;
    if (context.isStale && context.users === 0) this.#drop(number, context);
  }

  /** A context is not used any more. */
  release(number: number): void {
    this.#hold(number, -1);
  }

  #drop(number: number, { key }: Context): void {
    this.#contexts.delete(number);
    if (this.#byKey.get(key) === number) this.#byKey.delete(key);
    this.engine.removeContext(number);
  }

  #dropIdle(): void {
    if (this.#contexts.size < MAX_IDLE_CONTEXTS) return;
    for (const [number, context] of this.#contexts) if (context.users === 0) this.#drop(number, context);
  }

  #forget(isConcerned: (request: ContextRequest) => boolean): void {
    for (const [number, context] of this.#contexts) {
      if (!isConcerned(context.request)) continue;
      context.isStale = true;
      if (this.#byKey.get(context.key) === number) this.#byKey.delete(context.key);
      if (context.users === 0) this.#drop(number, context);
    }
  }
}
