import { end, type ConnectionScenario } from "./scenario.js";

/** Both ends close at about the same time: CLOSING, and TIME-WAIT at both (RFC 9293 3.6, figure 13). */
export const SIMULTANEOUS_CLOSE: ConnectionScenario = {
  name: "simultaneous-close",
  about: "both ends close at about the same time",
  draw: (draw) => ({ connections: draw.between(8, 40) }),
  plan: (draw, _number, { clients, link }) => {
    const startUs = draw.between(0, 500_000);
    const closeUs = startUs + draw.size(1000, 8_000_000);
    const up = draw.size(1, 8192);
    const down = draw.size(1, 8192);
    const steps = (send: number, receive: number, atUs: number) =>
      end(draw, [
        { kind: "send", bytes: send },
        { kind: "receive", bytes: receive },
        { kind: "until", us: atUs },
        { kind: "close" },
      ]);
    const laterUs = closeUs + draw.between(0, link.delayUs ?? 0);
    const ends = [steps(up, down, closeUs), steps(down, up, laterUs)] as const;
    return { startUs, client: draw.between(0, clients - 1), simultaneousUs: -1, ends };
  },
};
