import type { AppCrypto } from "../app/app-crypto.js";
import { MAX_PEM_MESSAGE_BYTES } from "../app/messages/socket-table.js";
import { SESSION_E_INVALID, SESSION_E_NOAPP, SESSION_E_NOCRYPTOCKP, SessionError } from "../session/session-errors.js";
import { isIndex, type TlsOptions } from "../transport/tls/crypto-config.js";
import type { TlsProfile } from "../transport/tls/crypto-store.js";
import { TLS_MAX_OCSP_BYTES, type TlsPairText } from "../transport/tls/engine.js";
import type { SocketRequest } from "./socket-requests.js";

/** Asks the stack by a worker that is attached; rejects with NOAPP when there is none. */
export type AskStack = (request: SocketRequest, what: string) => Promise<number>;

type Add = Extract<SocketRequest, { readonly isAdd: boolean }>;
type Kind = Add["type"];

/** What the application has added, so that another stack gets it, too. */
interface Added {
  request: Add;
  /** The index of the stack that is there now. */
  current: number;
  /** Of a certificate: what is stapled to it. */
  ocsp?: Uint8Array;
}

/** The indices of what another stack would have under a number that is taken begin here. */
const FIRST_OTHER_INDEX = 1 << 24;
const NO_BYTES = new Uint8Array(0);
const WHICH: Readonly<Record<Kind, string>> = {
  CERT_KEY_ADD_DEL: "certificate",
  TRUST_ADD_DEL: "trust",
  TLS_PROFILE_ADD_DEL: "profile",
};

/** A copy of a text, as far as a message takes it. */
function copy(value: unknown, what: string, most: number): Uint8Array {
  if (Object.prototype.toString.call(value) !== "[object Uint8Array]") {
    throw new SessionError(SESSION_E_INVALID, what, "no bytes");
  }
  const bytes = value as Uint8Array;
  if (bytes.length <= most) return new Uint8Array(bytes);
  throw new SessionError(SESSION_E_INVALID, what, `longer than ${most} bytes`);
}

const pem = (value: unknown, what: string): Uint8Array => copy(value, what, MAX_PEM_MESSAGE_BYTES);

/**
 * An application's own certificates, trust and profiles, of which the stack knows by its attach socket. They are kept here as
 * well: when the application attaches to another stack they are added anew, and keep the indices by which the application
 * knows them.
 */
export class ClientCrypto implements AppCrypto {
  readonly #ask: AskStack;
  readonly #added: Readonly<Record<Kind, Map<number, Added>>> = {
    CERT_KEY_ADD_DEL: new Map(),
    TRUST_ADD_DEL: new Map(),
    TLS_PROFILE_ADD_DEL: new Map(),
  };

  constructor(ask: AskStack) {
    this.#ask = ask;
  }

  async addCertificate(pair: TlsPairText): Promise<number> {
    const { certificate, key } = { ...pair };
    const texts = { cert: pem(certificate, "certificate"), key: pem(key, "certificate: key") };
    return this.#add({ type: "CERT_KEY_ADD_DEL", isAdd: true, index: 0, ...texts }, "add certificate");
  }

  async delCertificate(index: number): Promise<void> {
    const nothing = { isAdd: false, cert: NO_BYTES, key: NO_BYTES } as const;
    await this.#del(index, (current) => ({ type: "CERT_KEY_ADD_DEL", index: current, ...nothing }));
  }

  async setOcsp(certificate: number, response: Uint8Array): Promise<void> {
    const ocsp = copy(response, "certificate: ocsp", TLS_MAX_OCSP_BYTES);
    const index = this.#current("CERT_KEY_ADD_DEL", certificate);
    await this.#ask({ type: "OCSP_UPDATE", index, response: ocsp }, "set ocsp");
    const added = this.#added.CERT_KEY_ADD_DEL.get(certificate);
    if (added !== undefined) added.ocsp = ocsp;
  }

  async addTrust(certificates: Uint8Array, crl: Uint8Array = NO_BYTES): Promise<number> {
    const texts = { certificates: pem(certificates, "trust"), crl: pem(crl, "trust: crl") };
    return this.#add({ type: "TRUST_ADD_DEL", isAdd: true, index: 0, ...texts }, "add trust");
  }

  async updateCrl(trust: number, crl: Uint8Array): Promise<void> {
    const text = pem(crl, "trust: crl");
    const index = this.#current("TRUST_ADD_DEL", trust);
    await this.#ask({ type: "CRL_UPDATE", index, crl: text }, "update crl");
    const added = this.#added.TRUST_ADD_DEL.get(trust);
    if (added?.request.type === "TRUST_ADD_DEL") added.request = { ...added.request, crl: text };
  }

  async delTrust(index: number): Promise<void> {
    const nothing = { isAdd: false, certificates: NO_BYTES, crl: NO_BYTES } as const;
    await this.#del(index, (current) => ({ type: "TRUST_ADD_DEL", index: current, ...nothing }));
  }

  async addTlsProfile(profile: TlsProfile): Promise<number> {
    const { minVersion = 0, maxVersion = 0, ...texts } = { ...profile };
    const { ciphers = "", suites = "", groups = "" } = texts;
    if (profile === undefined || Object.values(texts).includes("")) {
      throw new SessionError(SESSION_E_INVALID, "profile", "none, or with an empty text");
    }
    const wanted = { minVersion, maxVersion, ciphers, suites, groups };
    return this.#add({ type: "TLS_PROFILE_ADD_DEL", isAdd: true, index: 0, ...wanted }, "add tls profile");
  }

  async delTlsProfile(index: number): Promise<void> {
    const nothing = { isAdd: false, minVersion: 0, maxVersion: 0, ciphers: "", suites: "", groups: "" } as const;
    await this.#del(index, (current) => ({ type: "TLS_PROFILE_ADD_DEL", index: current, ...nothing }));
  }

  async #add(request: Add, what: string): Promise<number> {
    const current = await this.#ask(request, what);
    const added = this.#added[request.type];
    let index = current;
    for (let other = FIRST_OTHER_INDEX; added.has(index); other++) index = other;
    added.set(index, { request, current });
    return index;
  }

  async #del(index: number, requestOf: (current: number) => Add): Promise<void> {
    const { type } = requestOf(0);
    await this.#ask(requestOf(this.#current(type, index)), `delete ${WHICH[type]}`);
    this.#added[type].delete(index);
  }

  /** What the stack has as the index by which the application knows it: its own, or one that the stack's owner told it of. */
  #current(kind: Kind, index: number): number {
    if (!isIndex(index)) {
      throw new SessionError(SESSION_E_NOCRYPTOCKP, `${WHICH[kind]} ${String(index)}`, "there is none");
    }
    return this.#added[kind].get(index)?.current ?? index;
  }

  /** A certificate as the stack has it. */
  pair(index: number): number {
    return this.#current("CERT_KEY_ADD_DEL", index);
  }

  /** Options of listen and connect, as the stack has what they name. */
  translate(tls: TlsOptions): TlsOptions {
    const { pair, trust, profile } = tls;
    const known = (kind: Kind, index: number): number => this.#added[kind].get(index)?.current ?? index;
    return {
      ...tls,
      ...(typeof pair === "number" ? { pair: known("CERT_KEY_ADD_DEL", pair) } : {}),
      ...(trust === undefined ? {} : { trust: known("TRUST_ADD_DEL", trust) }),
      ...(profile === undefined ? {} : { profile: known("TLS_PROFILE_ADD_DEL", profile) }),
    };
  }

  /** The application is attached to another stack: adds all anew. What that refuses is no more, and reported. */
  async restore(reportError: (error: unknown) => void): Promise<void> {
    for (const kind of Object.values(this.#added)) {
      for (const [index, added] of kind) {
        try {
          added.current = await this.#ask(added.request, "add again");
        } catch (error) {
          // Gone again: all of it is for the next one.
          if (error instanceof SessionError && error.errno === SESSION_E_NOAPP) return;
          kind.delete(index);
          reportError(error);
        }
        await this.#restapled(added).catch(reportError);
      }
    }
  }

  /** Of a certificate that was added anew. What has run out meanwhile is refused. */
  async #restapled({ current, ocsp }: Added): Promise<void> {
    if (ocsp !== undefined) await this.#ask({ type: "OCSP_UPDATE", index: current, response: ocsp }, "set ocsp again");
  }
}
