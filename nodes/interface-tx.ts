import type { Interface } from "../src/device/interface.js";
import { CONSUMED, FRAME_SIZE, type Frame } from "../src/graph/frame.js";
import { NO_TRACE, type NodeForm, type NodeRuntime, nodeErrors } from "../src/graph/node.js";
import { M_LEN, M_TAIL, M_TX_IF } from "../src/graph/packet-pool.js";
import type { Host } from "./host.js";

const errors = nodeErrors({ device_full: ["error", "the device did not take the packet"] });
const E = errors.index;

/** interface-tx: hands packets to the device of their interface, one burst per interface, counts them and frees them. */
export const interfaceTx: NodeForm<Host> = {
  name: "interface-tx",
  next: [],
  errors: errors.list,
  trace: NO_TRACE,
  process: (host) => {
    const { i32 } = host.window;
    const { pool, interfaces } = host;
    const { meta } = pool;
    const burst = new Int32Array(FRAME_SIZE);
    const rest = new Int32Array(FRAME_SIZE);

    function lengthOf(buffers: Int32Array, count: number): number {
      let bytes = 0;
      for (let i = 0; i < count; i++) {
        const m = meta + (buffers[i] << 4);
        bytes = (bytes + i32[m + M_LEN] + (i32[m + M_TAIL] & 0xffffff)) | 0;
      }
      return bytes;
    }

    function send(iface: Interface, buffers: Int32Array, count: number, node: NodeRuntime): void {
      const sent = iface.device.tx(buffers, count);
      const { counters } = iface;
      counters.txPackets += sent;
      counters.txBytes += lengthOf(buffers, sent);
      pool.freeAll(buffers, count);
      if (sent < count) {
        counters.txDrops += count - sent;
        node.count(E.device_full, count - sent);
      }
    }

    /** Splits `buffers` into those for `ifIndex`, gathered in `burst`, and `rest`; returns how many are in `burst`. */
    function gather(buffers: Int32Array, count: number, ifIndex: number): number {
      let taken = 0;
      let left = 0;
      for (let i = 0; i < count; i++) {
        const b = buffers[i];
        if (i32[meta + (b << 4) + M_TX_IF] === ifIndex) burst[taken++] = b;
        else rest[left++] = b;
      }
      return taken;
    }

    return (frame: Frame, node: NodeRuntime) => {
      const { buffers, next, count } = frame;
      next.fill(CONSUMED, 0, count);
      let source = buffers;
      let left = count;
      const first = i32[meta + (buffers[0] << 4) + M_TX_IF];
      let same = 1;
      while (same < count && i32[meta + (buffers[same] << 4) + M_TX_IF] === first) same++;
      if (same === count) {
        send(interfaces.at(first) as Interface, buffers, count, node);
        return;
      }
      while (left > 0) {
        const ifIndex = i32[meta + (source[0] << 4) + M_TX_IF];
        const taken = gather(source, left, ifIndex);
        // interface-output let no packet pass that names no interface.
        send(interfaces.at(ifIndex) as Interface, burst, taken, node);
        source = rest;
        left = (left - taken) | 0;
      }
    };
  },
};
