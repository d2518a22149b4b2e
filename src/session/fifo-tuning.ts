import { R_EPOCH_HEAD, R_EPOCH_TICK } from "../mem/fifo-layout.js";
import { TICK_US } from "../time/clock.js";
import type { SessionIndex } from "../transport/transport.js";
import type { SessionCore } from "./session-core.js";
import { S_CONNECTION, S_FLAGS, S_PROTO, S_RX_FIFO, S_WORKER, SF_ABOVE_MARK } from "./session-table.js";

/**
 * Sizes of rx fifos, and who is told when they are full (VPP: session_fifo_tuning). As Linux's dynamic right-sizing: when the
 * application took more than half of the fifo within a round trip, the window may be what bounds the peer, and the fifo gets
 * twice what was taken. When its memory comes under pressure it goes back as far as the peer was promised no more.
 */
export class FifoTuning {
  readonly #core: SessionCore;

  constructor(core: SessionCore) {
    this.#core = core;
  }

  /** The application took bytes from a tuned session's rx fifo, at `tick`. May call back. */
  dequeued(s: SessionIndex, tick: number): void {
    const { i32, table, fifos, applications } = this.#core;
    const r = table.row(s);
    const worker = applications.workerAt(i32[r + S_WORKER]);
    const fifo = i32[r + S_RX_FIFO];
    if (worker === undefined || fifo === 0) return;
    const { rxFifoBytes, maxFifoBytes, fifoLowMark } = worker.app;
    const isAbove = (i32[r + S_FLAGS] & SF_ABOVE_MARK) !== 0;
    if (maxFifoBytes > rxFifoBytes) this.#resize(s, r, tick);
    if (!isAbove || fifos.maxDequeue(fifo) * 100 > fifos.capBytes(fifo) * fifoLowMark) return;
    i32[r + S_FLAGS] &= ~SF_ABOVE_MARK;
    worker.callbacks.fifoMark?.(s, false);
  }

  /** Something came in for a tuned session. May call back. */
  received(s: SessionIndex): void {
    const { i32, table, fifos, applications } = this.#core;
    const r = table.row(s);
    const worker = applications.workerAt(i32[r + S_WORKER]);
    const fifo = i32[r + S_RX_FIFO];
    const high = worker?.app.fifoHighMark ?? 0;
    if (worker === undefined || fifo === 0 || high === 0 || (i32[r + S_FLAGS] & SF_ABOVE_MARK) !== 0) return;
    if (fifos.maxDequeue(fifo) * 100 < fifos.capBytes(fifo) * high) return;
    i32[r + S_FLAGS] |= SF_ABOVE_MARK;
    worker.callbacks.fifoMark?.(s, true);
  }

  #resize(s: SessionIndex, r: number, tick: number): void {
    const { i32, fifos, transports, applications } = this.#core;
    const c = i32[r + S_CONNECTION];
    const transport = transports[i32[r + S_PROTO]];
    const fifo = i32[r + S_RX_FIFO];
    const worker = applications.workerAt(i32[r + S_WORKER]);
    if (c < 0 || worker === undefined || transport?.roundTripUs === undefined) return;
    const row = fifo >> 2;
    const epochTicks = Math.ceil(transport.roundTripUs(c) / TICK_US);
    if (i32[row + R_EPOCH_TICK] !== 0 && ((tick - i32[row + R_EPOCH_TICK]) | 0) < epochTicks) return;
    const isFirst = i32[row + R_EPOCH_TICK] === 0;
    const taken = (fifos.head(fifo) - i32[row + R_EPOCH_HEAD]) | 0;
    i32[row + R_EPOCH_TICK] = tick | 1;
    i32[row + R_EPOCH_HEAD] = fifos.head(fifo);
    if (isFirst) return;
    const { rxFifoBytes, maxFifoBytes } = worker.app;
    const capBytes = fifos.capBytes(fifo);
    const { pressure } = worker.segments;
    if (pressure === "high-pressure" || pressure === "no-memory") {
      const promised = transport.promisedBytes?.(c) ?? 0;
      const least = Math.max(rxFifoBytes, fifos.maxDequeue(fifo) + promised);
      if (least < capBytes) fifos.setCapBytes(fifo, least);
      return;
    }
    const wanted = Math.min(2 * taken, maxFifoBytes);
    if (wanted <= capBytes) return;
    const answer = worker.callbacks.fifoTuning?.(s, wanted) ?? wanted;
    if (Number.isInteger(answer) && answer > capBytes) fifos.setCapBytes(fifo, Math.min(answer, maxFifoBytes));
  }
}
