import { type Census, censusChange, censusOf } from "./census.js";
import type { SimHost } from "./host.js";

/** The census of a host: that of its stack, the objects of its applications, and the errors that were reported. */
export function hostCensus({ stack, server, errors }: SimHost): Census {
  return {
    ...censusOf(stack.host),
    "session objects": server.objects.count,
    "errors reported": errors.length,
  };
}

/** What a host that is wound up still holds, as `3 packets, 1 timers`; "" when nothing is left, as it must be. */
export function leftovers(host: SimHost): string {
  return censusChange(hostCensus(host));
}
