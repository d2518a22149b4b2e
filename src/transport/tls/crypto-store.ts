import { SESSION_E_INVALID, SESSION_E_NOCRYPTOCKP, SessionError } from "../../session/session-errors.js";
import { type CryptoOwner, type CryptoThing, CryptoThings, STACK_OWNER, type ThingLabel } from "./crypto-things.js";
import { TLS_1_2, TLS_1_3, type TlsContextSettings, type TlsEngine, type TlsPairText } from "./engine.js";

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
  /** DTLS. */
  readonly datagram?: boolean;
  readonly ocsp?: boolean;
}

/** A certificate in PEM, the engine's number of it with its key, and whether an OCSP response is stapled to it. */
interface Pair {
  readonly number: number;
  readonly certificate: Uint8Array;
  readonly hasOcsp: boolean;
}

/** Trusted certificates, lists of revoked ones, and the engine's number of the store with both. */
interface Trust {
  readonly number: number;
  readonly certificates: Uint8Array;
  readonly crl: Uint8Array;
}

/** What a context is made of. */
interface Made {
  readonly request: Omit<ContextRequest, "pair" | "trust" | "profile">;
  /** Of each kind: a thing, "default" or, of a certificate, "none". */
  readonly pair: CryptoThing<Pair> | "default" | "none";
  readonly trust: CryptoThing<Trust> | "default";
  readonly profile: CryptoThing<TlsProfile> | "default";
}

interface Context extends Made {
  readonly key: string;
  users: number;
}

/** Contexts that are kept without a user. */
const MAX_IDLE_CONTEXTS = 64;
/** Texts of all the trusted certificates of an application, bytes; a single list may have as many. */
const MAX_TRUST_BYTES = 16 << 20;
/** Longest list of suites or groups. */
export const MAX_PROFILE_TEXT = 511;

function serialOf(thing: CryptoThing<unknown> | string): number | string {
  return typeof thing === "string" ? thing : thing.serial;
}

function checkBytes(value: unknown, what: string): void {
  if (Object.prototype.toString.call(value) === "[object Uint8Array]") return;
  throw new SessionError(SESSION_E_INVALID, what, "no bytes");
}

function checkProfile(profile: unknown): TlsProfile {
  const refuse = (why: string): never => {
    throw new SessionError(SESSION_E_INVALID, "profile", why);
  };
  if (typeof profile !== "object" || profile === null) return refuse("none");
  const { minVersion, maxVersion, ciphers, suites, groups }: Record<string, unknown> = { ...profile };
  for (const [name, value] of Object.entries({ minVersion, maxVersion })) {
    if (value !== undefined && value !== TLS_1_2 && value !== TLS_1_3) refuse(`${name}: no version`);
  }
  for (const [name, value] of Object.entries({ ciphers, suites, groups })) {
    if (value === undefined) continue;
    // An empty list would be the default in silence.
    const isText = typeof value === "string" && /^[\x20-\x7e]+$/.test(value) && value.length <= MAX_PROFILE_TEXT;
    if (!isText) refuse(`${name}: no text of 1 to ${MAX_PROFILE_TEXT} characters`);
  }
  const wanted = { minVersion, maxVersion, ciphers, suites, groups };
  return Object.fromEntries(Object.entries(wanted).filter(([, value]) => value !== undefined)) as TlsProfile;
}

/**
 * Certificates, trusted certificates and profiles (VPP's app_crypto), by index, each the stack's or an application's; the
 * latter go with it. What is taken away while it is in use lives on in listeners and connections that have it. What a text is
 * refused for is a SessionError INVALID with the reason; an index that names nothing that the owner may use is NOCRYPTOCKP.
 */
export class CryptoStore {
  readonly engine: TlsEngine;
  readonly #pairs: CryptoThings<Pair>;
  readonly #trust: CryptoThings<Trust>;
  readonly #profiles: CryptoThings<TlsProfile>;
  readonly #contexts = new Map<number, Context>();
  readonly #byKey = new Map<string, number>();
  #testPair: TlsPairText | undefined;
  #testNumber = -1;
  readonly #ticketSeconds: number;

  /** `ticketSeconds`: how long sessions can be resumed at least, 0: they cannot. */
  constructor(engine: TlsEngine, ticketSeconds = 0) {
    this.engine = engine;
    this.#ticketSeconds = ticketSeconds;
    this.#pairs = new CryptoThings("certificate", ({ number }) => engine.removePair(number));
    this.#trust = new CryptoThings("trust", ({ number }) => engine.removeStore(number));
    this.#profiles = new CryptoThings("profile", () => undefined);
  }

  #must(result: number | string, what: string): number {
    if (typeof result === "number") return result;
    throw new SessionError(SESSION_E_INVALID, what, result);
  }

  // ---- Certificates ----

  /** Index of a certificate (PEM, its chain after it) with its key. */
  addPair(pair: TlsPairText, owner: CryptoOwner = STACK_OWNER, name = ""): number {
    const { certificate, key } = { ...pair };
    checkBytes(certificate, "certificate");
    checkBytes(key, "certificate: key");
    return this.#pairs.add(owner, name, () => {
      const number = this.#must(this.engine.addPair(certificate, key), "certificate");
      return { number, certificate: new Uint8Array(certificate), hasOcsp: false };
    });
  }

  /** The OCSP response (DER) that is stapled to a certificate in handshakes to come, of open listeners, too; empty: none any more. */
  setOcsp(index: number, response: Uint8Array, owner: CryptoOwner = STACK_OWNER): void {
    checkBytes(response, "certificate: ocsp");
    const thing = this.#pairs.own(index, owner);
    const refusal = this.engine.setOcsp(thing.value.number, response);
    if (refusal !== undefined) throw new SessionError(SESSION_E_INVALID, "certificate", refusal);
    thing.value = { ...thing.value, hasOcsp: response.length > 0 };
  }

  /** Takes a certificate away; 0, the test certificate, stays. */
  delPair(index: number, owner: CryptoOwner = STACK_OWNER): void {
    this.#pairs.remove(index, owner);
    this.#dropIdle(true);
  }

  /** The certificates there are (PEM), by index; 0 once it was wanted. */
  certificates(): readonly (ThingLabel & Omit<Pair, "number">)[] {
    const test = { index: 0, owner: STACK_OWNER, name: "", hasOcsp: false };
    const first = this.#testPair === undefined ? [] : [{ ...test, certificate: this.#testPair.certificate }];
    const others = this.#pairs.entries().map(({ value: { certificate, hasOcsp }, ...label }) => {
      return { ...label, certificate, hasOcsp };
    });
    return [...first, ...others];
  }

  /** Certificate 0: a fresh one for `localhost`, made when it is wanted first. */
  get testPair(): TlsPairText {
    return (this.#testPair ??= this.engine.makePair("localhost"));
  }

  // ---- Trust ----

  /** Index of a list of trusted certificates (PEM). With `crl`, lists of revoked ones: there has to be that of the peer's issuer. */
  addTrust(
    certificates: Uint8Array,
    crl: Uint8Array = new Uint8Array(0),
    owner: CryptoOwner = STACK_OWNER,
    name = "",
  ): number {
    checkBytes(certificates, "trust");
    checkBytes(crl, "trust: crl");
    this.#checkTrustBytes(certificates.length + crl.length, owner);
    return this.#trust.add(owner, name, () => this.#makeTrust(new Uint8Array(certificates), crl));
  }

  #makeTrust(certificates: Uint8Array, crl: Uint8Array): Trust {
    return {
      number: this.#must(this.engine.addStore(certificates, crl), "trust"),
      certificates,
      crl: new Uint8Array(crl),
    };
  }

  #checkTrustBytes(more: number, owner: CryptoOwner): void {
    if (owner === STACK_OWNER) return;
    const own = this.#trust.entries().filter((each) => each.owner === owner);
    const bytes = own.reduce((sum, { value }) => sum + value.certificates.length + value.crl.length, 0);
    if (bytes + more > MAX_TRUST_BYTES) throw new SessionError(SESSION_E_INVALID, "trust", "more than 16 MiB");
  }

  /** Other lists of revoked certificates, in place of those it has: for handshakes to come, of listeners that are there too. */
  updateCrl(index: number, crl: Uint8Array, owner: CryptoOwner = STACK_OWNER): void {
    checkBytes(crl, "trust: crl");
    // It would be the end of all looking.
    if (crl.length === 0) throw new SessionError(SESSION_E_INVALID, "trust", "crl: nothing in it");
    const thing = this.#trust.own(index, owner);
    const old = thing.value;
    this.#checkTrustBytes(crl.length - old.crl.length, owner);
    thing.value = this.#makeTrust(old.certificates, crl);
    for (const [context, { trust }] of this.#contexts) {
      if (trust === thing) this.engine.setStore(context, thing.value.number);
    }
    this.engine.removeStore(old.number);
  }

  /** Takes it away; 0, Node's root certificates, stays. */
  delTrust(index: number, owner: CryptoOwner = STACK_OWNER): void {
    this.#trust.remove(index, owner);
    this.#dropIdle(true);
  }

  /** The lists of trusted certificates and of revoked ones (PEM), by index; not 0, Node's root certificates. */
  trust(): readonly (ThingLabel & Omit<Trust, "number">)[] {
    return this.#trust.entries().map(({ value: { certificates, crl }, ...label }) => ({ ...label, certificates, crl }));
  }

  // ---- Profiles ----

  /** Index of a profile. */
  addProfile(profile: TlsProfile, owner: CryptoOwner = STACK_OWNER, name = ""): number {
    const checked = checkProfile(profile);
    return this.#profiles.add(owner, name, () => {
      const context = this.#must(this.engine.addContext({ server: true, ...checked }), "profile");
      this.engine.removeContext(context);
      return checked;
    });
  }

  /** Takes it away; 0, the defaults, stays. */
  delProfile(index: number, owner: CryptoOwner = STACK_OWNER): void {
    this.#profiles.remove(index, owner);
    this.#dropIdle(true);
  }

  /** The profiles there are, by index; 0, the defaults, is empty. */
  profiles(): readonly (ThingLabel & { readonly profile: TlsProfile })[] {
    const others = this.#profiles.entries().map(({ value: profile, ...label }) => ({ ...label, profile }));
    return [{ index: 0, owner: STACK_OWNER, name: "", profile: {} }, ...others];
  }

  // ---- Names and owners ----

  /** Index of the thing of that name, undefined when there is none. */
  named(kind: "pair" | "trust" | "profile", name: string): number | undefined {
    return { pair: this.#pairs, trust: this.#trust, profile: this.#profiles }[kind].named(name);
  }

  /** An application has gone, and its things with it. */
  removeAllOf(owner: CryptoOwner): void {
    for (const things of [this.#pairs, this.#trust, this.#profiles]) {
      for (const index of things.of(owner)) things.remove(index, owner);
    }
    this.#dropIdle(true);
  }

  // ---- Contexts ----

  /** The engine's number of a context made of such things, to be released; NOCRYPTOCKP when there is no such thing for that owner, INVALID. */
  acquire(wanted: ContextRequest, owner: CryptoOwner): number {
    const { pair, trust, profile, ...request } = wanted;
    const made = {
      request,
      pair: pair < 0 ? ("none" as const) : this.#pairOf(pair, owner),
      trust: trust === 0 ? ("default" as const) : this.#trust.usable(trust, owner),
      profile: profile === 0 ? ("default" as const) : this.#profiles.usable(profile, owner),
    };
    return isWhole(made) ? this.#acquire(made) : SESSION_E_NOCRYPTOCKP;
  }

  /** A context as another one but with this certificate, to be released; negative when there is no such thing. */
  acquireLike(number: number, index: number, owner: CryptoOwner): number {
    const like = this.#contexts.get(number);
    const pair = this.#pairOf(index, owner);
    if (like === undefined || pair === undefined) return SESSION_E_NOCRYPTOCKP;
    const { request, trust, profile } = like;
    return this.#acquire({ request: { ...request, asks: false }, pair, trust, profile });
  }

  #pairOf(index: number, owner: CryptoOwner): CryptoThing<Pair> | "default" | undefined {
    return index === 0 ? "default" : this.#pairs.usable(index, owner);
  }

  #acquire(made: Made): number {
    const { server, verify, alpn, asks = false, datagram = false, ocsp = false } = made.request;
    const things = [made.pair, made.trust, made.profile].map(serialOf);
    const key = `${things.join(" ")} ${server} ${verify} ${asks} ${datagram} ${ocsp} ${alpn.join()}`;
    const known = this.#byKey.get(key);
    const context = known === undefined ? undefined : this.#contexts.get(known);
    if (known !== undefined && context !== undefined) {
      context.users++;
      return known;
    }
    const number = this.engine.addContext({
      ...(made.profile === "default" ? {} : made.profile.value),
      server,
      pair: this.#pairNumber(made.pair),
      store: made.trust === "default" ? this.#rootsFor(made.request) : made.trust.value.number,
      verify,
      asks,
      datagram,
      ocsp,
      ticketSeconds: datagram ? 0 : this.#ticketSeconds,
      ...(alpn.length === 0 ? {} : { alpn }),
    });
    if (typeof number === "string") return SESSION_E_INVALID;
    if (this.#contexts.size >= MAX_IDLE_CONTEXTS) this.#dropIdle(false);
    this.#contexts.set(number, { ...made, key, users: 1 });
    this.#byKey.set(key, number);
    this.#use(made, 1);
    return number;
  }

  /** The engine's number of a certificate. */
  #pairNumber(pair: Made["pair"]): number {
    if (pair === "none") return -1;
    if (pair !== "default") return pair.value.number;
    if (this.#testNumber < 0) {
      const { certificate, key } = this.testPair;
      this.#testNumber = this.#must(this.engine.addPair(certificate, key), "certificate 0");
    }
    return this.#testNumber;
  }

  /** Who verifies nothing needs no roots, which take a while to read. */
  #rootsFor({ verify }: Pick<ContextRequest, "verify">): number {
    return verify === 0 ? -1 : this.engine.roots();
  }

  #use({ pair, trust, profile }: Made, by: 1 | -1): void {
    if (typeof pair !== "string") this.#pairs.use(pair, by);
    if (typeof trust !== "string") this.#trust.use(trust, by);
    if (typeof profile !== "string") this.#profiles.use(profile, by);
  }

  /** A context is not used any more. */
  release(number: number): void {
    const context = this.#contexts.get(number);
    if (context === undefined) return;
    context.users--;
    if (context.users === 0 && isStale(context)) this.#drop(number, context);
  }

  #drop(number: number, context: Context): void {
    this.#contexts.delete(number);
    this.#byKey.delete(context.key);
    this.engine.removeContext(number);
    this.#use(context, -1);
  }

  /** Drops contexts without a user: all, or only those that nobody can ask for again. */
  #dropIdle(onlyStale: boolean): void {
    for (const [number, context] of this.#contexts) {
      if (context.users === 0 && (!onlyStale || isStale(context))) this.#drop(number, context);
    }
  }
}

/** Whether all the things are there. */
function isWhole(made: { readonly [K in keyof Made]: Made[K] | undefined }): made is Made {
  return made.pair !== undefined && made.trust !== undefined && made.profile !== undefined;
}

/** Whether something that it is made of was taken away. */
function isStale({ pair, trust, profile }: Made): boolean {
  return [pair, trust, profile].some((thing) => typeof thing !== "string" && thing.isGone);
}
