import type { Frame } from "../graph/frame.js";
import type { Flavor } from "../mem/flavor.js";

/** Names a connection row of one transport. */
export type ConnectionIndex = Flavor<"ConnectionIndex">;
/** Names a session row of the session layer (without its generation: see session handles). */
export type SessionIndex = Flavor<"SessionIndex">;

/** TCP, by VPP's transport protocol numbers. */
export const TRANSPORT_TCP = 0;
/** UDP. */
export const TRANSPORT_UDP = 1;
/** Cut-through: both ends of a session are applications of this stack. */
export const TRANSPORT_CT = 2;
/** TLS, over TCP. */
export const TRANSPORT_TLS = 3;
/** VPP TRANSPORT_PROTO_DTLS. */
export const TRANSPORT_DTLS = 5;
/** Transports that a stack may hold; an index in tables. */
export const MAX_TRANSPORTS = 8;

// Every transport keeps its connections as rows of int32 words in the window; the first 16 words of a row are common.
/** Session of the connection, -1 while it has none. */
export const C_SESSION = 0;
/** Window offset of the rx fifo, 0 while there is none. */
export const C_RX_FIFO = 1;
/** Window offset of the tx fifo, 0 while there is none. */
export const C_TX_FIFO = 2;
/** FIB index of the connection's packets. */
export const C_FIB = 3;
/** The CF_ flags below, transport flags from bit 8 on. */
export const C_FLAGS = 4;
/** Local port << 16 | remote port. */
export const C_PORTS = 5;
/** Local address: one word (IPv4) or four. */
export const C_LCL = 6;
/** Remote address: one word (IPv4) or four. */
export const C_RMT = 10;
/** State, in the transport's own numbering. */
export const C_STATE = 14;
/**
 * Traffic class (DSCP << 2 | ECN) and, from bit 8, hop limit, as they go into IP headers; from bit 16 the next index by
 * which packets leave the transport's output node, 0 for IP's lookup.
 */
export const C_IP_FIELDS = 15;
/** Words of the common part. */
export const C_COMMON_WORDS = 16;

/** The row is in use. */
export const CF_USED = 1;
/** The connection runs over IPv6. */
export const CF_IP6 = 2;
/** The connection waits in the transmit queue of the session layer. */
export const CF_TX_QUEUED = 4;
/** Checksums are completed in software, whatever the device can do. */
export const CF_NO_CHECKSUM_OFFLOAD = 8;

/**
 * What an application may read and set of a connection (VPP's transport attributes), by name. A listener of TCP
 * hands its own on to the connections that it accepts. All are integers; switches are 0 or 1.
 */
export interface ConnectionAttributes {
  /** TCP: small segments do not wait for acknowledgements (RFC 9293 MUST-17). */
  readonly noDelay?: number;
  /** TCP: keepalive probes are sent (RFC 9293 MUST-24). Default 0. */
  readonly keepalive?: number;
  /** TCP: idle time before the first probe, milliseconds; 0: as configured (RFC 9293 MUST-27). */
  readonly keepaliveMs?: number;
  /** TCP: R2, how long a lack of acknowledgements is borne, milliseconds; 0: as configured (RFC 9293 MUST-21). */
  readonly userTimeoutMs?: number;
  /** Differentiated services code point, 0 to 63 (RFC 9293 MUST-48). */
  readonly dscp?: number;
  /** Time to live or hop limit, 1 to 255 (RFC 9293 MUST-49). */
  readonly hopLimit?: number;
  /**
   * Where packets go from tcp4-output, tcp6-output, udp4-output or udp6-output: a next index of that node, as `show node`
   * lists them and `engine.addNext` makes them. Default 0: IP's lookup.
   */
  readonly nextNode?: number;
  /** The device completes checksums and cuts superframes, where it can. Default 1. */
  readonly checksumOffload?: number;
  /** TCP: segments may leave the transport as superframes, which are cut further down. Default 1. */
  readonly gso?: number;
  /**
   * TCP: upper bound of the MSS that is announced and used, 88 to 65,495 bytes; 0: none but the interface's MTU. Read from
   * an open connection it is the MSS in use: most payload of a segment, options taken off. There, it can only become less.
   */
  readonly mss?: number;
  /** TCP: congestion control, {@link TCP_CC_NEWRENO} or {@link TCP_CC_CUBIC}. Default as configured. */
  readonly congestion?: number;
  /** TCP: segments leave at the rate of the window per round trip, not in bursts. Default as configured. */
  readonly pacing?: number;
  /** TCP: most that leaves, kilobytes (1,000 bytes) per second, up to 16,777,215; 0: no bound. With `pacing` 0, too. */
  readonly maxPacingKBps?: number;
  /** TCP: soft errors are reported (RFC 9293 MUST-47, SHLD-20). Default 1. */
  readonly softErrors?: number;
  /** TCP: unread bytes up to the end of the peer's urgent data; 0: there is none. Cannot be set (RFC 9293 MUST-33). */
  readonly urgentBytes?: number;
}
/** Name of a connection attribute. */
export type ConnectionAttribute = keyof ConnectionAttributes;

/** NewReno (RFC 5681, 6582), by VPP's numbers of congestion controls. */
export const TCP_CC_NEWRENO = 0;
/** CUBIC (RFC 9438) with HyStart++. */
export const TCP_CC_CUBIC = 1;

/** Soft error: a segment was retransmitted R1 times without an answer (RFC 9293 3.8.3). The others are ICMP_ kinds. */
export const SOFT_NO_ANSWER = 8;

/** One end of a connection, as control calls name it. Addresses as one (IPv4) or four words. */
export interface Endpoint {
  readonly family: 4 | 6;
  /** Four words; IPv4 uses the first. All zero: any. */
  readonly address: Int32Array;
  /** 0 to 65535; 0: any, or to be chosen. */
  readonly port: number;
}

/** What a new active connection is to be. */
export interface ConnectRequest {
  readonly remote: Endpoint;
  /** Chosen by the session layer: a concrete address and port. */
  readonly local: Endpoint;
  readonly fib: number;
  /** Size of the rx fifo that the session will get: bounds the window in the SYN. */
  readonly rxFifoBytes: number;
  /** Size to which it may grow: decides the window's scale. */
  readonly maxRxFifoBytes: number;
  /** Opaque number that {@link TransportUpcalls.connected} gives back. */
  readonly context: number;
  /** To be set before the first segment. */
  readonly attributes?: ConnectionAttributes | undefined;
  /** Extended configuration (ext-config.ts), checked; for transports that read one. */
  readonly extConfig?: Uint8Array | undefined;
  /** Cut-through: the listening session that was found, whose application is to accept. */
  readonly listener?: SessionIndex | undefined;
}

/**
 * A transport protocol behind the session layer (VPP's transport vft). Indices are the transport's own; every call is
 * made on the engine's thread, between or inside dispatches. No call throws.
 */
export interface Transport {
  /** VPP's name, as in URIs. */
  readonly name: string;
  /** VPP's number, e.g. {@link TRANSPORT_TCP}. */
  readonly proto: number;
  /** True when messages keep their boundaries (UDP); false for byte streams. */
  readonly isDatagram: boolean;
  /** Of a transport that is an application of another: that one's number. Its ports are that one's. */
  readonly below?: number;
  /** The row of connection `c` (below `capacity`) starts at word `rows.base + c * rows.stride`; so many are in use, listeners included. */
  readonly rows: { readonly base: number; readonly stride: number; readonly capacity: number; readonly used: number };

  /**
   * Makes a listening connection for a listener session whose children get rx fifos of `rxFifoBytes`, which may grow to
   * `maxRxFifoBytes`. `extConfig`: as {@link ConnectRequest.extConfig}. Returns its index, or a negative session error.
   */
  startListen(
    session: SessionIndex,
    local: Endpoint,
    fib: number,
    rxFifoBytes: number,
    maxRxFifoBytes: number,
    extConfig?: Uint8Array,
  ): ConnectionIndex;
  /** Ends a listener. Connections that it accepted live on; half-open ones are dropped. */
  stopListen(listener: ConnectionIndex): void;
  /**
   * Starts an active open; {@link TransportUpcalls.connected} tells its end, which may come before this returns.
   * Returns the connection, or a negative session error.
   */
  connect(request: ConnectRequest): ConnectionIndex;
  /**
   * The application took the session of a passive open, or (false) ended before it was asked; what it refuses is reset.
   * Only for transports that let the peer wait for that.
   */
  answered?(c: ConnectionIndex, isTaken: boolean): void;
  /** The application will send no more: FIN after what is queued. */
  halfClose(c: ConnectionIndex): void;
  /** The application is done in both directions; unread received data makes it a reset (RFC 9293 3.6.1). */
  close(c: ConnectionIndex): void;
  /** Ends at once with a reset. */
  reset(c: ConnectionIndex): void;

  /**
   * Sends what may be sent now: fills `frame` (next index = proto * 2 + (IPv6 ? 1 : 0)) with at most `budget` packets, and
   * begins none when it has sent `bytes`. Returns true when more could be sent at once; false when it waits for an event
   * and will ask for itself.
   */
  transmit(c: ConnectionIndex, frame: Frame, budget: number, bytes: number): boolean;
  /** The application took bytes from the rx fifo: time to think of a window update. */
  rxDequeued(c: ConnectionIndex): void;
  /** Round trip, microseconds, 0 while unknown: of transports with a window that follows the size of the rx fifo. */
  roundTripUs?(c: ConnectionIndex): number;
  /** Of those: bytes that the peer was promised room for in the rx fifo, beyond what came in order. */
  promisedBytes?(c: ConnectionIndex): number;
  /** An ICMP error (an ICMP_ kind of icmp-error-sink.ts) quoted a packet of this connection: `sequence` is the quoted TCP sequence number, `mtu` with too-big. */
  icmpError(c: ConnectionIndex, kind: number, sequence: number, mtu: number): void;

  /** An attribute of a connection or listener, or NOSUPPORT. */
  attribute(c: ConnectionIndex, name: ConnectionAttribute): number;
  /** Sets an attribute. Returns 0, NOSUPPORT, or INVALID for a value out of range. */
  setAttribute(c: ConnectionIndex, name: ConnectionAttribute, value: number): number;
  /** All that the tx fifo holds now is urgent (RFC 9293 3.10.2). Returns 0 or NOSUPPORT. */
  markUrgent(c: ConnectionIndex): number;
  /** Statistics of a connection, for TCP by the names of RFC 4898. */
  statistics(c: ConnectionIndex): Readonly<Record<string, number>>;
  /** One connection for `show session verbose`: state and counters, several lines with `verbose` 2. */
  format(c: ConnectionIndex, verbose: number): string;
}

/**
 * What transports tell the session layer. Connections pass their own index with their proto; sessions are named by the
 * row's C_SESSION. Calls only note what happened: applications hear of it in session-input, after the vector.
 */
export interface TransportUpcalls {
  /**
   * A passive open is complete: makes the session, its fifos, and fills C_SESSION, C_RX_FIFO and C_TX_FIFO. By cut-through
   * the application of the session `client` will share the fifos.
   * Returns 0, or a negative session error: the transport then resets the connection.
   */
  accepted(proto: number, c: ConnectionIndex, listener: SessionIndex, client?: SessionIndex): number;
  /**
   * Whether the listener takes another half-open connection: asked once for each, which then counts against the
   * listener's backlog until {@link accepted} or {@link halfOpenEnded}; with `isProven`, whose peer has proved to be where it
   * says, however many there are. False counts a drop.
   */
  mayAccept(listener: SessionIndex, isProven?: boolean): boolean;
  /** A half-open connection that {@link mayAccept} let in ended without having been accepted. */
  halfOpenEnded(listener: SessionIndex): void;
  /** The peer of a half-open connection never completed the handshake; {@link halfOpenEnded} follows. */
  handshakeTimedOut(proto: number, c: ConnectionIndex): void;
  /**
   * An active open ended: error 0 makes the session as in {@link accepted}, a negative session error reports failure, with
   * a `reason` for people if the transport has one. With `peer`, a session of this stack, it shares that one's fifos
   * crosswise. Returns 0, or a negative session error: the transport then resets the connection.
   */
  connected(
    proto: number,
    c: ConnectionIndex,
    context: number,
    error: number,
    peer?: SessionIndex,
    reason?: string,
  ): number;
  /** Whether a listener on any address has those of one interface only: what it sends comes from one of them. */
  isOnInterface(listener: SessionIndex): boolean;
  /** The address from which such a listener sends to `remote`: `asked` when it has that; undefined: it has none. */
  sourceOn(listener: SessionIndex, remote: Int32Array, asked?: Int32Array): Int32Array | undefined;
  /** Bytes or datagrams were put into the session's rx fifo. */
  received(session: SessionIndex): void;
  /** Urgent data was announced, or its end moved on (RFC 9293 MUST-32). */
  urgent(session: SessionIndex): void;
  /** Something befell the connection that does not end it: an ICMP_ kind of icmp-error-sink.ts, or SOFT_NO_ANSWER. */
  softError(session: SessionIndex, kind: number): void;
  /** The tx fifo was drained by acknowledgement: room for the writer. */
  acknowledged(session: SessionIndex): void;
  /** The peer will send no more (FIN): end of stream after what is in the rx fifo. */
  closing(session: SessionIndex): void;
  /** The peer, or a failure, ended the connection at once. `error` is the negative session error behind it, `reason` a text for people. */
  reset(session: SessionIndex, error: number, reason?: string): void;
  /** All sent and acknowledged, both sides closed: the application may forget the session (TIME_WAIT goes on below). */
  closed(session: SessionIndex): void;
  /** The connection's row is about to be freed: the session must not name it any more. */
  deleted(session: SessionIndex): void;
  /** The connection wants {@link Transport.transmit} to be called (idempotent, by CF_TX_QUEUED). */
  wantTransmit(proto: number, c: ConnectionIndex): void;
  /** Likewise, for a connection that has no data to send, but the end of its stream: it goes before those that have. */
  wantControl(proto: number, c: ConnectionIndex): void;
}
