import { NativeWindow } from "../../../src/host/native-window.js";
import { opensslEngine } from "../../../src/host/openssl-engine.js";
import type { MemoryWindow } from "../../../src/mem/window.js";
import {
  TLS_COUNTS,
  TLS_FLAGS,
  TLS_MAX_SPANS,
  TLS_OUT_OPEN,
  TLS_RECORD_BYTES,
  TLS_RESULTS,
  TLS_SPANS,
  TLS_VERIFY_REQUIRE,
  type TlsContextSettings,
  type TlsEngine,
} from "../../../src/transport/tls/engine.js";

const BUFFER_BYTES = 256 << 10;

/** Bytes of the window that are filled at one end and taken from the other. */
export class Pipe {
  readonly offset: number;
  readonly #window: MemoryWindow;
  head = 0;
  tail = 0;

  constructor(window: MemoryWindow, name: string) {
    this.#window = window;
    this.offset = window.reserve(name, BUFFER_BYTES);
  }

  get bytes(): Uint8Array {
    return this.#window.u8.slice(this.offset + this.head, this.offset + this.tail);
  }

  put(bytes: Uint8Array): void {
    this.#window.u8.set(bytes, this.offset + this.tail);
    this.tail += bytes.length;
  }

  /** All that is there, taken out. */
  take(): Uint8Array {
    const bytes = this.bytes;
    this.head = this.tail = 0;
    return bytes;
  }
}

/** One end: its connection, and four pipes of which two are the other end's. */
export class End {
  readonly clearIn: Pipe;
  readonly clearOut: Pipe;
  /** Bytes of a span; a pipe is named by as many spans as it takes, up to the limit. */
  spanBytes = BUFFER_BYTES;
  /** Room that a step gets. */
  cipherRoom = BUFFER_BYTES;
  clearRoom = BUFFER_BYTES;
  recordBytes = 0;

  readonly engine: TlsEngine;
  readonly window: MemoryWindow;
  readonly connection: number;
  readonly cipherIn: Pipe;
  readonly cipherOut: Pipe;

  /** `clear`: a pipe for the clear text of both directions; absent: each has its own. */
  constructor(
    engine: TlsEngine,
    window: MemoryWindow,
    connection: number,
    cipherIn: Pipe,
    cipherOut: Pipe,
    clear: Pipe | undefined = undefined,
  ) {
    this.engine = engine;
    this.window = window;
    this.connection = connection;
    this.cipherIn = cipherIn;
    this.cipherOut = cipherOut;
    this.clearIn = clear ?? new Pipe(window, "clear in");
    this.clearOut = clear ?? new Pipe(window, "clear out");
  }

  #spans(direction: number, start: number, length: number): void {
    const { i32 } = this.window;
    let count = 0;
    for (let done = 0; done < length && count < TLS_MAX_SPANS; count++) {
      const part = Math.min(this.spanBytes, length - done);
      const at = this.engine.area + TLS_SPANS + 2 * (direction * TLS_MAX_SPANS + count);
      i32[at] = start + done;
      i32[at + 1] = part;
      done += part;
    }
    i32[this.engine.area + TLS_COUNTS + direction] = count;
  }

  step(flags = 0): number {
    const { cipherIn, cipherOut, clearIn, clearOut } = this;
    const { i32 } = this.window;
    const { area } = this.engine;
    i32[area + TLS_FLAGS] = flags;
    i32[area + TLS_RECORD_BYTES] = this.recordBytes;
    this.#spans(0, cipherIn.offset + cipherIn.head, cipherIn.tail - cipherIn.head);
    this.#spans(1, cipherOut.offset + cipherOut.tail, Math.min(this.cipherRoom, BUFFER_BYTES - cipherOut.tail));
    this.#spans(2, clearIn.offset + clearIn.head, clearIn.tail - clearIn.head);
    this.#spans(3, clearOut.offset + clearOut.tail, Math.min(this.clearRoom, BUFFER_BYTES - clearOut.tail));
    const bits = this.engine.step(this.connection);
    const moved = i32.subarray(area + TLS_RESULTS, area + TLS_RESULTS + 4);
    cipherIn.head += moved[0];
    cipherOut.tail += moved[1];
    clearIn.head += moved[2];
    clearOut.tail += moved[3];
    for (const pipe of [cipherIn, clearIn]) if (pipe.head === pipe.tail) pipe.head = pipe.tail = 0;
    return bits;
  }

  get reason(): string {
    return this.engine.reason(this.connection);
  }
}

/** A client and a server in one engine, whose ciphertext goes to and fro in the window. */
export class EnginePair {
  readonly engine: TlsEngine;
  readonly window: MemoryWindow;
  readonly client: End;
  readonly server: End;

  constructor(
    client: Partial<TlsContextSettings> = {},
    server: Partial<TlsContextSettings> = {},
    hostname = "weft.test",
  ) {
    const native = new NativeWindow({ bytes: 16 << 20, hugePages: false });
    this.window = native.window;
    this.engine = opensslEngine(native);
    const { certificate, key } = this.engine.makePair("weft.test");
    const pair = must(this.engine.addPair(certificate, key));
    const store = must(this.engine.addStore(certificate, new Uint8Array(0)));
    const contexts = [
      must(this.engine.addContext({ server: false, store, verify: TLS_VERIFY_REQUIRE, ...client })),
      must(this.engine.addContext({ server: true, pair, store, ...server })),
    ];
    const up = new Pipe(this.window, "up");
    const down = new Pipe(this.window, "down");
    this.client = new End(this.engine, this.window, this.engine.open(contexts[0], { hostname }), down, up);
    this.server = new End(this.engine, this.window, this.engine.open(contexts[1], {}), up, down);
  }

  /** Steps both ends in turn until nothing moves. Returns the bits that each told last. */
  settle(rounds = 16): [client: number, server: number] {
    let bits: [number, number] = [0, 0];
    for (let i = 0; i < rounds; i++) bits = [this.client.step(), this.server.step()];
    return bits;
  }

  /** Shakes hands; throws unless both ends are open. */
  open(): this {
    const [client, server] = this.settle();
    if ((client & server & TLS_OUT_OPEN) === 0) throw new Error(`${this.client.reason} / ${this.server.reason}`);
    return this;
  }

  close(): void {
    this.window.close();
  }
}

/** The number, or throws the reason why there is none. */
export function must(result: number | string): number {
  if (typeof result === "string") throw new Error(result);
  return result;
}
