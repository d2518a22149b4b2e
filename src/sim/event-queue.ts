/** Something that happens at a moment of virtual time. */
export interface Due {
  run(): void;
}

const FIRST_CAPACITY = 64;

/**
 * What is to happen, by time and, at the same microsecond, in the order in which it was put in: a binary heap over
 * typed arrays. Times are integer microseconds below 2^53.
 */
export class EventQueue {
  #times = new Float64Array(FIRST_CAPACITY);
  #orders = new Float64Array(FIRST_CAPACITY);
  readonly #dues: Due[] = [];
  #count = 0;
  #order = 0;

  /** Events that wait. */
  get length(): number {
    return this.#count;
  }

  /** Time of the next event, Infinity when there is none. */
  get nextUs(): number {
    return this.#count === 0 ? Number.POSITIVE_INFINITY : this.#times[0];
  }

  /** Puts an event behind all of the same time. */
  push(timeUs: number, due: Due): void {
    if (this.#count === this.#times.length) this.#grow();
    const order = this.#order++;
    let i = this.#count++;
    while (i > 0) {
      const up = (i - 1) >> 1;
      // The newest of equal times goes last, so an equal parent stays.
      if (this.#times[up] <= timeUs) break;
      this.#move(up, i);
      i = up;
    }
    this.#put(i, timeUs, order, due);
  }

  /** Takes the next event out; the queue is not empty. */
  pop(): Due {
    const next = this.#dues[0];
    const last = --this.#count;
    const timeUs = this.#times[last];
    const order = this.#orders[last];
    const due = this.#dues.pop();
    if (last > 0 && due !== undefined) this.#sink(timeUs, order, due);
    return next;
  }

  #sink(timeUs: number, order: number, due: Due): void {
    const count = this.#count;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= count) break;
      if (child + 1 < count && this.#isBefore(child + 1, child)) child++;
      const childUs = this.#times[child];
      if (timeUs < childUs || (timeUs === childUs && order < this.#orders[child])) break;
      this.#move(child, i);
      i = child;
    }
    this.#put(i, timeUs, order, due);
  }

  #isBefore(a: number, b: number): boolean {
    const difference = this.#times[a] - this.#times[b];
    return difference < 0 || (difference === 0 && this.#orders[a] < this.#orders[b]);
  }

  #move(from: number, to: number): void {
    this.#times[to] = this.#times[from];
    this.#orders[to] = this.#orders[from];
    this.#dues[to] = this.#dues[from];
  }

  #put(i: number, timeUs: number, order: number, due: Due): void {
    this.#times[i] = timeUs;
    this.#orders[i] = order;
    this.#dues[i] = due;
  }

  #grow(): void {
    const times = new Float64Array(this.#times.length * 2);
    const orders = new Float64Array(this.#times.length * 2);
    times.set(this.#times);
    orders.set(this.#orders);
    this.#times = times;
    this.#orders = orders;
  }
}
