import { C_FLAGS, C_STATE, type ConnectionIndex } from "../transport.js";
import {
  T_OCTETS_RETRANS,
  T_CWND,
  T_DUPACKS,
  T_FAST_RETRAN,
  T_ISS,
  T_IRS,
  T_RCV_EDGE,
  T_RCV_NXT,
  T_RTO_US,
  T_RTTVAR_US,
  T_SCALES,
  T_SND_MSS,
  T_SND_NXT,
  T_SND_UNA,
  T_SND_WND,
  T_SRTT_US,
  T_SSTHRESH,
  T_TIMEOUTS,
  TCP_STATE_NAMES,
  TF_APP_CLOSED,
  TF_FAST_RECOVERY,
  TF_FIN_SENT,
  TF_FIN_WANTED,
  TF_LOSS_RECOVERY,
  TF_TIMESTAMPS,
  TF_WSCALE,
} from "./connection.js";
import type { TcpCore } from "./core.js";

const FLAG_NAMES: readonly (readonly [number, string])[] = [
  [TF_TIMESTAMPS, "timestamps"],
  [TF_WSCALE, "wscale"],
  [TF_FIN_WANTED, "fin-wanted"],
  [TF_FIN_SENT, "fin-sent"],
  [TF_APP_CLOSED, "app-closed"],
  [TF_FAST_RECOVERY, "fast-recovery"],
  [TF_LOSS_RECOVERY, "recovery"],
];

/** A connection's state; with `verbose` 2 its variables too, sequence numbers relative to the initial ones. */
export function formatConnection(core: TcpCore, c: ConnectionIndex, verbose: number): string {
  const { i32 } = core.window;
  const r = core.connections.row(c);
  const state = TCP_STATE_NAMES[i32[r + C_STATE]];
  if (verbose < 2) return state;
  const sent = (field: number): number => (i32[r + field] - i32[r + T_ISS]) >>> 0;
  const received = (field: number): number => (i32[r + field] - i32[r + T_IRS]) >>> 0;
  const flags = FLAG_NAMES.filter(([bit]) => (i32[r + C_FLAGS] & bit) !== 0).map(([, name]) => name);
  return [
    `${state} index ${c} flags: ${flags.join(" ")}`,
    ` snd_una ${sent(T_SND_UNA)} snd_nxt ${sent(T_SND_NXT)} snd_wnd ${i32[r + T_SND_WND]}`,
    ` rcv_nxt ${received(T_RCV_NXT)} rcv_edge ${received(T_RCV_EDGE)} scales ${i32[r + T_SCALES] >> 8}/${i32[r + T_SCALES] & 0xff}`,
    ` mss ${i32[r + T_SND_MSS]} cwnd ${i32[r + T_CWND]} ssthresh ${i32[r + T_SSTHRESH]} dupacks ${i32[r + T_DUPACKS]}`,
    ` srtt_us ${i32[r + T_SRTT_US]} rttvar_us ${i32[r + T_RTTVAR_US]} rto_us ${i32[r + T_RTO_US]}`,
    ` timeouts ${i32[r + T_TIMEOUTS]} fast_retransmits ${i32[r + T_FAST_RETRAN]} bytes_retrans ${i32[r + T_OCTETS_RETRANS]}`,
  ].join("\n");
}
