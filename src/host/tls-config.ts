import { TLS_VERIFY_WORDS } from "../transport/tls/crypto-config.js";
import type { TLS_VERSION_WORDS } from "../transport/tls/versions.js";

/** A certificate with its key, as files in PEM. */
export interface TlsCertificateConfig {
  readonly name: string;
  /** Its chain after it, at most 64 KiB. */
  readonly certificate: string;
  readonly key: string;
}

/** Trusted certificates, and lists of revoked ones, as files in PEM. */
export interface TlsTrustConfig {
  readonly name: string;
  /** At most 16 MiB. */
  readonly certificates: string;
  readonly crl?: string;
}

/** What versions, suites and groups connections speak, in OpenSSL's words. */
export interface TlsProfileConfig {
  readonly name: string;
  /** Default "1.2". */
  readonly minVersion?: (typeof TLS_VERSION_WORDS)[number];
  /** Default "1.3". */
  readonly maxVersion?: (typeof TLS_VERSION_WORDS)[number];
  /** Suites of TLS 1.2. */
  readonly ciphers?: string;
  /** Suites of TLS 1.3. */
  readonly suites?: string;
  readonly groups?: string;
}

/** What is in the crypto store from the start, for all applications to use. */
export interface TlsStoreConfig {
  readonly certificates?: readonly TlsCertificateConfig[];
  readonly trust?: readonly TlsTrustConfig[];
  readonly profiles?: readonly TlsProfileConfig[];
}

/** Of an application's tls:// listeners: what of the store they use, by name. Default: the test certificate. */
export interface AppTlsConfig {
  readonly certificate?: string;
  readonly trust?: string;
  readonly profile?: string;
  /** Whether a client has to show a certificate that can be verified. Default `none`. */
  readonly verify?: keyof typeof TLS_VERIFY_WORDS;
  /** Names of application protocols, best first. Default: those that the application speaks. */
  readonly alpn?: readonly string[];
}

/** The words of `verify`. */
export const VERIFY_WORDS: readonly string[] = Object.keys(TLS_VERIFY_WORDS);
