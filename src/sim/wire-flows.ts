import { TCP_FLAG_ACK, TCP_FLAG_RST, TCP_FLAG_SYN } from "../wire/tcp.js";
import { TCP_OPTION_END, TCP_OPTION_NOP, TCP_OPTION_WSCALE } from "../wire/tcp-options.js";

/** What was seen on the wire of one direction of a connection. Sequence numbers are int32. */
export class WireFlow {
  /** Sequence number of the SYN. */
  iss = 0;
  isSynSeen = false;
  /** Window scale that the SYN offered, -1 for none. */
  scale = -1;
  /** Right edge of the receive window that this end has announced. */
  edge = 0;
  hasEdge = false;
  /** End of the highest payload sent. */
  sentEnd = 0;
  hasSent = false;
  payloadBytes = 0;
  /** Payload that had been sent before. */
  retransmittedBytes = 0;
  /** The other direction. */
  readonly reverse: WireFlow;

  constructor(reverse?: WireFlow) {
    this.reverse = reverse ?? new WireFlow(this);
  }
}

/** What is wrong with a segment, beside the flow it is of. */
export const FLOW_OK = 0;
/** It announces a right edge to the left of an earlier one. */
export const FLOW_EDGE_LEFT = 1;
/** It has data that the peer has announced no room for. */
export const FLOW_BEYOND_EDGE = 2;

/** In a pair of hosts: of IPv6. */
const IP6_HOSTS = 1 << 16;

/** Follows every TCP connection by the frames that its ends send: the cheap part of a decoder, for each frame of a run. */
export class WireFlows {
  readonly #flows = new Map<number, WireFlow>();
  // Of the segment that was read last.
  /** Bytes of the IP packet, 0 for what is not IP. */
  ipLength = 0;
  seq = 0;
  ack = 0;
  flags = 0;
  window = 0;
  /** Bytes of payload. */
  length = 0;
  #dataAt = 0;
  #tcpAt = 0;

  /** Every direction of every connection so far. */
  get flows(): IterableIterator<WireFlow> {
    return this.#flows.values();
  }

  /**
   * Reads a frame that a host has sent; returns its flow, undefined when it is no TCP segment. Hosts are told apart by
   * the last bytes of their addresses, and by family. Frames must be sound: they come from our own stack.
   */
  read(frame: Uint8Array): WireFlow | undefined {
    const type = (frame[12] << 8) | frame[13];
    this.ipLength = 0;
    let tcpAt = 0;
    let hosts = 0;
    if (type === 0x0800) {
      this.ipLength = (frame[16] << 8) | frame[17];
      // A fragment, or not TCP.
      if ((((frame[20] & 0x3f) << 8) | frame[21]) !== 0 || frame[23] !== 6) return undefined;
      tcpAt = 14 + ((frame[14] & 15) << 2);
      hosts = (frame[29] << 8) | frame[33];
    } else if (type === 0x86dd) {
      this.ipLength = 40 + ((frame[18] << 8) | frame[19]);
      if (frame[20] !== 6) return undefined;
      tcpAt = 54;
      hosts = IP6_HOSTS | (frame[37] << 8) | frame[53];
    } else return undefined;
    this.#tcpAt = tcpAt;
    this.seq = word(frame, tcpAt + 4);
    this.ack = word(frame, tcpAt + 8);
    this.flags = frame[tcpAt + 13];
    this.window = (frame[tcpAt + 14] << 8) | frame[tcpAt + 15];
    this.#dataAt = tcpAt + ((frame[tcpAt + 12] >> 4) << 2);
    this.length = 14 + this.ipLength - this.#dataAt;
    const source = (frame[tcpAt] << 8) | frame[tcpAt + 1];
    const destination = (frame[tcpAt + 2] << 8) | frame[tcpAt + 3];
    return this.#flow(hosts, source, destination);
  }

  #flow(hosts: number, source: number, destination: number): WireFlow {
    const key = (hosts * 65_536 + source) * 65_536 + destination;
    const known = this.#flows.get(key);
    if (known !== undefined) return known;
    const flow = new WireFlow();
    const back = (hosts & IP6_HOSTS) | ((hosts & 255) << 8) | ((hosts >> 8) & 255);
    this.#flows.set(key, flow);
    this.#flows.set((back * 65_536 + destination) * 65_536 + source, flow.reverse);
    return flow;
  }

  /**
   * Takes the segment that was read last into account; returns FLOW_OK or what is wrong with it. What a lost one announces
   * does not count: nobody hears it, and behind a managed queue losses are told out of order.
   */
  note(flow: WireFlow, frame: Uint8Array, isLost: boolean): number {
    const { flags, seq, length } = this;
    if ((flags & TCP_FLAG_RST) !== 0) return FLOW_OK;
    if (!isLost && (flags & TCP_FLAG_SYN) !== 0) this.#opens(flow, frame);
    const wrong = isLost || (flags & TCP_FLAG_ACK) === 0 ? FLOW_OK : this.#noteWindow(flow);
    if (length === 0) return wrong;
    const end = (seq + length) | 0;
    flow.payloadBytes += length;
    const news = flow.hasSent ? Math.max(0, Math.min(length, (end - flow.sentEnd) | 0)) : length;
    flow.retransmittedBytes += length - news;
    if (news > 0) flow.sentEnd = end;
    flow.hasSent = true;
    const { reverse } = flow;
    if (wrong !== FLOW_OK || !reverse.hasEdge || ((end - reverse.edge) | 0) <= 0) return wrong;
    // A probe of a closed window is the one byte behind it (RFC 9293 3.8.6.1).
    return length === 1 && seq === reverse.edge ? FLOW_OK : FLOW_BEYOND_EDGE;
  }

  /** A new connection, perhaps with the ports of an earlier one. */
  #opens(flow: WireFlow, frame: Uint8Array): void {
    // A middlebox may have altered it on the way, but not when it was first sent.
    flow.scale = this.#windowScale(frame);
    if (flow.isSynSeen && flow.iss === this.seq) return;
    flow.isSynSeen = true;
    flow.iss = this.seq;
    flow.hasEdge = false;
    flow.hasSent = false;
    // What the peer announced before was of an earlier connection; it answers this SYN with a new edge.
    if ((this.flags & TCP_FLAG_ACK) === 0) flow.reverse.hasEdge = false;
  }

  #noteWindow(flow: WireFlow): number {
    const isSyn = (this.flags & TCP_FLAG_SYN) !== 0;
    const shift = !isSyn && flow.scale >= 0 && flow.reverse.scale >= 0 ? flow.scale : 0;
    const edge = (this.ack + (this.window << shift)) | 0;
    const moved = flow.hasEdge ? (edge - flow.edge) | 0 : 0;
    // Less than a unit of the scale is rounding (RFC 7323 2.4); a SYN that is sent again cannot say more than 65535.
    if (!isSyn && moved <= -(1 << shift)) return FLOW_EDGE_LEFT;
    if (moved > 0 || !flow.hasEdge) flow.edge = edge;
    flow.hasEdge = true;
    return FLOW_OK;
  }

  #windowScale(frame: Uint8Array): number {
    for (let at = this.#tcpAt + 20; at < this.#dataAt; ) {
      const kind = frame[at];
      if (kind === TCP_OPTION_END) return -1;
      if (kind === TCP_OPTION_WSCALE) return frame[at + 2];
      at += kind === TCP_OPTION_NOP ? 1 : frame[at + 1];
    }
    return -1;
  }
}

function word(frame: Uint8Array, at: number): number {
  return (frame[at] << 24) | (frame[at + 1] << 16) | (frame[at + 2] << 8) | frame[at + 3];
}
