import type { MemoryWindow } from "../../mem/window.js";
import { ConnectionRows } from "../connection-rows.js";
import { C_COMMON_WORDS, type ConnectionIndex, type Endpoint } from "../transport.js";

/** The row is free. */
export const TLS_CLOSED = 0;
/** Takes connections of TCP. */
export const TLS_LISTEN = 1;
/** TCP is being opened. */
export const TLS_CONNECTING = 2;
/** The handshake is under way. */
export const TLS_HANDSHAKE = 3;
/** The application's session is there. */
export const TLS_OPEN = 4;

/** The names of the states, by number. */
export const TLS_STATE_NAMES: readonly string[] = ["CLOSED", "LISTEN", "CONNECTING", "HANDSHAKE", "OPEN"];

/** The application writes no more: half-closed or closed. */
export const TLSF_END_WANTED = 1 << 8;
/** close_notify was sent. */
export const TLSF_END_SENT = 1 << 9;
/** The application closed: it reads no more either. */
export const TLSF_APP_CLOSED = 1 << 10;
/** The peer's close_notify came. */
export const TLSF_PEER_ENDED = 1 << 11;
/** The peer's FIN came. */
export const TLSF_FIN = 1 << 12;
/** The stream was cut; the application hears of it when it has read the rest. */
export const TLSF_TRUNCATED = 1 << 13;
/** Clear text waits for room in the rx fifo, in the engine or as ciphertext. */
export const TLSF_RX_WAITS = 1 << 14;
/** The server's end. */
export const TLSF_SERVER = 1 << 15;
/** The certificate was asked for, and nobody has answered yet. */
export const TLSF_ASKED = 1 << 16;
/** TCP's session was closed: its end is waited for. */
export const TLSF_LOWER_CLOSED = 1 << 17;
/** The application closed, and the peer is given time: to take what is left, then to end its stream. */
export const TLSF_LINGERS = 1 << 18;
/** Records wait for room in the tx fifo of TCP, of which its session will tell. */
export const TLSF_BLOCKED = 1 << 19;

/** Session of TCP, -1 without one; of a listener its listening session. */
export const TLS_LOWER = C_COMMON_WORDS;
/** Connection of the engine, -1 without one. */
export const TLS_ENGINE = C_COMMON_WORDS + 1;
/** Of an active open: what {@link TransportUpcalls.connected} wants back. Of a passive one: the listening session. */
export const TLS_OPENER = C_COMMON_WORDS + 2;
/** Clear bytes sent since the stream began, or was silent, up to what is sent in small records. */
export const TLS_SENT = C_COMMON_WORDS + 3;
/** Tick of the last record that was sent. */
export const TLS_SENT_TICK = C_COMMON_WORDS + 4;
/** Tick at which the handshake, or the peer's end, has taken too long. */
export const TLS_DUE = C_COMMON_WORDS + 5;
/** Next and previous connection of the same list of deadlines + 1, 0 at the end. */
export const TLS_NEXT = C_COMMON_WORDS + 6;
/** See {@link TLS_NEXT}. */
export const TLS_PREVIOUS = C_COMMON_WORDS + 7;
/** Of one that lingers: how far the session of TCP had sent when that was looked at last, a position in its tx fifo. */
export const TLS_SENT_UP_TO = C_COMMON_WORDS + 8;
/** Words of a row. */
export const TLS_WORDS = C_COMMON_WORDS + 9;

/** The rows of TLS, 100 bytes each, and of DTLS. */
export class TlsConnections extends ConnectionRows {
  /** Reserves `capacity` rows under a name. Throws RangeError when the window is full. */
  constructor(window: MemoryWindow, name: string, capacity: number, words = TLS_WORDS) {
    super(window, name, capacity, words);
  }

  /** A row for these ends, without session; -1 when all are in use. No `remote`: a listener. */
  alloc(state: number, fib: number, local: Endpoint, remote?: Endpoint): ConnectionIndex {
    const c = this.allocRow(state, fib, local, remote);
    if (c < 0) return -1;
    const r = this.row(c);
    this.i32[r + TLS_LOWER] = -1;
    this.i32[r + TLS_ENGINE] = -1;
    this.i32[r + TLS_OPENER] = -1;
    return c;
  }
}
