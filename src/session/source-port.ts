import type { Random } from "../random/random.js";
import type { Endpoint } from "../transport/transport.js";
import type { SessionLookup } from "./lookup.js";
import { SESSION_E_NOPORT, SESSION_E_PORTINUSE } from "./session-errors.js";
import { anyEndpoint } from "./uri.js";

/** Random draws before the range is searched from end to end. */
const MAX_TRIES = 32;

/** Range of ports for sessions that name none. */
export interface PortRange {
  readonly minPort: number;
  readonly maxPort: number;
}

/**
 * Chooses local ports at random (RFC 6056 3.3.1). A port serves many connections as long as their 6-tuples (FIB, protocol,
 * addresses, ports) differ, but none on which someone listens.
 */
export class SourcePorts {
  readonly #lookup: SessionLookup;
  readonly #random: Random;
  readonly #range: PortRange;
  /** Most draws that one choice took (VPP: transport_port_alloc_max_tries). */
  maxTries = 0;

  constructor(lookup: SessionLookup, random: Random, range: PortRange) {
    this.#lookup = lookup;
    this.#random = random;
    this.#range = range;
  }

  /** A free port for a connection from `local` (its port is ignored) to `remote`; NOPORT when none is left. */
  choose(fib: number, proto: number, local: Endpoint, remote: Endpoint): number {
    return this.search((port) => this.#isFree(fib, proto, { ...local, port }, remote));
  }

  /** Whether a connection may use the port that `local` names: 0, or PORTINUSE. */
  check(fib: number, proto: number, local: Endpoint, remote: Endpoint): number {
    return this.#lookup.isTaken(fib, proto, local, remote) ? SESSION_E_PORTINUSE : 0;
  }

  /** A port of the range that `isFree` takes: drawn at random, else the first from a random one on; NOPORT when there is none. */
  search(isFree: (port: number) => boolean): number {
    const { minPort, maxPort } = this.#range;
    const ports = maxPort - minPort + 1;
    for (let tries = 1; tries <= MAX_TRIES; tries++) {
      const port = minPort + this.#random.nextBelow(ports);
      if (tries > this.maxTries) this.maxTries = tries;
      if (isFree(port)) return port;
    }
    const start = this.#random.nextBelow(ports);
    for (let i = 0; i < ports; i++) {
      const port = minPort + ((start + i) % ports);
      if (isFree(port)) return port;
    }
    return SESSION_E_NOPORT;
  }

  #isFree(fib: number, proto: number, local: Endpoint, remote: Endpoint): boolean {
    const lookup = this.#lookup;
    const { family, port } = local;
    const isListening =
      lookup.listenerAt(fib, proto, local) >= 0 || lookup.listenerAt(fib, proto, anyEndpoint(family, port)) >= 0;
    return !isListening && !lookup.isTaken(fib, proto, local, remote);
  }
}
