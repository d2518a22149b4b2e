import type { Session } from "../../app/session.js";

/** Largest UDP payload. */
const MAX_DATAGRAM_BYTES = 65_527;
/** Datagrams that one call handles; the rest waits for the next turn of whoever calls again. */
const MAX_AT_ONCE = 1024;
/**
 * Small services that answer whatever they get (echo, daytime, qotd, chargen, time): answering them could go on for
 * ever, to an address that was forged.
 */
const CHATTY_PORTS: ReadonlySet<number> = new Set([7, 13, 17, 19, 37]);

/** Room for one datagram on its way between an application's fifos. */
export class DatagramScratch {
  /** Datagrams that were not answered, for their sender's port or for want of room. */
  dropped = 0;
  readonly #bytes = new Uint8Array(MAX_DATAGRAM_BYTES);

  /** Sends every datagram that is there back to its sender. */
  echo(session: Session): void {
    const bytes = this.#bytes;
    for (let i = 0; i < MAX_AT_ONCE; i++) {
      const n = session.readDatagram(bytes);
      if (n < 0) return;
      if (CHATTY_PORTS.has(session.datagram.remotePort) || session.reply(bytes, 0, n) !== n) this.dropped++;
    }
  }

  /** Takes every datagram that is there. */
  discard(session: Session): void {
    for (let i = 0; i < MAX_AT_ONCE && session.readDatagram(this.#bytes, 0, 0) >= 0; i++);
  }
}
