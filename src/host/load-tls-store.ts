import { SessionError } from "../session/session-errors.js";
import type { TlsOptions } from "../transport/tls/crypto-config.js";
import type { CryptoStore } from "../transport/tls/crypto-store.js";
import { TLS_VERSIONS } from "../transport/tls/versions.js";
import { ConfigError, quoteValue } from "./config-error.js";
import { MAX_PEM_BYTES, MAX_TRUST_FILE_BYTES, readLimited } from "./read-limited.js";
import type { AppTlsConfig, TlsProfileConfig, TlsStoreConfig } from "./tls-config.js";

function read(where: string, path: string, maxBytes: number): Uint8Array {
  const bytes = readLimited(path, maxBytes);
  if (typeof bytes !== "string") return bytes;
  throw new ConfigError(where, `${quoteValue(path)}: ${bytes}`);
}

/** Adds something; what the store refuses is blamed on the key that the reason begins with, or on the whole. */
function add(where: string, keys: readonly string[], change: () => number): void {
  try {
    change();
  } catch (error) {
    if (!(error instanceof SessionError)) throw error;
    // "certificate: key: not that of the certificate (INVALID)"
    const reason = error.message.replace(/^[^:]*: /, "").replace(/ \(\w+\)$/, "");
    const key = keys.find((each) => reason.startsWith(`${each}: `));
    if (key === undefined) throw new ConfigError(where, reason);
    throw new ConfigError(`${where}.${key}`, reason.slice(key.length + 2));
  }
}

function profileOf({ minVersion, maxVersion, ciphers, suites, groups }: TlsProfileConfig) {
  return {
    ...(minVersion === undefined ? {} : { minVersion: TLS_VERSIONS[minVersion] }),
    ...(maxVersion === undefined ? {} : { maxVersion: TLS_VERSIONS[maxVersion] }),
    ...(ciphers === undefined ? {} : { ciphers }),
    ...(suites === undefined ? {} : { suites }),
    ...(groups === undefined ? {} : { groups }),
  };
}

/**
 * Puts what the configuration names into the crypto store, under its names. Throws {@link ConfigError} that names the key: a
 * file that cannot be read or is too long, a text that is none, or a stack without TLS.
 */
export function loadTlsStore(store: CryptoStore | undefined, config: TlsStoreConfig): void {
  const { certificates = [], trust = [], profiles = [] } = config;
  const [first] = Object.entries({ certificates, trust, profiles }).filter(([, list]) => list.length > 0);
  if (first === undefined) return;
  if (store === undefined)
    throw new ConfigError(`tls.${first[0]}`, "no TLS on a stack whose interfaces are wires only");
  for (const [i, { name, certificate, key }] of certificates.entries()) {
    const where = `tls.certificates[${i}]`;
    const pair = {
      certificate: read(`${where}.certificate`, certificate, MAX_PEM_BYTES),
      key: read(`${where}.key`, key, MAX_PEM_BYTES),
    };
    add(where, ["certificate", "key"], () => store.addPair(pair, undefined, name));
  }
  for (const [i, { name, certificates: file, crl: crlFile }] of trust.entries()) {
    const where = `tls.trust[${i}]`;
    const texts = read(`${where}.certificates`, file, MAX_TRUST_FILE_BYTES);
    const crl = crlFile === undefined ? undefined : read(`${where}.crl`, crlFile, MAX_TRUST_FILE_BYTES);
    add(where, ["certificates", "crl"], () => store.addTrust(texts, crl, undefined, name));
  }
  for (const [i, profile] of profiles.entries()) {
    const keys = ["ciphers", "suites", "groups"];
    add(`tls.profiles[${i}]`, keys, () => store.addProfile(profileOf(profile), undefined, profile.name));
  }
}

/** What an application's listeners use, by index. The names are those of the configuration, which was loaded. */
export function appTlsOptions(store: CryptoStore | undefined, tls: AppTlsConfig | undefined): TlsOptions | undefined {
  if (tls === undefined) return undefined;
  const { certificate, trust, profile, verify, alpn } = tls;
  const named = (kind: "pair" | "trust" | "profile", name: string | undefined): Partial<TlsOptions> => {
    const index = name === undefined ? undefined : store?.named(kind, name);
    return index === undefined ? {} : { [kind]: index };
  };
  return {
    ...named("pair", certificate),
    ...named("trust", trust),
    ...named("profile", profile),
    ...(verify === undefined ? {} : { verify }),
    ...(alpn === undefined ? {} : { alpn }),
  };
}
