import { type FlowHookHandle, setFlowHook } from "../app/flow-hook.js";
import { SeededRandom } from "../random/seeded.js";
import type { FlowDecision } from "../session/flow-record.js";
import { Draw } from "./draw.js";
import type { SimHost } from "./host.js";
import type { Simulation } from "./simulation.js";

/** Longest time that a decision takes, microseconds: some come too late. */
const LONGEST_US = 3_000_000;

/**
 * Sets a flow hook on the server: of each flow it draws whether it goes to the listeners, to application `server`, or
 * nowhere, and whether that is said at once, later, too late or never.
 */
export function decideFlows(sim: Simulation, server: SimHost, seed: number): void {
  const draw = new Draw(new SeededRandom(seed).fork());
  const { sessions } = server.stack.host;
  const hook: FlowHookHandle = setFlowHook(sessions, "default", "", ({ token }) => {
    const decision = drawDecision(draw);
    if (draw.chance(400)) return decision;
    if (draw.chance(900)) {
      sim.after(draw.size(1, LONGEST_US), () => {
        if (server.hasVanished) return;
        void hook.answer(token, decision);
        server.wake();
      });
    }
    return "later";
  });
}

function drawDecision(draw: Draw): FlowDecision {
  if (draw.chance(850)) return draw.oneOf(["accept", { application: "server" }] as const);
  return draw.oneOf(["reset", "drop", { application: "nobody" }] as const);
}
