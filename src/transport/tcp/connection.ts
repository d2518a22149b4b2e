import type { MemoryWindow } from "../../mem/window.js";
import { C_COMMON_WORDS, C_FLAGS, C_SESSION, C_STATE, CF_USED, type ConnectionIndex } from "../transport.js";

// Connection states in VPP's order (RFC 9293 3.3.2).
/** No connection: the row is free. */
export const CLOSED = 0;
/** Waits for connection requests. */
export const LISTEN = 1;
/** Sent a SYN. */
export const SYN_SENT = 2;
/** Received and sent a SYN. */
export const SYN_RCVD = 3;
/** Data flows both ways. */
export const ESTABLISHED = 4;
/** The peer sent FIN; we may still send. */
export const CLOSE_WAIT = 5;
/** We sent FIN; it is not acknowledged yet. */
export const FIN_WAIT_1 = 6;
/** We sent FIN after the peer's; it is not acknowledged yet. */
export const LAST_ACK = 7;
/** Both sent FIN at the same time. */
export const CLOSING = 8;
/** Our FIN is acknowledged; the peer may still send. */
export const FIN_WAIT_2 = 9;
/** All is done; answers stragglers for 2 MSL. */
export const TIME_WAIT = 10;

/** The names of the states, by number. */
export const TCP_STATE_NAMES: readonly string[] = [
  "CLOSED",
  "LISTEN",
  "SYN_SENT",
  "SYN_RCVD",
  "ESTABLISHED",
  "CLOSE_WAIT",
  "FIN_WAIT_1",
  "LAST_ACK",
  "CLOSING",
  "FIN_WAIT_2",
  "TIME_WAIT",
];

// Row fields behind the common ones (RFC 9293 3.3.1 names). The second line is what each segment touches.
/** Oldest unacknowledged sequence number. */
export const T_SND_UNA = C_COMMON_WORDS;
/** Next sequence number to send; goes back to sndUna after a timeout. */
export const T_SND_NXT = C_COMMON_WORDS + 1;
/** Highest sequence number sent plus one. */
export const T_SND_MAX = C_COMMON_WORDS + 2;
/** Send window, bytes (scaled). */
export const T_SND_WND = C_COMMON_WORDS + 3;
/** Sequence number of the segment that last updated the window. */
export const T_SND_WL1 = C_COMMON_WORDS + 4;
/** Acknowledgment number of the segment that last updated the window. */
export const T_SND_WL2 = C_COMMON_WORDS + 5;
/** Next sequence number expected. */
export const T_RCV_NXT = C_COMMON_WORDS + 6;
/** Right edge of the advertised receive window: rcvNxt + rcvWnd. Never moves left (RFC 9293 SHLD-14). */
export const T_RCV_EDGE = C_COMMON_WORDS + 7;
/** Window scales: the peer's << 8 | ours (RFC 7323). */
export const T_SCALES = C_COMMON_WORDS + 8;
/** TS.Recent (RFC 7323). */
export const T_TS_RECENT = C_COMMON_WORDS + 9;
/** Most payload bytes in a segment: the peer's MSS and our MTU, less the options that every segment carries. */
export const T_SND_MSS = C_COMMON_WORDS + 10;
/** Congestion window, bytes. */
export const T_CWND = C_COMMON_WORDS + 11;
/** Slow start threshold, bytes. */
export const T_SSTHRESH = C_COMMON_WORDS + 12;
/** What the next transmission owes the peer: the P_ bits, and from bit 8 the number of duplicate ACKs. */
export const T_PENDING = C_COMMON_WORDS + 13;
/** Duplicate ACKs in a row. */
export const T_DUPACKS = C_COMMON_WORDS + 14;
/** NewReno's recover: recovery ends when it is acknowledged (RFC 6582). */
export const T_RECOVER = C_COMMON_WORDS + 15;
/** Initial send sequence number. */
export const T_ISS = C_COMMON_WORDS + 16;
/** Initial receive sequence number. */
export const T_IRS = C_COMMON_WORDS + 17;
/** Smoothed round-trip time, microseconds; 0 before the first sample (RFC 6298). */
export const T_SRTT_US = C_COMMON_WORDS + 18;
/** Round-trip time variation, microseconds. */
export const T_RTTVAR_US = C_COMMON_WORDS + 19;
/** Retransmission timeout without backoff, microseconds. */
export const T_RTO_US = C_COMMON_WORDS + 20;
/** Timeouts in a row: the backoff exponent. Zero-window probes count here too. */
export const T_BACKOFF = C_COMMON_WORDS + 21;
/** End of the segment whose round trip is being timed. */
export const T_RTT_SEQ = C_COMMON_WORDS + 22;
/** When it was sent, microseconds modulo 2^32. */
export const T_RTT_START_US = C_COMMON_WORDS + 23;
/** Passive open: session of the listener, until the connection is accepted. Active open: -1. */
export const T_LISTENER = C_COMMON_WORDS + 24;
/** Active open: the caller's context. */
export const T_CONTEXT = C_COMMON_WORDS + 25;
/** When TS.Recent was taken, milliseconds. */
export const T_TS_RECENT_MS = C_COMMON_WORDS + 26;
/** Largest send window seen, bytes: for silly-window avoidance and RFC 5961's ACK range. */
export const T_SND_WND_MAX = C_COMMON_WORDS + 27;
/** Acknowledgment number last sent (RFC 7323 Last.ACK.sent). */
export const T_LAST_ACK_SENT = C_COMMON_WORDS + 28;
/** When the oldest unacknowledged data was first sent or last advanced or answered, milliseconds: start of R2. */
export const T_PROGRESS_MS = C_COMMON_WORDS + 29;
/** When data was last sent, milliseconds: idle restart. */
export const T_LAST_SENT_MS = C_COMMON_WORDS + 30;
/** The peer's MSS option, 536 or 1220 without one. */
export const T_PEER_MSS = C_COMMON_WORDS + 31;
/** First of the words that belong to congestion control. */
export const T_CC = C_COMMON_WORDS + 32;
/** Words of congestion control. */
export const CC_WORDS = 6;
/** Timeouts and fast retransmissions of this connection, for `show session verbose 2`. */
export const T_TIMEOUTS = T_CC + CC_WORDS;
/** Fast retransmissions. */
export const T_FAST_RETRANSMITS = T_TIMEOUTS + 1;
/** Bytes sent again. */
export const T_BYTES_RETRANS = T_TIMEOUTS + 2;
/** Initial receive window in the SYN, bytes. */
export const T_INITIAL_WND = T_TIMEOUTS + 3;
/** Bytes at and behind sndUna that RFC 9293 3.8.5's urgent pointer names: the peer's, as a sequence number. */
export const T_RCV_UP = T_TIMEOUTS + 4;
/** Sequence number of a FIN that came before data it follows. */
export const T_PEER_FIN = T_TIMEOUTS + 5;
/** Words of a row. */
export const ROW_WORDS = 64;

// Transport flags in C_FLAGS, from bit 8.
/** Both ends offered timestamps (RFC 7323). */
export const TF_TIMESTAMPS = 1 << 8;
/** Both ends offered window scaling. */
export const TF_WSCALE = 1 << 9;
/** The application will send no more: FIN after the data. */
export const TF_FIN_WANTED = 1 << 10;
/** FIN is part of [sndUna, sndMax). */
export const TF_FIN_SENT = 1 << 11;
/** The application closed both directions: new data is answered by a reset (RFC 9293 SHLD-3). */
export const TF_APP_CLOSED = 1 << 12;
/** The round trip of T_RTT_SEQ is being timed. */
export const TF_TIMING = 1 << 13;
/** In fast recovery until T_RECOVER is acknowledged. */
export const TF_FAST_RECOVERY = 1 << 14;
/** After a timeout, until T_RECOVER is acknowledged. */
export const TF_LOSS_RECOVERY = 1 << 15;
/** The connection is in the half-open table (SYN_SENT), otherwise in the established one. */
export const TF_HALF_OPEN = 1 << 16;
/** The peer has answered all that was sent, if only by a closed window: R2 does not run until more is sent. */
export const TF_ANSWERED = 1 << 17;
/** A probe is due: one byte past the window may go. */
export const TF_PROBE_NOW = 1 << 18;
/** The sender was held back by cwnd since the last ACK: cwnd may grow (RFC 7661 3). */
export const TF_CWND_LIMITED = 1 << 19;
/** Urgent data was announced up to T_RCV_UP. */
export const TF_URGENT = 1 << 20;
/** T_PEER_FIN counts: the stream ends there once the gap before it is filled. */
export const TF_PEER_FIN = 1 << 21;

// Bits of T_PENDING.
/** An ACK is owed. */
export const P_ACK = 1;
/** The segment at sndUna is lost: send it again before anything else. */
export const P_RETRANSMIT = 2;
/** One duplicate ACK, in the count from bit 8. */
export const P_DUPACK_ONE = 1 << 8;
/** Most duplicate ACKs that are remembered for one transmission, as in VPP. */
export const P_DUPACK_MAX = 255;

/** The connection rows of one stack: a pool in the window. */
export class TcpConnections {
  /** First word of row 0. */
  readonly base: number;
  /** Words from row to row. */
  readonly stride = ROW_WORDS;
  readonly capacity: number;
  readonly #window: MemoryWindow;
  /** Head of the free rows, linked through C_SESSION; -1 at the end. */
  #free = -1;
  #fresh = 0;
  #used = 0;

  constructor(window: MemoryWindow, capacity: number) {
    this.#window = window;
    this.capacity = capacity;
    this.base = window.reserve("tcp connections", capacity * ROW_WORDS * 4) >> 2;
  }

  /** Rows in use. */
  get used(): number {
    return this.#used;
  }

  /** A cleared row without a session, or -1 when all are in use. */
  alloc(): ConnectionIndex {
    let c = this.#free;
    if (c < 0 && this.#fresh === this.capacity) return -1;
    const { i32 } = this.#window;
    if (c < 0) c = this.#fresh++;
    else this.#free = i32[this.row(c) + C_SESSION];
    const r = this.row(c);
    i32.fill(0, r, r + ROW_WORDS);
    i32[r + C_SESSION] = -1;
    i32[r + C_FLAGS] = CF_USED;
    i32[r + T_LISTENER] = -1;
    this.#used++;
    return c;
  }

  /** Gives a row back. */
  free(c: ConnectionIndex): void {
    const { i32 } = this.#window;
    const r = this.row(c);
    i32[r + C_FLAGS] = 0;
    i32[r + C_STATE] = CLOSED;
    i32[r + C_SESSION] = this.#free;
    this.#free = c;
    this.#used--;
  }

  /** Word index of a row. */
  row(c: ConnectionIndex): number {
    return this.base + c * ROW_WORDS;
  }

  /** The connection of a row. */
  at(row: number): ConnectionIndex {
    return (row - this.base) / ROW_WORDS;
  }

  /** Every row in use, for listings. */
  *[Symbol.iterator](): Generator<ConnectionIndex> {
    for (let c = 0; c < this.#fresh; c++) {
      if ((this.#window.i32[this.row(c) + C_FLAGS] & CF_USED) !== 0) yield c;
    }
  }
}
