import type { Host } from "../../nodes/host.js";
import { S_HALF_OPENS, S_STATE, SESSION_LISTENING } from "../session/session-table.js";

/** How much of everything a stack holds, by name. */
export type Census = Readonly<Record<string, number>>;

/**
 * Counts all that a stack has to give back when what used it has gone, and what must never happen. Of a stack that was
 * just made, or that is wound up, each number is 0. Source ports are those of the lookup entries: nothing else keeps them.
 */
export function censusOf(host: Host): Census {
  const { pool, fifos, sessions, tcp, lookup, neighbours, ip } = host;
  const { activeFifos, oooIntervals, badFifos, badFrees, chunksInUse, segments } = fifos.stats();
  const { established4, established6, halfOpen4, halfOpen6, listeners } = lookup.counts();
  return {
    packets: pool.inUse().length,
    "double frees": pool.doubleFrees,
    "packets that wait for neighbours": neighbours.queued,
    "datagrams in reassembly": ip.reassembly.datagrams,
    "bytes of fifos": fifos.inUse(),
    chunks: chunksInUse,
    "chunks freed twice": badFrees,
    fifos: activeFifos,
    "segments of applications": segments - 1,
    "applications with segments": sessions.segments.all.length,
    "out-of-order intervals": oooIntervals,
    "calls with a dead fifo": badFifos,
    ...Object.fromEntries(sessions.transports.flatMap((each) => (each ? [[`${each.name} rows`, each.rows.used]] : []))),
    "TCP listeners": tcp.core.listeners.size,
    timers: tcp.core.timers.running,
    "delayed acknowledgements": tcp.core.delayedAcks.length,
    "ranges of sent data": tcp.core.scoreboard.used,
    sessions: sessions.table.used,
    applications: sessions.applications.all().length,
    workers: sessions.applications.workerCount,
    "namespaces besides the default one": sessions.namespaces.all().length - 1,
    listeners: sessions.listeners.count,
    rules: sessions.rules.counts().rules,
    "half-open connections of listeners": halfOpens(host),
    "undecided flows": sessions.flows.undecided,
    "queued transmissions": sessions.transmitQueue.length,
    "sessions with something to tell": sessions.pendingCount,
    "established lookup entries": established4 + established6,
    "half-open lookup entries": halfOpen4 + halfOpen6,
    "listener lookup entries": listeners,
    "events nobody counted": tcp.core.events.uncommitted().length,
  };
}

function halfOpens({ sessions, window }: Host): number {
  let count = 0;
  for (const s of sessions.table) {
    const r = sessions.table.row(s);
    if (window.i32[r + S_STATE] === SESSION_LISTENING) count += window.i32[r + S_HALF_OPENS];
  }
  return count;
}

/** What a stack holds more (or, below 0, less) than before, as `3 packets, 1 timers`; "" when it is the same. */
export function censusChange(now: Census, before: Census = {}): string {
  return Object.entries(now)
    .map(([what, count]) => ({ what, more: count - (before[what] ?? 0) }))
    .filter(({ more }) => more !== 0)
    .map(({ what, more }) => `${more} ${what}`)
    .join(", ");
}
