import { EXT_CONFIG_CRYPTO, ExtConfig } from "../../session/ext-config.js";
import { SESSION_E_INVALID, SESSION_E_NOEXTCFG, type SessionErrorValue } from "../../session/session-errors.js";
import { TLS_VERIFY_NONE, TLS_VERIFY_REPORT, TLS_VERIFY_REQUEST, TLS_VERIFY_REQUIRE } from "./engine.js";

/** How the peer's certificate is asked for, by the words of applications. */
export const TLS_VERIFY_WORDS = {
  none: TLS_VERIFY_NONE,
  request: TLS_VERIFY_REQUEST,
  require: TLS_VERIFY_REQUIRE,
  report: TLS_VERIFY_REPORT,
};

/** What an application says of a TLS endpoint. Certificates, trust and profiles are its own or the stack's, by index. */
export interface TlsOptions {
  /**
   * The own certificate. Default: of a listener 0, the test certificate; of a client none. `ask`: the application says it at
   * each handshake, by the name that the client wants (`certificate` of AppCallbacks).
   */
  readonly pair?: number | "ask";
  /** Whose certificates are trusted. Default 0: Node's root certificates. */
  readonly trust?: number;
  /** Versions, suites and groups. Default 0: those of the defaults. */
  readonly profile?: number;
  /**
   * Whether the peer has to show a certificate that can be verified. `report`: what is wrong with it, its names left aside, is only
   * told, by `tlsInfo().verifyError`. Default: of a listener `none`, of a client `require`.
   */
  readonly verify?: keyof typeof TLS_VERIFY_WORDS;
  /** Names of application protocols, best first (RFC 7301). */
  readonly alpn?: readonly string[];
  /** A client asks the server to staple an OCSP response to its certificate: `tlsInfo().ocsp`. Default false. */
  readonly ocsp?: boolean;
}

/** The same as the transport has it: -1 where nothing was said. */
export interface CryptoConfig {
  /** {@link PAIR_ASK}: to be asked for. */
  readonly pair: number;
  readonly trust: number;
  readonly profile: number;
  readonly verify: number;
  /** A length byte before each name. */
  readonly alpn: Uint8Array;
  readonly ocsp: boolean;
  readonly hostname: string;
}

/** As an index of a certificate: it is asked for. */
export const PAIR_ASK = -2;

/** When nothing was said. */
function nothingSaid(): CryptoConfig {
  return { pair: -1, trust: -1, profile: -1, verify: -1, alpn: new Uint8Array(0), ocsp: false, hostname: "" };
}

// The part: three indices (int32), verify (int8), ocsp (int8), length and names of ALPN, length and hostname.
// Big-endian.
const FIXED_BYTES = 14;

/** Whether a value may be an index of the crypto store. */
export function isIndex(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= 0x7fff_ffff;
}

const ASCII = /^[\x20-\x7e]*$/;
/** Longest name of a host. */
const MAX_HOSTNAME = 253;

function asciiBytes(text: string): Uint8Array | undefined {
  return ASCII.test(text) ? Uint8Array.from(text, (char) => char.charCodeAt(0)) : undefined;
}

/** Whether bytes are names with a length, not 0, before each. */
function areNames(bytes: Uint8Array): boolean {
  let at = 0;
  while (at < bytes.length && bytes[at] > 0) at += 1 + bytes[at];
  return at === bytes.length;
}

function alpnBytes(names: readonly string[]): Uint8Array | undefined {
  const bytes: number[] = [];
  for (const name of names) {
    const ascii = typeof name === "string" ? asciiBytes(name) : undefined;
    if (ascii === undefined || ascii.length === 0 || ascii.length > 255) return undefined;
    bytes.push(ascii.length, ...ascii);
  }
  return bytes.length > 255 ? undefined : Uint8Array.from(bytes);
}

/**
 * The chunk of extended configuration for a TLS endpoint. A text: what is wrong with the options, which may come from
 * anywhere.
 */
export function cryptoExtConfig(options: TlsOptions, hostname = ""): Uint8Array | string {
  const { trust, profile, verify, alpn = [], ocsp = false } = options;
  const pair = options.pair === "ask" ? undefined : options.pair;
  for (const [name, value] of Object.entries({ pair, trust, profile })) {
    if (value !== undefined && !isIndex(value)) return `tls: ${name} is no index`;
  }
  if (verify !== undefined && !Object.hasOwn(TLS_VERIFY_WORDS, verify))
    return "tls: verify is not none, request, require, report";
  if (typeof ocsp !== "boolean") return "tls: ocsp is not true or false";
  const names = Array.isArray(alpn) ? alpnBytes(alpn) : undefined;
  if (names === undefined) return "tls: alpn is no list of names of 1 to 255 characters, 255 with a byte for each";
  const host = asciiBytes(hostname);
  if (host === undefined || host.length > MAX_HOSTNAME) return "tls: no such hostname";
  const part = new Uint8Array(FIXED_BYTES + 2 + names.length + host.length);
  const view = new DataView(part.buffer);
  [pair, trust, profile].forEach((value, i) => view.setInt32(4 * i, value ?? -1));
  if (options.pair === "ask") view.setInt32(0, PAIR_ASK);
  view.setInt8(12, verify === undefined ? -1 : TLS_VERIFY_WORDS[verify]);
  view.setInt8(13, ocsp ? 1 : 0);
  part[FIXED_BYTES] = names.length;
  part.set(names, FIXED_BYTES + 1);
  part[FIXED_BYTES + 1 + names.length] = host.length;
  part.set(host, FIXED_BYTES + 2 + names.length);
  const config = new ExtConfig();
  return config.add(EXT_CONFIG_CRYPTO, part) < 0 ? "tls: alpn and hostname are too long together" : config.bytes;
}

/** Reads a chunk of extended configuration, which may come from another process. INVALID when lengths do not fit. */
export function parseCryptoConfig(chunk: Uint8Array | undefined): CryptoConfig | SessionErrorValue {
  if (chunk === undefined) return nothingSaid();
  const config = ExtConfig.parse(chunk);
  if (typeof config === "number") return config === SESSION_E_NOEXTCFG ? nothingSaid() : config;
  const part = config.get(EXT_CONFIG_CRYPTO);
  if (part === undefined) return nothingSaid();
  if (part.length < FIXED_BYTES + 2) return SESSION_E_INVALID;
  const view = new DataView(part.buffer, part.byteOffset, part.length);
  const hostAt = FIXED_BYTES + 1 + part[FIXED_BYTES];
  if (hostAt >= part.length || hostAt + 1 + part[hostAt] !== part.length) return SESSION_E_INVALID;
  const verify = view.getInt8(12);
  const ocsp = view.getInt8(13);
  if (verify < -1 || verify > TLS_VERIFY_REPORT || (ocsp & ~1) !== 0) return SESSION_E_INVALID;
  const alpn = part.slice(FIXED_BYTES + 1, hostAt);
  const hostname = String.fromCharCode(...part.subarray(hostAt + 1));
  if (!areNames(alpn) || !ASCII.test(hostname) || hostname.length > MAX_HOSTNAME) return SESSION_E_INVALID;
  return {
    pair: view.getInt32(0),
    trust: view.getInt32(4),
    profile: view.getInt32(8),
    verify,
    alpn,
    ocsp: ocsp === 1,
    hostname,
  };
}
