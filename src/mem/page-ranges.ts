/** Bytes of a page: what memory is mapped by. */
export const PAGE_BYTES = 4096;

/** Ranges of whole pages of [from, to), first fit. Control plane. */
export class PageRanges {
  /** Free ranges in order, none adjoining another. */
  #free: { from: number; to: number }[];

  /** @param from a multiple of {@link PAGE_BYTES}, as `to` */
  constructor(from: number, to: number) {
    this.#free = to > from ? [{ from, to }] : [];
  }

  /** Bytes not taken. */
  get freeBytes(): number {
    return this.#free.reduce((sum, { from, to }) => sum + to - from, 0);
  }

  /** Takes `bytes`, rounded up to pages. Returns where they begin, -1 when no range is long enough. */
  take(bytes: number): number {
    const whole = Math.ceil(bytes / PAGE_BYTES) * PAGE_BYTES;
    const found = this.#free.find(({ from, to }) => to - from >= whole);
    if (found === undefined || !(whole > 0)) return -1;
    const { from } = found;
    found.from += whole;
    if (found.from === found.to) this.#free = this.#free.filter((each) => each !== found);
    return from;
  }

  /** Gives back what {@link take} gave. */
  give(from: number, bytes: number): void {
    const to = from + Math.ceil(bytes / PAGE_BYTES) * PAGE_BYTES;
    const before = this.#free.filter((each) => each.to <= from);
    const after = this.#free.filter((each) => each.from >= to);
    const merged = { from, to };
    const last = before.at(-1);
    if (last?.to === from) {
      merged.from = last.from;
      before.pop();
    }
    if (after[0]?.from === to) {
      merged.to = after[0].to;
      after.shift();
    }
    this.#free = [...before, merged, ...after];
  }
}
