/** TCP's settings; names and defaults as in the configuration's `tcp` section. Times in milliseconds unless named so. */
export interface TcpConfig {
  /** Connection rows, listeners and half-opens included. */
  readonly maxConnections: number;
  /** Ranges of sent data that all connections together tell apart for loss recovery, 32 bytes each; beyond, they grow coarse. */
  readonly maxSentRanges: number;
  /** Largest transport payload announced in the MSS option; also bounded by the interface's MTU. */
  readonly mtuBytes: number;
  /** Initial congestion window, segments (RFC 6928). */
  readonly initialCwndSegments: number;
  /** Retransmission timeout before the first sample (RFC 6298 2.1). */
  readonly rtoInitialMs: number;
  /** Least retransmission timeout (RFC 6298 2.4 says 1 s; VPP and Linux use 200 ms). */
  readonly rtoMinMs: number;
  /** Largest retransmission timeout, backoff included (RFC 6298 2.5). */
  readonly rtoMaxMs: number;
  /** R2 for data: the connection ends when nothing was acknowledged for so long (RFC 9293 SHLD-11). */
  readonly userTimeoutMs: number;
  /** R2 for a SYN: an active open fails after so long (RFC 9293 MUST-23). */
  readonly connectTimeoutMs: number;
  /** How long a passive open may stay in SYN_RCVD. */
  readonly synRcvdTimeoutMs: number;
  /** 2 MSL. */
  readonly timeWaitMs: number;
  /** FIN_WAIT_2 without a user: how long to wait for the peer's FIN. */
  readonly finWait2Ms: number;
  /** A closed connection ends when its peer's window was shut for so long, though the peer answers probes. */
  readonly closingTimeoutMs: number;
  /** Challenge ACKs per second of the whole stack (RFC 5961 7). */
  readonly challengeAcksPerSecond: number;
  /** Window scaling and timestamps are offered (RFC 7323). */
  readonly windowScale: boolean;
  readonly timestamps: boolean;
  /** A listener with too many half-open connections answers SYNs by cookies (RFC 4987 3.6); else it drops them. */
  readonly synCookies: boolean;
  /** Selective acknowledgements are offered (RFC 2018). */
  readonly sack: boolean;
  /** Losses are detected by time, with tail loss probes (RFC 8985), where SACK is in use; else by counting (RFC 6675). */
  readonly rack: boolean;
  /** Segments leave at the rate of the window per round trip, not in bursts. */
  readonly pacing: boolean;
  /** Longest delay of an acknowledgement (RFC 1122 4.2.3.2: below 500); 0: none is delayed. */
  readonly delayedAckMs: number;
  /** Segments acknowledged at once when a connection starts, after reordering and after idle time. */
  readonly quickAcks: number;
  /** New connections send small segments without waiting for acknowledgements (RFC 9293 MUST-17). */
  readonly noDelay: boolean;
  /** Idle time before the first keepalive probe, where keepalive is switched on (RFC 9293 MUST-28: at least two hours). */
  readonly keepaliveMs: number;
  /** Time between keepalive probes that are not answered. */
  readonly keepaliveIntervalMs: number;
  /** Keepalive probes without an answer after which a connection ends. */
  readonly keepaliveProbes: number;
  /** Largest superframe payload handed to the device, bytes. */
  readonly maxGsoBytes: number;
  /** Congestion control of new connections. */
  readonly congestionControl: "newreno" | "cubic";
}

/** The defaults. */
export const DEFAULT_TCP_CONFIG: TcpConfig = {
  maxConnections: 16_384,
  maxSentRanges: 32_768,
  mtuBytes: 65535,
  initialCwndSegments: 10,
  rtoInitialMs: 1000,
  rtoMinMs: 200,
  rtoMaxMs: 60_000,
  userTimeoutMs: 120_000,
  connectTimeoutMs: 180_000,
  synRcvdTimeoutMs: 60_000,
  timeWaitMs: 10_000,
  finWait2Ms: 30_000,
  closingTimeoutMs: 30_000,
  challengeAcksPerSecond: 1000,
  windowScale: true,
  timestamps: true,
  synCookies: true,
  sack: true,
  rack: true,
  pacing: true,
  delayedAckMs: 40,
  quickAcks: 16,
  noDelay: false,
  keepaliveMs: 7_200_000,
  keepaliveIntervalMs: 75_000,
  keepaliveProbes: 9,
  maxGsoBytes: 65_000,
  congestionControl: "cubic",
};
