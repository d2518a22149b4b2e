/** Reasons that are told apart at most; the others are counted together. */
const MAX_REASONS = 64;

/** How often handshakes failed, and sessions ended, for which reason: what nobody else hears of a server's. */
export class TlsFailures {
  readonly #counts = new Map<string, number>();

  /** Counts one. */
  count(reason: string): void {
    const key = this.#counts.has(reason) || this.#counts.size < MAX_REASONS ? reason : "other reasons";
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
  }

  /** All of them, by reason. */
  all(): ReadonlyMap<string, number> {
    return this.#counts;
  }
}
