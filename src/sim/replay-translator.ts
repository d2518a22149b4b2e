import { TCP_ACK, TCP_FLAG_ACK, TCP_FLAG_FIN, TCP_FLAG_RST, TCP_FLAG_SYN } from "../wire/tcp.js";
import { patchWord, sackEdgesAt, sequenceLen, type TcpFrame, tcpOfFrame, timestampsAt } from "./tcp-frame.js";

/** One side's own numbers in a connection: the recorded host's, or the stack's that plays it. */
interface Side {
  /** Whether its SYN was seen. */
  isKnown: boolean;
  iss: number;
  /** Sequence space used so far, counted from the SYN. */
  sent: number;
  /** The timestamp on its SYN. */
  firstTimestamp: number;
  lastTimestamp: number;
}

interface Connection {
  readonly recorded: Side;
  readonly stack: Side;
  /** Highest acknowledgement that was fed, counted from the stack's SYN. */
  fedAck: number;
}

/** What to do with a frame of the peer: feed it now, or later, when the stack has said what it answers. */
export interface Translation {
  readonly isReady: boolean;
  /** The frame with its numbers translated; for one that waits, undefined or an acknowledgement to feed meanwhile. */
  readonly frame: Uint8Array | undefined;
  /** Which connection it belongs to, "" when to none. */
  readonly key: string;
}

/**
 * Translates a recorded peer's frames for a stack that plays the other host: its initial sequence numbers and
 * timestamps differ from those the peer acknowledges, echoes and reports (ACK, TSecr, SACK). Checksums are mended.
 */
export class ReplayTranslator {
  readonly #connections = new Map<string, Connection>();
  /** Frames whose numbers were changed. */
  translated = 0;

  /** Takes note of a frame that the recorded host sent. */
  learnRecorded(frame: Uint8Array): void {
    const segment = tcpOfFrame(frame);
    if (segment === undefined) return;
    const connection = this.#connection(segment.source, segment.destination, isSyn(segment));
    if (connection !== undefined) learn(connection.recorded, frame, segment);
  }

  /** Takes note of a frame that the stack sends. Returns the connection's key, "" for a frame without one. */
  learnStack(frame: Uint8Array): string {
    const segment = tcpOfFrame(frame);
    if (segment === undefined) return "";
    const connection = this.#connection(segment.source, segment.destination, isSyn(segment));
    if (connection === undefined) return "";
    if (isSyn(segment) && segment.seq !== connection.stack.iss) connection.fedAck = 0;
    learn(connection.stack, frame, segment);
    return keyOf(segment.source, segment.destination);
  }

  /** The key of the connection that a frame of the peer belongs to, "" when it is no segment. */
  keyOfPeer(frame: Uint8Array): string {
    const segment = tcpOfFrame(frame);
    return segment === undefined ? "" : keyOf(segment.destination, segment.source);
  }

  #connection(local: string, remote: string, isMade: boolean): Connection | undefined {
    const key = keyOf(local, remote);
    const known = this.#connections.get(key);
    if (known !== undefined || !isMade) return known;
    const connection = { recorded: newSide(), stack: newSide(), fedAck: 0 };
    this.#connections.set(key, connection);
    return connection;
  }

  /** Translates a frame of the peer. `isForced` does so even when the stack has not yet sent what it acknowledges. */
  translate(frame: Uint8Array, isForced = false): Translation {
    const segment = tcpOfFrame(frame);
    if (segment === undefined) return { isReady: true, frame, key: "" };
    const key = keyOf(segment.destination, segment.source);
    const connection = this.#connections.get(key);
    if (connection === undefined || !connection.recorded.isKnown || (segment.flags & TCP_FLAG_ACK) === 0) {
      return { isReady: true, frame, key: "" };
    }
    const { recorded, stack } = connection;
    const acked = (segment.ack - recorded.iss) | 0;
    // An acknowledgement of what the recorded host never sent is a forgery, and shall stay one.
    const isEarly = !stack.isKnown || (acked > stack.sent && acked <= recorded.sent);
    if (!isEarly || isForced) {
      if (!stack.isKnown) return { isReady: true, frame, key };
      const fed = isEarly ? stack.sent : acked;
      connection.fedAck = Math.max(connection.fedAck, fed);
      return { isReady: true, frame: this.#rewrite(frame, segment, connection, fed), key };
    }
    if (!stack.isKnown || !isPureAck(segment) || stack.sent <= connection.fedAck) {
      return { isReady: false, frame: undefined, key };
    }
    // The peer has surely received what the stack sent so far: it has received more.
    connection.fedAck = stack.sent;
    return { isReady: false, frame: this.#rewrite(frame, segment, connection, stack.sent), key };
  }

  #rewrite(frame: Uint8Array, segment: TcpFrame, { recorded, stack }: Connection, acked: number): Uint8Array {
    const copy = frame.slice();
    const view = new DataView(copy.buffer);
    patchWord(copy, segment, segment.at + TCP_ACK, (stack.iss + acked) | 0);
    for (const at of sackEdgesAt(segment)) {
      patchWord(copy, segment, at, (view.getInt32(at) - recorded.iss + stack.iss) | 0);
    }
    const echoAt = timestampsAt(segment) + 4;
    if (echoAt > 4) {
      const echo = (view.getInt32(echoAt) - recorded.firstTimestamp + stack.firstTimestamp) | 0;
      const isAhead = ((echo - stack.lastTimestamp) | 0) > 0;
      patchWord(copy, segment, echoAt, isAhead ? stack.lastTimestamp : echo);
    }
    this.translated++;
    return copy;
  }
}

function keyOf(local: string, remote: string): string {
  return `${local} ${remote}`;
}

function newSide(): Side {
  return { isKnown: false, iss: 0, sent: 0, firstTimestamp: 0, lastTimestamp: 0 };
}

function isSyn({ flags }: TcpFrame): boolean {
  return (flags & TCP_FLAG_SYN) !== 0;
}

function isPureAck({ flags, dataLen }: TcpFrame): boolean {
  return dataLen === 0 && (flags & (TCP_FLAG_SYN | TCP_FLAG_FIN | TCP_FLAG_RST)) === 0;
}

function learn(side: Side, frame: Uint8Array, segment: TcpFrame): void {
  if ((segment.flags & TCP_FLAG_RST) !== 0) return;
  const timesAt = timestampsAt(segment);
  const timestamp = timesAt < 0 ? 0 : new DataView(frame.buffer, frame.byteOffset).getInt32(timesAt);
  if (isSyn(segment) && (!side.isKnown || segment.seq !== side.iss)) {
    side.isKnown = true;
    side.iss = segment.seq;
    side.sent = 0;
    side.firstTimestamp = timestamp;
    side.lastTimestamp = timestamp;
  }
  side.sent = Math.max(side.sent, (segment.seq - side.iss + sequenceLen(segment)) | 0);
  if (timesAt >= 0 && ((timestamp - side.lastTimestamp) | 0) > 0) side.lastTimestamp = timestamp;
}
