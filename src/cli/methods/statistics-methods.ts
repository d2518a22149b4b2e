import type { Host } from "../../../nodes/host.js";
import { LARGE_FRAME_BYTES, SMALL_FRAME_BYTES } from "../../graph/packet-pool.js";
import type { SegmentManager } from "../../session/segment-manager.js";
import { SESSION_ERRORS } from "../../session/session-errors.js";
import { LISTEN, TCP_STATE_NAMES } from "../../transport/tcp/connection.js";
import { C_STATE } from "../../transport/transport.js";
import type { HandlersOf, MethodRun } from "./handler.js";
import type { MethodResult } from "./method-table.js";

/** Statistics of connections that are worth a sum. */
const SUMMED: readonly string[] = [
  "SegsIn DataSegsIn SegsOut DataSegsOut SegsRetrans OctetsRetrans Timeouts FastRetran",
  "DupAcksIn SACKsRcvd DSACKDups SpuriousDetected",
].flatMap((names) => names.split(" "));

function tcpStatistics({ host }: MethodRun): MethodResult<"statistics.tcp"> {
  const { connections } = host.tcp.core;
  const { i32 } = host.window;
  const states = new Float64Array(TCP_STATE_NAMES.length);
  const sums = new Map<string, number>(SUMMED.map((name) => [name, 0]));
  for (const c of connections) {
    const state = i32[connections.row(c) + C_STATE];
    states[state]++;
    if (state <= LISTEN) continue;
    const statistics = host.tcp.statistics(c);
    for (const name of SUMMED) sums.set(name, (sums.get(name) ?? 0) + statistics[name]);
  }
  const counters = new Map<string, MethodResult<"statistics.tcp">["counters"][number]>();
  for (const { node, symbol, text, count } of host.engine.errors()) {
    if (!/^tcp[46]-/.test(node)) continue;
    counters.set(symbol, { symbol, text, count: (counters.get(symbol)?.count ?? 0) + count });
  }
  return {
    states: Object.fromEntries(
      TCP_STATE_NAMES.map((name, i) => [name, states[i]] as const).filter(([, count]) => count !== 0),
    ),
    sums: Object.fromEntries(sums),
    counters: [...counters.values()],
  };
}

/** Each segment manager, and whose it is. */
function segmentManagers({ sessions, fifos }: Host): MethodResult<"statistics.segments">["managers"] {
  const { segments, applications } = sessions;
  const owners = new Map<SegmentManager, string>();
  for (const app of applications.all()) {
    for (const worker of app.workers)
      if (worker !== undefined) owners.set(worker.segments, `${app.index} ${worker.number}`);
  }
  // Who shares the stack's own segment is not named.
  owners.delete(segments.shared);
  return [segments.shared, ...segments.all].map((manager) => ({
    workers: segments.endsOf(manager).flatMap((end) => owners.get(end) ?? []),
    pressure: manager.pressure,
    isShared: manager.isShared,
    segments: manager.segments.map((segment) => {
      const pool = fifos.pool(segment);
      const { capacityBytes = 0, bytesInUse = 0 } = pool ?? {};
      return { segment, capacityBytes, bytesInUse, fifos: fifos.fifosOf(segment) };
    }),
  }));
}

/** Methods that count. */
export const STATISTICS_HANDLERS: HandlersOf<"statistics"> = {
  "statistics.sessions": ({ host: { sessions } }) =>
    Object.fromEntries(
      SESSION_ERRORS.map(({ name }, i) => [name, sessions.errorCounts[i]] as const).filter(([, count]) => count !== 0),
    ),
  "statistics.lookup": ({ host }) => ({ ...host.lookup.counts() }),
  "statistics.tcp": tcpStatistics,
  "statistics.segments"({ host }) {
    const stats = host.fifos.stats();
    const { capacityBytes, bytesInUse, highWaterBytes, chunksInUse, shortEnqueues, oooIntervals, oooRefused } = stats;
    return {
      capacityBytes,
      bytesInUse,
      highWaterBytes,
      chunksInUse,
      fifos: stats.activeFifos,
      maxFifos: stats.maxFifos,
      fifosRefused: stats.fifoFailures,
      chunksRefused: stats.failures,
      shortEnqueues,
      oooIntervals,
      oooRefused,
      freeChunks: stats.freeChunks,
      managers: segmentManagers(host),
    };
  },
  "statistics.buffers"({ host: { pool } }) {
    const row = (name: string, frameBytes: number, total: number, free: number) => ({
      pool: name,
      frameBytes,
      total,
      free,
      used: total - free,
    });
    return {
      pools: [
        row("small", SMALL_FRAME_BYTES, pool.smallCount, pool.freeSmall),
        row("large", LARGE_FRAME_BYTES, pool.largeCount, pool.freeLarge),
      ],
      ringSlots: pool.capacity - pool.smallCount - pool.largeCount,
      exhausted: pool.exhausted,
      doubleFrees: pool.doubleFrees,
    };
  },
  "statistics.runtime": ({ host: { engine } }, { all = false }) => ({
    timeUs: engine.nowUs,
    turns: engine.turns,
    cutTurns: engine.cutTurns,
    nodes: engine
      .runtime()
      .filter(({ packets }) => all || packets > 0)
      .map(({ name, kind, calls, vectors, packets, timedNs, timedPackets }) => {
        return { name, kind, calls, vectors, packets, timedNs, timedPackets };
      }),
  }),
  "statistics.errors": ({ host }) =>
    host.engine.errors().map(({ node, severity, symbol, text, count }) => ({ node, severity, symbol, text, count })),
};
