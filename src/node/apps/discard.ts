import type { AttachPoint } from "../attach-point.js";
import { type AppHandle, MAX_CONNECTIONS, startNative } from "./app-host.js";
import { DatagramScratch } from "./datagram.js";
import { dropReadable } from "./move-bytes.js";

const STREAM = Symbol("stream");

/** RFC 863 over TCP and UDP: throws away what it receives, without copying it out of the fifo. */
export function startDiscard(stack: AttachPoint, listen: readonly string[]): Promise<AppHandle> {
  const datagrams = new DatagramScratch();
  let connections = 0;
  return startNative(stack, "discard", listen, {
    accept(session) {
      if (connections >= MAX_CONNECTIONS) return false;
      connections++;
      session.data = STREAM;
      return true;
    },
    rx(session) {
      if (session.data === STREAM) dropReadable(session);
      else datagrams.discard(session);
    },
    disconnect(session) {
      dropReadable(session);
      session.close();
    },
    cleanup(session, phase) {
      if (phase === "session" && session.data === STREAM) connections--;
    },
  });
}
