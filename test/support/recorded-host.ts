import { type CaptureFrame, captureUs } from "../../src/device/capture.js";
import { M_DATA, M_LEN, PacketPool } from "../../src/graph/packet-pool.js";
import { MemoryWindow } from "../../src/mem/window.js";
import type { Replay } from "../../src/sim/replay.js";
import { tcpOfFrame } from "../../src/sim/tcp-frame.js";
import { ManualClock } from "../../src/time/manual-clock.js";
import { renumbered } from "./tcp-compare.js";

/** How a {@link replayToItself} differs from the recording. */
export interface Difference {
  /** Added to its sequence numbers and timestamps. */
  readonly seqShift: number;
  readonly stampShift: number;
  /** Added to the times of its frames. */
  readonly delayUs: number;
  /** Changes a frame it is about to send; undefined to say nothing. */
  readonly change?: (frame: Uint8Array, index: number) => Uint8Array | undefined;
}

/**
 * Replays a capture to a host that sends what the recorded one sent, with other initial sequence numbers and times.
 * Returns the frames it received, with their times.
 */
export function replayToItself(
  replay: Replay,
  frames: readonly CaptureFrame[],
  mac: string,
  { seqShift, stampShift, delayUs, change = (frame) => frame }: Difference,
): { timeUs: number; bytes: Uint8Array }[] {
  const clock = new ManualClock();
  const settleUs = 3e6;
  const window = MemoryWindow.plain(4 << 20);
  const pool = new PacketPool(window, { small: 64, large: 4 });
  replay.device.attach(pool);
  const script = frames
    .filter(({ bytes }) => Buffer.from(bytes.subarray(6, 12)).toString("hex") === mac)
    .map((frame, index) => ({ dueUs: settleUs + captureUs(frame, frames[0]) + delayUs, bytes: frame.bytes, index }));
  const received: { timeUs: number; bytes: Uint8Array }[] = [];
  const buffers = new Int32Array(16);
  const poll = () => {
    for (let count = replay.device.rx(buffers, 16); count > 0; count = replay.device.rx(buffers, 16)) {
      for (let i = 0; i < count; i++) {
        const m = pool.meta + (buffers[i] << 4);
        const data = window.i32[m + M_DATA];
        received.push({ timeUs: clock.nowUs() - settleUs, bytes: window.u8.slice(data, data + window.i32[m + M_LEN]) });
        pool.free(buffers[i]);
      }
    }
  };
  // Only a connection that this host opened or accepted has numbers of its own: other resets carry the peer's.
  const opened = new Set<string>();
  const send = (recorded: Uint8Array, index: number) => {
    const segment = tcpOfFrame(recorded);
    const key = `${segment?.source} ${segment?.destination}`;
    if (segment !== undefined && (segment.flags & 2) !== 0) opened.add(key);
    const own =
      segment !== undefined && opened.has(key) ? renumbered(recorded, segment, seqShift, stampShift) : recorded;
    const frame = change(own, index);
    if (frame === undefined) return;
    const b = pool.allocFor(frame.length);
    const m = pool.meta + (b << 4);
    window.u8.set(frame, window.i32[m + M_DATA]);
    window.i32[m + M_LEN] = frame.length;
    buffers[0] = b;
    replay.device.tx(buffers, 1);
    pool.free(b);
  };
  replay.run(clock, (untilUs) => {
    poll();
    while (script.length > 0 && script[0].dueUs <= untilUs) {
      const { dueUs, bytes, index } = script[0];
      script.shift();
      clock.setUs(Math.max(dueUs, clock.nowUs()));
      send(bytes, index);
      poll();
    }
    clock.setUs(Math.max(untilUs, clock.nowUs()));
    poll();
  });
  return received;
}
