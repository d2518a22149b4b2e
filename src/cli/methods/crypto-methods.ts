import { X509Certificate } from "node:crypto";
import { isAbsolute } from "node:path";
import { MAX_PEM_BYTES, MAX_TRUST_FILE_BYTES, readLimited } from "../../host/read-limited.js";
import {
  SESSION_E_INVALID,
  SESSION_E_NOAPP,
  SESSION_E_NOCRYPTOCKP,
  SESSION_E_NOCRYPTOENG,
  SessionError,
} from "../../session/session-errors.js";
import type { CryptoStore } from "../../transport/tls/crypto-store.js";
import { type CryptoOwner, STACK_OWNER } from "../../transport/tls/crypto-things.js";
import { TLS_MAX_OCSP_BYTES } from "../../transport/tls/engine.js";
import { TLS_VERSIONS, tlsVersionName } from "../../transport/tls/versions.js";
import type { HandlersOf, MethodRun } from "./handler.js";
import { MethodError } from "./method-error.js";
import type { MethodParams, MethodResult } from "./method-table.js";

type Add = MethodParams<"crypto.add">;
type Kind = Add["kind"];

/** Which parameters say what, by kind; the others are for other kinds. */
const PARAMETERS: Readonly<Record<Kind, readonly string[]>> = {
  certificate: ["certificate", "key"],
  trust: ["certificates", "crl"],
  crl: ["trust", "crl"],
  ocsp: ["pair", "ocsp"],
  "tls-profile": ["minVersion", "maxVersion", "ciphers", "suites", "groups"],
};
const ALL_KINDS = ["kind", "app", "name"];
const STORE_KINDS = { certificate: "pair", trust: "trust", "tls-profile": "profile" } as const;

function storeOf({ host }: MethodRun): CryptoStore {
  if (host.tls !== undefined) return host.tls.store;
  throw new MethodError(SESSION_E_NOCRYPTOENG, undefined, "this stack has no TLS: its interfaces are wires only");
}

function ownerOf({ host }: MethodRun, app: number | undefined): CryptoOwner {
  if (app === undefined) return STACK_OWNER;
  if (
    host.sessions.applications.attached(app) !== undefined &&
    host.tls?.owns(app) !== true &&
    host.dtls?.owns(app) !== true
  )
    return app;
  throw new MethodError(SESSION_E_NOAPP, "app", `no app ${app}`);
}

/** Runs a change of the store; what it refuses is blamed on that argument. */
function blameStore<T>(argument: string, change: () => T): T {
  try {
    return change();
  } catch (error) {
    if (!(error instanceof SessionError)) throw error;
    throw new MethodError(error.errno, argument, error.message.replace(/ \(\w+\)$/, ""), error);
  }
}

/** A file of the stack's side. What is in it is never part of an answer. */
function readFile(argument: string, path: string | undefined, maxBytes = MAX_PEM_BYTES): Uint8Array {
  if (path === undefined) throw new MethodError(SESSION_E_INVALID, argument, `${argument} is missing`);
  if (!isAbsolute(path)) throw new MethodError(SESSION_E_INVALID, argument, `${argument}: not an absolute path`);
  const bytes = readLimited(path, maxBytes);
  if (typeof bytes !== "string") return bytes;
  throw new MethodError(SESSION_E_INVALID, argument, `${argument}: ${JSON.stringify(path)}: ${bytes}`);
}

function add(run: MethodRun, params: Add): number {
  const { kind, app, name = "" } = params;
  const store = storeOf(run);
  const stray = Object.keys(params).find((each) => ![...ALL_KINDS, ...PARAMETERS[kind]].includes(each));
  const given = Object.entries(params).find(([each, value]) => each === stray && value !== undefined);
  if (given !== undefined) throw new MethodError(SESSION_E_INVALID, given[0], `${given[0]}: not of kind ${kind}`);
  const owner = ownerOf(run, app);
  if (kind === "certificate") {
    const certificate = readFile("certificate", params.certificate);
    const key = readFile("key", params.key);
    return blameStore("certificate", () => store.addPair({ certificate, key }, owner, name));
  }
  if (kind === "trust") {
    const certificates = readFile("certificates", params.certificates, MAX_TRUST_FILE_BYTES);
    const crl = params.crl === undefined ? undefined : readFile("crl", params.crl, MAX_TRUST_FILE_BYTES);
    return blameStore("certificates", () => store.addTrust(certificates, crl, owner, name));
  }
  if (kind === "tls-profile") {
    const { minVersion, maxVersion, ciphers, suites, groups } = params;
    const versions = {
      minVersion: minVersion === undefined ? undefined : TLS_VERSIONS[minVersion],
      maxVersion: maxVersion === undefined ? undefined : TLS_VERSIONS[maxVersion],
    };
    const profile = { ...versions, ciphers, suites, groups };
    return blameStore("kind", () => store.addProfile(withoutUndefined(profile), owner, name));
  }
  if (params.name !== undefined) throw new MethodError(SESSION_E_INVALID, "name", `name: not of kind ${kind}`);
  return kind === "crl" ? updateCrl(store, params, owner) : setOcsp(store, params, owner);
}

function updateCrl(store: CryptoStore, params: Add, owner: CryptoOwner): number {
  if (params.trust === undefined) throw new MethodError(SESSION_E_INVALID, "trust", "trust is missing");
  const trust = indexOf(store, "trust", "trust", params.trust);
  const crl = readFile("crl", params.crl, MAX_TRUST_FILE_BYTES);
  blameStore("crl", () => store.updateCrl(trust, crl, owner));
  return trust;
}

function setOcsp(store: CryptoStore, params: Add, owner: CryptoOwner): number {
  if (params.pair === undefined) throw new MethodError(SESSION_E_INVALID, "pair", "pair is missing");
  const pair = indexOf(store, "pair", "certificate", params.pair);
  const response = readFile("ocsp", params.ocsp, TLS_MAX_OCSP_BYTES);
  // A file that could not be fetched is no wish to staple nothing.
  if (response.length === 0) throw new MethodError(SESSION_E_INVALID, "ocsp", "ocsp: nothing in it");
  blameStore("ocsp", () => store.setOcsp(pair, response, owner));
  return pair;
}

function withoutUndefined<T extends object>(value: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, each]) => each !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}

/** The index that a text of digits or a name stands for. */
function indexOf(store: CryptoStore, argument: string, kind: keyof typeof STORE_KINDS, which: string): number {
  const index = /^\d{1,9}$/.test(which) ? Number(which) : store.named(STORE_KINDS[kind], which);
  if (index !== undefined) return index;
  throw new MethodError(SESSION_E_NOCRYPTOCKP, argument, `no ${kind} named ${JSON.stringify(which)}`);
}

function del(run: MethodRun, { kind, app, which }: MethodParams<"crypto.del">): void {
  const store = storeOf(run);
  const owner = ownerOf(run, app);
  const index = indexOf(store, "which", kind, which);
  blameStore("which", () => {
    if (kind === "certificate") store.delPair(index, owner);
    else if (kind === "trust") store.delTrust(index, owner);
    else store.delProfile(index, owner);
  });
}

type Listing = MethodResult<"crypto.list">;

/** Of a certificate what may be shown of it. */
function viewCertificate(text: Uint8Array): Pick<Listing["certificates"][number], "subject" | "validTo" | "sha256"> {
  try {
    const { subject, validTo, fingerprint256 } = new X509Certificate(text);
    const sha256 = fingerprint256.replaceAll(":", "").toLowerCase();
    // An application has chosen it: nothing that a terminal would obey.
    const shown = subject.replaceAll("\n", ", ").replaceAll(/[\p{Cc}\p{Cf}]/gu, "?");
    return { subject: shown, validTo, sha256 };
  } catch {
    // OpenSSL has taken it, but Node does not show it.
    return { subject: "", validTo: "", sha256: "" };
  }
}

function countOf(text: Uint8Array, what: RegExp): number {
  return Buffer.from(text.buffer, text.byteOffset, text.length).toString("latin1").match(what)?.length ?? 0;
}

function list(run: MethodRun, { app }: MethodParams<"crypto.list">): Listing {
  const store = run.host.tls?.store;
  if (store === undefined) return { certificates: [], trust: [], profiles: [] };
  const owner = app === undefined ? undefined : ownerOf(run, app);
  const isWanted = (each: { readonly owner: CryptoOwner }): boolean => owner === undefined || each.owner === owner;
  const label = (each: { readonly index: number; readonly owner: CryptoOwner; readonly name: string }) => {
    return { index: each.index, app: each.owner === STACK_OWNER ? null : each.owner, name: each.name };
  };
  return {
    certificates: store.certificates().flatMap((each) => {
      return isWanted(each) ? [{ ...label(each), ...viewCertificate(each.certificate), ocsp: each.hasOcsp }] : [];
    }),
    trust: store.trust().flatMap((each) => {
      if (!isWanted(each)) return [];
      const certificates = countOf(each.certificates, /-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----/g);
      const lists = [each.certificates, each.crl].map((text) => countOf(text, /-----BEGIN X509 CRL-----/g));
      return [{ ...label(each), certificates, crls: lists[0] + lists[1] }];
    }),
    profiles: store.profiles().flatMap((each) => {
      if (!isWanted(each)) return [];
      const { minVersion, maxVersion, ciphers = null, suites = null, groups = null } = each.profile;
      const versions = { minVersion: tlsVersionName(minVersion), maxVersion: tlsVersionName(maxVersion) };
      return [{ ...label(each), ...versions, ciphers, suites, groups }];
    }),
  };
}

/** Methods about the crypto store. */
export const CRYPTO_HANDLERS: HandlersOf<"crypto"> = {
  "crypto.list": list,
  "crypto.add": (run, params) => ({ index: add(run, params) }),
  "crypto.del": (run, params) => {
    del(run, params);
    return null;
  },
};
