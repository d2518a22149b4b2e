import { connection, end, type ConnectionScenario, sendAll } from "./scenario.js";

/** Both ends send as fast as it goes, at the same time. */
export const BULK: ConnectionScenario = {
  name: "bulk",
  about: "bulk data both ways at the same time",
  draw: (draw) => ({ connections: draw.between(4, 24) }),
  plan: (draw, _number, of) => {
    const up = draw.size(1, 262_144);
    const down = draw.chance(200) ? 0 : draw.size(1, 131_072);
    return connection(draw, of, 500_000, [end(draw, sendAll(up)), end(draw, sendAll(down))]);
  },
};
