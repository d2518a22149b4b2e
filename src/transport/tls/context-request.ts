import { type CryptoConfig, PAIR_ASK } from "./crypto-config.js";
import type { ContextRequest } from "./crypto-store.js";
import { TLS_VERIFY_NONE, TLS_VERIFY_REQUIRE } from "./engine.js";

/** What a context is to be like for an endpoint, with the defaults where an application has said nothing. */
export function contextRequest(
  server: boolean,
  { pair, trust, profile, verify, alpn, ocsp }: CryptoConfig,
  datagram = false,
): ContextRequest {
  const asks = pair === PAIR_ASK;
  const ownPair = asks || (pair < 0 && !server) ? -1 : Math.max(pair, 0);
  return {
    server,
    pair: ownPair,
    trust: Math.max(trust, 0),
    profile: Math.max(profile, 0),
    verify: verify >= 0 ? verify : server ? TLS_VERIFY_NONE : TLS_VERIFY_REQUIRE,
    alpn,
    asks,
    datagram,
    ocsp: ocsp && !server,
  };
}
