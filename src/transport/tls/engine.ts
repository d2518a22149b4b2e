// What does the cryptography of TLS, seen from the core: it comes from outside (src/host), bound to the stack's window.

/** Of {@link TlsEngine.step}, what it is to know: no ciphertext follows what there is. */
export const TLS_IN_END = 1;
/** No clear text follows what there is: close_notify comes after it. */
export const TLS_IN_CLOSE = 2;

/** Of datagrams: the time to retransmit has come. */
export const TLS_IN_TIMEOUT = 4;

/** What {@link TlsEngine.step} tells: the handshake is complete. */
export const TLS_OUT_OPEN = 1;
/** It failed for good; {@link TlsEngine.reason} says why. An alert was written if there is one to write. */
export const TLS_OUT_FAILED = 2;
/** The peer's close_notify came: there will be no more clear text. */
export const TLS_OUT_PEER_ENDED = 4;
/** Our close_notify was written. */
export const TLS_OUT_END_SENT = 8;
/** Clear text waits for room. */
export const TLS_OUT_PENDING = 16;
/** Ciphertext waits for room. */
export const TLS_OUT_BLOCKED = 32;
/** The certificate is asked for: {@link TlsEngine.answer} goes on. */
export const TLS_OUT_ASKS = 64;
/** With {@link TLS_OUT_FAILED}: the transport's stream ended without close_notify. */
export const TLS_OUT_TRUNCATED = 128;
/** With {@link TLS_OUT_OPEN}, by the step that completes the handshake: a session was resumed. */
export const TLS_OUT_RESUMED = 256;
/** Of datagrams: there is something to retransmit if nothing comes. */
export const TLS_OUT_TIMER = 512;
/** Of datagrams: the clear text was too long for one, or empty, and is lost. */
export const TLS_OUT_TOO_LONG = 1024;

// The area: int32 words of the window from `area` on, through which a step gets its parameters and gives its results.
/** TLS_IN_ bits. */
export const TLS_FLAGS = 0;
/** From here on, how many spans: ciphertext in, room for ciphertext, clear text in, room for clear text. */
export const TLS_COUNTS = 1;
/** Most clear bytes of a record. */
export const TLS_RECORD_BYTES = 5;
/** From here on, bytes taken or filled of each. */
export const TLS_RESULTS = 6;
/** From here on, {@link TLS_MAX_SPANS} pairs (offset, length) of each. */
export const TLS_SPANS = 16;
/** Spans of each at most. */
export const TLS_MAX_SPANS = 16;
/** Of datagrams, how many were written, then the length of each, {@link TLS_MAX_DATAGRAMS} at most. */
export const TLS_OUT_LENGTHS = 144;
/** The same of clear text. */
export const TLS_CLEAR_LENGTHS = 200;
/** Datagrams that a step writes at most, and as many of clear text. */
export const TLS_MAX_DATAGRAMS = 55;
/** Bytes of the area. */
export const TLS_AREA_BYTES = 1024;

/** Room that a record needs beyond its clear bytes before it is begun. */
export const TLS_RECORD_OVERHEAD = 512;
/** Most clear bytes of a record (RFC 8446 5.1). */
export const TLS_MAX_RECORD_BYTES = 16_384;

/** Longest OCSP response, bytes: it has to fit into a message of TLS 1.2. */
export const TLS_MAX_OCSP_BYTES = 16_380;

/** TLS 1.2, by its number on the wire. */
export const TLS_1_2 = 0x0303;
/** TLS 1.3, by its number in supported_versions. */
export const TLS_1_3 = 0x0304;

/** The peer's certificate is not asked for. */
export const TLS_VERIFY_NONE = 0;
/** It is asked for, and verified if there is one. */
export const TLS_VERIFY_REQUEST = 1;
/** It has to be there, and to be valid. */
export const TLS_VERIFY_REQUIRE = 2;

/** It is asked for, and verified, but whatever comes of that is only told: {@link TlsInfo.verifyError}. Names are not compared. */
export const TLS_VERIFY_REPORT = 3;

/** What connections of one kind have in common. */
export interface TlsContextSettings {
  readonly server: boolean;
  /** The own certificate, by its number; -1 or absent: none. */
  readonly pair?: number;
  /** Trusted certificates, by their number; -1 or absent: none. */
  readonly store?: number;
  /** {@link TLS_VERIFY_NONE}, {@link TLS_VERIFY_REQUEST}, {@link TLS_VERIFY_REQUIRE} or {@link TLS_VERIFY_REPORT}. */
  readonly verify?: number;
  readonly minVersion?: number;
  readonly maxVersion?: number;
  /** Suites of TLS 1.2, in OpenSSL's words. Default: ECDHE with AES-GCM or ChaCha20-Poly1305. */
  readonly ciphers?: string;
  /** Suites of TLS 1.3. */
  readonly suites?: string;
  /** Groups of the key exchange, best first. */
  readonly groups?: string;
  /** Names of application protocols, a length byte before each (RFC 7301). */
  readonly alpn?: Uint8Array;
  /** A client asks for the OCSP response that is stapled to the certificate. */
  readonly ocsp?: boolean;
  /** A server's certificate is asked for at each connection: {@link TLS_OUT_ASKS}. */
  readonly asks?: boolean;
  /**
   * Sessions are resumed: a server gives out tickets that are good for so many seconds at least, at most 604,800; a client
   * offers what it was given. Default 0: no resumption.
   */
  readonly ticketSeconds?: number;
  /** DTLS 1.2 instead (RFC 6347). */
  readonly datagram?: boolean;
}

/** What is known of a connection. */
export interface TlsInfo {
  readonly version: string;
  /** OpenSSL's name of the cipher suite. */
  readonly cipher?: string;
  /** The name that the standards have for it. */
  readonly standardCipher?: string;
  readonly alpn?: string;
  /** As the client said it (SNI). */
  readonly serverName?: string;
  /** The peer's, in DER. */
  readonly certificate?: Uint8Array;
  /** Of a client that asked for it: the OCSP response that the server stapled to its certificate, in DER. Not verified; none of a resumed session. */
  readonly ocsp?: Uint8Array;
  /** The handshake was short, by what an earlier session left (RFC 8446 2.2). */
  readonly resumed: boolean;
  /** Those of its issuers, one after the other, if it was verified. */
  readonly issuers?: readonly Uint8Array[];
  /** What is wrong with it, or with there being none: the name of OpenSSL's X509_V_ERR_, e.g. `CERT_HAS_EXPIRED`. */
  readonly verifyError?: string;
  /** The same in OpenSSL's words. */
  readonly verifyReason?: string;
}

/** Whom a connection is with. */
export interface TlsPeer {
  /** The name that its certificate has to be for. */
  readonly hostname?: string;
  /** The address that it has to be for, when there is no name. */
  readonly address?: Uint8Array;
  /** Of a client: a word for the peer, 319 bytes at most. What one of the same word gave, in the same context, is resumed. */
  readonly peer?: string;
  /** Of datagrams: bytes of the longest one that a handshake sends, 256 to 65,535. Default 1232. */
  readonly mtu?: number;
}

/** A certificate with its chain, and its key, in PEM. */
export interface TlsPairText {
  readonly certificate: Uint8Array;
  readonly key: Uint8Array;
}

/**
 * An engine of TLS. Its things have numbers. What is refused of a text that an application gave is answered by the reason, a
 * string; nothing that comes from the wire throws.
 */
export interface TlsEngine {
  readonly name: string;
  /** First word of the area in the window. */
  readonly area: number;
  /** Store of the certificates that a client trusts unless told otherwise. */
  roots(): number;
  /** A certificate's number, or why it is refused. */
  addPair(certificate: Uint8Array, key: Uint8Array): number | string;
  /** Contexts that have it keep it. */
  removePair(pair: number): boolean;
  /**
   * The OCSP response, in DER, that is stapled to a certificate from now on, also in contexts that have it; empty: none. Why it
   * is refused, undefined: it is not. It is not stapled any more when it has run out.
   */
  setOcsp(pair: number, response: Uint8Array): string | undefined;
  /** The number of a store of trusted certificates, or why it is refused. With `crl` the peer's certificate, not those of its issuers, must not be on its issuer's list, which there has to be. */
  addStore(certificates: Uint8Array, crl: Uint8Array): number | string;
  removeStore(store: number): boolean;
  /** Another store for a context: for the handshakes to come, and those under way. False: there is no such context or store. */
  setStore(context: number, store: number): boolean;
  /** A fresh key with a certificate of its own for a host name. */
  makePair(name: string): TlsPairText;
  /** A context's number, or why it is refused. */
  addContext(settings: TlsContextSettings): number | string;
  /** Connections that have it keep it. */
  removeContext(context: number): boolean;
  /** Makes a connection. -1: no memory. */
  open(context: number, peer: TlsPeer): number;
  /** The certificate that was asked for: that of a context, or -1: there is none. */
  answer(connection: number, context: number): void;
  /** Moves as many records as fit, both ways, between the spans of the area. Returns TLS_OUT_ bits. */
  step(connection: number): number;
  /**
   * Takes the first datagram of a peer, to be named by its addresses (64 bytes at most). A connection, which takes the datagram in its first
   * step, once the peer has shown by a cookie that it is there (RFC 6347 4.2.1). -1 before: what may have been written is
   * the answer, and nothing is kept.
   */
  listen(context: number, peer: { readonly name: Uint8Array; readonly mtu: number }): number;
  /**
   * A step of a connection of datagrams: takes one datagram of each kind, or none, in pieces; writes those that come of it,
   * one after the other, into one span each. Returns TLS_OUT_ bits.
   */
  stepDatagram(connection: number): number;
  /** New cookies are made with a new secret. Those of the last one are taken, older ones are not. */
  changeCookieSecret(): void;
  /** Why a connection failed. */
  reason(connection: number): string;
  info(connection: number): TlsInfo;
  close(connection: number): boolean;
  /** New tickets are made with new keys. Those of the last ones are taken, older ones are not. */
  changeTicketKeys(): void;
  /** Whether secrets of handshakes are kept for {@link takeKeys} from now on. */
  logKeys(on: boolean): void;
  /** Lines of the NSS key log format since the last call. */
  takeKeys(): string;
}
