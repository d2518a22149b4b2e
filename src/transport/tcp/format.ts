import { C_FLAGS, C_IP_FIELDS, C_STATE, CF_NO_CHECKSUM_OFFLOAD, type ConnectionIndex } from "../transport.js";
import { TCP_CC_NAMES } from "./congestion-choice.js";
import {
  MAX_PACE_SHIFT,
  RF_NO_PACING,
  T_DUPACKS,
  T_IRS,
  T_ISS,
  T_KEEPALIVE_MS,
  T_MAX_PACE,
  T_MSS,
  T_RCV_EDGE,
  T_RCV_NXT,
  T_RECOVERY,
  T_SND_MSS,
  T_SND_NXT,
  T_SND_UNA,
  T_SND_WND,
  T_USER_TIMEOUT_MS,
  TCP_STATE_NAMES,
  TF_APP_CLOSED,
  TF_FAST_RECOVERY,
  TF_FIN_SENT,
  TF_FIN_WANTED,
  TF_LOSS_RECOVERY,
  TF_NO_DELAY,
  TF_NO_GSO,
  TF_SACK,
  TF_TIMESTAMPS,
  TF_URGENT,
  TF_URGENT_OUT,
  TF_WSCALE,
} from "./connection.js";
import type { TcpCore } from "./core.js";
import { connectionStatistics } from "./statistics.js";

const FLAG_NAMES: readonly (readonly [number, string])[] = [
  [TF_TIMESTAMPS, "timestamps"],
  [TF_WSCALE, "wscale"],
  [TF_SACK, "sack"],
  [TF_NO_DELAY, "no-delay"],
  [TF_NO_GSO, "no-gso"],
  [CF_NO_CHECKSUM_OFFLOAD, "no-checksum-offload"],
  [TF_URGENT, "urgent-in"],
  [TF_URGENT_OUT, "urgent-out"],
  [TF_FIN_WANTED, "fin-wanted"],
  [TF_FIN_SENT, "fin-sent"],
  [TF_APP_CLOSED, "app-closed"],
  [TF_FAST_RECOVERY, "fast-recovery"],
  [TF_LOSS_RECOVERY, "recovery"],
];

/** Statistics in a line of a listing. */
const PER_LINE = 6;

/** A connection's state; with `verbose` 2 its variables, numbers relative to the initial ones, and its statistics. */
export function formatConnection(core: TcpCore, c: ConnectionIndex, verbose: number): string {
  const { i32 } = core.window;
  const r = core.connections.row(c);
  const state = TCP_STATE_NAMES[i32[r + C_STATE]];
  if (verbose < 2) return state;
  const sent = (field: number): number => (i32[r + field] - i32[r + T_ISS]) >>> 0;
  const received = (field: number): number => (i32[r + field] - i32[r + T_IRS]) >>> 0;
  const flags = FLAG_NAMES.filter(([bit]) => (i32[r + C_FLAGS] & bit) !== 0).map(([, name]) => name);
  const values = Object.entries(connectionStatistics(core, r)).map(([name, value]) => `${name} ${value}`);
  const lines = Array.from({ length: Math.ceil(values.length / PER_LINE) }, (_, i) =>
    values.slice(i * PER_LINE, (i + 1) * PER_LINE).join(" "),
  );
  const pacing = (i32[r + T_RECOVERY] & RF_NO_PACING) !== 0 ? "off" : "on";
  const maxPace = i32[r + T_MAX_PACE] >>> MAX_PACE_SHIFT || "none";
  const nextNode = core.outputNexts(r)[i32[r + C_IP_FIELDS] >>> 16];
  const keepaliveMs = i32[r + T_KEEPALIVE_MS] > 0 ? i32[r + T_KEEPALIVE_MS] : "off";
  return [
    `${state} index ${c} flags: ${flags.join(" ")}`,
    ` snd_una ${sent(T_SND_UNA)} snd_nxt ${sent(T_SND_NXT)} snd_wnd ${i32[r + T_SND_WND]}`,
    ` rcv_nxt ${received(T_RCV_NXT)} rcv_edge ${received(T_RCV_EDGE)} dupacks ${i32[r + T_DUPACKS]}`,
    ` user_timeout_ms ${i32[r + T_USER_TIMEOUT_MS] || core.config.userTimeoutMs} keepalive_ms ${keepaliveMs}`,
    ` snd_mss ${i32[r + T_SND_MSS]} mss_bound ${i32[r + T_MSS] >>> 16 || "none"} next_node ${nextNode}`,
    ` congestion ${TCP_CC_NAMES[core.congestion.chosen(r)]} pacing ${pacing} max_pacing_kBps ${maxPace}`,
    ...lines.map((line) => ` ${line}`),
  ].join("\n");
}
