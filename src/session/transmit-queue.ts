import type { MemoryWindow } from "../mem/window.js";
import { type ConnectionIndex, MAX_TRANSPORTS, type Transport } from "../transport/transport.js";

/** Connections that have a word to say and no data: the end of a stream. */
export const TX_CONTROL = 0;
/** Connections that have just got something to send. */
export const TX_NEW = 1;
/** Connections that had a turn and have more. */
export const TX_OLD = 2;
/** Name of a list of the transmit queue. */
export type TransmitList = typeof TX_CONTROL | typeof TX_NEW | typeof TX_OLD;

const LISTS = 3;
const NOT_QUEUED = 0;
const LAST = 1;
const FIRST_ENTRY = 2;
const PROTO_BITS = 3;
const EMPTY = -1;

// Two words per connection: what follows it in its list, and its debt.
const WORDS_SHIFT = 1;
const DEBT = 1;

/**
 * Connections that want to send, in three lists, each oldest first: they run through one word per connection, which so is in one list, once.
 * A second word is the connection's debt: bytes that it sent beyond its share of a turn, and which its next turns pay. A connection
 * that was freed while it waits stays in its list; session-queue sees by its flags that it wants nothing.
 */
export class TransmitQueue {
  readonly #window: MemoryWindow;
  /** Word index of each protocol's connections. */
  readonly #words = new Int32Array(MAX_TRANSPORTS);
  readonly #heads = new Int32Array(LISTS).fill(EMPTY);
  readonly #tails = new Int32Array(LISTS).fill(EMPTY);
  readonly #lengths = new Int32Array(LISTS);
  #length = 0;

  constructor(window: MemoryWindow) {
    this.#window = window;
  }

  /** Makes room for a transport's connections. Throws RangeError when the window is full. */
  register(transport: Transport): void {
    const { capacity } = transport.rows;
    this.#words[transport.proto] = this.#window.reserve(`transmit queue ${transport.name}`, capacity * 8) >> 2;
  }

  /** Connections in all lists. */
  get length(): number {
    return this.#length;
  }

  /** Connections in a list. */
  lengthOf(list: TransmitList): number {
    return this.#lengths[list];
  }

  /** Touch pass: reads a connection's words. */
  touch(proto: number, c: ConnectionIndex): number {
    return this.#window.i32[this.#words[proto] + (c << WORDS_SHIFT)];
  }

  /** Adds a connection to a list, unless it is in one. Returns true when all lists were empty. */
  push(list: TransmitList, proto: number, c: ConnectionIndex): boolean {
    const { i32 } = this.#window;
    const at = this.#words[proto] + (c << WORDS_SHIFT);
    if (i32[at] !== NOT_QUEUED) return false;
    const entry = (c << PROTO_BITS) | proto;
    i32[at] = LAST;
    const tail = this.#tails[list];
    if (tail !== EMPTY) i32[this.#wordOf(tail)] = entry + FIRST_ENTRY;
    else this.#heads[list] = entry;
    this.#tails[list] = entry;
    this.#lengths[list]++;
    return this.#length++ === 0;
  }

  /** Takes the oldest of a list out: `connection << 3 | protocol`, -1 when there is none. */
  shift(list: TransmitList): number {
    const { i32 } = this.#window;
    const entry = this.#heads[list];
    if (entry === EMPTY) return -1;
    const at = this.#wordOf(entry);
    const next = i32[at];
    i32[at] = NOT_QUEUED;
    this.#heads[list] = next === LAST ? EMPTY : next - FIRST_ENTRY;
    if (next === LAST) this.#tails[list] = EMPTY;
    this.#lengths[list]--;
    this.#length--;
    return entry;
  }

  /** Bytes that an entry owes. */
  debt(entry: number): number {
    return this.#window.i32[this.#wordOf(entry) + DEBT];
  }

  /** Changes what an entry owes. */
  setDebt(entry: number, bytes: number): void {
    this.#window.i32[this.#wordOf(entry) + DEBT] = bytes;
  }

  #wordOf(entry: number): number {
    return this.#words[entry & (MAX_TRANSPORTS - 1)] + ((entry >> PROTO_BITS) << WORDS_SHIFT);
  }
}
