import type { Host } from "../../../nodes/host.js";
import { SESSION_ERRORS } from "../../session/session-errors.js";
import { S_PROTO, S_STATE, SESSION_STATE_NAMES } from "../../session/session-table.js";
import { TCP_STATE_NAMES } from "../../transport/tcp/connection.js";
import { C_STATE } from "../../transport/transport.js";

/** One value with its labels. */
export type Sample = readonly [labels: Readonly<Record<string, string>>, value: number];

/** One metric. Names and labels stay: dashboards and alerts are made of them. */
export interface MetricForm {
  /** In Prometheus' manner: base units, counters end in _total. */
  readonly name: string;
  readonly type: "counter" | "gauge";
  readonly labels: readonly string[];
  readonly help: string;
  /** Reads the values when they are asked for. */
  readonly samples: (host: Host) => readonly Sample[];
}

/** Interfaces with series of their own; what others count is summed as interface "_others". */
export const MAX_INTERFACE_SERIES = 128;

/** One number without labels. */
function single(name: string, type: MetricForm["type"], help: string, read: (host: Host) => number): MetricForm {
  return { name, type, labels: [], help, samples: (host) => [[{}, read(host)]] };
}

type NodeCount = ReturnType<Host["engine"]["runtime"]>[number];

/** A count of each node; the graph is fixed when the stack starts, and so are the series. */
function perNode(name: string, help: string, read: (node: NodeCount) => number): MetricForm {
  const samples = ({ engine }: Host): Sample[] => engine.runtime().map((node) => [{ node: node.name }, read(node)]);
  return { name: `weft_node_${name}`, type: "counter", labels: ["node"], help, samples };
}

type InterfaceCounter = keyof NonNullable<ReturnType<Host["interfaces"]["at"]>>["counters"];

/** A count of each interface. */
function perInterface(name: string, help: string, counter: InterfaceCounter): MetricForm {
  const samples = ({ interfaces }: Host): Sample[] => {
    const all = interfaces.all().map((each) => [each.name, each.counters[counter]] as const);
    const own = all.slice(0, MAX_INTERFACE_SERIES).map(([label, value]): Sample => [{ interface: label }, value]);
    const others = all.slice(MAX_INTERFACE_SERIES);
    if (others.length === 0) return own;
    return [...own, [{ interface: "_others" }, others.reduce((sum, [, value]) => sum + value, 0)]];
  };
  return { name: `weft_interface_${name}`, type: "counter", labels: ["interface"], help, samples };
}

/** Sessions by transport and state, those of which there are none left out. */
function sessionStates({ sessions, transports, window }: Host): Sample[] {
  const { i32 } = window;
  const counts = new Map<string, number>();
  for (const s of sessions.table) {
    const r = sessions.table.row(s);
    const key = `${transports[i32[r + S_PROTO]]?.name ?? "?"} ${SESSION_STATE_NAMES[i32[r + S_STATE]] ?? "?"}`;
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return [...counts].map(([key, count]) => {
    const [proto, state] = key.split(" ");
    return [{ proto, state }, count];
  });
}

/** TCP connections by state. */
function tcpStates({ tcp, window }: Host): Sample[] {
  const { connections } = tcp.core;
  const counts = new Float64Array(TCP_STATE_NAMES.length);
  for (const c of connections) counts[window.i32[connections.row(c) + C_STATE]]++;
  return TCP_STATE_NAMES.slice(1).map((state, i) => [{ state }, counts[i + 1]]);
}

/** A number of each transport. */
function perTransport(name: string, help: string, key: "used" | "capacity"): MetricForm {
  const samples = ({ transports }: Host): Sample[] =>
    transports.flatMap((each): Sample[] => (each === undefined ? [] : [[{ proto: each.name }, each.rows[key]]]));
  return { name, type: "gauge", labels: ["proto"], help, samples };
}

function buffers({ pool }: Host): Sample[] {
  const of = (name: string, total: number, free: number): Sample[] => [
    [{ pool: name, state: "used" }, total - free],
    [{ pool: name, state: "free" }, free],
  ];
  return [...of("small", pool.smallCount, pool.freeSmall), ...of("large", pool.largeCount, pool.freeLarge)];
}

/** Every metric. */
export const METRICS: readonly MetricForm[] = [
  single("weft_engine_turns_total", "counter", "Turns of the engine", ({ engine }) => engine.turns),
  single(
    "weft_engine_cut_turns_total",
    "counter",
    "Turns cut short because a packet circled",
    ({ engine }) => engine.cutTurns,
  ),
  perNode("calls_total", "Calls of the node", ({ calls }) => calls),
  perNode("vectors_total", "Calls of the node that had packets", ({ vectors }) => vectors),
  perNode("packets_total", "Packets that the node had", ({ packets }) => packets),
  perNode("timed_seconds_total", "Time in the calls that were timed, one turn in 64", ({ timedNs }) => timedNs / 1e9),
  perNode("timed_packets_total", "Packets of the calls that were timed", ({ timedPackets }) => timedPackets),
  {
    name: "weft_node_events_total",
    type: "counter",
    labels: ["node", "symbol", "severity"],
    help: "Event counters of nodes, as show errors lists them; those that are 0 are left out",
    samples: ({ engine }) =>
      engine.errors().map(({ node, symbol, severity, count }) => [{ node, symbol, severity }, count]),
  },
  perInterface("receive_packets_total", "Packets received", "rxPackets"),
  perInterface("receive_bytes_total", "Bytes received", "rxBytes"),
  perInterface("receive_no_buffer_total", "Receive bursts that found no free buffer", "rxNoBuffer"),
  perInterface("transmit_packets_total", "Packets sent", "txPackets"),
  perInterface("transmit_bytes_total", "Bytes sent", "txBytes"),
  perInterface("transmit_drops_total", "Packets that the device did not take", "txDrops"),
  {
    name: "weft_buffers",
    type: "gauge",
    labels: ["pool", "state"],
    help: "Packet buffers",
    samples: buffers,
  },
  single("weft_buffers_exhausted_total", "counter", "Allocations that found no buffer", ({ pool }) => pool.exhausted),
  {
    name: "weft_session_errors_total",
    type: "counter",
    labels: ["error"],
    help: "How often each session error was answered",
    samples: ({ sessions }) =>
      SESSION_ERRORS.slice(1).map(({ name }, i) => [{ error: name }, sessions.errorCounts[i + 1]]),
  },
  {
    name: "weft_sessions",
    type: "gauge",
    labels: ["proto", "state"],
    help: "Sessions by transport and state; listeners are sessions",
    samples: sessionStates,
  },
  single("weft_sessions_limit", "gauge", "Sessions that there can be", ({ sessions }) => sessions.table.capacity),
  perTransport("weft_connections", "Connection rows in use", "used"),
  perTransport("weft_connections_limit", "Connection rows that there are", "capacity"),
  {
    name: "weft_tcp_connections",
    type: "gauge",
    labels: ["state"],
    help: "TCP connections by state",
    samples: tcpStates,
  },
  {
    name: "weft_lookup_entries",
    type: "gauge",
    labels: ["table"],
    help: "Entries of the lookup tables",
    samples: ({ lookup }) => Object.entries(lookup.counts()).map(([table, count]) => [{ table }, count]),
  },
  single(
    "weft_applications",
    "gauge",
    "Applications, attached or with sessions left",
    ({ sessions }) => sessions.applications.all().length,
  ),
  single("weft_session_rules", "gauge", "Session rules", ({ sessions }) => sessions.rules.counts().rules),
  single(
    "weft_evt_collector_queued_records",
    "gauge",
    "Records that wait for event collectors",
    ({ sessions }) => sessions.collectors.queued,
  ),
  single(
    "weft_evt_collector_dropped_total",
    "counter",
    "Records that found no room in a collector's queue",
    ({ sessions }) => sessions.collectors.all.reduce((sum, { dropped }) => sum + dropped, 0),
  ),
  single("weft_fifo_capacity_bytes", "gauge", "Memory for session fifos", ({ fifos }) => fifos.stats().capacityBytes),
  single("weft_fifo_used_bytes", "gauge", "Memory of session fifos in use", ({ fifos }) => fifos.stats().bytesInUse),
  single(
    "weft_fifo_high_water_bytes",
    "gauge",
    "Most that ever was in use",
    ({ fifos }) => fifos.stats().highWaterBytes,
  ),
  single("weft_fifos", "gauge", "Fifos", ({ fifos }) => fifos.stats().activeFifos),
  single("weft_fifos_limit", "gauge", "Fifos that there can be", ({ fifos }) => fifos.stats().maxFifos),
  single("weft_fifos_refused_total", "counter", "Fifos that found no row", ({ fifos }) => fifos.stats().fifoFailures),
  single(
    "weft_fifo_chunks_refused_total",
    "counter",
    "Chunks that found no memory",
    ({ fifos }) => fifos.stats().failures,
  ),
  single(
    "weft_fifo_short_enqueues_total",
    "counter",
    "Enqueues cut short for want of memory",
    ({ fifos }) => fifos.stats().shortEnqueues,
  ),
  single(
    "weft_fifo_out_of_order_refused_total",
    "counter",
    "Out-of-order segments refused by a limit",
    ({ fifos }) => fifos.stats().oooRefused,
  ),
];
