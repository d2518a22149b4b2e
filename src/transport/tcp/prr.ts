import { T_CWND, T_PRR_DELIVERED, T_PRR_OUT, T_RECOVER_FS, T_SND_MSS, T_SSTHRESH } from "./connection.js";
import type { TcpCore } from "./core.js";

const RESTART_BYTES = 1 << 29;

/** Recovery begins with `flightBytes` in flight (RFC 6937 2). */
export function initPrr(core: TcpCore, r: number, flightBytes: number): void {
  const { i32 } = core.window;
  i32[r + T_PRR_DELIVERED] = 0;
  i32[r + T_PRR_OUT] = 0;
  i32[r + T_RECOVER_FS] = Math.max(flightBytes, 1);
}

/**
 * Proportional rate reduction (RFC 6937 3) on an acknowledgement that delivered `deliveredBytes`: cwnd follows what is
 * in the network down to ssthresh, at the pace of deliveries; below it, it is made up for by slow start when `isSafe`
 * (sndUna moved and nothing more was lost), else by conservation. The first retransmission always goes, and with
 * `isForced` one more segment.
 */
export function updatePrr(core: TcpCore, r: number, deliveredBytes: number, isSafe: boolean, isForced = false): void {
  const { i32 } = core.window;
  // A recovery that lasts this long is measured anew, so that the sums stay int32.
  if (i32[r + T_PRR_DELIVERED] > RESTART_BYTES) initPrr(core, r, i32[r + T_RECOVER_FS]);
  const ssthresh = i32[r + T_SSTHRESH];
  const mss = i32[r + T_SND_MSS];
  const delivered = i32[r + T_PRR_DELIVERED] + deliveredBytes;
  i32[r + T_PRR_DELIVERED] = delivered;
  const pipe = core.scoreboard.pipe(r);
  const out = i32[r + T_PRR_OUT];
  let send: number;
  if (pipe > ssthresh) {
    send = Math.ceil((delivered * ssthresh) / i32[r + T_RECOVER_FS]) - out;
  } else {
    const limit = Math.max(delivered - out, deliveredBytes) + (isSafe ? mss : 0);
    send = Math.min(ssthresh - pipe, limit);
  }
  if (out === 0 || isForced) send = Math.max(send, mss);
  i32[r + T_CWND] = Math.max(pipe + Math.max(send, 0), mss);
}
