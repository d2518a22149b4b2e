import { connection, end, type ConnectionScenario, sendAll } from "./scenario.js";

/** Hosts that lose power: the other end must notice by itself, or be told by its application. */
export const VANISH: ConnectionScenario = {
  name: "vanish",
  about: "a host that vanishes in the middle of everything",
  draw: (draw) => {
    const clients = draw.between(1, 3);
    return {
      connections: draw.between(8, 32),
      clients,
      changes: [{ atUs: draw.size(1000, 4_000_000), kind: "vanish", host: draw.between(0, clients) }],
    };
  },
  plan: (draw, _number, of) => {
    const pause = { kind: "pause", us: draw.size(1, 4_000_000) } as const;
    const client = end(draw, [{ kind: "send", bytes: draw.size(1, 16_384) }, pause, ...sendAll(draw.size(1, 65_536))]);
    const server = end(draw, [{ kind: "send", bytes: draw.size(1, 16_384) }, pause, ...sendAll(draw.size(1, 65_536))]);
    return connection(draw, of, 1_000_000, [client, server]);
  },
};
