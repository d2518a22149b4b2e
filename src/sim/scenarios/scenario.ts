import type { Draw } from "../draw.js";
import type { RoundPlan } from "../round.js";
import type { SimCase } from "../sim-case.js";
import type { ConnectionPlan, ConnectionRecord, EndPlan, Fail, Step } from "../workload.js";

/** What is played, and what its network is like. */
interface Played {
  readonly name: string;
  /** One line for the list. */
  readonly about: string;
  /** Draws what the case has that is not the default: over a mild link, unless it says otherwise. */
  draw(draw: Draw): Partial<SimCase>;
}

/** Connections. */
export interface ConnectionScenario extends Played {
  /** What connection `number` does; `draw` is its own, so that it does the same whichever others there are. */
  plan(draw: Draw, number: number, of: SimCase): ConnectionPlan;
  /** What must hold of the records, over the network that it draws: over a hostile one such a scenario is not played. */
  readonly check?: (records: readonly ConnectionRecord[], of: SimCase, fail: Fail) => void;
}

/** Rounds, as many as the case has connections. */
export interface RoundScenario extends Played {
  /** What round `number` does; `draw` is its own, likewise. */
  round(draw: Draw, number: number, of: SimCase): RoundPlan;
}

/** A kind of traffic. */
export type Scenario = ConnectionScenario | RoundScenario;

/** An end that reads at once and in pieces of any size. */
export function end(draw: Draw, steps: readonly Step[], more: Partial<EndPlan> = {}): EndPlan {
  return {
    steps,
    writeBytes: draw.size(64, 65_536),
    readBytes: draw.size(64, 65_536),
    readEveryUs: 0,
    abortAfterUs: -1,
    attributes: [],
    ...more,
  };
}

/** A connection to the listener, from any of the clients, at some time in the first `withinUs` microseconds. */
export function connection(
  draw: Draw,
  { clients }: SimCase,
  withinUs: number,
  ends: readonly [client: EndPlan, server: EndPlan],
): ConnectionPlan {
  return { startUs: draw.between(0, withinUs), client: draw.between(0, clients - 1), simultaneousUs: -1, ends };
}

/** Sends, then closes in order: its half, and the rest when the peer's half is read. */
export function sendAll(bytes: number): Step[] {
  return [{ kind: "send", bytes }, { kind: "half-close" }, { kind: "await-end" }, { kind: "close" }];
}
