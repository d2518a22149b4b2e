import type { SimHost } from "./host.js";

/** What a host that is wound up still holds, as `3 packets, 1 timer`; "" when nothing is left, as it must be. */
export function leftovers({ stack, errors }: SimHost): string {
  const { pool, fifos, sessions, tcp, lookup } = stack.host;
  const { activeFifos, oooIntervals, badFifos } = fifos.stats();
  const { established4, established6, halfOpen4, halfOpen6, listeners } = lookup.counts();
  const counts: Readonly<Record<string, number>> = {
    packets: pool.inUse().length,
    "double frees": pool.doubleFrees,
    "bytes of fifos": fifos.inUse(),
    fifos: activeFifos,
    "out-of-order intervals": oooIntervals,
    "calls with a dead fifo": badFifos,
    connections: tcp.core.connections.used,
    timers: tcp.core.timers.running,
    "delayed acknowledgements": tcp.core.delayedAcks.length,
    sessions: sessions.table.used,
    applications: sessions.applications.all().length,
    "queued transmissions": sessions.transmitQueue.length,
    "lookup entries": established4 + established6 + halfOpen4 + halfOpen6 + listeners,
    "events nobody counted": tcp.core.events.uncommitted().length,
    "errors reported": errors.length,
  };
  return Object.entries(counts)
    .filter(([, count]) => count !== 0)
    .map(([what, count]) => `${count} ${what}`)
    .join(", ");
}
