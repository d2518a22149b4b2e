import { createPrivateKey, X509Certificate } from "node:crypto";
import type { TlsProfile } from "../../transport/tls/crypto-store.js";
import { TLS_1_2, TLS_1_3, type TlsPairText } from "../../transport/tls/engine.js";
import { codedError, unsupported } from "./tls-error.js";

/** PEM texts, one after the other. */
export type PemText = string | Uint8Array | readonly (string | Uint8Array)[];

/** With what a side presents itself, whom it trusts, and what it speaks: as in node:tls. */
export interface SecureContextOptions {
  /** Private key, PEM. */
  readonly key?: PemText | undefined;
  /** For an encrypted key. */
  readonly passphrase?: string | undefined;
  /** Certificate with its chain, PEM. */
  readonly cert?: PemText | undefined;
  /** Whom to trust, PEM. Default: Node's root certificates. */
  readonly ca?: PemText | undefined;
  /** Lists of what is revoked; there has to be that of the peer's issuer. */
  readonly crl?: PemText | undefined;
  /** `TLSv1.2` (default) or `TLSv1.3`. */
  readonly minVersion?: string | undefined;
  /** `TLSv1.2` or `TLSv1.3` (default). */
  readonly maxVersion?: string | undefined;
  /** Suites of both versions, in OpenSSL's words. */
  readonly ciphers?: string | undefined;
  /** Groups of the key exchange, or `auto`. */
  readonly ecdhCurve?: string | undefined;
}

/** Options of node:tls that change what is spoken, and that are not there: named rather than ignored. */
const UNSUPPORTED = [
  ["pfx", "clientCertEngine", "privateKeyEngine", "privateKeyIdentifier", "sigalgs", "dhparam", "secureOptions"],
  ["secureProtocol", "sessionIdContext", "sessionTimeout", "ticketKeys", "session", "pskCallback", "pskIdentityHint"],
  ["requestOCSP", "enableTrace", "handshakeTimeout", "ALPNCallback", "socket", "minDHSize", "pipe", "isServer"],
  ["allowPartialTrustChain", "certificateCompression"],
].flat();

/** Throws ERR_WEFT_TLS_UNSUPPORTED when one of the options is nothing that the stack's tls can do. */
export function refuseUnsupported(options: object): void {
  for (const [name, value] of Object.entries(options)) {
    const isSaid = value !== undefined && value !== null && value !== false;
    if (isSaid && UNSUPPORTED.includes(name)) throw unsupported(`options.${name}`);
  }
  if ("honorCipherOrder" in options && options.honorCipherOrder === false) {
    throw unsupported("options.honorCipherOrder: false");
  }
}

/** Certificate, trust and profile, read and checked. */
export class SecureContext {
  readonly pair: TlsPairText | undefined;
  readonly trust: { readonly certificates: Uint8Array; readonly crl: Uint8Array } | undefined;
  readonly profile: TlsProfile | undefined;

  /** Throws an Error with `code` for texts that are none of what they should be. */
  constructor(options: SecureContextOptions) {
    refuseUnsupported(options);
    const { key, cert, ca, crl } = options;
    if ((key === undefined) !== (cert === undefined)) {
      throw codedError("ERR_INVALID_ARG_VALUE", "options.key and options.cert belong together");
    }
    this.pair = cert === undefined || key === undefined ? undefined : pairOf(cert, key, options.passphrase);
    if (crl !== undefined && ca === undefined) throw unsupported("options.crl without options.ca");
    this.trust =
      ca === undefined
        ? undefined
        : { certificates: bytesOf(ca), crl: crl === undefined ? new Uint8Array(0) : bytesOf(crl) };
    this.profile = profileOf(options);
  }
}

/** Makes a {@link SecureContext}. */
export function createSecureContext(options: SecureContextOptions = {}): SecureContext {
  return new SecureContext(options);
}

function bytesOf(text: PemText): Uint8Array {
  const list = typeof text === "string" || !Array.isArray(text) ? [text as string | Uint8Array] : [...text];
  const parts = list.map((part: unknown) => {
    if (typeof part === "string") return Buffer.from(part);
    if (part instanceof Uint8Array) return Buffer.from(part);
    throw Object.assign(new TypeError("a PEM text is a string or bytes"), { code: "ERR_INVALID_ARG_TYPE" });
  });
  return new Uint8Array(Buffer.concat(parts.flatMap((part) => [part, Buffer.from("\n")])));
}

function pairOf(cert: PemText, key: PemText, passphrase: string | undefined): TlsPairText {
  for (const [name, text] of Object.entries({ cert, key })) {
    if (Array.isArray(text) && text.length > 1) throw unsupported(`more than one of options.${name}`);
  }
  const certificate = bytesOf(cert);
  const private_ = createPrivateKey({
    key: Buffer.from(bytesOf(key)),
    ...(passphrase === undefined ? {} : { passphrase }),
  });
  if (!new X509Certificate(certificate).checkPrivateKey(private_)) {
    throw codedError("ERR_OSSL_X509_KEY_VALUES_MISMATCH", "key values mismatch");
  }
  return { certificate, key: new Uint8Array(Buffer.from(private_.export({ type: "pkcs8", format: "pem" }))) };
}

function versionOf(name: string | undefined, what: string): number | undefined {
  if (name === undefined) return undefined;
  if (name === "TLSv1.2") return TLS_1_2;
  if (name === "TLSv1.3") return TLS_1_3;
  throw codedError(
    "ERR_TLS_INVALID_PROTOCOL_VERSION",
    `${JSON.stringify(name)} is not a valid ${what} TLS protocol version`,
  );
}

function profileOf(options: SecureContextOptions): TlsProfile | undefined {
  const { ciphers = "", ecdhCurve = "auto" } = options;
  const words = ciphers.split(":").filter((word) => word !== "");
  // Suites of TLS 1.3 have names of their own.
  const suites = words.filter((word) => word.startsWith("TLS_"));
  const others = words.filter((word) => !word.startsWith("TLS_"));
  // As in node:tls: who names those of one version only wants that.
  const only13 = suites.length > 0 && others.length === 0;
  const only12 = others.length > 0 && suites.length === 0;
  const minVersion = versionOf(options.minVersion, "minimum") ?? (only13 ? TLS_1_3 : undefined);
  const maxVersion = versionOf(options.maxVersion, "maximum") ?? (only12 ? TLS_1_2 : undefined);
  const profile = {
    ...(minVersion === undefined ? {} : { minVersion }),
    ...(maxVersion === undefined ? {} : { maxVersion }),
    ...(others.length === 0 ? {} : { ciphers: others.join(":") }),
    ...(suites.length === 0 ? {} : { suites: suites.join(":") }),
    ...(ecdhCurve === "auto" ? {} : { groups: ecdhCurve }),
  };
  return Object.keys(profile).length === 0 ? undefined : profile;
}
