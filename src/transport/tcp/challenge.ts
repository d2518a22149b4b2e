import { C_FLAGS, type ConnectionIndex } from "../transport.js";
import { ANSWER_ONE, ANSWERS_MASK, T_CHALLENGE_MS, TF_CHALLENGED } from "./connection.js";
import type { TcpCore } from "./core.js";
import { TCP_ERROR } from "./errors.js";
import type { Segment } from "./segment.js";
import { oweAck } from "./segment-out.js";

// Answers to segments that a connection does not accept, and their limits (RFC 5961 7). Each ACK that answers a pure ACK
// could itself be answered: two stacks that have lost step, or that somebody has put out of step, would go on for ever.
// So what has no sequence space is answered a few times in a period. Text, FIN and probes with a byte of it are answered
// each time, as RFC 9293 3.10.7.4 asks: the peer sends them by its timers, never as an answer. Challenges have a share of
// their own, so that no flood of other segments keeps a peer that has rebooted from being told to reset (RFC 9293 3.5.1).

/** Time for which a connection counts its answers: Linux's tcp_invalid_ratelimit. */
const PERIOD_MS = 500;

/** Forgets what was answered when its period is over. */
function renewPeriod(core: TcpCore, r: number): void {
  const { i32 } = core.window;
  const elapsedMs = (core.engine.nowMs - i32[r + T_CHALLENGE_MS]) | 0;
  if (elapsedMs >= 0 && elapsedMs < PERIOD_MS) return;
  i32[r + T_CHALLENGE_MS] = core.engine.nowMs;
  i32[r + C_FLAGS] &= ~(TF_CHALLENGED | ANSWERS_MASK);
}

/** A challenge ACK for a SYN or a reset (RFC 5961 3 and 4): one in a period, within the stack's budget. */
export function sendChallengeAck(core: TcpCore, c: ConnectionIndex, r: number): void {
  const { i32 } = core.window;
  renewPeriod(core, r);
  if ((i32[r + C_FLAGS] & TF_CHALLENGED) !== 0 || !core.takeChallenge()) {
    core.events.count(TCP_ERROR.challenge_limited);
    return;
  }
  i32[r + C_FLAGS] |= TF_CHALLENGED;
  oweAck(core, c, r);
}

/** An answer that might be answered: three in a period, as many as probes at the least timeout, 200 ms, need. */
function answer(core: TcpCore, c: ConnectionIndex, r: number): void {
  const { i32 } = core.window;
  renewPeriod(core, r);
  if ((i32[r + C_FLAGS] & ANSWERS_MASK) === ANSWERS_MASK) {
    core.events.count(TCP_ERROR.answer_limited);
    return;
  }
  i32[r + C_FLAGS] += ANSWER_ONE;
  oweAck(core, c, r);
}

/** Answers a segment whose sequence number or timestamp is not acceptable. */
export function answerUnacceptable(core: TcpCore, c: ConnectionIndex, r: number, seg: Segment): void {
  if (seg.len > 0) oweAck(core, c, r);
  else answer(core, c, r);
}

/** Answers a segment whose acknowledgment number is not acceptable (RFC 5961 5): within the stack's budget, too. */
export function answerBadAck(core: TcpCore, c: ConnectionIndex, r: number): void {
  if (core.takeChallenge()) answer(core, c, r);
  else core.events.count(TCP_ERROR.challenge_limited);
}
