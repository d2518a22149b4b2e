/** A set that holds so many at most: a new one takes the place of the oldest. */
export class BoundedSet<T> {
  readonly #limit: number;
  readonly #members = new Set<T>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Adds a member; false when it is there. */
  add(member: T): boolean {
    if (this.#members.has(member)) return false;
    if (this.#members.size >= this.#limit)
      for (const oldest of this.#members.keys()) {
        this.#members.delete(oldest);
        break;
      }
    this.#members.add(member);
    return true;
  }
}
