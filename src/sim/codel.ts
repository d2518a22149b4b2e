import type { SimFrame } from "./sim-frame.js";

/** RFC 8289 4.3: acceptable standing queue delay. */
const TARGET_US = 5000;
/** RFC 8289 4.2: a time in which a flow can react. */
const INTERVAL_US = 100_000;
/** Largest frame: a queue of no more is never acted upon. */
const MAX_FRAME_BYTES = 1514;
/** RFC 8289 5.6: the drop rate is taken up again when dropping resumes within so many intervals. */
const RESUME_INTERVALS = 16;

/** The largest integer whose square is at most `n`, an integer of 0 to 2^52: by Newton's method on integers. */
export function integerSqrt(n: number): number {
  if (n < 2) return n;
  let x = n;
  let y = Math.floor((n + 1) / 2);
  while (y < x) {
    x = y;
    y = Math.floor((x + Math.floor(n / x)) / 2);
  }
  return x;
}

/** RFC 8289 5.5: when to drop next, an interval over the root of the drops so far after `timeUs`. */
function controlLaw(timeUs: number, count: number): number {
  return timeUs + integerSqrt(Math.floor((INTERVAL_US * INTERVAL_US) / count));
}

/** What becomes of frames that CoDel does not want to keep. */
export interface CodelActions {
  /** Marks the frame instead of dropping it; false when it cannot be marked. */
  mark(frame: SimFrame): boolean;
  /** Takes a dropped frame over. */
  drop(frame: SimFrame): void;
}

/** A first-in first-out queue managed by CoDel (RFC 8289 5): acts on how long frames have waited, when they leave. */
export class CodelQueue {
  /** Bytes that wait. */
  bytes = 0;
  readonly #actions: CodelActions;
  readonly #frames: SimFrame[] = [];
  #head = 0;
  /** When to begin dropping, should the delay stay above the target; 0: it is below. */
  #firstAboveUs = 0;
  #dropNextUs = 0;
  #count = 0;
  #lastCount = 0;
  #isDropping = false;
  #isOkToDrop = false;

  constructor(actions: CodelActions) {
    this.#actions = actions;
  }

  /** Frames that wait. */
  get length(): number {
    return this.#frames.length - this.#head;
  }

  /** Puts a frame in; its wait begins at its `offeredUs`. */
  push(frame: SimFrame): void {
    this.#frames.push(frame);
    this.bytes += frame.length;
  }

  /** Takes a frame out without judging it. */
  shift(): SimFrame | undefined {
    if (this.#head === this.#frames.length) return undefined;
    const frame = this.#frames[this.#head++];
    if (this.#head === this.#frames.length) {
      this.#frames.length = 0;
      this.#head = 0;
    } else if (this.#head >= 1024 && this.#head * 2 >= this.#frames.length) {
      this.#frames.splice(0, this.#head);
      this.#head = 0;
    }
    this.bytes -= frame.length;
    return frame;
  }

  /** The frame to send now; `frameUs` is the time that a largest frame takes, below which no queue can be. */
  pull(nowUs: number, frameUs: number): SimFrame | undefined {
    const targetUs = Math.max(TARGET_US, frameUs);
    let frame = this.#next(nowUs, targetUs);
    if (this.#isDropping) {
      if (!this.#isOkToDrop) this.#isDropping = false;
      while (frame !== undefined && this.#isDropping && nowUs >= this.#dropNextUs) {
        this.#count++;
        if (this.#actions.mark(frame)) {
          this.#dropNextUs = controlLaw(this.#dropNextUs, this.#count);
          return frame;
        }
        this.#actions.drop(frame);
        frame = this.#next(nowUs, targetUs);
        if (this.#isOkToDrop) this.#dropNextUs = controlLaw(this.#dropNextUs, this.#count);
        else this.#isDropping = false;
      }
      return frame;
    }
    if (frame === undefined || !this.#isOkToDrop) return frame;
    if (!this.#actions.mark(frame)) {
      this.#actions.drop(frame);
      frame = this.#next(nowUs, targetUs);
    }
    this.#isDropping = true;
    const since = this.#count - this.#lastCount;
    const resumes = since > 1 && nowUs - this.#dropNextUs < RESUME_INTERVALS * INTERVAL_US;
    this.#count = resumes ? since : 1;
    this.#lastCount = this.#count;
    this.#dropNextUs = controlLaw(nowUs, this.#count);
    return frame;
  }

  /** RFC 8289 5.4: takes a frame out and says whether the delay has been above the target for an interval. */
  #next(nowUs: number, targetUs: number): SimFrame | undefined {
    this.#isOkToDrop = false;
    const frame = this.shift();
    if (frame === undefined) {
      this.#firstAboveUs = 0;
      return undefined;
    }
    if (nowUs - frame.offeredUs < targetUs || this.bytes <= MAX_FRAME_BYTES) this.#firstAboveUs = 0;
    else if (this.#firstAboveUs === 0) this.#firstAboveUs = nowUs + INTERVAL_US;
    else if (nowUs >= this.#firstAboveUs) this.#isOkToDrop = true;
    return frame;
  }
}
