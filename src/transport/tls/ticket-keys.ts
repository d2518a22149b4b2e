import type { TlsEngine } from "./engine.js";

/** Ticks of 100 us in a millisecond. */
const TICKS_PER_MS = 10;

/**
 * Changes the keys of session tickets in time: those of the last ones are still taken, older ones are not. Looked at when a
 * handshake begins, so that a stack on which nothing happens sleeps.
 */
export class TicketKeys {
  readonly #engine: TlsEngine;
  readonly #ticks: number;
  #isStarted = false;
  #changedTick = 0;

  /** `ms`: how long a key makes tickets; 0: there are none. */
  constructor(engine: TlsEngine, ms: number) {
    this.#engine = engine;
    this.#ticks = ms * TICKS_PER_MS;
  }

  /** A handshake begins. */
  look(tick: number): void {
    if (this.#ticks === 0) return;
    if (!this.#isStarted) {
      this.#isStarted = true;
      this.#changedTick = tick;
    }
    const age = (tick - this.#changedTick) | 0;
    if (age >= 0 && age < this.#ticks) return;
    this.#changedTick = tick;
    this.#engine.changeTicketKeys();
    // So long ago (or longer than a tick can tell) that the last ones are too old, too.
    if (age < 0 || age >= 2 * this.#ticks) this.#engine.changeTicketKeys();
  }
}
