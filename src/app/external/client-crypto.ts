import { SESSION_E_NOAPP, SESSION_E_INVALID, SessionError } from "../../session/session-errors.js";
import type { SessionLayer } from "../../session/session-layer.js";
import type { TlsProfile } from "../../transport/tls/crypto-store.js";
import { cryptoStoreOf } from "../crypto-store-of.js";
import { type CryptoRequest, type CryptoRequestName, MAX_REASON_BYTES } from "../messages/socket-table.js";
import type { SocketMessageOf } from "../messages/socket-table.js";

/** What is answered to a client that adds to the crypto store, or takes away. */
export type CryptoReply = SocketMessageOf<"CERT_KEY_ADD_DEL_REPLY"> | SocketMessageOf<"CRYPTO_REPLY">;

/** Each request by its reply's name. */
const REPLIES = {
  CERT_KEY_ADD_DEL: "CERT_KEY_ADD_DEL_REPLY",
  OCSP_UPDATE: "CRYPTO_REPLY",
  TRUST_ADD_DEL: "CRYPTO_REPLY",
  CRL_UPDATE: "CRYPTO_REPLY",
  TLS_PROFILE_ADD_DEL: "CRYPTO_REPLY",
} as const satisfies Readonly<Record<CryptoRequestName, CryptoReply["type"]>>;

/** The answer to a request: with the index of what was added, or why not. `app`: whose it is; -1: nobody's, who did not attach. */
export function answerCrypto(sessions: SessionLayer, app: number, request: CryptoRequest): CryptoReply {
  const { context } = request;
  const type = REPLIES[request.type];
  try {
    if (sessions.applications.attached(app) === undefined) throw new SessionError(SESSION_E_NOAPP, "crypto");
    return { type, context, retval: 0, text: "", index: change(sessions, app, request) };
  } catch (error) {
    if (!(error instanceof SessionError)) return { type, context, retval: SESSION_E_INVALID, text: "", index: 0 };
    // Without the name at its end, which the client adds.
    const text = error.message.replace(/ \(\w+\)$/, "").slice(0, MAX_REASON_BYTES >> 2);
    return { type, context, retval: sessions.counted(error.errno), text, index: 0 };
  }
}

function change(sessions: SessionLayer, app: number, request: CryptoRequest): number {
  const store = cryptoStoreOf(sessions, "crypto");
  const { index } = request;
  switch (request.type) {
    case "CERT_KEY_ADD_DEL":
      if (request.isAdd) return store.addPair({ certificate: request.cert, key: request.key }, app);
      store.delPair(index, app);
      return index;
    case "OCSP_UPDATE":
      store.setOcsp(index, request.response, app);
      return index;
    case "TRUST_ADD_DEL":
      if (request.isAdd) return store.addTrust(request.certificates, request.crl, app);
      store.delTrust(index, app);
      return index;
    case "CRL_UPDATE":
      store.updateCrl(index, request.crl, app);
      return index;
    case "TLS_PROFILE_ADD_DEL":
      if (request.isAdd) return store.addProfile(profileOf(request), app);
      store.delProfile(index, app);
      return index;
  }
}

/** Numbers that are 0 and empty texts are those that were not said. */
function profileOf(request: SocketMessageOf<"TLS_PROFILE_ADD_DEL">): TlsProfile {
  const { minVersion, maxVersion, ciphers, suites, groups } = request;
  return {
    ...(minVersion === 0 ? {} : { minVersion }),
    ...(maxVersion === 0 ? {} : { maxVersion }),
    ...(ciphers === "" ? {} : { ciphers }),
    ...(suites === "" ? {} : { suites }),
    ...(groups === "" ? {} : { groups }),
  };
}
