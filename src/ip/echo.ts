import type { Family } from "./address.js";

/** An echo reply, as its listener hears of it. */
export interface EchoReply {
  readonly family: Family;
  /** Address words of who answered; IPv4 uses the first. */
  readonly source: Int32Array;
  readonly seq: number;
  /** Bytes of the echoed data. */
  readonly dataBytes: number;
  readonly hopLimit: number;
  /** When it arrived, microseconds of the engine's clock. */
  readonly nowUs: number;
}

/** Called for each echo reply; must not throw. */
export type EchoListener = (reply: EchoReply) => void;

/** Most listeners at a time. */
export const MAX_ECHO_LISTENERS = 64;

/** Who waits for echo replies, by identifier: the CLI's ping. */
export class EchoTable {
  readonly #listeners = new Map<number, EchoListener>();

  /** Listens to replies of an identifier (0 to 65535). False when it is taken, or there are too many listeners. */
  listen(id: number, listener: EchoListener): boolean {
    if (this.#listeners.has(id) || this.#listeners.size >= MAX_ECHO_LISTENERS) return false;
    this.#listeners.set(id, listener);
    return true;
  }

  /** Ends a listening. */
  unlisten(id: number): void {
    this.#listeners.delete(id);
  }

  /** The listener of an identifier. */
  at(id: number): EchoListener | undefined {
    return this.#listeners.get(id);
  }
}
