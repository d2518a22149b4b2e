const FIRST_CAPACITY = 64;
const ABSENT = -1;

/**
 * When each host next has something to do, by host number: an indexed binary heap, so that a host's time can be changed
 * where it stands. At the same time the lower number comes first.
 */
export class WakeQueue {
  /** Host numbers, as a heap. */
  #heap = new Int32Array(FIRST_CAPACITY);
  /** Per host: its time, and its place in the heap. */
  #times = new Float64Array(FIRST_CAPACITY);
  #places = new Int32Array(FIRST_CAPACITY).fill(ABSENT);
  #count = 0;

  /** The earliest time, Infinity when no host waits for any. */
  get nextUs(): number {
    return this.#count === 0 ? Number.POSITIVE_INFINITY : this.#times[this.#heap[0]];
  }

  /** The host of the earliest time; only when there is one. */
  get nextHost(): number {
    return this.#heap[0];
  }

  /** Sets or changes the time of a host; Infinity: it waits for none. */
  set(host: number, timeUs: number): void {
    while (host >= this.#times.length) this.#grow();
    const place = this.#places[host];
    if (timeUs === Number.POSITIVE_INFINITY) {
      if (place !== ABSENT) this.#remove(host, place);
      return;
    }
    this.#times[host] = timeUs;
    if (place === ABSENT) this.#rise(host, this.#count++);
    else this.#sink(host, this.#rise(host, place));
  }

  #remove(host: number, place: number): void {
    this.#places[host] = ABSENT;
    const last = this.#heap[--this.#count];
    if (last !== host) this.#sink(last, this.#rise(last, place));
  }

  #isBefore(a: number, b: number): boolean {
    const difference = this.#times[a] - this.#times[b];
    return difference < 0 || (difference === 0 && a < b);
  }

  /** Moves a host up from `place` as far as it must; returns where it is. */
  #rise(host: number, place: number): number {
    let i = place;
    while (i > 0) {
      const up = (i - 1) >> 1;
      if (!this.#isBefore(host, this.#heap[up])) break;
      this.#put(this.#heap[up], i);
      i = up;
    }
    this.#put(host, i);
    return i;
  }

  #sink(host: number, place: number): void {
    let i = place;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= this.#count) break;
      if (child + 1 < this.#count && this.#isBefore(this.#heap[child + 1], this.#heap[child])) child++;
      if (!this.#isBefore(this.#heap[child], host)) break;
      this.#put(this.#heap[child], i);
      i = child;
    }
    this.#put(host, i);
  }

  #put(host: number, place: number): void {
    this.#heap[place] = host;
    this.#places[host] = place;
  }

  #grow(): void {
    const size = this.#times.length * 2;
    const heap = new Int32Array(size);
    const times = new Float64Array(size);
    const places = new Int32Array(size).fill(ABSENT);
    heap.set(this.#heap);
    times.set(this.#times);
    places.set(this.#places);
    this.#heap = heap;
    this.#times = times;
    this.#places = places;
  }
}
