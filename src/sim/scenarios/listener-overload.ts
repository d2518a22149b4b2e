import { connection, end, type ConnectionScenario } from "./scenario.js";

/** More clients at once than the listener takes half-open connections. */
export const LISTENER_OVERLOAD: ConnectionScenario = {
  name: "listener-overload",
  about: "more connects at once than the listener's backlog takes",
  draw: (draw) => ({ connections: draw.between(30, 90), clients: draw.between(1, 4), backlog: draw.between(1, 4) }),
  plan: (draw, _number, of) => {
    const bytes = draw.size(1, 2048);
    return connection(draw, of, draw.oneOf([0, 1000, 200_000]), [
      end(draw, [{ kind: "send", bytes }, { kind: "receive", bytes }, { kind: "close" }]),
      end(draw, [{ kind: "receive", bytes }, { kind: "send", bytes }, { kind: "await-end" }, { kind: "close" }]),
    ]);
  },
};
