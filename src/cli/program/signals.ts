const SIGNALS: readonly NodeJS.Signals[] = ["SIGINT", "SIGTERM", "SIGHUP"];

/** Catches the signals that end a program; later ones, as npm and the terminal may both send them, change nothing. */
export class StopSignal {
  /** Resolves at the first signal. */
  readonly stopped: Promise<void>;
  /** Aborted at the first signal. */
  readonly signal: AbortSignal;
  readonly #controller = new AbortController();
  readonly #stop: () => void;

  constructor() {
    this.signal = this.#controller.signal;
    this.stopped = new Promise((resolve) => {
      this.signal.addEventListener("abort", () => resolve(), { once: true });
    });
    this.#stop = () => this.#controller.abort();
    for (const signal of SIGNALS) process.on(signal, this.#stop);
  }

  /** Whether a signal came. */
  get isStopped(): boolean {
    return this.signal.aborted;
  }

  /** Lets signals have their usual effect again. */
  release(): void {
    for (const signal of SIGNALS) process.off(signal, this.#stop);
  }
}
