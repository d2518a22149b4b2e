import type { Session } from "../../app/session.js";

/**
 * Moves what one session received to what another sends, or the same one, from fifo to fifo, until one side runs out; a full
 * tx fifo asks for `tx`. Returns whether everything received has been moved.
 */
export function moveBytes(from: Session, to: Session): boolean {
  for (let before = from.readableBytes; before > 0; ) {
    from.peek((u8, offset, length) => to.write(u8, offset, length));
    const left = from.readableBytes;
    if (left > 0 && to.writableBytes === 0) return false;
    // Neither moved nor full: there is no memory for chunks, or nothing may be written any more.
    if (left === before) return false;
    before = left;
  }
  return true;
}

/** Drops everything that a session received and nobody will read. Returns how many bytes that were. */
export function dropReadable(session: Session): number {
  const readable = session.readableBytes;
  return readable > 0 ? session.drop(readable) : 0;
}
