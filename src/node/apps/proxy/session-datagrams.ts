import type { Session } from "../../../app/session.js";
import type { FlowDecision } from "../../../session/flow-record.js";
import type { DatagramFlow, DatagramFlows } from "./datagram-flows.js";
import type { Exit } from "./exit.js";
import { type Relay, Untied } from "./relay.js";
import type { Connect } from "./session-exit.js";

/** Largest UDP payload. */
const MAX_DATAGRAM_BYTES = 65_527;

/** Two sessions of datagrams as one flow; what finds no room is lost. */
class SessionFlow implements Relay, DatagramFlow {
  lastMs = 0;
  readonly #accepted: Session;
  readonly #flows: DatagramFlows;
  readonly #scratch: Uint8Array;
  #opened: Session | undefined;
  #isOver = false;

  constructor(accepted: Session, flows: DatagramFlows, scratch: Uint8Array) {
    this.#accepted = accepted;
    this.#flows = flows;
    this.#scratch = scratch;
  }

  join(opened: Session): void {
    this.#opened = opened;
    opened.data = this;
    if (this.#isOver) opened.close();
    else this.#move(this.#accepted, opened);
  }

  readable(session: Session): void {
    if (this.#opened === undefined) return;
    this.#move(session, session === this.#accepted ? this.#opened : this.#accepted);
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
    this.#accepted.close();
    this.#opened?.close();
  }

  #move(from: Session, to: Session): void {
    this.#flows.heard(this);
    for (let n = from.readDatagram(this.#scratch); n >= 0; n = from.readDatagram(this.#scratch)) {
      to.writeDatagram(this.#scratch, 0, n);
    }
  }
}

/** Leads flows of datagrams on to a URI through the stack. */
export class SessionDatagrams implements Exit {
  readonly #uri: string;
  readonly #connect: Connect;
  readonly #flows: DatagramFlows;
  readonly #scratch = new Uint8Array(MAX_DATAGRAM_BYTES);

  constructor(uri: string, connect: Connect, flows: DatagramFlows) {
    this.#uri = uri;
    this.#connect = connect;
    this.#flows = flows;
  }

  decide(): FlowDecision {
    return "accept";
  }

  accept(session: Session): boolean {
    const flow = new SessionFlow(session, this.#flows, this.#scratch);
    session.data = flow;
    this.#flows.heard(flow);
    this.#connect(this.#uri).then(
      (opened) => {
        if (opened.data instanceof Untied && !opened.data.isOver) flow.join(opened);
        else flow.end();
      },
      () => flow.end(),
    );
    return true;
  }

  close(): void {
    this.#flows.close();
  }
}
