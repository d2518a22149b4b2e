import { createSocket, type Socket } from "node:dgram";
import type { Session, SessionAddress } from "../../../app/session.js";
import type { FlowDecision } from "../../../session/flow-record.js";
import type { DatagramFlow, DatagramFlows } from "./datagram-flows.js";
import type { Exit } from "./exit.js";
import type { OwnFlows } from "./own-flows.js";
import type { Relay } from "./relay.js";

/** Largest UDP payload. */
const MAX_DATAGRAM_BYTES = 65_527;
/** Bytes that wait for the kernel; more datagrams are lost. */
const MAX_QUEUED_BYTES = 1 << 20;

/** A session of datagrams and a socket of the kernel as one flow; what finds no room is lost. */
class KernelFlow implements Relay, DatagramFlow {
  lastMs = 0;
  readonly #session: Session;
  readonly #flows: DatagramFlows;
  readonly #scratch: Uint8Array;
  readonly #own: OwnFlows;
  readonly #socket: Socket;
  #isConnected = false;
  #isOver = false;

  constructor(
    session: Session,
    to: SessionAddress,
    exit: { flows: DatagramFlows; scratch: Uint8Array; own: OwnFlows },
  ) {
    this.#session = session;
    this.#flows = exit.flows;
    this.#scratch = exit.scratch;
    this.#own = exit.own;
    this.#socket = createSocket(to.family === 6 ? "udp6" : "udp4")
      .on("message", (datagram) => this.#received(datagram))
      // Nobody listens there, or there is no way: the next datagram may begin anew.
      .on("error", () => this.end())
      .on("connect", () => {
        const { address, port } = this.#socket.address();
        this.#own.add(this, { local: { address, port, family: to.family }, remote: to });
        this.#isConnected = true;
        this.readable();
      });
    this.#socket.connect(to.port, to.address);
  }

  readable(): void {
    if (!this.#isConnected || this.#isOver) return;
    this.#flows.heard(this);
    const scratch = this.#scratch;
    for (let n = this.#session.readDatagram(scratch); n >= 0; n = this.#session.readDatagram(scratch)) {
      if (this.#socket.getSendQueueSize() + n <= MAX_QUEUED_BYTES) this.#socket.send(scratch.slice(0, n));
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

  end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#flows.delete(this);
    this.#own.delete(this);
    this.#socket.close();
    this.#session.close();
  }

  #received(datagram: Uint8Array): void {
    if (this.#isOver) return;
    this.#flows.heard(this);
    this.#session.writeDatagram(datagram);
  }
}

/** Leads flows of datagrams to where they wanted to go, by sockets of the kernel. */
export class KernelDatagrams implements Exit {
  readonly flows: DatagramFlows;
  readonly own: OwnFlows;
  readonly scratch = new Uint8Array(MAX_DATAGRAM_BYTES);

  constructor(own: OwnFlows, flows: DatagramFlows) {
    this.own = own;
    this.flows = flows;
  }

  decide(): FlowDecision {
    return "accept";
  }

  accept(session: Session): boolean {
    const { local } = session;
    if (local === undefined) return false;
    const flow = new KernelFlow(session, local, this);
    session.data = flow;
    this.flows.heard(flow);
    return true;
  }

  close(): void {
    this.flows.close();
  }
}
