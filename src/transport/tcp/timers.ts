import { SESSION_E_TIMEDOUT } from "../../session/session-errors.js";
import { C_FLAGS, C_SESSION, C_STATE, type ConnectionIndex, TRANSPORT_TCP } from "../transport.js";
import {
  CLOSED,
  ESTABLISHED,
  SYN_RCVD,
  SYN_SENT,
  RF_REO_TIMER,
  RF_TLP_NOW,
  RF_TLP_TIMER,
  T_BACKOFF,
  T_LISTENER,
  T_LOST,
  T_RECOVERY,
  T_SND_NXT,
  T_SND_UNA,
  T_SND_WND,
  T_TIMEOUTS,
  TF_FIN_WANTED,
  TF_PROBE_NOW,
  TIME_WAIT,
} from "./connection.js";
import { type TcpCore, TIMER_RETRANSMIT, TIMER_WAIT } from "./core.js";
import { expireDelayedAcks } from "./delayed-ack.js";
import { keepaliveExpired, keepsAlive } from "./keepalive.js";
import { refuse } from "./open.js";
import { rackDetect } from "./rack.js";
import { lossByTime, timeoutLoss } from "./recovery.js";
import { armRetransmit, patienceMs } from "./rtt.js";
import { sendReset, sendSyn } from "./segment-out.js";
import { checkR1 } from "./soft-error.js";

/** Acts on everything due at `tick`. `expired` is scratch. */
export function expireTimers(core: TcpCore, tick: number, expired: Int32Array): void {
  const count = core.timers.advance(tick, expired);
  for (let i = 0; i < count; i++) {
    const timer = Math.floor(expired[i] / core.config.maxConnections);
    const c = expired[i] - timer * core.config.maxConnections;
    const r = core.connections.row(c);
    if (timer === TIMER_RETRANSMIT) retransmitExpired(core, c, r);
    else if (timer === TIMER_WAIT) waitExpired(core, c, r);
    else paceExpired(core, c, r);
  }
  expireDelayedAcks(core, tick, expired.length);
}

function retransmitExpired(core: TcpCore, c: ConnectionIndex, r: number): void {
  const { i32 } = core.window;
  const state = i32[r + C_STATE];
  const kind = i32[r + T_RECOVERY] & (RF_REO_TIMER | RF_TLP_TIMER);
  i32[r + T_RECOVERY] &= ~(RF_REO_TIMER | RF_TLP_TIMER);
  if (state === SYN_SENT || state === SYN_RCVD) synExpired(core, c, r, state);
  else if (state < ESTABLISHED || state >= TIME_WAIT) return;
  else if (kind === RF_REO_TIMER) reorderingExpired(core, c, r);
  else if (kind === RF_TLP_TIMER) {
    i32[r + T_RECOVERY] |= RF_TLP_NOW;
    armRetransmit(core, c, r);
    core.wantTransmit(c);
  } else dataExpired(core, c, r);
}

/** RFC 8985 6.3: what the reordering window gave time to is lost now. */
function reorderingExpired(core: TcpCore, c: ConnectionIndex, r: number): void {
  const { i32 } = core.window;
  const flight = (i32[r + T_SND_NXT] - i32[r + T_SND_UNA]) | 0;
  core.delivery.begin();
  rackDetect(core, c, r);
  lossByTime(core, r, flight);
  if ((i32[r + T_RECOVERY] & RF_REO_TIMER) === 0 && flight > 0) armRetransmit(core, c, r);
  core.wantTransmit(c);
}

/** RFC 9293 3.8.3: a SYN is repeated until R2, a SYN-ACK as long as a passive open may take. */
function synExpired(core: TcpCore, c: ConnectionIndex, r: number, state: number): void {
  const { i32 } = core.window;
  if (patienceMs(core, r) <= 0) {
    if (i32[r + T_LISTENER] >= 0) core.upcalls.handshakeTimedOut(TRANSPORT_TCP, c);
    refuse(core, c, r, SESSION_E_TIMEDOUT);
    return;
  }
  i32[r + T_BACKOFF]++;
  i32[r + T_TIMEOUTS]++;
  checkR1(core, r);
  sendSyn(core, c, r, state === SYN_RCVD);
  armRetransmit(core, c, r);
}

/** RFC 6298 5.4 to 5.6, and RFC 9293 3.8.6.1 when the peer's window is closed. */
function dataExpired(core: TcpCore, c: ConnectionIndex, r: number): void {
  const { i32 } = core.window;
  if (patienceMs(core, r) <= 0) {
    sendReset(core, c, r);
    if (i32[r + C_SESSION] >= 0) core.upcalls.reset(i32[r + C_SESSION], SESSION_E_TIMEDOUT);
    core.remove(c);
    return;
  }
  i32[r + T_BACKOFF]++;
  const isOutstanding = i32[r + T_SND_NXT] !== i32[r + T_SND_UNA];
  if (i32[r + T_SND_WND] === 0 || !isOutstanding) {
    // The window holds everything back: probe it. Its probes are no measure of congestion.
    if (core.queued(r) === 0 && (i32[r + C_FLAGS] & TF_FIN_WANTED) === 0) return;
    if (isOutstanding) core.scoreboard.markFirstLost(r);
    i32[r + C_FLAGS] |= TF_PROBE_NOW;
  } else {
    i32[r + T_TIMEOUTS]++;
    checkR1(core, r);
    timeoutLoss(core, r);
  }
  armRetransmit(core, c, r);
  core.wantTransmit(c);
}

/** What pacing held back may be sent. */
function paceExpired(core: TcpCore, c: ConnectionIndex, r: number): void {
  const { i32 } = core.window;
  if (i32[r + C_STATE] === CLOSED) return;
  const unsent = core.queued(r) - ((i32[r + T_SND_NXT] - i32[r + T_SND_UNA]) | 0);
  if (unsent > 0 || i32[r + T_LOST] > 0) core.wantTransmit(c);
}

/** A state that may not last has lasted. */
function waitExpired(core: TcpCore, c: ConnectionIndex, r: number): void {
  const { i32 } = core.window;
  if (i32[r + C_STATE] === CLOSED) return; // The other timer of the same moment has ended it.
  if (keepsAlive(core, r)) {
    keepaliveExpired(core, c, r);
    return;
  }
  if (i32[r + C_SESSION] >= 0) core.upcalls.closed(i32[r + C_SESSION]);
  core.remove(c);
}
