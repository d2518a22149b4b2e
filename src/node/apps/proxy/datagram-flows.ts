/** How long a flow of datagrams may be silent (RFC 4787 REQ-5). */
const IDLE_MS = 120_000;
/** How often silent ones are looked for. */
const SWEEP_MS = 10_000;
/** Most flows at a time. */
const MAX_FLOWS = 4096;

/** A flow of datagrams. */
export interface DatagramFlow {
  /** When it was last heard of; written by {@link DatagramFlows}. */
  lastMs: number;
  /** Ends it. */
  end(): void;
}

/** The flows of datagrams of a proxy, from the one that was silent longest on: that one goes when there are too many. */
export class DatagramFlows {
  readonly #flows = new Set<DatagramFlow>();
  readonly #timer = setInterval(() => this.#sweep(), SWEEP_MS).unref();

  /** A flow begins, or something came in it. */
  heard(flow: DatagramFlow): void {
    flow.lastMs = performance.now();
    const isNew = !this.#flows.delete(flow);
    this.#flows.add(flow);
    if (isNew && this.#flows.size > MAX_FLOWS) this.#endOldest();
  }

  /** A flow is over. */
  delete(flow: DatagramFlow): void {
    this.#flows.delete(flow);
  }

  /** Ends all. */
  close(): void {
    clearInterval(this.#timer);
    for (const flow of this.#flows) flow.end();
  }

  #endOldest(): void {
    for (const flow of this.#flows) {
      this.#end(flow);
      return;
    }
  }

  #sweep(): void {
    const beforeMs = performance.now() - IDLE_MS;
    for (const flow of this.#flows) {
      if (flow.lastMs > beforeMs) return;
      this.#end(flow);
    }
  }

  #end(flow: DatagramFlow): void {
    this.#flows.delete(flow);
    flow.end();
  }
}
