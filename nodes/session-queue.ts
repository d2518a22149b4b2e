import { FRAME_SIZE, type Frame } from "../src/graph/frame.js";
import { NO_TRACE, type NodeForm, type NodeRuntime, nodeErrors } from "../src/graph/node.js";
import { C_FLAGS, CF_TX_QUEUED, MAX_TRANSPORTS } from "../src/transport/transport.js";
import { UDP_DROP_BAD_DESTINATION, UDP_DROP_NO_BUFFER, UDP_DROP_NO_ROUTE } from "../src/transport/udp/send.js";
import type { Host } from "./host.js";

const errors = nodeErrors({
  no_buffer: ["error", "datagram lost: no packet buffer"],
  no_route: ["info", "datagram lost: no route, or no source address"],
  bad_destination: ["info", "datagram lost: no such destination"],
});
const E = errors.index;

/** Packets that a connection sends before others get their turn. */
const BUDGET = 32;
const PROTO_BITS = 3;

/** session-queue: lets connections that want to send make their packets, in the order in which they asked. */
export const sessionQueue: NodeForm<Host> = {
  name: "session-queue",
  kind: "sched",
  next: ["tcp4-output", "tcp6-output", "udp4-output", "udp6-output"],
  errors: errors.list,
  trace: NO_TRACE,
  process: (host) => {
    const { i32 } = host.window;
    const { sessions, udp } = host;
    const { transmitQueue, transports } = sessions;
    const { sender } = udp;
    const { drops } = sender;

    function countDrops(node: NodeRuntime): void {
      node.count(E.no_buffer, drops[UDP_DROP_NO_BUFFER]);
      node.count(E.no_route, drops[UDP_DROP_NO_ROUTE]);
      node.count(E.bad_destination, drops[UDP_DROP_BAD_DESTINATION]);
      drops.fill(0);
    }

    return (frame: Frame, node: NodeRuntime) => {
      // Routes and addresses change between turns only.
      sender.forgetSources();
      for (let left = transmitQueue.length; left > 0 && frame.count < FRAME_SIZE; left--) {
        const entry = transmitQueue.shift();
        const proto = entry & (MAX_TRANSPORTS - 1);
        const c = entry >> PROTO_BITS;
        const transport = transports[proto];
        if (transport === undefined) continue;
        const { rows } = transport;
        const at = rows.base + Math.imul(c, rows.stride) + C_FLAGS;
        // A connection that was freed meanwhile wants nothing.
        if ((i32[at] & CF_TX_QUEUED) === 0) continue;
        i32[at] &= ~CF_TX_QUEUED;
        const room = FRAME_SIZE - frame.count;
        if (transport.transmit(c, frame, room < BUDGET ? room : BUDGET)) sessions.wantTransmit(proto, c);
      }
      if ((drops[0] | drops[1] | drops[2]) !== 0) countDrops(node);
    };
  },
};
