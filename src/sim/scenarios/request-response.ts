import type { Draw } from "../draw.js";
import type { SimCase } from "../sim-case.js";
import type { ConnectionPlan, Step } from "../workload.js";
import { connection, end, type ConnectionScenario } from "./scenario.js";

/** A client that asks and a server that answers, some rounds on one connection. */
export const REQUEST_RESPONSE: ConnectionScenario = {
  name: "request-response",
  about: "several requests and responses on each connection",
  draw: (draw) => ({ connections: draw.between(8, 40) }),
  plan: rounds,
};

function rounds(draw: Draw, _number: number, of: SimCase): ConnectionPlan {
  const client: Step[] = [];
  const server: Step[] = [];
  for (let left = draw.between(1, 12); left > 0; left--) {
    const request = draw.size(1, 4096);
    const response = draw.size(1, 32_768);
    client.push({ kind: "send", bytes: request }, { kind: "receive", bytes: response });
    if (draw.chance(300)) client.push({ kind: "pause", us: draw.size(1, 2_000_000) });
    server.push({ kind: "receive", bytes: request });
    if (draw.chance(200)) server.push({ kind: "pause", us: draw.size(1, 100_000) });
    server.push({ kind: "send", bytes: response });
  }
  client.push({ kind: "close" });
  server.push({ kind: "await-end" }, { kind: "close" });
  return connection(draw, of, 1_000_000, [end(draw, client), end(draw, server)]);
}
