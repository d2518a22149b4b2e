import type { FrameEvent } from "./link.js";
import { RowInvariants } from "./row-invariants.js";
import { SimHost } from "./host.js";
import type { Simulation } from "./simulation.js";
import { isSoundSegment } from "./sound-frame.js";
import { FLOW_BEYOND_EDGE, FLOW_EDGE_LEFT, FLOW_OK, WireFlows } from "./wire-flows.js";
import type { Fail } from "./workload.js";

/** How much the hosts may use. */
export interface InvariantLimits {
  /** Memory of all fifos of a host, bytes. */
  readonly fifoBytes: number;
  /** Largest IP packet of the hosts, bytes. */
  readonly mtu: number;
}

/**
 * What must hold at every step of a simulation, in the rows of its hosts and on the wire. Hang {@link onInstant} and
 * {@link onFrame} on the simulation; what does not hold is told to `fail`.
 */
export class Invariants {
  readonly #rows: readonly RowInvariants[];
  readonly #flows = new WireFlows();
  readonly #fail: Fail;
  readonly #mtu: number;
  readonly #hosts: readonly SimHost[];

  constructor(sim: Simulation, limits: InvariantLimits, fail: Fail) {
    this.#rows = sim.hosts.map((host) => new RowInvariants(host, limits.fifoBytes, fail));
    this.#hosts = sim.hosts;
    this.#fail = fail;
    this.#mtu = limits.mtu;
  }

  /** For {@link Simulation.onInstant}. */
  readonly onInstant = (): void => {
    for (const rows of this.#rows) rows.check();
    for (const { name, errors } of this.#hosts) {
      if (errors.length > 0) this.#fail("no-exception", `${name}: ${String(errors[0])}`);
    }
  };

  /** For {@link Simulation.onFrame}. */
  readonly onFrame = ({ link, direction, bytes, dropReason, note = "" }: FrameEvent): void => {
    // Behind a switch each frame is offered again: what the host did was seen when it sent it.
    const sender = link.ends[direction];
    if (!(sender instanceof SimHost) || (note.includes("corrupt") && !isSoundSegment(bytes))) return;
    const flows = this.#flows;
    const flow = flows.read(bytes);
    if (flows.ipLength > this.#mtu) this.#fail("mtu", `${sender.name}: a packet of ${flows.ipLength} bytes`);
    if (flow === undefined) return;
    const before = flow.edge;
    const wrong = flows.note(flow, bytes, dropReason !== undefined);
    if (wrong === FLOW_OK) return;
    const segment = `seq ${flows.seq >>> 0} length ${flows.length} ack ${flows.ack >>> 0} window ${flows.window}`;
    if (wrong === FLOW_EDGE_LEFT) {
      this.#fail("announced-edge", `${sender.name}: announced room up to ${before >>> 0} before: ${segment}`);
    } else if (wrong === FLOW_BEYOND_EDGE) {
      this.#fail("peer-window", `${sender.name}: the peer has room up to ${flow.reverse.edge >>> 0}: ${segment}`);
    }
  };
}
