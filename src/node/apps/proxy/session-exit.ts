import type { ConnectOptions } from "../../../app/app-worker.js";
import type { Session } from "../../../app/session.js";
import type { FlowDecision } from "../../../session/flow-record.js";
import { MAX_CONNECTIONS } from "../app-host.js";
import type { Exit } from "./exit.js";
import { Untied } from "./relay.js";
import { SessionSplice } from "./session-splice.js";

/** Opens a session of the proxy's application. */
export type Connect = (uri: string, options?: ConnectOptions) => Promise<Session>;

/** Leads streams on to a URI through the stack. */
export class SessionExit implements Exit {
  readonly #uri: string;
  readonly #connect: Connect;
  #connections = 0;

  constructor(uri: string, connect: Connect) {
    this.#uri = uri;
    this.#connect = connect;
  }

  decide(): FlowDecision {
    return this.#connections < MAX_CONNECTIONS ? "accept" : "reset";
  }

  accept(session: Session): boolean {
    if (this.#connections >= MAX_CONNECTIONS) return false;
    this.#connections++;
    const splice = new SessionSplice(session, (each) => {
      if (each === session) this.#connections--;
    });
    session.data = splice;
    void session.setAttribute("noDelay", 1);
    this.#connect(this.#uri, { attributes: { noDelay: 1 } }).then(
      (opened) => {
        const { data } = opened;
        if (data instanceof Untied && !data.isOver) splice.join(opened, data.hasEnded);
        else splice.fail();
      },
      () => splice.fail(),
    );
    return true;
  }

  close(): void {
    // Its sessions are all the stack's.
  }
}
