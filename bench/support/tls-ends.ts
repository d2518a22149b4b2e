import { NativeWindow } from "../../src/host/native-window.js";
import { opensslEngine } from "../../src/host/openssl-engine.js";
import {
  TLS_COUNTS,
  TLS_FLAGS,
  TLS_MAX_SPANS,
  TLS_OUT_OPEN,
  TLS_RECORD_BYTES,
  TLS_RESULTS,
  TLS_SPANS,
} from "../../src/transport/tls/engine.js";
import type { TlsProfile } from "../../src/transport/tls/crypto-store.js";

const CIPHER_BYTES = 1 << 18;
/** Steps of each end after which a handshake is none. */
const MAX_STEPS = 8;

function must(result: number | string): number {
  if (typeof result === "string") throw new Error(result);
  return result;
}

/** The engine alone: a client and a server in one window, each of which gets what the other one writes. */
export class TlsEnds {
  readonly #native = new NativeWindow({ bytes: 64 << 20 });
  readonly #engine = opensslEngine(this.#native);
  readonly #i32 = this.#native.window.i32;
  readonly #contexts: readonly number[];
  #ends: readonly number[] = [];
  readonly #clearBytes: number;
  readonly #clear: number;
  readonly #cipher = [0, 1].map((i) => this.#native.window.reserve(`cipher ${i}`, CIPHER_BYTES));
  readonly #waiting = [0, 0];

  /** `clear`: what is sent, up to its length at once. With `ticketSeconds` each connection resumes the session of the one before. */
  constructor(profile: TlsProfile, clear: Uint8Array, ticketSeconds = 0) {
    this.#clearBytes = clear.length;
    this.#clear = this.#native.window.reserve("clear", 2 * clear.length);
    this.#native.window.u8.set(clear, this.#clear);
    const { certificate, key } = this.#engine.makePair("localhost");
    const pair = must(this.#engine.addPair(certificate, key));
    this.#contexts = [{ server: false }, { server: true, pair }].map((each) =>
      must(this.#engine.addContext({ ...each, ...profile, ticketSeconds })),
    );
  }

  /** Opens a connection in place of the one before. */
  open(): void {
    for (const end of this.#ends) this.#engine.close(end);
    this.#ends = this.#contexts.map((context) => this.#engine.open(context, { peer: "server" }));
    this.#waiting.fill(0);
    let bits = 0;
    for (let i = 0; i < MAX_STEPS && (bits & TLS_OUT_OPEN) === 0; i++) bits = this.#step(0, 0) & this.#step(1, 0);
    if ((bits & TLS_OUT_OPEN) === 0) throw new Error("no handshake");
    // The ticket.
    this.#step(0, 0);
  }

  /** Whether the connection resumed a session. */
  get isResumed(): boolean {
    return this.#engine.info(this.#ends[0]).resumed;
  }

  #span(direction: number, offset: number, length: number): void {
    const { area } = this.#engine;
    this.#i32[area + TLS_COUNTS + direction] = 1;
    this.#i32[area + TLS_SPANS + 2 * TLS_MAX_SPANS * direction] = offset;
    this.#i32[area + TLS_SPANS + 2 * TLS_MAX_SPANS * direction + 1] = length;
  }

  /** Ciphertext that an end gets is taken whole. */
  #step(end: number, clear: number): number {
    const { area } = this.#engine;
    this.#i32[area + TLS_FLAGS] = 0;
    this.#i32[area + TLS_RECORD_BYTES] = 0;
    this.#span(0, this.#cipher[end], this.#waiting[end]);
    this.#span(1, this.#cipher[1 - end], CIPHER_BYTES);
    this.#span(2, this.#clear, clear);
    this.#span(3, this.#clear + this.#clearBytes, this.#clearBytes);
    const bits = this.#engine.step(this.#ends[end]);
    this.#waiting[end] = 0;
    this.#waiting[1 - end] = this.#i32[area + TLS_RESULTS + 1];
    return bits;
  }

  /** Sends so many bytes from the client to the server; how many came. */
  send(bytes: number): number {
    this.#step(0, bytes);
    this.#step(1, 0);
    return this.#i32[this.#engine.area + TLS_RESULTS + 3];
  }
}
