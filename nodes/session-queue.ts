import { FRAME_SIZE, type Frame } from "../src/graph/frame.js";
import { NO_TRACE, type NodeForm, type NodeRuntime, nodeErrors } from "../src/graph/node.js";
import { TX_CONTROL, TX_NEW, TX_OLD, type TransmitList } from "../src/session/transmit-queue.js";
import { C_FLAGS, CF_TX_QUEUED, MAX_TRANSPORTS } from "../src/transport/transport.js";
import { UDP_DROP_BAD_DESTINATION, UDP_DROP_NO_BUFFER, UDP_DROP_NO_ROUTE } from "../src/transport/udp/send.js";
import type { Host } from "./host.js";

const errors = nodeErrors({
  no_buffer: ["error", "datagram lost: no packet buffer"],
  no_route: ["info", "datagram lost: no route, or no source address"],
  bad_destination: ["info", "datagram lost: no such destination"],
  turns_control: ["info", "turns of connections with a word to say and no data"],
  turns_new: ["info", "turns of connections that had just got something to send"],
  turns_old: ["info", "turns of connections that had had one and had more"],
  in_debt: ["info", "turns passed over: the connection had sent more than its share"],
  descheduled: ["info", "connections that wait for an acknowledgement, a window, their pace or data"],
  postponed: ["info", "connections left for the next dispatch: this one was full"],
});
const E = errors.index;

/** Packets and bytes of one turn of a connection. What goes beyond the bytes, since packets are whole, is owed. */
const TURN_PACKETS = 32;
const TURN_BYTES = 32 << 10;
/** Packets of a turn of control. */
const CONTROL_PACKETS = 2;
/** Bytes of one dispatch, beside the packets of a frame: input gets its turn again. */
const DISPATCH_BYTES = 2 << 20;
/** Packets up to which control goes first, and packets and bytes up to which new connections do. Then those who wait longer have a turn each. */
const CONTROL_FIRST_PACKETS = FRAME_SIZE / 2;
const NEW_FIRST_PACKETS = (FRAME_SIZE * 3) / 4;
const NEW_FIRST_BYTES = (DISPATCH_BYTES * 3) / 4;
/** Turns in a row that bring nothing, for each connection that waits: a debt of a superframe is paid in fewer. */
const IDLE_ROUNDS = 4;
const PROTO_BITS = 3;

/**
 * session-queue: lets connections that want to send make their packets. Control goes before data, connections that have just got
 * something to send before those that have had a turn; but before a dispatch is full, those have a turn each, so that none starves. Within a
 * list they go in turn, each with its share of bytes (surplus round robin), as often as a dispatch has room.
 */
export const sessionQueue: NodeForm<Host> = {
  name: "session-queue",
  kind: "sched",
  next: ["tcp4-output", "tcp6-output", "udp4-output", "udp6-output"],
  errors: errors.list,
  trace: NO_TRACE,
  process: (host) => {
    const { i32 } = host.window;
    const { sessions, udp, pool } = host;
    const { transmitQueue, transports } = sessions;
    const { sender } = udp;
    const { drops } = sender;
    const turns = new Int32Array(3);

    function countDrops(node: NodeRuntime): void {
      node.count(E.no_buffer, drops[UDP_DROP_NO_BUFFER]);
      node.count(E.no_route, drops[UDP_DROP_NO_ROUTE]);
      node.count(E.bad_destination, drops[UDP_DROP_BAD_DESTINATION]);
      drops.fill(0);
    }

    /** Whose turn it is when a dispatch has so many packets and bytes, and so many old ones had no turn in it. Not all lists are empty. */
    function choose(packets: number, bytes: number, oldTurns: number): TransmitList {
      // Mostly there are new ones alone.
      if (transmitQueue.lengthOf(TX_NEW) === transmitQueue.length) return TX_NEW;
      const hasNew = transmitQueue.lengthOf(TX_NEW) > 0;
      const hasOld = transmitQueue.lengthOf(TX_OLD) > 0;
      const isControl = packets < CONTROL_FIRST_PACKETS || !(hasNew || hasOld);
      if (isControl && transmitQueue.lengthOf(TX_CONTROL) > 0) return TX_CONTROL;
      const isNewFirst = (packets < NEW_FIRST_PACKETS && bytes < NEW_FIRST_BYTES) || oldTurns <= 0;
      return hasNew && (isNewFirst || !hasOld) ? TX_NEW : TX_OLD;
    }

    function bytesOf(frame: Frame, from: number): number {
      let bytes = 0;
      for (let i = from; i < frame.count; i++) bytes = (bytes + pool.length(frame.buffers[i])) | 0;
      return bytes;
    }

    return (frame: Frame, node: NodeRuntime) => {
      if (transmitQueue.length === 0) return;
      // Routes and addresses change between turns only.
      sender.forgetSources();
      let sent = 0;
      let idle = 0;
      let inDebt = 0;
      let descheduled = 0;
      let oldTurns = transmitQueue.lengthOf(TX_OLD);
      for (let left = transmitQueue.length; left > 0; left = transmitQueue.length) {
        if (frame.count >= FRAME_SIZE || sent >= DISPATCH_BYTES || idle > IDLE_ROUNDS * left) break;
        const list = choose(frame.count, sent, oldTurns);
        if (list === TX_OLD) oldTurns--;
        const entry = transmitQueue.shift(list);
        const proto = entry & (MAX_TRANSPORTS - 1);
        const c = entry >> PROTO_BITS;
        const transport = transports[proto];
        if (transport === undefined) continue;
        const { rows } = transport;
        const at = rows.base + Math.imul(c, rows.stride) + C_FLAGS;
        // A connection that was freed meanwhile wants nothing.
        if ((i32[at] & CF_TX_QUEUED) === 0) continue;
        const debt = transmitQueue.debt(entry);
        if (debt >= TURN_BYTES) {
          transmitQueue.setDebt(entry, debt - TURN_BYTES);
          transmitQueue.push(TX_OLD, proto, c);
          inDebt++;
          idle++;
          continue;
        }
        i32[at] &= ~CF_TX_QUEUED;
        turns[list]++;
        const first = frame.count;
        const room = FRAME_SIZE - first;
        const most = list === TX_CONTROL ? CONTROL_PACKETS : TURN_PACKETS;
        const share = TURN_BYTES - debt;
        const hasMore = transport.transmit(c, frame, room < most ? room : most, share);
        const bytes = bytesOf(frame, first);
        sent = (sent + bytes) | 0;
        const owed = bytes > share ? bytes - share : 0;
        if (owed !== debt) transmitQueue.setDebt(entry, owed);
        idle = bytes > 0 ? 0 : idle + 1;
        if (hasMore) {
          i32[at] |= CF_TX_QUEUED;
          transmitQueue.push(TX_OLD, proto, c);
        } else descheduled++;
      }
      if (turns[TX_CONTROL] > 0) node.count(E.turns_control, turns[TX_CONTROL]);
      if (turns[TX_NEW] > 0) node.count(E.turns_new, turns[TX_NEW]);
      if (turns[TX_OLD] > 0) node.count(E.turns_old, turns[TX_OLD]);
      turns.fill(0);
      if (inDebt > 0) node.count(E.in_debt, inDebt);
      if (descheduled > 0) node.count(E.descheduled, descheduled);
      if (transmitQueue.length > 0) node.count(E.postponed, transmitQueue.length);
      if ((drops[0] | drops[1] | drops[2]) !== 0) countDrops(node);
    };
  },
};
