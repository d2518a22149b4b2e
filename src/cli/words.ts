/** What is wrong with a command: its message is the answer. */
export class CliError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "CliError";
  }
}

/** The words of a command behind its name, taken one by one. */
export class Words {
  readonly #words: string[];
  #at = 0;

  constructor(words: readonly string[]) {
    this.#words = [...words];
  }

  /** Words that are left. */
  get left(): number {
    return this.#words.length - this.#at;
  }

  /** The next word, not taken; empty at the end. */
  get next(): string {
    return this.#words[this.#at] ?? "";
  }

  /** Takes a word wherever it stands among those that are left. */
  remove(keyword: string): boolean {
    const at = this.#words.indexOf(keyword, this.#at);
    if (at >= 0) this.#words.splice(at, 1);
    return at >= 0;
  }

  /** Takes the next word. Throws {@link CliError} that names `what` at the end. */
  take(what: string): string {
    if (this.left === 0) throw new CliError(`${what} is missing`);
    return this.#words[this.#at++];
  }

  /** Takes the next word when it is one of these. */
  accept(...keywords: readonly string[]): boolean {
    if (!keywords.includes(this.next)) return false;
    this.#at++;
    return true;
  }

  /** Takes a whole number in a range. */
  integer(what: string, min: number, max: number): number {
    const text = this.take(what);
    const value = Number(text);
    if (!/^\d{1,15}$/.test(text) || value < min || value > max) {
      throw new CliError(`${what}: not a whole number from ${min} to ${max}: "${text}"`);
    }
    return value;
  }

  /** Takes a number, as `0.2`, in a range. */
  number(what: string, min: number, max: number): number {
    const text = this.take(what);
    const value = Number(text);
    if (!/^\d{1,9}(\.\d{1,9})?$|^\.\d{1,9}$/.test(text) || value < min || value > max) {
      throw new CliError(`${what}: not a number from ${min} to ${max}: "${text}"`);
    }
    return value;
  }

  /** Throws {@link CliError} when a word is left. */
  end(): void {
    if (this.left > 0) throw new CliError(`unknown argument "${this.next}"`);
  }
}
