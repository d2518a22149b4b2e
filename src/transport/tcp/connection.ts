import type { MemoryWindow } from "../../mem/window.js";
import {
  C_COMMON_WORDS,
  C_FLAGS,
  C_PORTS,
  C_RMT,
  C_SESSION,
  C_STATE,
  CF_USED,
  type ConnectionIndex,
} from "../transport.js";

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

/** Words from C_PORTS to the end of C_RMT, for keyed hashes: ports, local and remote address. */
export const TUPLE_WORDS = C_RMT + 4 - C_PORTS;

// Row fields behind the common ones (RFC 9293 3.3.1 names), by cache lines of 16 words.
// The second line: what each arriving segment touches.
/** Oldest unacknowledged sequence number. */
export const T_SND_UNA = C_COMMON_WORDS;
/** Next sequence number to send: everything below was sent. Never goes back; what is lost is marked in the scoreboard. */
export const T_SND_NXT = C_COMMON_WORDS + 1;
/** Send window, bytes (scaled). */
export const T_SND_WND = C_COMMON_WORDS + 2;
/** Sequence number of the segment that last updated the window. */
export const T_SND_WL1 = C_COMMON_WORDS + 3;
/** Acknowledgment number of the segment that last updated the window. */
export const T_SND_WL2 = C_COMMON_WORDS + 4;
/** Next sequence number expected. */
export const T_RCV_NXT = C_COMMON_WORDS + 5;
/** Right edge of the advertised receive window: rcvNxt + rcvWnd. Never moves left (RFC 9293 SHLD-14). */
export const T_RCV_EDGE = C_COMMON_WORDS + 6;
/** Window scales: the peer's << 8 | ours (RFC 7323). */
export const T_SCALES = C_COMMON_WORDS + 7;
/** TS.Recent (RFC 7323). */
export const T_TS_RECENT = C_COMMON_WORDS + 8;
/** When TS.Recent was taken, milliseconds; without timestamps, when the last acceptable segment came. */
export const T_TS_RECENT_MS = C_COMMON_WORDS + 9;
/** Acknowledgment number last sent (RFC 7323 Last.ACK.sent). */
export const T_LAST_ACK_SENT = C_COMMON_WORDS + 10;
/** Most payload bytes in a segment: the peer's MSS and our MTU, less the options that every segment carries. */
export const T_SND_MSS = C_COMMON_WORDS + 11;
/**
 * What the next transmission owes the peer: the P_ bits; from bit 8 the number of duplicate ACKs, or with SACK of blocks
 * that no ACK has reported yet; from bit 16 quick ACKs left.
 */
export const T_PENDING = C_COMMON_WORDS + 12;
/** Longest text of a segment that the peer has sent, bytes, at most T_SND_MSS: RMSS for delayed ACKs (RFC 5681 4.2). */
export const T_RCV_MSS = C_COMMON_WORDS + 13;
/** RFC 4898 SegsIn; a superframe counts as one. */
export const T_SEGS_IN = C_COMMON_WORDS + 14;
/** RFC 4898 DataSegsIn. */
export const T_DATA_SEGS_IN = C_COMMON_WORDS + 15;
// The third line: what each acknowledgement and each transmission touches.
/** Congestion window, bytes. */
export const T_CWND = C_COMMON_WORDS + 16;
/** Slow start threshold, bytes. */
export const T_SSTHRESH = C_COMMON_WORDS + 17;
/** Scoreboard: record of the oldest unacknowledged range, 0 for none. */
export const T_SB_FIRST = C_COMMON_WORDS + 18;
/** Scoreboard: record of the newest range. */
export const T_SB_LAST = C_COMMON_WORDS + 19;
/** Scoreboard: the range in flight that was sent longest ago, 0 for none. */
export const T_SB_OLDEST = C_COMMON_WORDS + 20;
/** Scoreboard: the range in flight that was sent last. */
export const T_SB_NEWEST = C_COMMON_WORDS + 21;
/** Scoreboard: the range that a SACK block touched last, 0 for none. */
export const T_SB_HINT = C_COMMON_WORDS + 22;
/** Bytes above sndUna that the peer has selectively acknowledged. */
export const T_SACKED = C_COMMON_WORDS + 23;
/** Bytes that are taken for lost and have not been sent again. */
export const T_LOST = C_COMMON_WORDS + 24;
/** Smoothed round-trip time, microseconds; 0 before the first sample (RFC 6298). */
export const T_SRTT_US = C_COMMON_WORDS + 25;
/** Round-trip time variation, microseconds. */
export const T_RTTVAR_US = C_COMMON_WORDS + 26;
/** Retransmission timeout without backoff, microseconds. */
export const T_RTO_US = C_COMMON_WORDS + 27;
/** Timeouts in a row: the backoff exponent. Zero-window probes count here too. */
export const T_BACKOFF = C_COMMON_WORDS + 28;
/** The next round-trip sample is taken when this is acknowledged: one for each round trip. */
export const T_RTT_SEQ = C_COMMON_WORDS + 29;
/** The RF_ flags of loss detection and recovery; from bit 16 the connection's congestion control, a TCP_CC_ number. */
export const T_RECOVERY = C_COMMON_WORDS + 30;
/** Duplicate ACKs in a row. */
export const T_DUPACKS = C_COMMON_WORDS + 31;
// The fourth line: loss detection and recovery.
/** When the segment delivered last was sent, microseconds modulo 2^32 (RFC 8985 RACK.xmit_ts). Before: when the SYN was sent. */
export const T_RACK_XMIT_US = C_COMMON_WORDS + 32;
/** Its end (RACK.end_seq). */
export const T_RACK_END = C_COMMON_WORDS + 33;
/** Its round trip (RACK.rtt). */
export const T_RACK_RTT_US = C_COMMON_WORDS + 34;
/** Least round trip of late, microseconds; 0 before the first (RACK.min_RTT). */
export const T_MIN_RTT_US = C_COMMON_WORDS + 35;
/** When it was measured, milliseconds. */
export const T_MIN_RTT_MS = C_COMMON_WORDS + 36;
/** Highest sequence number that was delivered (RACK.fack). */
export const T_RACK_FACK = C_COMMON_WORDS + 37;
/** Reordering window: multiplier (RACK.reo_wnd_mult) | recoveries that it persists for << 8 (RACK.reo_wnd_persist). */
export const T_RACK_REO = C_COMMON_WORDS + 38;
/** sndNxt when the reordering window grew last (RACK.dsack_round). */
export const T_DSACK_ROUND = C_COMMON_WORDS + 39;
/** sndNxt when the tail loss probe was sent (TLP.end_seq). */
export const T_TLP_END = C_COMMON_WORDS + 40;
/** Recovery ends when this is acknowledged (RFC 6582 recover, RFC 6675 RecoveryPoint). */
export const T_RECOVER = C_COMMON_WORDS + 41;
/** Bytes delivered in recovery (RFC 6937 prr_delivered). */
export const T_PRR_DELIVERED = C_COMMON_WORDS + 42;
/** Bytes sent in recovery (RFC 6937 prr_out). */
export const T_PRR_OUT = C_COMMON_WORDS + 43;
/** Bytes in flight when recovery began (RFC 6937 RecoverFS). */
export const T_RECOVER_FS = C_COMMON_WORDS + 44;
/** sndUna when cwnd was reduced: retransmissions from here on may prove to have been spurious. */
export const T_UNDO_MARKER = C_COMMON_WORDS + 45;
/** Bytes retransmitted since then, less those that D-SACKs say were superfluous. */
export const T_UNDO_RETRANS = C_COMMON_WORDS + 46;
/** Timestamp of the first retransmission since then (RFC 3522). */
export const T_RETRANS_STAMP = C_COMMON_WORDS + 47;
// The fifth line: congestion control.
/** cwnd before the reduction that may be undone, bytes. */
export const T_PRIOR_CWND = C_COMMON_WORDS + 48;
/** ssthresh before the reduction that may be undone, bytes. */
export const T_PRIOR_SSTHRESH = C_COMMON_WORDS + 49;
/** First of the words that belong to congestion control. */
export const T_CC = C_COMMON_WORDS + 50;
/** Words of congestion control. */
export const CC_WORDS = 14;
// The sixth line: the rest of the state.
/** Initial send sequence number. */
export const T_ISS = C_COMMON_WORDS + 64;
/** Initial receive sequence number. */
export const T_IRS = C_COMMON_WORDS + 65;
/** Passive open: session of the listener, until the connection is accepted. Active open: -1. */
export const T_LISTENER = C_COMMON_WORDS + 66;
/** Active open: the caller's context. */
export const T_CONTEXT = C_COMMON_WORDS + 67;
/** With TF_URGENT_OUT: the byte after our urgent data (RFC 9293 SND.UP). The context counts until the connection is established. */
export const T_SND_UP = T_CONTEXT;
/** Largest send window seen, bytes: for silly-window avoidance and RFC 5961's ACK range. */
export const T_SND_WND_MAX = C_COMMON_WORDS + 68;
/** When the oldest unacknowledged data was first sent or last advanced or answered, milliseconds: start of R2. */
export const T_PROGRESS_MS = C_COMMON_WORDS + 69;
/** When data was last sent, milliseconds: idle restart. */
export const T_LAST_SENT_MS = C_COMMON_WORDS + 70;
/** The peer's MSS option, 536 or 1220 without one | our own upper bound << 16, 0 for none. */
export const T_MSS = C_COMMON_WORDS + 71;
/** Initial receive window in the SYN, bytes. */
export const T_INITIAL_WND = C_COMMON_WORDS + 72;
/** Bytes at and behind sndUna that RFC 9293 3.8.5's urgent pointer names: the peer's, as a sequence number. */
export const T_RCV_UP = C_COMMON_WORDS + 73;
/** Sequence number of a FIN that came before data it follows. */
export const T_PEER_FIN = C_COMMON_WORDS + 74;
/** Added to the clock in our timestamps (RFC 7323 7.1). */
export const T_TS_OFFSET = C_COMMON_WORDS + 75;
/** R2 of this connection, milliseconds; 0: as configured (RFC 9293 MUST-21). */
export const T_USER_TIMEOUT_MS = C_COMMON_WORDS + 76;
/** Idle time before a keepalive probe, milliseconds (RFC 9293 3.8.4); negated while keepalive is off. */
export const T_KEEPALIVE_MS = C_COMMON_WORDS + 77;
/** T_TS_RECENT_MS when keepalive looked last: the peer was heard since when it differs. */
export const T_HEARD_MS = C_COMMON_WORDS + 78;
/** Start of the period in which challenge ACKs and answers to unacceptable segments are counted, milliseconds (RFC 5961 7). */
export const T_CHALLENGE_MS = C_COMMON_WORDS + 79;
// The seventh line: pacing, duplicates to report, and statistics under RFC 4898 names.
/** Bytes that pacing lets go now. */
export const T_PACE_TOKENS = C_COMMON_WORDS + 80;
/** When they were counted, microseconds modulo 2^32. */
export const T_PACE_US = C_COMMON_WORDS + 81;
/** Duplicate data that the next ACK reports (RFC 2883): its start; with TF_DSACK. */
export const T_DSACK_START = C_COMMON_WORDS + 82;
/** Its end. */
export const T_DSACK_END = C_COMMON_WORDS + 83;
/** SegsOut; a superframe counts as one. */
export const T_SEGS_OUT = C_COMMON_WORDS + 84;
/** DataSegsOut. */
export const T_DATA_SEGS_OUT = C_COMMON_WORDS + 85;
/** SegsRetrans. */
export const T_SEGS_RETRANS = C_COMMON_WORDS + 86;
/** OctetsRetrans. */
export const T_OCTETS_RETRANS = C_COMMON_WORDS + 87;
/** FastRetran: recoveries begun by acknowledgements. */
export const T_FAST_RETRAN = C_COMMON_WORDS + 88;
/** Timeouts. */
export const T_TIMEOUTS = C_COMMON_WORDS + 89;
/** DupAcksIn. */
export const T_DUP_ACKS_IN = C_COMMON_WORDS + 90;
/** SACKsRcvd: acknowledgements with SACK blocks. */
export const T_SACKS_RCVD = C_COMMON_WORDS + 91;
/** DSACKDups: D-SACKs received. */
export const T_DSACK_DUPS = C_COMMON_WORDS + 92;
/** Reductions of cwnd that were undone (SpuriousFrDetected and SpuriousRtoDetected). */
export const T_SPURIOUS = C_COMMON_WORDS + 93;
/** Keepalive probes since the peer was heard | the most that pacing lets go, kilobytes per second << 8; 0: no bound. */
export const T_PROBES = C_COMMON_WORDS + 94;
/** The same word: its upper part counts. */
export const T_MAX_PACE = T_PROBES;
/** When cwnd was reduced last, microseconds modulo 2^32. */
export const T_REDUCED_US = C_COMMON_WORDS + 95;
/** Words of a row. */
export const ROW_WORDS = 112;

// Transport flags in C_FLAGS, from bit 8.
/** Both ends offered timestamps (RFC 7323). */
export const TF_TIMESTAMPS = 1 << 8;
/** Both ends offered window scaling. */
export const TF_WSCALE = 1 << 9;
/** The application will send no more: FIN after the data. */
export const TF_FIN_WANTED = 1 << 10;
/** FIN is part of [sndUna, sndNxt). */
export const TF_FIN_SENT = 1 << 11;
/** The application closed both directions: new data is answered by a reset (RFC 9293 SHLD-3). */
export const TF_APP_CLOSED = 1 << 12;
/** Both ends permitted selective acknowledgements (RFC 2018). */
export const TF_SACK = 1 << 13;
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
/** The sender was held back by cwnd in this round trip: cwnd may grow (RFC 7661 3). */
export const TF_CWND_LIMITED = 1 << 19;
/** Urgent data was announced up to T_RCV_UP. */
export const TF_URGENT = 1 << 20;
/** T_PEER_FIN counts: the stream ends there once the gap before it is filled. */
export const TF_PEER_FIN = 1 << 21;
/** T_DSACK_START and T_DSACK_END are to be reported. */
export const TF_DSACK = 1 << 22;
/** A segment smaller than the MSS was sent since everything was acknowledged last: the Nagle algorithm holds the next one. */
export const TF_SMALL_SENT = 1 << 24;
/** Small segments do not wait for acknowledgements (RFC 9293 MUST-17). */
export const TF_NO_DELAY = 1 << 23;
/** The rx fifo holds data ahead of rcvNxt: arriving text may fill a gap, and ACKs report what is held. */
export const TF_OOO = 1 << 28;
/** A SYN or reset was challenged in the period since T_CHALLENGE_MS. */
export const TF_CHALLENGED = 1 << 27;
/** One answer to another unacceptable segment in that period. */
export const ANSWER_ONE = 1 << 25;
/** The number of those. */
export const ANSWERS_MASK = 3 << 25;
/** Urgent data up to T_SND_UP is to be announced (RFC 9293 3.8.5). */
export const TF_URGENT_OUT = 1 << 29;
/** Soft errors are not reported (RFC 9293 SHLD-20). */
export const TF_NO_SOFT_ERRORS = 1 << 30;
/** No superframes. */
export const TF_NO_GSO = 1 << 31;

// Flags in T_RECOVERY.
/** Reordering was seen (RFC 8985 RACK.reordering_seen). */
export const RF_REORDERED = 1;
/** The retransmission timer runs for the reordering window. */
export const RF_REO_TIMER = 2;
/** The retransmission timer runs for a tail loss probe. */
export const RF_TLP_TIMER = 4;
/** A tail loss probe is due. */
export const RF_TLP_NOW = 8;
/** A tail loss probe is outstanding, up to T_TLP_END. */
export const RF_TLP_OUT = 16;
/** It was a retransmission (RFC 8985 TLP.is_retrans). */
export const RF_TLP_RETRANS = 32;
/** The reduction since T_UNDO_MARKER may be undone. */
export const RF_UNDO = 64;
/** The timeout may have been spurious: F-RTO looks at the next acknowledgements (RFC 5682 2.1 step 2). */
export const RF_FRTO = 128;
/** F-RTO's step 2b: no retransmission until the next acknowledgement; with RF_FRTO two new segments may still go. */
export const RF_FRTO_NEW = 1024;
/** The retransmission timer expired: one segment goes whatever cwnd says (RFC 6298 5.4). */
export const RF_RTO_NOW = 2048;
/** The rescue retransmission of this recovery was sent (RFC 6675 NextSeg 4). */
export const RF_RESCUED = 256;
/** RACK.dsack_round counts. */
export const RF_DSACK_ROUND = 512;
/** The sender was held back by cwnd in the round trip before this one. */
export const RF_WAS_LIMITED = 8192;
/** A retransmission of this recovery was acknowledged before its original: the reduction was for a reason. */
export const RF_REPAIRED = 4096;
/** Segments are not paced by the window and the round trip. */
export const RF_NO_PACING = 16_384;
/** Where the number of the congestion control lies in the word. */
export const CC_SHIFT = 16;
/** The four bits that it has. */
export const CC_MASK = 15 << CC_SHIFT;

/** The number of keepalive probes in T_PROBES. */
export const PROBES_MASK = 0xff;
/** Where the bound of the pace begins in T_MAX_PACE. */
export const MAX_PACE_SHIFT = 8;

// Bits of T_PENDING.
/** An ACK is owed. */
export const P_ACK = 1;
/** An ACK is owed when the delayed-ACK timer fires, or with the next data. */
export const P_ACK_DELAYED = 2;
/** The connection has a place among those whose ACK waits. */
export const P_ACK_QUEUED = 4;
/** One duplicate ACK, in the count from bit 8. */
export const P_DUPACK_ONE = 1 << 8;
/** Most duplicate ACKs that are remembered for one transmission, as in VPP. */
export const P_DUPACK_MAX = 255;
/** One quick ACK, in the count from bit 16: segments that are acknowledged at once. */
export const P_QUICK_ONE = 1 << 16;

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
