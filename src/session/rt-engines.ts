import type { SessionLookup } from "./lookup.js";
import { RT_BACKENDS, type RtBackend, type RtBackendName } from "./rt-backend.js";
import { SESSION_E_INVALID, SESSION_E_NOSUPPORT, type SessionErrorValue } from "./session-errors.js";

/** An engine that {@link RtEngines} switches. */
export interface RtEngine {
  /** Switches it on. Throws RangeError when the window is full. */
  switchOn(): RtBackend;
  /** Switches it off: it forgets what it knows. */
  switchOff(): void;
}

/** Which engine decides on flows that have no connection: at most one (VPP session_rt_backend_enable_disable). */
export class RtEngines {
  readonly #lookup: SessionLookup;
  readonly #engines: Readonly<Record<Exclude<RtBackendName, "none">, RtEngine>>;
  #current: RtBackendName = "none";

  constructor(lookup: SessionLookup, engines: Readonly<Record<Exclude<RtBackendName, "none">, RtEngine>>) {
    this.#lookup = lookup;
    this.#engines = engines;
  }

  /** The one that is on. */
  get current(): RtBackendName {
    return this.#current;
  }

  /**
   * Switches an engine on; without one that is on, at any time. Returns 0, INVALID (no such engine), or NOSUPPORT: another
   * one is on, and stays until the layer is disabled (as VPP). Throws RangeError when the window is full.
   */
  switchOn(name: RtBackendName): SessionErrorValue {
    if (!RT_BACKENDS.includes(name)) return SESSION_E_INVALID;
    if (name === "none" || name === this.#current) return name === this.#current ? 0 : SESSION_E_NOSUPPORT;
    if (this.#current !== "none") return SESSION_E_NOSUPPORT;
    this.#lookup.rtBackend = this.#engines[name].switchOn();
    this.#current = name;
    return 0;
  }

  /** Switches off what is on. */
  switchOff(): void {
    if (this.#current === "none") return;
    this.#lookup.rtBackend = undefined;
    this.#engines[this.#current].switchOff();
    this.#current = "none";
  }
}
