import { type FlowEnds, flowKey } from "./flow-key.js";

/** Flows that a proxy itself has begun: one of them that it is asked to take is a loop. */
export class OwnFlows {
  readonly #keys = new Map<object, string>();
  readonly #flows = new Set<string>();

  /** Notes a flow by its ends as seen from here: it begins at `local`. */
  add(owner: object, { local, remote }: FlowEnds): void {
    const key = flowKey({ local: remote, remote: local });
    this.#keys.set(owner, key);
    this.#flows.add(key);
  }

  /** The flow of an owner is over. */
  delete(owner: object): void {
    const key = this.#keys.get(owner);
    if (key !== undefined) this.#flows.delete(key);
    this.#keys.delete(owner);
  }

  /** Whether a flow that came in, by its ends as the stack sees them, is one of them. */
  has(flow: FlowEnds): boolean {
    return this.#flows.size > 0 && this.#flows.has(flowKey(flow));
  }
}
