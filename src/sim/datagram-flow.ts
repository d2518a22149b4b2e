import type { Session } from "../app/session.js";
import { Pattern } from "./pattern.js";
import type { DatagramPlan } from "./round.js";
import type { EndContext } from "./workload-end.js";

/** Before the pattern: number of the flow, number of the datagram in it, big-endian; 1 in an answer, else 0. */
const HEADER_BYTES = 9;
const ANSWER_AT = 8;
/** Bytes of the flow's stream from one datagram to the next. */
const STRIDE_BYTES = 65_536;
/** How long a client waits for its last answers, microseconds. */
const PATIENCE_US = 1_000_000;

/** Datagrams of one client, of which each carries its number and must be the one that was sent. */
export class DatagramFlow {
  readonly number: number;
  readonly plan: DatagramPlan;
  /** Datagrams sent so far. */
  sent = 0;
  /** Answers that came, late ones and copies included. */
  answered = 0;
  /** Whether nothing more will happen. */
  isEnded = false;
  readonly #context: EndContext;
  readonly #key: number;
  #session: Session | undefined;

  constructor(context: EndContext, seed: number, number: number, plan: DatagramPlan) {
    this.#context = context;
    this.number = number;
    this.plan = plan;
    this.#key = Pattern.key(seed + number, 0);
  }

  /** The client's session is open: it sends. */
  opened(session: Session): void {
    this.#session = session;
    this.#sendNext();
  }

  /** The session is gone, or there never was one. */
  end(): void {
    this.isEnded = true;
  }

  #sendNext(): void {
    if (this.isEnded || this.#session === undefined) return;
    if (this.sent === this.plan.count) {
      this.#context.after(PATIENCE_US, () => this.#session?.close());
      return;
    }
    const datagram = new Uint8Array(HEADER_BYTES + this.plan.bytes);
    new DataView(datagram.buffer).setUint32(0, this.number);
    new DataView(datagram.buffer).setUint32(4, this.sent);
    this.#context.pattern.fill(datagram, HEADER_BYTES, this.plan.bytes, this.#key, this.sent * STRIDE_BYTES);
    // One for which there is no room is lost, as any may be.
    this.#session.writeDatagram(datagram);
    this.sent++;
    this.#context.after(this.plan.everyUs, () => this.#sendNext());
  }

  /** Fails if u8[0 ... length) is none of its datagrams that were sent. */
  verify(u8: Uint8Array, length: number): void {
    const { fail, pattern } = this.#context;
    const datagram = new DataView(u8.buffer, u8.byteOffset).getUint32(4);
    const name = `datagram ${datagram} of flow ${this.number}`;
    if (datagram >= this.sent) return fail("exactly-once", `${name}: came, and ${this.sent} were sent`);
    const bytes = length - HEADER_BYTES;
    if (bytes !== this.plan.bytes) return fail("unaltered", `${name}: ${bytes} bytes, not ${this.plan.bytes}`);
    const offset = datagram * STRIDE_BYTES;
    const wrong = pattern.verify(u8, HEADER_BYTES, bytes, this.#key, offset);
    if (wrong >= 0) fail("unaltered", `${name}: byte ${wrong - offset} is another`);
  }
}

/** Makes an answer of a datagram; false when it is one: two servers would answer each other for ever. */
export function makeAnswer(u8: Uint8Array): boolean {
  if (u8[ANSWER_AT] !== 0) return false;
  u8[ANSWER_AT] = 1;
  return true;
}

/** The flow that a datagram names; -1 when it is too short to name one. */
export function numberOf(u8: Uint8Array, length: number): number {
  return length < HEADER_BYTES ? -1 : new DataView(u8.buffer, u8.byteOffset).getUint32(0);
}
