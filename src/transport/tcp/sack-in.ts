import {
  RF_TLP_OUT,
  RF_UNDO,
  T_DSACK_DUPS,
  T_RECOVER,
  T_RECOVERY,
  T_SACKS_RCVD,
  T_SND_NXT,
  T_SND_UNA,
  T_SND_WND_MAX,
  T_TLP_END,
  T_UNDO_MARKER,
  T_UNDO_RETRANS,
} from "./connection.js";
import type { TcpCore } from "./core.js";
import type { Segment } from "./segment.js";
import { TCP_OPT_SACK, TCP_OPT_SACK_COUNT } from "../../wire/tcp-options.js";

/**
 * Takes the SACK blocks of an acknowledgement (RFC 2018, 2883) to the scoreboard; sndUna has moved already. Blocks that
 * are reversed or reach outside [sndUna, sndNxt) are ignored (RFC 2018 5): whatever they claim cannot do harm.
 */
export function processSack(core: TcpCore, r: number, seg: Segment): void {
  const { i32 } = core.window;
  const { options } = seg;
  const count = options[TCP_OPT_SACK_COUNT];
  const una = i32[r + T_SND_UNA];
  const nxt = i32[r + T_SND_NXT];
  i32[r + T_SACKS_RCVD]++;
  const first = isDsack(options, count, seg.ack) ? 1 : 0;
  if (first === 1) takeDsack(core, r, options[TCP_OPT_SACK], options[TCP_OPT_SACK + 1]);
  for (let i = first; i < count; i++) {
    let start = options[TCP_OPT_SACK + 2 * i];
    const end = options[TCP_OPT_SACK + 2 * i + 1];
    if (((end - start) | 0) <= 0 || ((end - nxt) | 0) > 0 || ((end - una) | 0) <= 0) continue;
    if (((start - una) | 0) < 0) start = una;
    core.scoreboard.sack(r, start, end, core.delivery);
  }
}

/** RFC 2883 4: the first block reports a duplicate when the cumulative ACK or the second block covers it. */
function isDsack(options: Int32Array, count: number, ack: number): boolean {
  const start = options[TCP_OPT_SACK];
  const end = options[TCP_OPT_SACK + 1];
  if (((start - ack) | 0) < 0) return ((end - ack) | 0) <= 0;
  if (count < 2) return false;
  return ((start - options[TCP_OPT_SACK + 2]) | 0) >= 0 && ((end - options[TCP_OPT_SACK + 3]) | 0) <= 0;
}

/** A duplicate of [start, end) arrived: RFC 3708 and RFC 8985 draw their conclusions elsewhere. */
function takeDsack(core: TcpCore, r: number, start: number, end: number): void {
  const { i32 } = core.window;
  const bytes = (end - start) | 0;
  // Nothing that was not sent lately: a peer must not undo what it cannot know.
  if (bytes <= 0 || ((end - i32[r + T_SND_NXT]) | 0) > 0) return;
  if (((i32[r + T_SND_UNA] - start) | 0) > Math.max(i32[r + T_SND_WND_MAX], 1 << 16)) return;
  i32[r + T_DSACK_DUPS]++;
  core.delivery.hasDsack = true;
  if ((i32[r + T_RECOVERY] & RF_TLP_OUT) !== 0 && end === i32[r + T_TLP_END]) core.delivery.hasProbeDsack = true;
  if ((i32[r + T_RECOVERY] & RF_UNDO) === 0) return;
  const isOfRecovery = ((start - i32[r + T_UNDO_MARKER]) | 0) >= 0 && ((end - i32[r + T_RECOVER]) | 0) <= 0;
  if (isOfRecovery) i32[r + T_UNDO_RETRANS] = Math.max(0, i32[r + T_UNDO_RETRANS] - bytes);
  core.delivery.hasUndoDsack = isOfRecovery;
}
