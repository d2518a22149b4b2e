import type { Session } from "../../../app/session.js";
import type { FlowDecision } from "../../../session/flow-record.js";
import type { DatagramFlow, DatagramFlows } from "./datagram-flows.js";
import type { DatagramOutlet, OpenOutlet, OutletEvents } from "./datagram-outlet.js";
import type { Exit } from "./exit.js";
import type { Relay } from "./relay.js";

/** Largest UDP payload. */
const MAX_DATAGRAM_BYTES = 65_527;

/** A session of datagrams and an outlet as one flow; what finds no room is lost. */
class OutletFlow implements Relay, DatagramFlow, OutletEvents {
  lastMs = 0;
  readonly #session: Session;
  readonly #flows: DatagramFlows;
  readonly #scratch: Uint8Array;
  #outlet: DatagramOutlet | undefined;
  #isOpen = false;
  #isOver = false;

  constructor(session: Session, flows: DatagramFlows, scratch: Uint8Array) {
    this.#session = session;
    this.#flows = flows;
    this.#scratch = scratch;
  }

  /** Begins: what the session has waits until the outlet is open. */
  start(outlet: DatagramOutlet): void {
    this.#outlet = outlet;
    this.#flows.heard(this);
  }

  opened(): void {
    this.#isOpen = true;
    this.readable();
  }

  readable(): void {
    if (!this.#isOpen || this.#isOver) return;
    this.#flows.heard(this);
    const scratch = this.#scratch;
    for (let n = this.#session.readDatagram(scratch); n >= 0; n = this.#session.readDatagram(scratch)) {
      this.#outlet?.send(scratch.subarray(0, n));
    }
  }

  writable(): void {
    // What found no room is lost.
  }

  ended(): void {
    this.end();
  }

  wasReset(): void {
    this.end();
  }

  gone(): void {
    this.end();
  }

  failed(): void {
    this.end();
  }

  end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#flows.delete(this);
    this.#outlet?.close();
    this.#session.close();
  }

  received(datagram: Uint8Array): void {
    if (this.#isOver) return;
    this.#flows.heard(this);
    this.#session.writeDatagram(datagram);
  }
}

/** Leads flows of datagrams to where they wanted to go, by sockets of the kernel. */
export class KernelDatagrams implements Exit {
  readonly #open: OpenOutlet;
  readonly #flows: DatagramFlows;
  readonly #scratch = new Uint8Array(MAX_DATAGRAM_BYTES);

  constructor(open: OpenOutlet, flows: DatagramFlows) {
    this.#open = open;
    this.#flows = flows;
  }

  decide(): FlowDecision {
    return "accept";
  }

  accept(session: Session): boolean {
    const { local } = session;
    // No socket of the kernel can send to port 0.
    if (local === undefined || local.port === 0) return false;
    const flow = new OutletFlow(session, this.#flows, this.#scratch);
    session.data = flow;
    flow.start(this.#open(local, flow));
    return true;
  }

  close(): void {
    this.#flows.close();
  }
}
