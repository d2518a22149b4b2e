import { type NodeError, type NodeRuntime, type Severity } from "../../graph/node.js";

/** TCP's counters: VPP's tcp_error.def, as far as they can happen here, and RFC 5961's answers. */
const TABLE = {
  length: ["error", "Invalid length or data offset"],
  bad_source: ["error", "Source may not open connections"],
  no_listener: ["error", "No listener for port"],
  filtered: ["info", "Packets filtered by a session rule or flow hook"],
  undecided: ["info", "SYNs too many of a flow that a hook is to decide"],
  lookup_drops: ["error", "Reset or stray segment without a connection"],
  dispatch: ["error", "No action for the segment in this state"],
  enqueued: ["info", "Packets pushed into rx fifo"],
  enqueued_ooo: ["warn", "OOO packets pushed into rx fifo"],
  fifo_full: ["error", "Packets dropped for lack of rx fifo space"],
  partially_enqueued: ["warn", "Packets partially pushed into rx fifo"],
  segment_old: ["warn", "Old segment"],
  segment_invalid: ["error", "Invalid segment"],
  syns_rcvd: ["info", "SYNs received"],
  spurious_syn: ["warn", "SYN for an existing connection"],
  syn_acks_rcvd: ["info", "SYN-ACKs received"],
  create_session_fail: ["error", "Sessions couldn't be allocated"],
  backlog_full: ["error", "SYNs dropped because of too many half-open connections"],
  syn_cookies_sent: ["warn", "SYNs answered by a cookie because of too many half-open connections"],
  syn_cookies_rcvd: ["info", "Connections opened by a cookie"],
  syn_cookies_failed: ["warn", "ACKs without a connection and without a cookie of ours"],
  ack_ok: ["info", "Pure ACKs received"],
  ack_invalid: ["error", "Invalid ACK"],
  ack_dup: ["warn", "Duplicate ACK"],
  ack_old: ["warn", "Old ACK"],
  ack_future: ["warn", "Future ACK"],
  pkts_sent: ["info", "Packets sent"],
  rst_sent: ["info", "Resets sent"],
  rst_rcvd: ["info", "Resets received"],
  rst_challenged: ["warn", "Resets answered by a challenge ACK"],
  challenge_limited: ["warn", "Challenge ACKs withheld by the rate limit"],
  answer_limited: ["warn", "Answers to unacceptable segments withheld by the rate limit"],
  connection_closed: ["warn", "Data after close, connection reset"],
  paws: ["error", "PAWS check failed"],
  no_timestamp: ["error", "Segment lacks the negotiated timestamps"],
  no_ack: ["error", "Segment without ACK"],
  fin_rcvd: ["info", "FINs received"],
  zero_rwnd: ["warn", "Segment met a zero receive window"],
  spurious_retransmit: ["info", "Retransmissions that proved to be spurious, cwnd restored"],
  conn_accepted: ["info", "Connections accepted"],
  no_buffer: ["error", "No packet buffer for an answer"],
  time_wait_reuse: ["info", "New connection over one in TIME_WAIT"],
} as const satisfies Record<string, readonly [Severity, string]>;

/** Symbol of a TCP counter. */
export type TcpErrorSymbol = keyof typeof TABLE;

const SYMBOLS = Object.keys(TABLE) as TcpErrorSymbol[];

/** Number of each counter in {@link TcpEvents}. */
export const TCP_ERROR = Object.fromEntries(SYMBOLS.map((symbol, i) => [symbol, i])) as Record<TcpErrorSymbol, number>;

/** What happened while a node worked on its vector; the node commits it to its own counters at the end. */
export class TcpEvents {
  readonly #counts = new Int32Array(SYMBOLS.length);

  /** Notes one event. */
  count(error: number): void {
    this.#counts[error]++;
  }

  /** Adds the node's share to its counters and clears it; `map` is from {@link tcpNodeErrors}. */
  commit(node: NodeRuntime, map: Int32Array): void {
    const counts = this.#counts;
    for (let i = 0; i < map.length; i++) {
      const times = counts[map[i]];
      if (times === 0) continue;
      node.count(i, times);
      counts[map[i]] = 0;
    }
  }

  /** Events that no node has committed: for the test that node tables are complete. */
  uncommitted(): TcpErrorSymbol[] {
    return SYMBOLS.filter((_, i) => this.#counts[i] !== 0);
  }
}

/** The counters of one TCP node: its `errors` list, the map for {@link TcpEvents.commit}, and each one's local number. */
export function tcpNodeErrors<const S extends TcpErrorSymbol>(
  ...symbols: readonly S[]
): { readonly list: readonly NodeError[]; readonly map: Int32Array; readonly index: Readonly<Record<S, number>> } {
  return {
    list: symbols.map((symbol) => ({ symbol, severity: TABLE[symbol][0], text: TABLE[symbol][1] })),
    map: Int32Array.from(symbols, (symbol) => TCP_ERROR[symbol]),
    index: Object.fromEntries(symbols.map((symbol, i) => [symbol, i])) as Record<S, number>,
  };
}
