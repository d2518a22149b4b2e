import { connection, end, type ConnectionScenario } from "./scenario.js";

/** Many connections that hardly live: ports and rows are used again and again, over TIME-WAIT where ports are few. */
export const SHORT_CONNECTIONS: ConnectionScenario = {
  name: "short-connections",
  about: "many connections of one request each, from few ports",
  draw: (draw) => ({
    connections: draw.between(60, 160),
    clients: draw.between(1, 3),
    tcp: { timeWaitMs: draw.size(100, 30_000) },
    session: draw.chance(500) ? { minSrcPort: 40_000, maxSrcPort: 40_000 + draw.between(30, 200) } : {},
  }),
  plan: (draw, _number, of) => {
    const request = draw.size(1, 1024);
    const response = draw.size(1, 4096);
    const isServerFirst = draw.chance(300);
    return connection(draw, of, 5_000_000, [
      end(draw, [
        { kind: "send", bytes: request },
        { kind: "receive", bytes: response },
        ...(isServerFirst ? [{ kind: "await-end" } as const] : []),
        { kind: "close" },
      ]),
      end(draw, [
        { kind: "receive", bytes: request },
        { kind: "send", bytes: response },
        ...(isServerFirst ? [] : [{ kind: "await-end" } as const]),
        { kind: "close" },
      ]),
    ]);
  },
};
