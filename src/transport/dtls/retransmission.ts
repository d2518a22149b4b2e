import type { ConnectionIndex } from "../transport.js";
import { TlsDeadlines } from "../tls/deadlines.js";
import { DTLS_RETRIES, DTLS_RETRY_LIST, type DtlsConnections } from "./connection.js";

/** Ticks of 100 us until the first retransmission: a second (RFC 6347 4.2.4.1). */
const FIRST_TICKS = 10_000;
/** It doubles with each, up to a minute. */
const LEVELS = 7;
const LAST_TICKS = 600_000;

/** Connections whose last flight may have been lost, by how long they wait for an answer to it. */
export class DtlsRetransmission {
  readonly #i32: Int32Array;
  readonly #rows: DtlsConnections;
  readonly #lists: readonly TlsDeadlines[];

  constructor(i32: Int32Array, rows: DtlsConnections) {
    this.#i32 = i32;
    this.#rows = rows;
    this.#lists = Array.from({ length: LEVELS }, (_, i) => {
      const ticks = Math.min(FIRST_TICKS << i, LAST_TICKS);
      return new TlsDeadlines(i32, rows, ticks, DTLS_RETRY_LIST);
    });
  }

  #listOf(c: ConnectionIndex): TlsDeadlines {
    return this.#lists[Math.min(this.#i32[this.#rows.row(c) + DTLS_RETRIES], LEVELS - 1)];
  }

  /** A new flight was sent, of which nothing has come back yet. */
  start(c: ConnectionIndex, tick: number): void {
    this.stop(c);
    this.#i32[this.#rows.row(c) + DTLS_RETRIES] = 0;
    this.#listOf(c).add(c, tick);
  }

  /** It was sent again. */
  again(c: ConnectionIndex, tick: number): void {
    this.stop(c);
    this.#i32[this.#rows.row(c) + DTLS_RETRIES]++;
    this.#listOf(c).add(c, tick);
  }

  /** Whether a connection waits. */
  isWaiting(c: ConnectionIndex): boolean {
    return this.#listOf(c).has(c);
  }

  /** There is nothing to retransmit. */
  stop(c: ConnectionIndex): void {
    this.#listOf(c).remove(c);
  }

  /** One whose time has come; -1: none. */
  overdue(tick: number): ConnectionIndex {
    for (const list of this.#lists) {
      const c = list.overdue(tick);
      if (c >= 0) return c;
    }
    return -1;
  }

  /** Ticks until then; -1: nobody waits. */
  nextExpiry(tick: number): number {
    let next = -1;
    for (const list of this.#lists) {
      const ticks = list.nextExpiry(tick);
      if (ticks >= 0 && (next < 0 || ticks < next)) next = ticks;
    }
    return next;
  }
}
