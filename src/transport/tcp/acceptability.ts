import { TCP_FLAG_FIN, TCP_FLAG_RST, TCP_FLAG_SYN } from "../../wire/tcp.js";
import { C_FLAGS, type ConnectionIndex } from "../transport.js";
import {
  T_LAST_ACK_SENT,
  T_RCV_EDGE,
  T_RCV_NXT,
  T_RTO_US,
  T_SND_UNA,
  T_SRTT_US,
  T_TS_RECENT,
  T_TS_RECENT_MS,
  TF_TIMESTAMPS,
} from "./connection.js";
import type { TcpCore } from "./core.js";
import { noteHeard } from "./delayed-ack.js";
import { TCP_ERROR } from "./errors.js";
import { noteDuplicate } from "./sack-report.js";
import type { Segment } from "./segment.js";
import { oweAck } from "./segment-out.js";

/** TS.Recent older than this is not trusted (RFC 7323 5.5): 24 days. */
export const TS_RECENT_VALID_MS = 24 * 24 * 3600 * 1000;

/**
 * RFC 9293 3.10.7.4, first: the sequence number, with PAWS in front of it (RFC 7323 5.3). Cuts the segment down to the
 * part that is new and inside the window. False: the segment is done with, and answered where it must be.
 */
export function checkSequence(core: TcpCore, c: ConnectionIndex, r: number, seg: Segment): boolean {
  const { i32 } = core.window;
  const rcvNxt = i32[r + T_RCV_NXT];
  const window = (i32[r + T_RCV_EDGE] - rcvNxt) | 0;
  const ahead = (seg.seq - rcvNxt) | 0;
  if ((seg.flags & TCP_FLAG_RST) !== 0) {
    // RFC 5961 3.2: its own sequence number is what counts, whatever data comes with it (SHLD-2).
    if (ahead === 0 || (ahead > 0 && ahead < window)) return true;
    core.events.count(TCP_ERROR.segment_invalid);
    return false;
  }
  if ((i32[r + C_FLAGS] & TF_TIMESTAMPS) !== 0 && !checkTimestamps(core, c, r, seg)) return false;
  const end = ahead + seg.len;
  if (seg.len === 0) {
    // A peer that has filled the window numbers its ACKs with the edge itself: those must count.
    if (ahead >= 0 && ahead <= window) return true;
  } else if (ahead < window && end > 0) {
    if (ahead < 0 && (seg.flags & TCP_FLAG_SYN) === 0) noteDuplicate(core, c, r, seg.seq, rcvNxt);
    trim(seg, ahead, end, window);
    return true;
  } else if (ahead === 0 && window === 0 && (seg.flags & TCP_FLAG_SYN) === 0) {
    // A zero-window probe: its data is refused, its ACK counts (RFC 9293 3.10.7.4, MUST-66).
    core.events.count(TCP_ERROR.zero_rwnd);
    seg.trimEnd(0, TCP_FLAG_FIN);
    oweAck(core, c, r);
    return true;
  }
  const isOld = end <= 0 && seg.len > 0;
  core.events.count(isOld ? TCP_ERROR.segment_old : TCP_ERROR.segment_invalid);
  if (isOld) noteDuplicate(core, c, r, seg.seq, (seg.seq + seg.len) | 0);
  oweAck(core, c, r);
  return false;
}

/** Cuts what lies left of rcvNxt and right of the edge; SYN counts as the first byte. */
function trim(seg: Segment, ahead: number, end: number, window: number): void {
  if (ahead < 0 && (seg.flags & TCP_FLAG_SYN) === 0) seg.trimFront(Math.min(-ahead, seg.dataLen));
  if (end > window && (seg.flags & TCP_FLAG_SYN) === 0) {
    const room = window - Math.max(ahead, 0);
    if (room < seg.len) seg.trimEnd(Math.min(room, seg.dataLen), room <= seg.dataLen ? TCP_FLAG_FIN : 0);
  }
}

/**
 * RFC 7323 5.3 R1 and 3.2: an old timestamp is refused, a negotiated one must be there. But not in a SYN, whose sender
 * has forgotten what was negotiated and must hear of it (RFC 9293 3.5.1, figure 9).
 */
function checkTimestamps(core: TcpCore, c: ConnectionIndex, r: number, seg: Segment): boolean {
  const { i32 } = core.window;
  if (!seg.hasTimestamps) {
    if ((seg.flags & TCP_FLAG_SYN) !== 0) return true;
    core.events.count(TCP_ERROR.no_timestamp);
    return false;
  }
  if (((seg.tsVal - i32[r + T_TS_RECENT]) | 0) >= 0 || !isRecentValid(core, r)) return true;
  if (isOvertaken(core, r, seg)) return true;
  core.events.count(TCP_ERROR.paws);
  // Most likely the original of what was sent again: the sender must hear of it (RFC 2883).
  const end = (seg.seq + seg.dataLen) | 0;
  if (seg.dataLen > 0 && ((end - i32[r + T_RCV_NXT]) | 0) <= 0) noteDuplicate(core, c, r, seg.seq, end);
  oweAck(core, c, r);
  return false;
}

/**
 * What later segments have merely overtaken, and PAWS need not refuse, because nothing of 2^31 ticks or 2^32 bytes ago can
 * be so close to TS.Recent: an acknowledgement without data, whose SACK blocks may be news; and data not below rcvNxt that
 * is late by no more than a round trip. When a retransmission fills the gap at rcvNxt, its new timestamp becomes TS.Recent, and
 * on a path that reorders every original still under way would be lost by R1 (RFC 7323 5.3), to be sent again likewise.
 */
function isOvertaken(core: TcpCore, r: number, seg: Segment): boolean {
  const { i32 } = core.window;
  const lateMs = (i32[r + T_TS_RECENT] - seg.tsVal) | 0;
  const ahead = (seg.seq - i32[r + T_RCV_NXT]) | 0;
  if (seg.dataLen > 0) return ahead >= 0 && lateMs <= i32[r + T_SRTT_US] / 1000;
  const isPure = seg.len === 0 && ahead === 0 && ((seg.ack - i32[r + T_SND_UNA]) | 0) <= 0;
  return isPure && lateMs <= i32[r + T_RTO_US] / 1000;
}

/** Whether TS.Recent says anything about order: a peer silent for 24 days may have a clock that has wrapped since. */
function isRecentValid(core: TcpCore, r: number): boolean {
  const ageMs = (core.engine.nowMs - core.window.i32[r + T_TS_RECENT_MS]) | 0;
  return ageMs >= 0 && ageMs <= TS_RECENT_VALID_MS;
}

/** RFC 7323 4.3: remembers the timestamp of a segment that reaches back to the last ACK. `seq` is before trimming. */
export function recordTimestamp(core: TcpCore, r: number, seg: Segment, seq: number): void {
  const { i32 } = core.window;
  if ((i32[r + C_FLAGS] & TF_TIMESTAMPS) === 0) noteHeard(core, r);
  if ((i32[r + C_FLAGS] & TF_TIMESTAMPS) === 0 || !seg.hasTimestamps) return;
  if (((seq - i32[r + T_LAST_ACK_SENT]) | 0) > 0) return;
  if (((seg.tsVal - i32[r + T_TS_RECENT]) | 0) < 0 && isRecentValid(core, r)) return;
  i32[r + T_TS_RECENT] = seg.tsVal;
  noteHeard(core, r);
}
