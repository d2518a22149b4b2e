import { end, type ConnectionScenario, sendAll } from "./scenario.js";

/** Both ends connect to each other (RFC 9293 3.5, figure 7). */
export const SIMULTANEOUS_OPEN: ConnectionScenario = {
  name: "simultaneous-open",
  about: "both ends connect to each other at about the same time",
  draw: (draw) => ({ connections: draw.between(8, 40), clients: 1 }),
  plan: (draw, _number, { link }) => {
    const startUs = draw.between(0, 2_000_000);
    // Within the delay the SYNs cross; later the first one is refused.
    const simultaneousUs = draw.chance(800) ? draw.between(0, link.delayUs ?? 0) : draw.between(0, 1_000_000);
    const ends = [end(draw, sendAll(draw.size(1, 32_768))), end(draw, sendAll(draw.size(1, 32_768)))] as const;
    return { startUs, client: 0, simultaneousUs, ends };
  },
};
