import { ABORT } from "./abort.js";
import { BULK } from "./bulk.js";
import { FAIR } from "./fair.js";
import { FLOW_HOOK } from "./flow-hook.js";
import { HALF_CLOSE } from "./half-close.js";
import { LISTENER_OVERLOAD } from "./listener-overload.js";
import { REQUEST_RESPONSE } from "./request-response.js";
import { ROUNDS } from "./rounds.js";
import type { Scenario } from "./scenario.js";
import { SHORT_CONNECTIONS } from "./short-connections.js";
import { SIMULTANEOUS_CLOSE } from "./simultaneous-close.js";
import { SIMULTANEOUS_OPEN } from "./simultaneous-open.js";
import { SLOW_READER } from "./slow-reader.js";
import { STRIP_OPTIONS } from "./strip-options.js";
import { VANISH } from "./vanish.js";

/** Every kind of traffic; `random` is one of these, but for those that measure, over a hostile link. */
export const SCENARIOS: readonly Scenario[] = [
  BULK,
  REQUEST_RESPONSE,
  SHORT_CONNECTIONS,
  SLOW_READER,
  HALF_CLOSE,
  SIMULTANEOUS_OPEN,
  SIMULTANEOUS_CLOSE,
  ABORT,
  LISTENER_OVERLOAD,
  FLOW_HOOK,
  VANISH,
  STRIP_OPTIONS,
  ROUNDS,
  FAIR,
];

/** The scenario of that name; throws RangeError when there is none. */
export function scenarioNamed(name: string): Scenario {
  const found = SCENARIOS.find((each) => each.name === name);
  if (found === undefined) throw new RangeError(`no scenario ${JSON.stringify(name)}`);
  return found;
}
