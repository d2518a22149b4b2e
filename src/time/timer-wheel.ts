import type { Flavor } from "../mem/flavor.js";
import type { MemoryWindow } from "../mem/window.js";

/** Names one timer of a wheel: its row, 0 to capacity - 1, given out by the wheel's owner. */
export type TimerIndex = Flavor<"TimerIndex">;

/** Longest delay in ticks: about 29.8 hours of 100 us. Longer ones are cut to it. */
export const TIMER_MAX_DELAY_TICKS = 0x4000_0000;

const NONE = 0;

// Region, in words: state, one occupancy bit per slot, the first timer of each slot, then the rows.
const CURRENT = 0;
const NOW = 1;
const RUNNING = 2;
const BITMAP = 16;
const HEADS = BITMAP + 32;
const ROWS = HEADS + 1024;

// A row: 16 bytes. Timers are named by index + 1 and slots by slot + 1 in it, so that zeroed memory means none.
const ROW_SHIFT = 2;
const NEXT = 0;
const PREVIOUS = 1;
const EXPIRY = 2;
const SLOT = 3;

/** A tick this far ahead, modulo 2^32, is one in the past: the clock is taken to stand still. */
const BACKWARDS = 0xffff_0000;
/** Farthest expiry ahead of the wheel's position: beyond it the top level's slots would be ambiguous. */
const FARTHEST = 0xfe00_0000;

/**
 * A hierarchical timing wheel (Varghese and Lauck 1987, scheme 7): four levels of 256 slots of intrusive lists, in one
 * region of the window. A timer lies at the level of the highest byte in which its expiry differs from the wheel's
 * position, so the lowest level that is not empty holds the next event, and time without events is skipped.
 *
 * Ticks are int32 and wrap. A timer started for n ticks fires in the first `advance` whose tick is n or more after the
 * tick of the last `setNow` or `advance`: never before. Restarting a timer for later is one store: the timer is moved on
 * when its old slot comes up. Nothing is allocated after construction.
 */
export class TimerWheel {
  /** Number of timers. */
  readonly capacity: number;
  readonly #window: MemoryWindow;
  readonly #base: number;
  readonly #moveLimit: number;

  /**
   * Reserves 16 bytes for each of `capacity` timers and 4.3 KB for the wheel, under `name`. `moveLimit` bounds the timers one
   * `advance` moves between slots; what is left is moved by the next. Throws RangeError when the window is full.
   */
  constructor(window: MemoryWindow, name: string, capacity: number, startTick = 0, moveLimit = 16384) {
    this.capacity = capacity;
    this.#window = window;
    this.#base = window.reserve(name, (ROWS + (capacity << ROW_SHIFT)) << 2) >> 2;
    this.#moveLimit = moveLimit;
    window.i32[this.#base + CURRENT] = startTick;
    window.i32[this.#base + NOW] = startTick;
  }

  /** Number of running timers. */
  get running(): number {
    return this.#window.i32[this.#base + RUNNING];
  }

  /**
   * Tells the wheel the tick, which delays count from. To be called when a turn has read the clock, before it starts
   * timers; a tick before the last one changes nothing.
   */
  setNow(tick: number): void {
    const { i32 } = this.#window;
    const base = this.#base;
    if (i32[base + RUNNING] === 0) {
      i32[base + CURRENT] = tick;
      i32[base + NOW] = tick;
      return;
    }
    const current = i32[base + CURRENT];
    const ahead = (tick - current) >>> 0;
    if (ahead < BACKWARDS && ahead > (i32[base + NOW] - current) >>> 0) i32[base + NOW] = tick;
  }

  /** Starts or restarts a timer to fire `delayTicks` (1 to TIMER_MAX_DELAY_TICKS; others are cut to that) from now. */
  start(timer: TimerIndex, delayTicks: number): void {
    const { i32 } = this.#window;
    const base = this.#base;
    const row = (base + ROWS + (timer << ROW_SHIFT)) | 0;
    const current = i32[base + CURRENT];
    const delay = delayTicks < 1 ? 1 : delayTicks > TIMER_MAX_DELAY_TICKS ? TIMER_MAX_DELAY_TICKS : delayTicks | 0;
    let expiry = (i32[base + NOW] + delay) | 0;
    if ((expiry - current) >>> 0 > FARTHEST) expiry = (current + FARTHEST) | 0;
    if (i32[row + SLOT] !== NONE) {
      const isLater = (expiry - current) >>> 0 >= (i32[row + EXPIRY] - current) >>> 0;
      if (!isLater) unlink(i32, base, row);
      i32[row + EXPIRY] = expiry;
      if (isLater) return;
    } else {
      i32[base + RUNNING] = (i32[base + RUNNING] + 1) | 0;
      i32[row + EXPIRY] = expiry;
    }
    link(i32, base, timer);
  }

  /** Stops a timer; one that does not run is left alone. A timer that `advance` has reported is no longer running. */
  stop(timer: TimerIndex): void {
    const { i32 } = this.#window;
    const base = this.#base;
    const row = (base + ROWS + (timer << ROW_SHIFT)) | 0;
    if (i32[row + SLOT] === NONE) return;
    unlink(i32, base, row);
    i32[base + RUNNING] = (i32[base + RUNNING] - 1) | 0;
  }

  /** Whether a timer is started and not yet reported. */
  isRunning(timer: TimerIndex): boolean {
    return this.#window.i32[this.#base + ROWS + (timer << ROW_SHIFT) + SLOT] !== NONE;
  }

  /** The tick at which a running timer fires. */
  expiryTick(timer: TimerIndex): number {
    return this.#window.i32[this.#base + ROWS + (timer << ROW_SHIFT) + EXPIRY];
  }

  /**
   * Moves time to `nowTick` and writes the timers that fired, in order of their ticks, to `expired`; returns how many.
   * At most `expired.length` are written: the others, and what `moveLimit` left over, come with the next call, and
   * {@link nextExpiry} says 0 until then. Work is bounded by the timers that fire or change slot, not by the time passed.
   */
  advance(nowTick: number, expired: Int32Array): number {
    this.setNow(nowTick);
    const { i32 } = this.#window;
    const base = this.#base;
    const now = i32[base + NOW];
    let moves = this.#moveLimit;
    let count = 0;
    while (i32[base + RUNNING] > 0) {
      const slot = nextSlot(i32, base);
      const tick = slotTick(i32[base + CURRENT], slot);
      const current = i32[base + CURRENT];
      if ((tick - current) >>> 0 > (now - current) >>> 0) break;
      i32[base + CURRENT] = tick;
      for (let name = i32[base + HEADS + slot]; name !== NONE; name = i32[base + HEADS + slot]) {
        const timer = (name - 1) | 0;
        const row = (base + ROWS + (timer << ROW_SHIFT)) | 0;
        if (i32[row + EXPIRY] === tick) {
          if (count === expired.length) return count;
          unlink(i32, base, row);
          i32[base + RUNNING] = (i32[base + RUNNING] - 1) | 0;
          expired[count] = timer;
          count = (count + 1) | 0;
        } else {
          if (moves === 0) return count;
          moves = (moves - 1) | 0;
          unlink(i32, base, row);
          link(i32, base, timer);
        }
      }
    }
    i32[base + CURRENT] = now;
    return count;
  }

  /**
   * Ticks from `nowTick` until a timer may fire: 0 when `advance` has work now, -1 when no timer runs. Never late; early
   * when the next event is only a change of slot.
   */
  nextExpiry(nowTick: number): number {
    const { i32 } = this.#window;
    const base = this.#base;
    if (i32[base + RUNNING] === 0) return -1;
    const current = i32[base + CURRENT];
    const until = (slotTick(current, nextSlot(i32, base)) - current) >>> 0;
    const ahead = (nowTick - current) >>> 0;
    const passed = ahead < BACKWARDS ? ahead : 0;
    return until <= passed ? 0 : Math.min(until - passed, 0x7fff_ffff);
  }
}

/** Puts a timer, its expiry set, into its slot. */
function link(i32: Int32Array, base: number, timer: number): void {
  const row = (base + ROWS + (timer << ROW_SHIFT)) | 0;
  const expiry = i32[row + EXPIRY];
  const level = (31 - Math.clz32((expiry ^ i32[base + CURRENT]) | 1)) >>> 3;
  const slot = (level << 8) | ((expiry >>> (level << 3)) & 255);
  const next = i32[base + HEADS + slot];
  i32[row + NEXT] = next;
  i32[row + PREVIOUS] = NONE;
  i32[row + SLOT] = (slot + 1) | 0;
  i32[base + HEADS + slot] = (timer + 1) | 0;
  if (next !== NONE) i32[base + ROWS + ((next - 1) << ROW_SHIFT) + PREVIOUS] = (timer + 1) | 0;
  else i32[base + BITMAP + (slot >> 5)] |= 1 << (slot & 31);
}

/** Takes the timer of a row out of its slot. */
function unlink(i32: Int32Array, base: number, row: number): void {
  const next = i32[row + NEXT];
  const previous = i32[row + PREVIOUS];
  const slot = (i32[row + SLOT] - 1) | 0;
  i32[row + SLOT] = NONE;
  if (next !== NONE) i32[base + ROWS + ((next - 1) << ROW_SHIFT) + PREVIOUS] = previous;
  if (previous !== NONE) {
    i32[base + ROWS + ((previous - 1) << ROW_SHIFT) + NEXT] = next;
    return;
  }
  i32[base + HEADS + slot] = next;
  if (next === NONE) i32[base + BITMAP + (slot >> 5)] &= ~(1 << (slot & 31));
}

/**
 * The slot of the next event; a timer must be running. A slot above the lowest level at the wheel's own position is one that an
 * earlier `advance` left half moved: it goes first. Otherwise the lowest occupied level comes before those above it.
 */
function nextSlot(i32: Int32Array, base: number): number {
  const current = i32[base + CURRENT];
  for (let level = 3; level > 0; level--) {
    const slot = (level << 8) | ((current >>> (level << 3)) & 255);
    if (i32[base + HEADS + slot] !== NONE) return slot;
  }
  for (let level = 0; level < 3; level++) {
    const slot = occupiedSlot(i32, base, level, (current >>> (level << 3)) & 255);
    if (slot >= 0) return slot;
  }
  const slot = occupiedSlot(i32, base, 3, current >>> 24);
  return slot >= 0 ? slot : occupiedSlot(i32, base, 3, 0);
}

/** The first occupied slot of a level at index `from` or after, -1 when there is none. */
function occupiedSlot(i32: Int32Array, base: number, level: number, from: number): number {
  const bitmap = (base + BITMAP + (level << 3)) | 0;
  let bits = i32[bitmap + (from >> 5)] & (-1 << (from & 31));
  for (let word = from >> 5; ; bits = i32[bitmap + word]) {
    if (bits !== 0) return (level << 8) | (word << 5) | (31 - Math.clz32(bits & -bits));
    word++;
    if (word === 8) return -1;
  }
}

/** The tick at which a slot comes up for a wheel at `current`. */
function slotTick(current: number, slot: number): number {
  const shift = (slot >> 8) << 3;
  const index = slot & 255;
  if (index === ((current >>> shift) & 255)) return current;
  if (shift === 24) return index << 24;
  return ((current >>> (shift + 8)) << (shift + 8)) | (index << shift);
}
