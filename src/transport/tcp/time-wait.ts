import { TCP_FLAG_ACK, TCP_FLAG_RST, TCP_FLAG_SYN } from "../../wire/tcp.js";
import { C_FLAGS, C_SESSION, C_STATE } from "../transport.js";
import { T_RCV_NXT, T_SND_UNA, T_SND_WND_MAX, T_TS_RECENT, TF_TIMESTAMPS, TIME_WAIT } from "./connection.js";
import type { TcpCore } from "./core.js";
import { initialSequence } from "./isn.js";
import type { Segment } from "./segment.js";

/**
 * Whether a new SYN may take the place of a connection in TIME_WAIT (RFC 6191 2): its timestamp is later than all that
 * the old connection saw, or for want of timestamps its sequence number is.
 */
export function maySupersede(core: TcpCore, r: number, seg: Segment): boolean {
  const { i32 } = core.window;
  // An application that still reads has not done with the old connection.
  if (i32[r + C_STATE] !== TIME_WAIT || i32[r + C_SESSION] >= 0) return false;
  if ((seg.flags & (TCP_FLAG_SYN | TCP_FLAG_ACK | TCP_FLAG_RST)) !== TCP_FLAG_SYN) return false;
  const isBeyond = ((seg.seq - i32[r + T_RCV_NXT]) | 0) > 0;
  if (!seg.hasTimestamps || !core.config.timestamps) return isBeyond;
  if ((i32[r + C_FLAGS] & TF_TIMESTAMPS) === 0) return true;
  const later = (seg.tsVal - i32[r + T_TS_RECENT]) | 0;
  return later > 0 || (later === 0 && isBeyond);
}

/**
 * The next connection of row `r`'s tuple, if it begins now, begins beyond all that this one has sent (RFC 9293 3.6.1), and
 * by more than the peer's window: then acknowledgements of the old one are too old for it (RFC 5961 5). A connection
 * faster than 250 kB/s has overtaken the clock of initial sequence numbers: that skips ahead.
 */
export function outrunOld(core: TcpCore, r: number): void {
  const { i32 } = core.window;
  const least = (i32[r + T_SND_UNA] + i32[r + T_SND_WND_MAX] + 1) | 0;
  const behind = (least - initialSequence(core, r)) | 0;
  if (behind > 0) core.isnSkip = (core.isnSkip + behind) | 0;
}
