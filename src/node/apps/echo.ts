import type { AttachPoint } from "../attach-point.js";
import type { Session } from "../../app/session.js";
import { type AppHandle, MAX_CONNECTIONS, startNative } from "./app-host.js";
import { DatagramScratch } from "./datagram.js";
import { moveBytes } from "./move-bytes.js";

/** Of a TCP session: whether the peer has ended. */
class Echoing {
  ended = false;
}

/** RFC 862 over TCP and UDP: sends back what it receives, and closes after the end of the stream when all went back. */
export function startEcho(stack: AttachPoint, listen: readonly string[]): Promise<AppHandle> {
  const datagrams = new DatagramScratch();
  let connections = 0;
  const advance = (session: Session): void => {
    const { data } = session;
    if (!(data instanceof Echoing)) datagrams.echo(session);
    else if (moveBytes(session, session) && data.ended) session.close();
  };
  return startNative(stack, "echo", listen, {
    accept(session) {
      if (connections >= MAX_CONNECTIONS) return false;
      connections++;
      session.data = new Echoing();
      return true;
    },
    rx: advance,
    tx: advance,
    disconnect(session) {
      const { data } = session;
      if (!(data instanceof Echoing)) return;
      data.ended = true;
      advance(session);
    },
    cleanup(session, phase) {
      if (phase === "session" && session.data instanceof Echoing) connections--;
    },
  });
}
