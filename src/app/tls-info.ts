import type { SessionLayer } from "../session/session-layer.js";
import { S_PROTO } from "../session/session-table.js";
import type { TlsInfo } from "../transport/tls/engine.js";
import { CryptoTransport } from "../transport/tls/crypto-transport.js";
import type { SessionIndex } from "../transport/transport.js";

/** What was agreed on with the peer of a session of TLS or DTLS; undefined for others, and once the connection has gone. */
export function tlsInfo(sessions: SessionLayer, s: SessionIndex): TlsInfo | undefined {
  if (!sessions.table.isUsed(s) || sessions.connectionOf(s) < 0) return undefined;
  const transport = sessions.transports[sessions.window.i32[sessions.table.row(s) + S_PROTO]];
  return transport instanceof CryptoTransport ? transport.info(sessions.connectionOf(s)) : undefined;
}
