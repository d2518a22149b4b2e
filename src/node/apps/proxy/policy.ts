import type { SessionAddress } from "../../../app/session.js";
import { type Allowed, parseAllowed } from "../../../host/proxy-config.js";
import { prefixCovers, tryParseAddress } from "../../../ip/address.js";
import { BoundedSet } from "./bounded-set.js";
import type { Log } from "./exit.js";
import { type FlowEnds, formatDestination } from "./flow-key.js";

/** Refused destinations that are remembered, so that each is logged once. */
export const MAX_LOGGED = 1024;

/** Which destinations a proxy may reach. */
export class ProxyPolicy {
  readonly #allowed: readonly Allowed[] | undefined;
  readonly #log: Log;
  readonly #logged = new BoundedSet<string>(MAX_LOGGED);

  /** `allow` as in the configuration; undefined: all. Throws RangeError at what is no destination. */
  constructor(allow: readonly string[] | undefined, log: Log) {
    this.#allowed = allow?.map(allowedOf);
    this.#log = log;
  }

  /** Whether a destination may be reached. */
  allows({ address, port }: SessionAddress): boolean {
    const to = tryParseAddress(address);
    if (this.#allowed === undefined) return true;
    return (
      to !== undefined &&
      this.#allowed.some((each) => (each.port === 0 || each.port === port) && prefixCovers(each.prefix, to))
    );
  }

  /** Logs why a flow is refused, once for each destination. */
  refused(proto: "tcp" | "udp", { local, remote }: FlowEnds, why: string): void {
    if (local === undefined) return;
    const destination = formatDestination(proto, local);
    if (this.#logged.add(destination)) this.#log(`proxy: ${destination} refused to ${remote?.address}: ${why}`);
  }
}

function allowedOf(text: string): Allowed {
  const allowed = parseAllowed(text);
  if (allowed === undefined) throw new RangeError(`not a destination: ${JSON.stringify(text)}`);
  return allowed;
}
