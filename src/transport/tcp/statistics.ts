import { C_FLAGS, C_IP_FIELDS, C_STATE } from "../transport.js";
import {
  CLOSE_WAIT,
  CLOSING,
  ESTABLISHED,
  FIN_WAIT_2,
  LAST_ACK,
  T_BACKOFF,
  T_CWND,
  T_DATA_SEGS_IN,
  T_DATA_SEGS_OUT,
  T_DSACK_DUPS,
  T_DUP_ACKS_IN,
  T_FAST_RETRAN,
  T_IRS,
  T_ISS,
  T_MIN_RTT_US,
  T_MSS,
  T_OCTETS_RETRANS,
  T_RCV_EDGE,
  T_RCV_NXT,
  T_RTO_US,
  T_RTTVAR_US,
  T_SACKS_RCVD,
  T_SCALES,
  T_SEGS_IN,
  T_SEGS_OUT,
  T_SEGS_RETRANS,
  T_SND_NXT,
  T_SND_MSS,
  T_SND_UNA,
  T_SND_WND,
  T_SND_WND_MAX,
  T_SPURIOUS,
  T_SRTT_US,
  T_SSTHRESH,
  T_TIMEOUTS,
  TF_FAST_RECOVERY,
  TF_LOSS_RECOVERY,
  TF_NO_DELAY,
  TF_SACK,
  TF_TIMESTAMPS,
  TF_WSCALE,
  TIME_WAIT,
} from "./connection.js";
import type { TcpCore } from "./core.js";

/** RFC 4898's TruthValue. */
function truth(isTrue: boolean): number {
  return isTrue ? 1 : 2;
}

/**
 * What RFC 4898 (tcpEStats) asks of a connection, as far as it is kept, by its names without their prefix. Octets count
 * modulo 2^32 as there. Times are in milliseconds, with their fraction; 0 before the first sample. Superframes count as
 * one segment. SpuriousDetected is SpuriousFrDetected and SpuriousRtoDetected together.
 */
export function connectionStatistics(core: TcpCore, r: number): Readonly<Record<string, number>> {
  const { i32 } = core.window;
  const of = (field: number): number => i32[r + field];
  const count = (field: number): number => i32[r + field] >>> 0;
  const ms = (field: number): number => i32[r + field] / 1000;
  const flags = of(C_FLAGS);
  const state = of(C_STATE);
  const isOpen = state >= ESTABLISHED;
  // SYN and FIN are no octets.
  const isFinAcked =
    state === FIN_WAIT_2 || state === TIME_WAIT || (state === LAST_ACK && of(T_SND_UNA) === of(T_SND_NXT));
  const isFinTaken = state === CLOSE_WAIT || state === LAST_ACK || state === CLOSING || state === TIME_WAIT;
  const octets = (from: number, to: number, fin: boolean): number =>
    isOpen ? (of(to) - of(from) - 1 - (fin ? 1 : 0)) >>> 0 : 0;
  const hasScales = (flags & TF_WSCALE) !== 0;
  return {
    // Performance.
    SegsIn: count(T_SEGS_IN),
    DataSegsIn: count(T_DATA_SEGS_IN),
    SegsOut: count(T_SEGS_OUT),
    DataSegsOut: count(T_DATA_SEGS_OUT),
    SegsRetrans: count(T_SEGS_RETRANS),
    OctetsRetrans: count(T_OCTETS_RETRANS),
    CurMSS: of(T_SND_MSS),
    PipeSize: (of(T_SND_NXT) - of(T_SND_UNA)) >>> 0,
    SmoothedRTT: ms(T_SRTT_US),
    CurRTO: ms(T_RTO_US),
    CurCwnd: of(T_CWND),
    CurSsthresh: count(T_SSTHRESH),
    Timeouts: count(T_TIMEOUTS),
    CurRwinSent: (of(T_RCV_EDGE) - of(T_RCV_NXT)) >>> 0,
    CurRwinRcvd: of(T_SND_WND),
    MaxRwinRcvd: of(T_SND_WND_MAX),
    // Path.
    RTTVar: ms(T_RTTVAR_US),
    MinRTT: ms(T_MIN_RTT_US),
    IpTtl: (of(C_IP_FIELDS) >>> 8) & 0xff,
    IpTosOut: of(C_IP_FIELDS) & 0xff,
    // Stack.
    MSSRcvd: of(T_MSS) & 0xffff,
    WinScaleSent: hasScales ? of(T_SCALES) & 0xff : -1,
    WinScaleRcvd: hasScales ? of(T_SCALES) >> 8 : -1,
    TimeStamps: truth((flags & TF_TIMESTAMPS) !== 0),
    WillUseSACK: truth((flags & TF_SACK) !== 0),
    Nagle: truth((flags & TF_NO_DELAY) === 0),
    InRecovery: truth((flags & (TF_FAST_RECOVERY | TF_LOSS_RECOVERY)) !== 0),
    DupAcksIn: count(T_DUP_ACKS_IN),
    SpuriousDetected: count(T_SPURIOUS),
    FastRetran: count(T_FAST_RETRAN),
    CurTimeoutCount: of(T_BACKOFF),
    SACKsRcvd: count(T_SACKS_RCVD),
    DSACKDups: count(T_DSACK_DUPS),
    // Application.
    ThruOctetsAcked: octets(T_ISS, T_SND_UNA, isFinAcked),
    ThruOctetsReceived: octets(T_IRS, T_RCV_NXT, isFinTaken),
    CurAppWQueue: core.queued(r),
    CurAppRQueue: core.unread(r),
  };
}
