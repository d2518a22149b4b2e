import { FRAME_SIZE, type Frame } from "../src/graph/frame.js";
import { type NodeForm, type NodeRuntime, nodeErrors } from "../src/graph/node.js";
import { M_LEN, M_RX_IF } from "../src/graph/packet-pool.js";
import type { Host } from "./host.js";

const errors = nodeErrors({ no_buffer: ["warn", "poll cut short: no packet buffer left"] });
const E = errors.index;

/**
 * device-input: takes frames from every interface that is up. Each call starts with the interface after the one that
 * the last call ended with, so a busy interface cannot starve the others.
 */
export const deviceInput: NodeForm<Host> = {
  name: "device-input",
  kind: "input",
  next: ["ethernet-input"],
  errors: errors.list,
  trace: {
    bytes: 14,
    format: (dv, length, meta) =>
      length < 14
        ? `frame of ${meta[M_LEN]} bytes`
        : `frame of ${meta[M_LEN]} bytes type 0x${dv.getUint16(12).toString(16).padStart(4, "0")}`,
  },
  process: (host) => {
    const { i32 } = host.window;
    const { pool, interfaces } = host;
    const { meta } = pool;
    const arc = host.engine.arc("device-input");
    const slots = arc.slotsOf("device-input");
    const burst = new Int32Array(FRAME_SIZE);
    let turn = 0;

    return (frame: Frame, node: NodeRuntime) => {
      const all = interfaces.all();
      const count = all.length;
      for (let polled = 0; polled < count && frame.count < FRAME_SIZE; polled++) {
        if (turn >= count) turn = 0;
        const iface = all[turn++];
        if (!iface.up) continue;
        const exhausted = pool.exhausted;
        const n = iface.device.rx(burst, FRAME_SIZE - frame.count);
        if (pool.exhausted !== exhausted) {
          iface.counters.rxNoBuffer++;
          node.count(E.no_buffer, 1);
        }
        if (n === 0) continue;
        const { index } = iface;
        const next = arc.next(slots, index, -1);
        const { buffers, next: nexts } = frame;
        let at = frame.count;
        let bytes = 0;
        for (let i = 0; i < n; i++) {
          const b = burst[i];
          const m = meta + (b << 4);
          i32[m + M_RX_IF] = index;
          bytes = (bytes + i32[m + M_LEN]) | 0;
          buffers[at] = b;
          nexts[at++] = next;
        }
        frame.count = at;
        iface.counters.rxPackets += n;
        iface.counters.rxBytes += bytes;
      }
    };
  },
};
