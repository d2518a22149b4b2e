import { TS_RECENT_VALID_MS } from "./paws.js";
import type { TcpConfig } from "./config.js";
import { RTO_AFTER_SYN_LOSS_US } from "./open.js";
import { R1_TIMEOUTS } from "./soft-error.js";

/** One setting, as `show tcp config` lists it. */
export interface ConfigRow {
  readonly name: string;
  readonly value: number | string | boolean;
  /** Empty for numbers without a unit and for words. */
  readonly unit: string;
  /** What it is, and the rule behind it. */
  readonly text: string;
}

/** Every setting: unit and meaning. */
const SETTINGS: Readonly<Record<keyof TcpConfig, readonly [unit: string, text: string]>> = {
  rtoInitialMs: ["ms", "retransmission timeout before the first sample (RFC 6298 2.1)"],
  rtoMinMs: ["ms", "least retransmission timeout (RFC 6298 2.4 says 1 s)"],
  rtoMaxMs: ["ms", "largest retransmission timeout, backoff included (RFC 6298 2.5: 60 s or more)"],
  userTimeoutMs: ["ms", "R2: no acknowledgement for so long ends a connection (RFC 9293 3.8.3: 100 s or more)"],
  connectTimeoutMs: ["ms", "R2 of a SYN: an active open fails (RFC 9293 3.8.3: 3 minutes or more)"],
  synRcvdTimeoutMs: ["ms", "a passive open that is not completed is forgotten"],
  timeWaitMs: ["ms", "2 MSL: TIME_WAIT (RFC 9293 3.6.1)"],
  finWait2Ms: ["ms", "FIN_WAIT_2 after close: the peer's FIN is waited for"],
  closingTimeoutMs: ["ms", "after close: the peer's window may stay closed"],
  delayedAckMs: ["ms", "longest delay of an acknowledgement (RFC 9293 3.8.6.3: below 500)"],
  keepaliveMs: ["ms", "idle time before keepalive probes, where switched on (RFC 9293 3.8.4: 2 hours or more)"],
  keepaliveIntervalMs: ["ms", "time between keepalive probes that are not answered"],
  keepaliveProbes: ["", "keepalive probes without an answer that end a connection"],
  quickAcks: ["segments", "acknowledged at once at the start, after reordering and after idle time"],
  initialCwndSegments: ["segments", "initial congestion window (RFC 6928)"],
  congestionControl: ["", "of new connections (RFC 6582, RFC 9438)"],
  windowScale: ["", "window scaling is offered (RFC 7323 2)"],
  timestamps: ["", "timestamps are offered (RFC 7323 3)"],
  synCookies: ["", "too many half-open connections: SYNs are answered by cookies (RFC 4987), else dropped"],
  sack: ["", "selective acknowledgements are offered (RFC 2018)"],
  rack: ["", "losses are detected by time, with tail loss probes (RFC 8985)"],
  pacing: ["", "segments leave at the rate of the window per round trip"],
  noDelay: ["", "new connections do without the Nagle algorithm (RFC 9293 3.7.4)"],
  challengeAcksPerSecond: ["1/s", "challenge ACKs of the whole stack (RFC 5961 7)"],
  mtuBytes: ["bytes", "largest packet announced by the MSS option; the interface's MTU bounds it, too"],
  maxGsoBytes: ["bytes", "largest superframe payload handed to a device"],
  maxConnections: ["", "connection rows, listeners and half-opens included"],
  maxSentRanges: ["", "records of what is in flight, of all connections together"],
};

/** What cannot be set. */
const FIXED: readonly ConfigRow[] = [
  { name: "r1Timeouts", value: R1_TIMEOUTS, unit: "", text: "R1: the application and IP are told (RFC 9293 3.8.3)" },
  {
    name: "rtoAfterSynLossMs",
    value: RTO_AFTER_SYN_LOSS_US / 1000,
    unit: "ms",
    text: "timeout of the first data after a lost SYN (RFC 6298 5.7)",
  },
  {
    name: "tsRecentValidMs",
    value: TS_RECENT_VALID_MS,
    unit: "ms",
    text: "an older TS.Recent is not trusted (RFC 7323 5.5)",
  },
];

/** All timers, bounds and switches of TCP with their values, for `show tcp config`. */
export function configRows(config: TcpConfig): readonly ConfigRow[] {
  const rows = Object.entries(SETTINGS).map(([name, [unit, text]]) => {
    return { name, value: config[name as keyof TcpConfig], unit, text };
  });
  return [...rows, ...FIXED];
}
