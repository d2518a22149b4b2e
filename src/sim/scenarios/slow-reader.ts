import { connection, end, type ConnectionScenario, sendAll } from "./scenario.js";

/** Readers that let the window close, and open it crumb by crumb. */
export const SLOW_READER: ConnectionScenario = {
  name: "slow-reader",
  about: "readers slower than their senders: closed windows, probes, small reads",
  draw: (draw) => ({ connections: draw.between(4, 16), session: { rxFifoBytes: draw.size(2048, 65_536) } }),
  plan: (draw, _number, of) => {
    const up = draw.size(1, 131_072);
    const down = draw.chance(500) ? 0 : draw.size(1, 32_768);
    const slow = { readBytes: draw.size(Math.max(16, up >> 7), 8192), readEveryUs: draw.size(1000, 2_000_000) };
    const back = draw.chance(300) ? { readBytes: draw.size(256, 8192), readEveryUs: draw.size(1000, 500_000) } : {};
    return connection(draw, of, 500_000, [end(draw, sendAll(up), back), end(draw, sendAll(down), slow)]);
  },
};
