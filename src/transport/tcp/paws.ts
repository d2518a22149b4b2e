import { C_FLAGS } from "../transport.js";
import {
  T_LAST_ACK_SENT,
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
import type { Segment } from "./segment.js";

/** TS.Recent older than this is not trusted (RFC 7323 5.5): 24 days. */
const TS_RECENT_VALID_MS = 24 * 24 * 3600 * 1000;

/** Verdicts of {@link checkTimestamps}. */
export const TIMESTAMP_GOOD = 0;
/** A negotiated timestamp is missing: the segment is dropped (RFC 7323 3.2). */
export const TIMESTAMP_MISSING = 1;
/** The timestamp is older than TS.Recent: the segment is answered and dropped (RFC 7323 5.3 R1). */
export const TIMESTAMP_OLD = 2;

/** RFC 7323 5.3 R1 and 3.2: protection against wrapped sequence numbers. Resets and SYNs do not come here. */
export function checkTimestamps(core: TcpCore, r: number, seg: Segment): number {
  const { i32 } = core.window;
  if ((i32[r + C_FLAGS] & TF_TIMESTAMPS) === 0) return TIMESTAMP_GOOD;
  if (!seg.hasTimestamps) {
    core.events.count(TCP_ERROR.no_timestamp);
    return TIMESTAMP_MISSING;
  }
  if (((seg.tsVal - i32[r + T_TS_RECENT]) | 0) >= 0 || !isRecentValid(core, r)) return TIMESTAMP_GOOD;
  if (isOvertaken(core, r, seg)) return TIMESTAMP_GOOD;
  core.events.count(TCP_ERROR.paws);
  return TIMESTAMP_OLD;
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
  if ((i32[r + C_FLAGS] & TF_TIMESTAMPS) === 0) {
    noteHeard(core, r);
    return;
  }
  if (!seg.hasTimestamps || ((seq - i32[r + T_LAST_ACK_SENT]) | 0) > 0) return;
  if (((seg.tsVal - i32[r + T_TS_RECENT]) | 0) < 0 && isRecentValid(core, r)) return;
  i32[r + T_TS_RECENT] = seg.tsVal;
  noteHeard(core, r);
}
