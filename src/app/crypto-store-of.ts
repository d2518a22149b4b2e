import { SESSION_E_NOCRYPTOENG, SessionError } from "../session/session-errors.js";
import type { SessionLayer } from "../session/session-layer.js";
import type { CryptoStore } from "../transport/tls/crypto-store.js";
import { TlsTransport } from "../transport/tls/tls.js";
import { TRANSPORT_TLS } from "../transport/transport.js";

/** The crypto store of a stack. Throws SessionError NOCRYPTOENG when it has no TLS. */
export function cryptoStoreOf(sessions: SessionLayer, what: string): CryptoStore {
  const transport = sessions.transports[TRANSPORT_TLS];
  if (transport instanceof TlsTransport) return transport.store;
  throw new SessionError(SESSION_E_NOCRYPTOENG, what, "no TLS on this stack");
}
