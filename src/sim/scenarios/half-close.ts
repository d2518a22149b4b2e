import { connection, end, type ConnectionScenario, sendAll } from "./scenario.js";

/** One end is silent long before the other has begun. */
export const HALF_CLOSE: ConnectionScenario = {
  name: "half-close",
  about: "one end closes its half, the other answers afterwards",
  draw: (draw) => ({ connections: draw.between(8, 32) }),
  plan: (draw, _number, of) => {
    const asked = end(draw, sendAll(draw.chance(200) ? 0 : draw.size(1, 65_536)));
    const bytes = draw.size(1, 65_536);
    const answering = end(draw, [
      { kind: "await-end" },
      { kind: "pause", us: draw.size(1, 3_000_000) },
      { kind: "send", bytes },
      { kind: "close" },
    ]);
    return connection(draw, of, 500_000, draw.chance(700) ? [asked, answering] : [answering, asked]);
  },
};
