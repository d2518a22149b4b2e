import type { FifoTable } from "../../mem/fifo-table.js";
import type { MemoryWindow } from "../../mem/window.js";
import type { SessionLayer } from "../../session/session-layer.js";
import { S_CONNECTION, S_FLAGS, S_PROTO, S_RX_FIFO, S_TX_FIFO, SF_TUNED } from "../../session/session-table.js";
import { C_FLAGS, C_RX_FIFO, C_SESSION, C_TX_FIFO, type SessionIndex, type TransportUpcalls } from "../transport.js";
import type { TlsConfig } from "./config.js";
import {
  TLS_ENGINE,
  TLS_LOWER,
  TLS_SENT,
  TLS_SENT_TICK,
  TLSF_BLOCKED,
  TLSF_END_WANTED,
  TLSF_FIN,
  TLSF_RX_WAITS,
} from "./connection.js";
import {
  TLS_COUNTS,
  TLS_FLAGS,
  TLS_IN_CLOSE,
  TLS_IN_END,
  TLS_MAX_RECORD_BYTES,
  TLS_MAX_SPANS,
  TLS_OUT_BLOCKED,
  TLS_OUT_PENDING,
  TLS_RECORD_BYTES,
  TLS_RECORD_OVERHEAD,
  TLS_RESULTS,
  TLS_SPANS,
  type TlsEngine,
} from "./engine.js";

/** Bytes of each direction that one step moves at most: eight records, which stay in the processor's cache. */
const STEP_BYTES = 131_072;
/** Room for ciphertext that a step gets beside that for records: a flight of the handshake, alerts, key updates. */
const FLIGHT_BYTES = 16_384;
/** What a record grows by, at most, of the suites that are spoken. */
const RECORD_GROWTH = 40;
/** Silence, in ticks of 100 us, after which a stream begins anew with small records. */
const SILENCE_TICKS = 10_000;

/** Words of one direction's spans in the area. */
const DIRECTION_WORDS = 2 * TLS_MAX_SPANS;

/** Moves bytes between the fifos of a session of TCP and those of the application's session, as records. */
export class TlsRecords {
  /** Whether the last step moved anything. */
  hasMoved = false;
  readonly #window: MemoryWindow;
  readonly #fifos: FifoTable;
  readonly #sessions: SessionLayer;
  readonly #upcalls: TransportUpcalls;
  readonly #engine: TlsEngine;
  readonly #config: TlsConfig;

  constructor(sessions: SessionLayer, upcalls: TransportUpcalls, engine: TlsEngine, config: TlsConfig) {
    this.#window = sessions.window;
    this.#fifos = sessions.fifos;
    this.#sessions = sessions;
    this.#upcalls = upcalls;
    this.#engine = engine;
    this.#config = config;
  }

  /** Bytes of the spans of a direction. */
  #bytesOf(direction: number): number {
    const { i32 } = this.#window;
    const { area } = this.#engine;
    const at = area + TLS_SPANS + direction * DIRECTION_WORDS;
    let bytes = 0;
    for (let i = 0; i < i32[area + TLS_COUNTS + direction]; i++) bytes = (bytes + i32[at + 2 * i + 1]) | 0;
    return bytes;
  }

  #unread(fifo: number): number {
    return fifo === 0 ? 0 : this.#fifos.maxDequeue(fifo);
  }

  /** Names what is unread in a fifo (0: nothing) as a direction's spans. Returns whether that is all. */
  #show(direction: number, fifo: number): boolean {
    const { i32 } = this.#window;
    const at = this.#engine.area + TLS_SPANS + direction * DIRECTION_WORDS;
    const unread = this.#unread(fifo);
    const part = unread < STEP_BYTES ? unread : STEP_BYTES;
    const count = part === 0 ? 0 : this.#fifos.spans(fifo, 0, part, i32, TLS_MAX_SPANS, at);
    i32[this.#engine.area + TLS_COUNTS + direction] = count;
    return this.#bytesOf(direction) === unread;
  }

  /** Names room in a fifo (0: none), at most `wanted` bytes. Returns whether any was lent. */
  #lend(direction: number, fifo: number, wanted: number): boolean {
    const { i32 } = this.#window;
    const at = this.#engine.area + TLS_SPANS + direction * DIRECTION_WORDS;
    const room = fifo === 0 ? 0 : this.#fifos.maxEnqueue(fifo);
    const part = wanted < room ? wanted : room;
    const count = part === 0 ? 0 : this.#fifos.reserve(fifo, part, i32, TLS_MAX_SPANS, at);
    i32[this.#engine.area + TLS_COUNTS + direction] = count;
    return count > 0;
  }

  /** Clear bytes of the next records: few at the start, so that the first arrive whole in the first segments. */
  #recordBytes(r: number, tick: number): number {
    const { i32 } = this.#window;
    const { startRecordBytes, startBytes, recordBytes } = this.#config;
    if (((tick - i32[r + TLS_SENT_TICK]) | 0) > SILENCE_TICKS) i32[r + TLS_SENT] = 0;
    return i32[r + TLS_SENT] < startBytes ? startRecordBytes : recordBytes;
  }

  /**
   * Whether a step of an open connection cannot do anything: there is no ciphertext, no end to be told, nothing that the
   * engine holds back, and no clear text or no room for it yet. Steps are calls of C, and half of them would be such.
   */
  isIdle(r: number): boolean {
    const { i32 } = this.#window;
    const flags = i32[r + C_FLAGS];
    const cipherRx = i32[this.#sessions.table.row(i32[r + TLS_LOWER]) + S_RX_FIFO];
    if ((flags & (TLSF_END_WANTED | TLSF_FIN | TLSF_RX_WAITS)) !== 0 || this.#unread(cipherRx) > 0) return false;
    return (flags & TLSF_BLOCKED) !== 0 || this.#unread(i32[r + C_TX_FIFO]) === 0;
  }

  /** There is room for ciphertext, or memory for it. */
  unblock(r: number): void {
    this.#window.i32[r + C_FLAGS] &= ~TLSF_BLOCKED;
  }

  /** One step of the connection in row `r`. Returns TLS_OUT_ bits. */
  step(r: number, tick: number): number {
    const { i32 } = this.#window;
    const fifos = this.#fifos;
    const { area } = this.#engine;
    const lower = i32[r + TLS_LOWER];
    const l = this.#sessions.table.row(lower);
    const cipherRx = i32[l + S_RX_FIFO];
    const cipherTx = i32[l + S_CONNECTION] < 0 ? 0 : i32[l + S_TX_FIFO];
    const clearRx = i32[r + C_RX_FIFO];
    const clearTx = i32[r + C_TX_FIFO];
    const flags = i32[r + C_FLAGS];

    const isAllCipher = this.#show(0, cipherRx);
    const isAllClear = this.#show(2, clearTx);
    const isEnd = isAllCipher && (flags & TLSF_FIN) !== 0;
    const isClose = isAllClear && (flags & TLSF_END_WANTED) !== 0;
    i32[area + TLS_FLAGS] = (isEnd ? TLS_IN_END : 0) | (isClose ? TLS_IN_CLOSE : 0);
    const record = this.#recordBytes(r, tick);
    i32[area + TLS_RECORD_BYTES] = record;
    const outgoing = this.#bytesOf(2);
    const records = ((outgoing / record) | 0) + 1 + i32[area + TLS_COUNTS + 2];
    const flight = clearTx === 0 ? FLIGHT_BYTES : 2 * TLS_RECORD_OVERHEAD;
    const hasCipherRoom = this.#lend(1, cipherTx, outgoing + records * RECORD_GROWTH + flight);
    // What the engine holds back of a record is not known, so there may be more than was asked for: it says so.
    const held = (flags & TLSF_RX_WAITS) === 0 ? 0 : TLS_MAX_RECORD_BYTES;
    const incoming = this.#bytesOf(0);
    // The end is seen by reading, too.
    const hasClearRoom = this.#lend(3, clearRx, incoming + held + (isEnd ? 1 : 0));

    const bits = this.#engine.step(i32[r + TLS_ENGINE]);
    const taken = i32[area + TLS_RESULTS];
    const written = i32[area + TLS_RESULTS + 1];
    const sent = i32[area + TLS_RESULTS + 2];
    const got = i32[area + TLS_RESULTS + 3];
    if (hasCipherRoom) fifos.commit(cipherTx, written);
    if (hasClearRoom) fifos.commit(clearRx, got);
    if (taken > 0) this.#taken(lower, l, cipherRx, taken);
    if (sent > 0) {
      fifos.drop(clearTx, sent);
      i32[r + TLS_SENT] = Math.min(i32[r + TLS_SENT] + sent, this.#config.startBytes);
      i32[r + TLS_SENT_TICK] = tick;
      this.#upcalls.acknowledged(i32[r + C_SESSION]);
    }
    if (written > 0) this.#sessions.wantTransmit(i32[l + S_PROTO], i32[l + S_CONNECTION]);
    if (got > 0) this.#upcalls.received(i32[r + C_SESSION]);
    // Room in the fifo but no memory for it: nobody will read, so it is tried again as a starved writer does.
    const isStarved = incoming > 0 && !hasClearRoom && clearRx !== 0 && fifos.maxEnqueue(clearRx) > 0;
    if (((bits & TLS_OUT_BLOCKED) !== 0 || isStarved) && cipherTx !== 0) this.#sessions.wantTx(lower);
    const isWaiting = (bits & TLS_OUT_PENDING) !== 0 || taken < incoming || !isAllCipher || (isEnd && !hasClearRoom);
    const waits = (isWaiting ? TLSF_RX_WAITS : 0) | ((bits & TLS_OUT_BLOCKED) !== 0 ? TLSF_BLOCKED : 0);
    i32[r + C_FLAGS] = (i32[r + C_FLAGS] & ~(TLSF_RX_WAITS | TLSF_BLOCKED)) | waits;
    this.hasMoved = taken + written + sent + got > 0;
    return bits;
  }

  /** Ciphertext was taken: TCP may open its window. */
  #taken(lower: SessionIndex, l: number, fifo: number, bytes: number): void {
    const { i32 } = this.#window;
    this.#fifos.drop(fifo, bytes);
    if ((i32[l + S_FLAGS] & SF_TUNED) !== 0) this.#sessions.tuneRead(lower);
    const c = i32[l + S_CONNECTION];
    if (c >= 0) this.#sessions.transports[i32[l + S_PROTO]]?.rxDequeued(c);
  }
}
