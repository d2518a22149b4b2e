import type { Frame } from "../../graph/frame.js";
import type { PacketPool } from "../../graph/packet-pool.js";
import { ICMP_PORT_UNREACHABLE, ICMP_PROTOCOL_UNREACHABLE } from "../../ip/icmp-error-sink.js";
import type { Ident } from "../../ip/ident.js";
import type { FifoTable } from "../../mem/fifo-table.js";
import type { MemoryWindow } from "../../mem/window.js";
import { connectionEndpoint } from "../../session/connection-endpoint.js";
import type { LocalAddresses } from "../../session/local-addresses.js";
import type { SessionLookup } from "../../session/lookup.js";
import {
  SESSION_E_ALLOC,
  SESSION_E_NOSUPPORT,
  SESSION_E_PORTINUSE,
  SESSION_E_REFUSED,
} from "../../session/session-errors.js";
import { formatEndpoint } from "../../session/uri.js";
import { commonAttribute, isCommonAttribute, setCommonAttribute } from "../common-attributes.js";
import {
  C_FLAGS,
  C_RX_FIFO,
  C_SESSION,
  C_STATE,
  C_TX_FIFO,
  CF_IP6,
  type ConnectionAttribute,
  type ConnectionIndex,
  type ConnectRequest,
  type Endpoint,
  type SessionIndex,
  type Transport,
  TRANSPORT_UDP,
  type TransportUpcalls,
} from "../transport.js";
import type { UdpConfig } from "./config.js";
import {
  U_IN_DATAGRAMS,
  U_IN_ERRORS,
  U_IN_OCTETS,
  U_OUT_DATAGRAMS,
  U_OUT_OCTETS,
  UDP_CLOSED,
  UDP_CLOSING,
  UDP_LISTEN,
  UDP_OPENED,
  UDP_STATE_NAMES,
  UdpConnections,
} from "./connection.js";
import { UdpReceiver } from "./receive.js";
import { UdpSender } from "./send.js";

/** The engine as UDP sees it. */
export interface UdpEngine {
  /** Where a node can send packets to, by next index. */
  nextNames(node: string): readonly string[];
}

/** What UDP is built upon. */
export interface UdpParts {
  readonly window: MemoryWindow;
  readonly pool: PacketPool;
  readonly fifos: FifoTable;
  readonly lookup: SessionLookup;
  readonly upcalls: TransportUpcalls;
  readonly addresses: LocalAddresses;
  readonly ident: Ident;
  readonly engine: UdpEngine;
  readonly config: UdpConfig;
}

/** UDP (RFC 768) behind the session layer: connected sessions, and listeners that take datagrams of all peers. */
export class UdpTransport implements Transport {
  readonly name = "udp";
  readonly proto = TRANSPORT_UDP;
  readonly isDatagram = true;
  readonly rows: UdpConnections;
  readonly receiver: UdpReceiver;
  readonly sender: UdpSender;
  readonly #i32: Int32Array;
  readonly #parts: UdpParts;

  /** Reserves the rows. Throws RangeError when the window is full. */
  constructor(parts: UdpParts) {
    this.#parts = parts;
    this.#i32 = parts.window.i32;
    this.rows = new UdpConnections(parts.window, parts.config.maxConnections);
    this.receiver = new UdpReceiver(parts.window, parts.fifos);
    this.sender = new UdpSender(parts);
  }

  startListen(session: SessionIndex, local: Endpoint, fib: number): ConnectionIndex {
    const c = this.rows.alloc(UDP_LISTEN, fib, this.#parts.config.hopLimit, local);
    if (c < 0) return SESSION_E_ALLOC;
    this.#i32[this.rows.row(c) + C_SESSION] = session;
    return c;
  }

  stopListen(listener: ConnectionIndex): void {
    this.rows.free(listener);
  }

  connect({ remote, local, fib, context, attributes = {} }: ConnectRequest): ConnectionIndex {
    const c = this.#open(fib, local, remote);
    if (c < 0) return c;
    let error = 0;
    for (const [name, value] of Object.entries(attributes)) {
      error ||= this.setAttribute(c, name as ConnectionAttribute, value);
    }
    if (error === 0) error = this.#parts.upcalls.connected(TRANSPORT_UDP, c, context, 0);
    if (error >= 0) return c;
    this.#remove(c);
    return error;
  }

  #open(fib: number, local: Endpoint, remote: Endpoint): ConnectionIndex {
    const c = this.rows.alloc(UDP_OPENED, fib, this.#parts.config.hopLimit, local, remote);
    if (c < 0) return SESSION_E_ALLOC;
    if (this.#parts.lookup.addEstablished(TRANSPORT_UDP, c)) return c;
    this.rows.free(c);
    return SESSION_E_PORTINUSE;
  }

  /** A connected-mode listener met a new peer: makes its connection and session. -1 when the session layer takes none. */
  accept(listener: SessionIndex, fib: number, local: Endpoint, remote: Endpoint): ConnectionIndex {
    const { upcalls } = this.#parts;
    if (!upcalls.mayAccept(listener)) return -1;
    const c = this.#open(fib, local, remote);
    if (c < 0) {
      upcalls.halfOpenEnded(listener);
      return -1;
    }
    if (upcalls.accepted(TRANSPORT_UDP, c, listener) >= 0) return c;
    this.#remove(c);
    return -1;
  }

  #remove(c: ConnectionIndex): void {
    const r = this.rows.row(c);
    const session = this.#i32[r + C_SESSION];
    this.#parts.lookup.delEstablished(TRANSPORT_UDP, c);
    // While the row still says what went over it.
    this.#parts.upcalls.deleted(session);
    this.rows.free(c);
  }

  /** Datagrams have no end of stream: nothing to do. */
  halfClose(): void {}

  close(c: ConnectionIndex): void {
    const r = this.rows.row(c);
    if (this.#i32[r + C_STATE] !== UDP_OPENED) return;
    const tx = this.#i32[r + C_TX_FIFO];
    if (tx === 0 || this.#parts.fifos.maxDequeue(tx) === 0) {
      this.#remove(c);
      return;
    }
    this.#i32[r + C_STATE] = UDP_CLOSING;
    this.#parts.upcalls.wantTransmit(TRANSPORT_UDP, c);
  }

  reset(c: ConnectionIndex): void {
    const state = this.#i32[this.rows.row(c) + C_STATE];
    if (state === UDP_OPENED || state === UDP_CLOSING) this.#remove(c);
  }

  transmit(c: ConnectionIndex, frame: Frame, budget: number, bytes: number): boolean {
    const r = this.rows.row(c);
    if (this.#i32[r + C_STATE] === UDP_CLOSED || this.#i32[r + C_TX_FIFO] === 0) return false;
    const hasMore = this.sender.send(c, r, frame, budget, bytes);
    if (!hasMore && this.#i32[r + C_STATE] === UDP_CLOSING) this.#remove(c);
    else this.#parts.upcalls.acknowledged(this.#i32[r + C_SESSION]);
    return hasMore;
  }

  /** Datagrams that find no room are lost; there is no window to open. */
  rxDequeued(): void {}

  icmpError(c: ConnectionIndex, kind: number): void {
    const r = this.rows.row(c);
    // RFC 1122 4.1.3.3: pass them up. Only what says that nobody is there ends a session; routes may come back.
    if (kind !== ICMP_PORT_UNREACHABLE && kind !== ICMP_PROTOCOL_UNREACHABLE) return;
    if (this.#i32[r + C_STATE] !== UDP_OPENED) return;
    this.#parts.upcalls.reset(this.#i32[r + C_SESSION], SESSION_E_REFUSED);
    this.#remove(c);
  }

  attribute(c: ConnectionIndex, name: ConnectionAttribute): number {
    return isCommonAttribute(name) ? commonAttribute(this.#i32, this.rows.row(c), name) : SESSION_E_NOSUPPORT;
  }

  setAttribute(c: ConnectionIndex, name: ConnectionAttribute, value: number): number {
    if (!isCommonAttribute(name)) return SESSION_E_NOSUPPORT;
    const r = this.rows.row(c);
    return setCommonAttribute(this.#i32, r, name, value, this.#outputNexts(r).length);
  }

  /** Where datagrams of row `r` can go from udp-output, by next index. */
  #outputNexts(r: number): readonly string[] {
    return this.#parts.engine.nextNames((this.#i32[r + C_FLAGS] & CF_IP6) !== 0 ? "udp6-output" : "udp4-output");
  }

  markUrgent(): number {
    return SESSION_E_NOSUPPORT;
  }

  /** By the names of RFC 4113, with octets of payload; modulo 2^32. */
  statistics(c: ConnectionIndex): Readonly<Record<string, number>> {
    const r = this.rows.row(c);
    const count = (field: number): number => this.#i32[r + field] >>> 0;
    return {
      InDatagrams: count(U_IN_DATAGRAMS),
      InOctets: count(U_IN_OCTETS),
      OutDatagrams: count(U_OUT_DATAGRAMS),
      OutOctets: count(U_OUT_OCTETS),
      InErrors: count(U_IN_ERRORS),
    };
  }

  format(c: ConnectionIndex, verbose: number): string {
    const i32 = this.#i32;
    const r = this.rows.row(c);
    const local = formatEndpoint(connectionEndpoint(i32, r, true));
    const remote = formatEndpoint(connectionEndpoint(i32, r, false));
    const line = `[U] ${local}->${remote} ${UDP_STATE_NAMES[i32[r + C_STATE]]}`;
    if (verbose < 2) return line;
    const { fifos } = this.#parts;
    const rx = i32[r + C_RX_FIFO];
    const tx = i32[r + C_TX_FIFO];
    const values = Object.entries(this.statistics(c)).map(([name, value]) => `${name} ${value}`);
    return rx === 0
      ? line
      : `${line}\n rx fifo: ${fifos.maxDequeue(rx)} bytes\n tx fifo: ${fifos.maxDequeue(tx)} bytes\n ${values.join(" ")}`;
  }
}
