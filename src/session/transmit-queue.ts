import type { MemoryWindow } from "../mem/window.js";
import { type ConnectionIndex, MAX_TRANSPORTS, type Transport } from "../transport/transport.js";

const NOT_QUEUED = 0;
const LAST = 1;
const FIRST_ENTRY = 2;
const PROTO_BITS = 3;

/**
 * Connections that want to send, oldest first: a list through one word per connection, each connection once. A connection that was freed while
 * it waits stays in the list; session-queue sees by its flags that it wants nothing.
 */
export class TransmitQueue {
  readonly #window: MemoryWindow;
  /** Word index of each protocol's links. */
  readonly #links = new Int32Array(MAX_TRANSPORTS);
  #head = -1;
  #tail = -1;
  #length = 0;

  constructor(window: MemoryWindow) {
    this.#window = window;
  }

  /** Makes room for a transport's connections. Throws RangeError when the window is full. */
  register(transport: Transport): void {
    const { capacity } = transport.rows;
    this.#links[transport.proto] = this.#window.reserve(`transmit queue ${transport.name}`, capacity * 4) >> 2;
  }

  /** Connections in the list. */
  get length(): number {
    return this.#length;
  }

  /** Touch pass: reads a connection's link. */
  touch(proto: number, c: ConnectionIndex): number {
    return this.#window.i32[this.#links[proto] + c];
  }

  /** Adds a connection, unless it is in the list. Returns true when the list was empty. */
  push(proto: number, c: ConnectionIndex): boolean {
    const { i32 } = this.#window;
    const at = this.#links[proto] + c;
    if (i32[at] !== NOT_QUEUED) return false;
    const entry = (c << PROTO_BITS) | proto;
    i32[at] = LAST;
    if (this.#tail >= 0) {
      i32[this.#links[this.#tail & (MAX_TRANSPORTS - 1)] + (this.#tail >> PROTO_BITS)] = entry + FIRST_ENTRY;
    } else this.#head = entry;
    this.#tail = entry;
    return this.#length++ === 0;
  }

  /** Takes the oldest out: `connection << 3 | protocol`, -1 when there is none. */
  shift(): number {
    const { i32 } = this.#window;
    const entry = this.#head;
    if (entry < 0) return -1;
    const at = this.#links[entry & (MAX_TRANSPORTS - 1)] + (entry >> PROTO_BITS);
    const next = i32[at];
    i32[at] = NOT_QUEUED;
    this.#head = next === LAST ? -1 : next - FIRST_ENTRY;
    if (this.#head < 0) this.#tail = -1;
    this.#length--;
    return entry;
  }
}
