import type { Timed } from "../../graph/engine.js";
import type { FifoTable } from "../../mem/fifo-table.js";
import type { MemoryWindow } from "../../mem/window.js";
import type { SessionLookup } from "../../session/lookup.js";
import {
  SESSION_E_ALLOC,
  SESSION_E_LOCAL_CONNECT,
  SESSION_E_NOSUPPORT,
  SESSION_E_PORTINUSE,
  SESSION_E_REFUSED,
  SESSION_E_UNKNOWN,
} from "../../session/session-errors.js";
import {
  C_FLAGS,
  C_RX_FIFO,
  C_SESSION,
  C_STATE,
  C_TX_FIFO,
  type ConnectionIndex,
  type ConnectRequest,
  type Endpoint,
  type SessionIndex,
  type Transport,
  TRANSPORT_CT,
  type TransportUpcalls,
} from "../transport.js";
import {
  CT_ACCEPTING,
  CT_CONNECTING,
  CT_CONTEXT,
  CT_LISTEN,
  CT_OPENED,
  CT_PEER,
  CT_STATE_NAMES,
  CT_TOLD,
  CtConnections,
  CTF_APP_CLOSED,
  CTF_END_SENT,
} from "./connection.js";
import { CtLinger } from "./linger.js";

/** What cut-through is built upon. */
export interface CtParts {
  readonly window: MemoryWindow;
  readonly fifos: FifoTable;
  readonly lookup: SessionLookup;
  readonly upcalls: TransportUpcalls;
  /** Rows: as many as there are sessions suffice. */
  readonly maxConnections: number;
}

/**
 * Cut-through (VPP's ct): byte streams between two applications of one stack. Both ends share one pair of fifos: what one
 * writes into its tx fifo lies in the other's rx fifo, so there is nothing to send. This transport only tells one end what
 * the other did, as TCP would: written, read, half-closed, closed, reset. Without packets there is no TIME_WAIT, and nothing
 * to lose.
 *
 *     client  CONNECTING ───────────────── connected ─► OPENED        (refused: connected with REFUSED, both rows gone)
 *     server  ACCEPTING ─► accept callback ─ answered ─► OPENED
 *
 * The rows of a pair live and die together: until both streams have ended, or one end was reset. Who has closed is freed
 * after 30 s if the other has not: as from FIN-WAIT-2.
 */
export class CtTransport implements Transport, Timed {
  readonly name = "ct";
  readonly proto = TRANSPORT_CT;
  readonly isDatagram = false;
  readonly rows: CtConnections;
  readonly #i32: Int32Array;
  readonly #fifos: FifoTable;
  readonly #lookup: SessionLookup;
  readonly #upcalls: TransportUpcalls;
  readonly #linger: CtLinger;
  #tick = 0;

  /** Reserves the rows. Throws RangeError when the window is full. */
  constructor({ window, fifos, lookup, upcalls, maxConnections }: CtParts) {
    this.#i32 = window.i32;
    this.#fifos = fifos;
    this.#lookup = lookup;
    this.#upcalls = upcalls;
    this.rows = new CtConnections(window, maxConnections);
    this.#linger = new CtLinger(window.i32, this.rows);
  }

  startListen(session: SessionIndex, local: Endpoint, fib: number): ConnectionIndex {
    const c = this.rows.alloc(CT_LISTEN, fib, local);
    if (c < 0) return SESSION_E_ALLOC;
    this.#i32[this.rows.row(c) + C_SESSION] = session;
    return c;
  }

  stopListen(listener: ConnectionIndex): void {
    this.rows.free(listener);
  }

  /** Makes both ends; the server's session is accepted at once, so that its application is told of it first. */
  connect({ remote, local, fib, context, listener }: ConnectRequest): ConnectionIndex {
    const { rows } = this;
    const upcalls = this.#upcalls;
    const i32 = this.#i32;
    if (listener === undefined) return SESSION_E_LOCAL_CONNECT;
    if (!upcalls.mayAccept(listener)) return SESSION_E_REFUSED;
    const client = rows.alloc(CT_CONNECTING, fib, local, remote);
    const server = client < 0 ? -1 : rows.alloc(CT_ACCEPTING, fib, remote, local);
    let error = server < 0 ? SESSION_E_ALLOC : 0;
    if (error === 0 && !this.#lookup.addEstablished(TRANSPORT_CT, client)) error = SESSION_E_PORTINUSE;
    const isNamed = error === 0;
    if (isNamed) error = upcalls.accepted(TRANSPORT_CT, server, listener, context & 0xff_ffff);
    else upcalls.halfOpenEnded(listener);
    if (error === 0) {
      i32[rows.row(client) + CT_CONTEXT] = context;
      i32[rows.row(client) + CT_PEER] = server;
      i32[rows.row(server) + CT_PEER] = client;
      return client;
    }
    if (isNamed) this.#lookup.delEstablished(TRANSPORT_CT, client);
    for (const c of [client, server]) if (c >= 0) rows.free(c);
    return error;
  }

  answered(c: ConnectionIndex, isTaken: boolean): void {
    const i32 = this.#i32;
    const server = this.rows.row(c);
    if (i32[server + C_STATE] !== CT_ACCEPTING) return;
    if (!isTaken) {
      this.#refuse(c);
      return;
    }
    const peer = i32[server + CT_PEER];
    const client = this.rows.row(peer);
    i32[server + C_STATE] = i32[client + C_STATE] = CT_OPENED;
    const session = i32[server + C_SESSION];
    if (this.#upcalls.connected(TRANSPORT_CT, peer, i32[client + CT_CONTEXT], 0, session) < 0) {
      this.#upcalls.reset(session, SESSION_E_UNKNOWN);
      this.#remove(c);
      return;
    }
    // The server may have written, and closed, before its client was there.
    if ((i32[server + C_FLAGS] & CTF_END_SENT) === 0) this.#tellWritten(server);
    else {
      this.#end(c);
      this.#waitForPeer(c);
    }
  }

  #refuse(c: ConnectionIndex): void {
    const i32 = this.#i32;
    const peer = i32[this.rows.row(c) + CT_PEER];
    this.#upcalls.connected(TRANSPORT_CT, peer, i32[this.rows.row(peer) + CT_CONTEXT], SESSION_E_REFUSED);
    this.#remove(c);
  }

  /** Takes both ends away: sessions that are left know no connection any more. */
  #remove(c: ConnectionIndex): void {
    const i32 = this.#i32;
    const peer = i32[this.rows.row(c) + CT_PEER];
    const sessions = [c, peer].map((each) => i32[this.rows.row(each) + C_SESSION]);
    // Only the client's end is in the table.
    if (!this.#lookup.delEstablished(TRANSPORT_CT, c)) this.#lookup.delEstablished(TRANSPORT_CT, peer);
    // While the rows still say what went over them.
    for (const s of sessions) this.#upcalls.deleted(s);
    for (const each of [c, peer]) {
      this.#linger.remove(each);
      this.rows.free(each);
    }
  }

  #peerSession(r: number): SessionIndex {
    return this.#i32[this.rows.row(this.#i32[r + CT_PEER]) + C_SESSION];
  }

  /** Tells the other end of bytes that it was not told of. */
  #tellWritten(r: number): void {
    const i32 = this.#i32;
    const tail = this.#fifos.tail(i32[r + C_TX_FIFO]);
    if (tail === i32[r + CT_TOLD]) return;
    i32[r + CT_TOLD] = tail;
    this.#upcalls.received(this.#peerSession(r));
  }

  halfClose(c: ConnectionIndex): void {
    const i32 = this.#i32;
    const r = this.rows.row(c);
    if ((i32[r + C_FLAGS] & CTF_END_SENT) !== 0) return;
    i32[r + C_FLAGS] |= CTF_END_SENT;
    if (i32[r + C_STATE] === CT_OPENED) this.#end(c);
  }

  /** Tells the other end of the end of the stream, after what was written. When both streams have ended the pair is done. */
  #end(c: ConnectionIndex): void {
    const i32 = this.#i32;
    const r = this.rows.row(c);
    if (this.#isInVain(r)) {
      this.#fail(c);
      return;
    }
    this.#tellWritten(r);
    this.#upcalls.closing(this.#peerSession(r));
    if ((this.#peerFlags(r) & CTF_END_SENT) === 0) return;
    this.#upcalls.closed(this.#peerSession(r));
    this.#upcalls.closed(i32[r + C_SESSION]);
    this.#remove(c);
  }

  #peerFlags(r: number): number {
    return this.#i32[this.rows.row(this.#i32[r + CT_PEER]) + C_FLAGS];
  }

  /** What was written will not be read: the other application has closed. */
  #isInVain(r: number): boolean {
    return (this.#peerFlags(r) & CTF_APP_CLOSED) !== 0 && this.#fifos.maxDequeue(this.#i32[r + C_TX_FIFO]) > 0;
  }

  /** Both ends are reset: as TCP answers data to one who has closed. */
  #fail(c: ConnectionIndex): void {
    this.#upcalls.reset(this.#i32[this.rows.row(c) + C_SESSION], SESSION_E_UNKNOWN);
    this.reset(c);
  }

  close(c: ConnectionIndex): void {
    const i32 = this.#i32;
    const r = this.rows.row(c);
    if (i32[r + C_STATE] === CT_CONNECTING) {
      this.#upcalls.reset(this.#peerSession(r), SESSION_E_UNKNOWN);
      this.#remove(c);
      return;
    }
    // RFC 9293 3.6.1, SHLD-3: who closes with unread data resets.
    if (this.#fifos.maxDequeue(i32[r + C_RX_FIFO]) > 0) {
      this.reset(c);
      return;
    }
    i32[r + C_FLAGS] |= CTF_APP_CLOSED;
    this.halfClose(c);
    this.#waitForPeer(c);
  }

  /** An application that has closed does not keep its session for ever because the other does not close. */
  #waitForPeer(c: ConnectionIndex): void {
    const r = this.rows.row(c);
    if (this.#i32[r + C_STATE] !== CT_OPENED || (this.#i32[r + C_FLAGS] & CTF_APP_CLOSED) === 0) return;
    this.#linger.add(c, this.#tick);
  }

  setNow(tick: number): void {
    this.#tick = tick;
  }

  expire(tick: number): void {
    this.#tick = tick;
    for (let c = this.#linger.shift(tick); c >= 0; c = this.#linger.shift(tick)) {
      const at = this.rows.row(c) + C_SESSION;
      const session = this.#i32[at];
      this.#upcalls.deleted(session);
      // The row stays for the other end, until that ends too.
      this.#i32[at] = -1;
    }
  }

  nextExpiry(tick: number): number {
    return this.#linger.nextExpiry(tick);
  }

  reset(c: ConnectionIndex): void {
    const r = this.rows.row(c);
    if (this.#i32[r + C_STATE] === CT_ACCEPTING) {
      this.#refuse(c);
      return;
    }
    this.#upcalls.reset(this.#peerSession(r), SESSION_E_UNKNOWN);
    this.#remove(c);
  }

  /** There are no packets: tells the other end of what was written. */
  transmit(c: ConnectionIndex): boolean {
    const i32 = this.#i32;
    const r = this.rows.row(c);
    if (i32[r + C_STATE] !== CT_OPENED) return false;
    if (this.#isInVain(r)) this.#fail(c);
    else this.#tellWritten(r);
    return false;
  }

  rxDequeued(c: ConnectionIndex): void {
    const r = this.rows.row(c);
    if (this.#i32[r + C_STATE] === CT_OPENED) this.#upcalls.acknowledged(this.#peerSession(r));
  }

  /** There are no packets to quote. */
  icmpError(): void {}

  /** All attributes are about packets. */
  attribute(): number {
    return SESSION_E_NOSUPPORT;
  }

  setAttribute(): number {
    return SESSION_E_NOSUPPORT;
  }

  markUrgent(): number {
    return SESSION_E_NOSUPPORT;
  }

  /** By the names that TCP has of RFC 4898; octets count modulo 2^32. */
  statistics(c: ConnectionIndex): Readonly<Record<string, number>> {
    const i32 = this.#i32;
    const fifos = this.#fifos;
    const r = this.rows.row(c);
    const rx = i32[r + C_RX_FIFO];
    const tx = i32[r + C_TX_FIFO];
    if (rx === 0) return {};
    return {
      ThruOctetsAcked: fifos.head(tx) >>> 0,
      ThruOctetsReceived: fifos.tail(rx) >>> 0,
      CurAppWQueue: fifos.maxDequeue(tx),
      CurAppRQueue: fifos.maxDequeue(rx),
    };
  }

  format(c: ConnectionIndex, verbose: number): string {
    const i32 = this.#i32;
    const r = this.rows.row(c);
    const flags = i32[r + C_FLAGS];
    const end = (flags & CTF_APP_CLOSED) !== 0 ? " app-closed" : (flags & CTF_END_SENT) !== 0 ? " half-closed" : "";
    const line = `${CT_STATE_NAMES[i32[r + C_STATE]]}${end}`;
    if (verbose < 2) return line;
    const peer = i32[r + CT_PEER] < 0 ? "" : ` peer session ${this.#peerSession(r)}`;
    const values = Object.entries(this.statistics(c)).map(([name, value]) => `${name} ${value}`);
    return [`${line} index ${c}${peer}`, ...(values.length > 0 ? [` ${values.join(" ")}`] : [])].join("\n");
  }
}
