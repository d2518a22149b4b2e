import type { MemoryWindow } from "../../mem/window.js";
import { TCP_CC_CUBIC, TCP_CC_NEWRENO } from "../transport.js";
import type { CongestionControl } from "./congestion.js";
import type { TcpConfig } from "./config.js";
import { CC_MASK, CC_SHIFT, T_RECOVERY } from "./connection.js";
import { Cubic, type CubicClock } from "./cubic.js";
import { NewReno } from "./newreno.js";

/** The names of the algorithms, by number. */
export const TCP_CC_NAMES: readonly TcpConfig["congestionControl"][] = ["newreno", "cubic"];

const CUBIC_BITS = TCP_CC_CUBIC << CC_SHIFT;

/** The congestion control of all connections: each row names its own. */
export class ChosenCongestion implements CongestionControl {
  readonly #i32: Int32Array;
  readonly #cubic: Cubic;
  readonly #newReno: NewReno;
  readonly #first: number;

  constructor(window: MemoryWindow, clock: CubicClock, config: TcpConfig) {
    this.#i32 = window.i32;
    this.#cubic = new Cubic(window, clock, config);
    this.#newReno = new NewReno(window, config.initialCwndSegments);
    this.#first = config.congestionControl === "cubic" ? TCP_CC_CUBIC : TCP_CC_NEWRENO;
  }

  /** The number of the one that row `r` has. */
  chosen(r: number): number {
    return (this.#i32[r + T_RECOVERY] & CC_MASK) >> CC_SHIFT;
  }

  /** Gives row `r`, which is not established yet, the one that is configured, or of that number. */
  choose(r: number, algorithm: number = this.#first): void {
    this.#i32[r + T_RECOVERY] = (this.#i32[r + T_RECOVERY] & ~CC_MASK) | (algorithm << CC_SHIFT);
  }

  #isCubic(r: number): boolean {
    return (this.#i32[r + T_RECOVERY] & CC_MASK) === CUBIC_BITS;
  }

  init(r: number): void {
    if (this.#isCubic(r)) this.#cubic.init(r);
    else this.#newReno.init(r);
  }

  adopt(r: number): void {
    if (this.#isCubic(r)) this.#cubic.adopt(r);
    else this.#newReno.adopt(r);
  }

  acked(r: number, ackedBytes: number, flightBytes: number, isLimited: boolean, rttUs: number): void {
    if (this.#isCubic(r)) this.#cubic.acked(r, ackedBytes, flightBytes, isLimited, rttUs);
    else this.#newReno.acked(r, ackedBytes, flightBytes, isLimited);
  }

  enterRecovery(r: number, flightBytes: number): void {
    if (this.#isCubic(r)) this.#cubic.enterRecovery(r, flightBytes);
    else this.#newReno.enterRecovery(r, flightBytes);
  }

  timeout(r: number, flightBytes: number, isFirst: boolean): void {
    if (this.#isCubic(r)) this.#cubic.timeout(r, flightBytes, isFirst);
    else this.#newReno.timeout(r, flightBytes, isFirst);
  }

  idleRestart(r: number, idleMs: number): void {
    if (this.#isCubic(r)) this.#cubic.idleRestart(r, idleMs);
    else this.#newReno.idleRestart(r);
  }

  remember(r: number): void {
    if (this.#isCubic(r)) this.#cubic.remember(r);
    else this.#newReno.remember();
  }

  undo(r: number): void {
    if (this.#isCubic(r)) this.#cubic.undo(r);
    else this.#newReno.undo(r);
  }
}
