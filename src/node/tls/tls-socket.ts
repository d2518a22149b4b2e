import { X509Certificate } from "node:crypto";
import type { EventEmitter } from "node:events";
import type { CipherNameAndProtocol, DetailedPeerCertificate, PeerCertificate } from "node:tls";
import type { TlsInfo } from "../../transport/tls/engine.js";
import { Socket } from "../net/socket.js";
import { tlsError, unsupported } from "./tls-error.js";

/**
 * A session of TLS, shaped like Node's tls.TLSSocket. It is there when its handshake is done: `connect` and `secureConnect`
 * come together. What is known of the handshake stays known when the connection has ended.
 */
export class TLSSocket extends Socket {
  readonly encrypted = true;
  /** The peer's certificate was verified, and nothing is wrong with it. */
  authorized = false;
  /** Why not, by a code of Node's; null: nothing is, or nobody asked. */
  authorizationError: string | null = null;
  /** What was agreed on; false: nothing was; null before the handshake. */
  alpnProtocol: string | false | null = null;
  /** As the client said it (SNI); false: it said none; null before the handshake. */
  servername: string | false | null = null;
  /** Who accepted it. Node's http2 with `allowHTTP1` looks for itself there: tell it so. */
  server: EventEmitter | undefined = undefined;
  #info: TlsInfo | undefined = undefined;

  /** The handshake is done. For the rooms of tls. */
  secured(info: TlsInfo, problem: string | undefined): void {
    this.#info = info;
    this.alpnProtocol = info.alpn ?? false;
    this.servername = info.serverName ?? false;
    this.authorized = problem === undefined && info.certificate !== undefined;
    this.authorizationError = problem ?? null;
  }

  protected override opened(): void {
    super.opened();
    this.emit("secureConnect");
  }

  override onReset(error: Error): void {
    super.onReset(tlsError(error));
  }

  override tlsInfo(): TlsInfo | undefined {
    return this.#info;
  }

  /** The peer's certificate, `{}` when it has shown none, null before the handshake; with `detailed` those of its issuers, too. */
  getPeerCertificate(detailed: true): DetailedPeerCertificate | null;
  getPeerCertificate(detailed?: boolean): PeerCertificate | null;
  getPeerCertificate(detailed = false): PeerCertificate | DetailedPeerCertificate | null {
    const info = this.#info;
    return info === undefined ? null : peerCertificate(info, detailed);
  }

  /** The same as an X509Certificate. */
  getPeerX509Certificate(): X509Certificate | undefined {
    const der = this.#info?.certificate;
    return der === undefined ? undefined : new X509Certificate(der);
  }

  /** `{}` before the handshake, as Node has it. */
  getCipher(): CipherNameAndProtocol & { readonly standardName: string } {
    const { version = "", cipher = "", standardCipher = "" } = this.#info ?? {};
    return { name: cipher, standardName: standardCipher, version };
  }

  /** `TLSv1.2`, `TLSv1.3`; null before the handshake. */
  getProtocol(): string | null {
    return this.#info?.version ?? null;
  }

  /** The handshake was short, by what an earlier connection left. */
  isSessionReused(): boolean {
    return this.#info?.resumed ?? false;
  }

  /** The stack resumes sessions by itself: they are not handed out. */
  getSession(): undefined {
    return undefined;
  }

  /** See {@link getSession}. */
  getTLSTicket(): undefined {
    return undefined;
  }

  /** There never is any. */
  disableRenegotiation(): void {}

  // ---- What node:tls has besides ----

  /** Throws ERR_WEFT_TLS_UNSUPPORTED, as all of the following. */
  renegotiate(): never {
    throw unsupported("renegotiate");
  }

  setMaxSendFragment(): never {
    throw unsupported("setMaxSendFragment");
  }

  setSession(): never {
    throw unsupported("setSession");
  }

  setServername(): never {
    throw unsupported("setServername");
  }

  exportKeyingMaterial(): never {
    throw unsupported("exportKeyingMaterial");
  }

  enableTrace(): never {
    throw unsupported("enableTrace");
  }

  getEphemeralKeyInfo(): never {
    throw unsupported("getEphemeralKeyInfo");
  }

  getFinished(): never {
    throw unsupported("getFinished");
  }

  getPeerFinished(): never {
    throw unsupported("getPeerFinished");
  }

  getCertificate(): never {
    throw unsupported("getCertificate");
  }

  getX509Certificate(): never {
    throw unsupported("getX509Certificate");
  }

  getSharedSigalgs(): never {
    throw unsupported("getSharedSigalgs");
  }
}

/** A certificate as node:tls shows it; `{}`: there is none. With `detailed`, each has that of its issuer, the last itself. */
export function peerCertificate({ certificate, issuers = [] }: TlsInfo, detailed = false): PeerCertificate {
  if (certificate === undefined) return {} as PeerCertificate;
  const shown = [certificate, ...(detailed ? issuers : [])].map((der) => new X509Certificate(der));
  const chain = shown.map((each) => each.toLegacyObject() as DetailedPeerCertificate);
  if (!detailed) return chain[0];
  for (let i = 0; i + 1 < chain.length; i++) chain[i].issuerCertificate = chain[i + 1];
  const last = shown[shown.length - 1];
  if (last.checkIssued(last)) chain[chain.length - 1].issuerCertificate = chain[chain.length - 1];
  return chain[0];
}
