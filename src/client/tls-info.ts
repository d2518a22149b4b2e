import type { MessageOf } from "../app/messages/message-table.js";
import type { TlsInfo } from "../transport/tls/engine.js";

/** Certificates that lie one after the other: each is a sequence with its length before it (DER). */
function split(all: Uint8Array): Uint8Array[] {
  const found: Uint8Array[] = [];
  for (let at = 0; at + 2 <= all.length; ) {
    const short = all[at + 1];
    const lengthBytes = short < 0x80 ? 0 : short & 0x7f;
    let length = lengthBytes === 0 ? short : 0;
    for (let i = 0; i < Math.min(lengthBytes, 3); i++) length = (length << 8) | (all[at + 2 + i] ?? 0);
    const end = at + 2 + lengthBytes + length;
    if (end > all.length) break;
    found.push(all.slice(at, end));
    at = end;
  }
  return found;
}

/** What the stack tells of a session of TLS. */
export function tlsInfoOf(message: MessageOf<"TLS_INFO">): TlsInfo {
  const { version, cipher, standardCipher, alpn, serverName, certificate, issuers, resumed } = message;
  const { verifyError, verifyReason } = message;
  const texts = { cipher, standardCipher, alpn, serverName, verifyError, verifyReason };
  return {
    version,
    resumed,
    ...Object.fromEntries(Object.entries(texts).filter(([, text]) => text !== "")),
    ...(certificate.length === 0 ? {} : { certificate }),
    ...(issuers.length === 0 ? {} : { issuers: split(issuers) }),
  };
}
