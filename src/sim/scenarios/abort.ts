import { connection, end, type ConnectionScenario, sendAll } from "./scenario.js";

/** Resets in every state. */
export const ABORT: ConnectionScenario = {
  name: "abort",
  about: "connections that one end or both reset at any moment",
  draw: (draw) => ({ connections: draw.between(12, 48) }),
  plan: (draw, _number, of) => {
    const abort = (): { abortAfterUs: number } => ({ abortAfterUs: draw.chance(600) ? draw.size(1, 4_000_000) : -1 });
    const client = end(draw, sendAll(draw.size(1, 65_536)), abort());
    const server = end(draw, sendAll(draw.size(1, 65_536)), abort());
    return connection(draw, of, 1_000_000, [client, server]);
  },
};
