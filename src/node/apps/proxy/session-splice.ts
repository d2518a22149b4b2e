import type { Session } from "../../../app/session.js";
import { moveBytes } from "../move-bytes.js";
import type { Relay } from "./relay.js";

/** One of two spliced sessions. */
interface End {
  readonly session: Session;
  /** Its peer sends no more. */
  hasEnded: boolean;
  /** It sends no more: all that the other's peer sent is written. */
  isShut: boolean;
}

/**
 * Two streams as one: what one session receives the other sends, from fifo to fifo. A full fifo leaves bytes where they are,
 * so that the peer's window closes; each direction ends by itself; a reset goes on to the other side.
 */
export class SessionSplice implements Relay {
  readonly #accepted: End;
  readonly #onGone: (session: Session) => void;
  #opened: End | undefined;
  #isOver = false;

  /** What is accepted waits for {@link join}. `onGone` hears of each session that goes. */
  constructor(accepted: Session, onGone: (session: Session) => void) {
    this.#accepted = { session: accepted, hasEnded: false, isShut: false };
    this.#onGone = onGone;
  }

  /** The other session is connected; `hasEnded`: and its peer sends no more already. */
  join(opened: Session, hasEnded: boolean): void {
    if (this.#isOver) {
      opened.reset();
      return;
    }
    this.#opened = { session: opened, hasEnded, isShut: false };
    opened.data = this;
    this.#move(this.#accepted, this.#opened);
    this.#move(this.#opened, this.#accepted);
  }

  /** There will be no other session. */
  fail(): void {
    if (!this.#isOver) this.#accepted.session.reset();
  }

  readable(session: Session): void {
    const other = this.#otherThan(session);
    if (other !== undefined) this.#move(this.#end(session), other);
  }

  writable(session: Session): void {
    const other = this.#otherThan(session);
    if (other !== undefined) this.#move(other, this.#end(session));
  }

  ended(session: Session): void {
    this.#end(session).hasEnded = true;
    this.readable(session);
  }

  wasReset(session: Session): void {
    this.#isOver = true;
    this.#otherThan(session)?.session.reset();
  }

  gone(session: Session): void {
    // Who was closed well may go before the other, which has still to send.
    if (!(this.#accepted.isShut && this.#opened?.isShut === true)) this.wasReset(session);
    this.#onGone(session);
  }

  #end(session: Session): End {
    const opened = this.#opened;
    return opened?.session === session ? opened : this.#accepted;
  }

  #otherThan(session: Session): End | undefined {
    return this.#accepted.session === session ? this.#opened : this.#accepted;
  }

  #move(from: End, to: End): void {
    if (!moveBytes(from.session, to.session) || !from.hasEnded || to.isShut) return;
    to.isShut = true;
    to.session.halfClose();
    if (!from.isShut) return;
    from.session.close();
    to.session.close();
  }
}
