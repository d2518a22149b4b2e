import { TCP_FLAG_FIN, TCP_FLAG_RST } from "../../wire/tcp.js";
import type { ConnectionIndex } from "../transport.js";
import { answerUnacceptable } from "./challenge.js";
import { T_RCV_EDGE, T_RCV_NXT } from "./connection.js";
import type { TcpCore } from "./core.js";
import { TCP_ERROR } from "./errors.js";
import { noteDuplicate } from "./sack-report.js";
import type { Segment } from "./segment.js";
import { oweAck } from "./segment-out.js";
import { checkTimestamps, TIMESTAMP_GOOD, TIMESTAMP_OLD } from "./paws.js";

/**
 * RFC 9293 3.10.7.4, first: the sequence number, with PAWS in front of it (RFC 7323 5.3). Cuts the segment down to the
 * part that is new and inside the window. SYNs do not come here. False: the segment is done with, and answered where it must be.
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
  const end = ahead + seg.len;
  const stamped = checkTimestamps(core, r, seg);
  if (stamped !== TIMESTAMP_GOOD) {
    if (stamped === TIMESTAMP_OLD) refuse(core, c, r, seg, ahead);
    return false;
  }
  if (seg.len === 0) {
    // A peer that has filled the window numbers its ACKs with the edge itself: those must count.
    if (ahead >= 0 && ahead <= window) return true;
  } else if (ahead < window && end > 0) {
    if (ahead < 0) noteDuplicate(core, c, r, seg.seq, rcvNxt);
    trim(seg, ahead, end, window);
    return true;
  } else if (ahead === 0 && window === 0) {
    // A zero-window probe: its data is refused, its ACK counts (RFC 9293 3.10.7.4, MUST-66).
    core.events.count(TCP_ERROR.zero_rwnd);
    seg.trimEnd(0, TCP_FLAG_FIN);
    oweAck(core, c, r);
    return true;
  }
  core.events.count(end <= 0 && seg.len > 0 ? TCP_ERROR.segment_old : TCP_ERROR.segment_invalid);
  refuse(core, c, r, seg, ahead);
  return false;
}

/** Answers a segment of which nothing is taken; what of it came before is a duplicate (RFC 2883). */
function refuse(core: TcpCore, c: ConnectionIndex, r: number, seg: Segment, ahead: number): void {
  if (ahead < 0 && seg.len > 0) noteDuplicate(core, c, r, seg.seq, (seg.seq + Math.min(seg.len, -ahead)) | 0);
  answerUnacceptable(core, c, r, seg);
}

/** Cuts what lies left of rcvNxt and right of the edge. */
function trim(seg: Segment, ahead: number, end: number, window: number): void {
  if (ahead < 0) seg.trimFront(Math.min(-ahead, seg.dataLen));
  if (end > window) {
    const room = window - Math.max(ahead, 0);
    if (room < seg.len) seg.trimEnd(Math.min(room, seg.dataLen), room <= seg.dataLen ? TCP_FLAG_FIN : 0);
  }
}
