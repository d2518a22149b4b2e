import { mildLink } from "../draw-link.js";
import { connection, end, type ConnectionScenario, sendAll } from "./scenario.js";

/** A middlebox that knows no TCP options: neither scaled windows, nor timestamps, nor SACK, nor an MSS. */
export const STRIP_OPTIONS: ConnectionScenario = {
  name: "strip-options",
  about: "a middlebox that takes the options out of each SYN",
  draw: (draw) => ({ connections: draw.between(4, 24), link: { ...mildLink(draw), stripOptions: true } }),
  plan: (draw, _number, of) =>
    connection(draw, of, 500_000, [
      end(draw, sendAll(draw.size(1, 131_072))),
      end(draw, sendAll(draw.size(1, 65_536))),
    ]),
};
