import type { MemoryWindow } from "../../mem/window.js";
import { TLS_WORDS, TlsConnections } from "../tls/connection.js";

/** How often the flight of a handshake was retransmitted: its time doubles with each (RFC 6347 4.2.4.1). */
export const DTLS_RETRIES = TLS_WORDS;
/** First of the words of the list of those that wait to retransmit: see TlsDeadlines. */
export const DTLS_RETRY_LIST = TLS_WORDS + 1;
const DTLS_WORDS = TLS_WORDS + 4;

/** The rows of DTLS: those of TLS, and when the last flight is retransmitted. 116 bytes each. */
export class DtlsConnections extends TlsConnections {
  /** Reserves `capacity` rows. Throws RangeError when the window is full. */
  constructor(window: MemoryWindow, capacity: number) {
    super(window, "dtls connections", capacity, DTLS_WORDS);
  }
}
