import type { SessionIndex } from "../transport/transport.js";

/** A handshake of a listener's peer that waits for a certificate, of which the application is asked (VPP app_crypto_async). */
export interface CertificateRequest {
  readonly listener: SessionIndex;
  /** As the client said it (SNI); "": it said none. */
  readonly serverName: string;
  /** Index of the certificate. Whatever is none that the application may use ends the handshake. Only the first answer counts. */
  answer(pair: unknown): void;
  /** Set by who is asked: called when the handshake has ended before there was an answer, which is for nobody then. */
  cancelled: (() => void) | undefined;
}
