import type { TlsProfile } from "../transport/tls/crypto-store.js";
import type { TlsPairText } from "../transport/tls/engine.js";

/**
 * An application's own certificates, trust and TLS profiles, by index, for the `tls` options of listen and connect. Nobody else
 * may use them, and they go with it; listeners and sessions keep what they have when it is taken away. Texts are PEM. There are
 * at most 64 of each. Calls reject with a SessionError: INVALID with the reason; NOCRYPTOCKP when there is no such index;
 * OWNER when it is the stack's; NOCRYPTOENG on a stack without TLS; NOAPP. An application in another process gives at most
 * 64 KiB of each text; it has all of it again, by the same indices, when it attaches again.
 */
export interface AppCrypto {
  /** Adds a certificate, its chain after it, with its key: at most 64 KiB each. Resolves to its index. */
  addCertificate(pair: TlsPairText): Promise<number>;
  /**
   * The OCSP response, in DER, at most 16,380 bytes, that clients which ask for it get with a certificate until it has run out, in
   * handshakes to come, of open listeners, too. An empty one takes it away.
   */
  setOcsp(certificate: number, response: Uint8Array): Promise<void>;
  delCertificate(index: number): Promise<void>;
  /** Adds trusted certificates; with `crl`, lists of revoked ones, that of a peer's issuer has to be there. */
  addTrust(certificates: Uint8Array, crl?: Uint8Array): Promise<number>;
  /** Other lists of revoked certificates in place of those it has: for handshakes to come, of open listeners, too. */
  updateCrl(trust: number, crl: Uint8Array): Promise<void>;
  delTrust(index: number): Promise<void>;
  /** Adds a profile: versions, suites, groups. */
  addTlsProfile(profile: TlsProfile): Promise<number>;
  delTlsProfile(index: number): Promise<void>;
}
