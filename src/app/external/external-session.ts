import type { FifoOffset } from "../../mem/fifo-layout.js";
import type { MirrorOffset } from "../../mem/fifo-mirror-layout.js";
import type { SessionHandle } from "../../session/session-handle.js";
import type { SessionIndex } from "../../transport/transport.js";

/** A session as the stack's side of a client worker knows it: from accepted or connected until the client has forgotten it. */
export interface ExternalSession {
  readonly index: SessionIndex;
  readonly handle: SessionHandle;
  /** 0: none, as those of listeners for streams. */
  readonly rx: FifoOffset;
  readonly tx: FifoOffset;
  readonly rxMirror: MirrorOffset;
  readonly txMirror: MirrorOffset;
  /** The client was asked whether it takes the session and has not answered. */
  isAsked: boolean;
  /** It waits for room, and nothing is under way that would make some: it is tried again in a while. */
  isStarved: boolean;
  /** The row is another's by now: the client has only to forget the session. */
  isGone: boolean;
  /** Context of the request of another worker that wants it. */
  wantedBy?: { readonly worker: number; readonly context: number } | undefined;
}
