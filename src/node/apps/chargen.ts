import type { Session } from "../../app/session.js";
import type { AttachPoint } from "../attach-point.js";
import { type AppHandle, MAX_CONNECTIONS, startNative } from "./app-host.js";
import { dropReadable } from "./move-bytes.js";

/** Characters of a line, its CR LF aside. */
const LINE_CHARACTERS = 72;
/** Printable ASCII, from space to tilde. */
const FIRST_CHARACTER = 32;
const CHARACTERS = 95;
/** Bytes after which the pattern repeats: each character has started a line once. */
export const CHARGEN_PERIOD_BYTES = CHARACTERS * (LINE_CHARACTERS + 2);
/** Least that one write can offer, wherever in the period it starts. */
const OFFER_BYTES = 128 * 1024;

/** The suggested pattern of RFC 864: lines of 72 printable characters, each a place further along the ring of 95. */
export function chargenPattern(bytes: number): Uint8Array {
  const pattern = new Uint8Array(bytes);
  for (let i = 0; i < bytes; i++) {
    const line = Math.floor(i / (LINE_CHARACTERS + 2));
    const column = i % (LINE_CHARACTERS + 2);
    if (column === LINE_CHARACTERS) pattern[i] = 13;
    else if (column > LINE_CHARACTERS) pattern[i] = 10;
    else pattern[i] = FIRST_CHARACTER + ((line + column) % CHARACTERS);
  }
  return pattern;
}

/** Where in the period a session's stream is. */
class Position {
  at = 0;
}

/** RFC 864 over TCP: sends as fast as the peer takes it, and throws away what it receives. */
export function startChargen(stack: AttachPoint, listen: readonly string[]): Promise<AppHandle> {
  const pattern = chargenPattern(CHARGEN_PERIOD_BYTES + OFFER_BYTES);
  let connections = 0;
  const fill = (session: Session): void => {
    const position = session.data;
    if (!(position instanceof Position)) return;
    for (;;) {
      const n = session.write(pattern, position.at, OFFER_BYTES);
      if (n <= 0) return;
      position.at = (position.at + n) % CHARGEN_PERIOD_BYTES;
      // Cut short: the rest is for tx.
      if (n < OFFER_BYTES) return;
    }
  };
  return startNative(stack, "chargen", listen, {
    accept(session) {
      if (connections >= MAX_CONNECTIONS) return false;
      connections++;
      session.data = new Position();
      fill(session);
      return true;
    },
    rx: (session) => void dropReadable(session),
    tx: fill,
    disconnect(session) {
      dropReadable(session);
      session.close();
    },
    cleanup(session, phase) {
      if (phase === "session" && session.data instanceof Position) connections--;
    },
  });
}
