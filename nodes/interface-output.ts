import { completeChecksum } from "../src/device/checksum.js";
import { Segmenter } from "../src/device/segment.js";
import { CONSUMED, type Frame } from "../src/graph/frame.js";
import { NO_TRACE, type NodeForm, type NodeRuntime, nodeErrors } from "../src/graph/node.js";
import {
  F_CHECKSUM_PARTIAL,
  F_NO_CHECKSUM_OFFLOAD,
  GSO_UDP,
  M_ERROR,
  M_FLAGS,
  M_GSO,
  M_TX_IF,
} from "../src/graph/packet-pool.js";
import type { Host } from "./host.js";

const errors = nodeErrors({
  interface_down: ["error", "interface is down"],
  bad_offload: ["error", "partial checksum or superframe without the headers it names"],
  no_buffer: ["error", "superframe cut short: no packet buffer left"],
});
const E = errors.index;

const next = ["drop", "interface-tx"] as const;
const NEXT_DROP = 0;

/**
 * interface-output: last stop before an interface. Refuses packets for interfaces that are down, and does for devices
 * without offloads, or packets that are not to use them, what is lacking: cuts superframes, completes checksums. Then the arc interface-output.
 */
export const interfaceOutput: NodeForm<Host> = {
  name: "interface-output",
  next,
  errors: errors.list,
  trace: NO_TRACE,
  process: (host) => {
    const { i32 } = host.window;
    const { pool, interfaces } = host;
    const { meta } = pool;
    const arc = host.engine.arc("interface-output");
    const slots = arc.slotsOf("interface-output");
    const segmenter = new Segmenter(pool);

    /** Replaces superframe `b` by its segments; true when it is gone, else it is to be dropped. */
    function cut(b: number, to: number, complete: boolean, node: NodeRuntime): boolean {
      const segments = segmenter.begin(b, complete);
      if (segments < 0) {
        i32[meta + (b << 4) + M_ERROR] = node.errorBase + E.bad_offload;
        return false;
      }
      for (let i = 0; i < segments; i++) {
        const segment = segmenter.next();
        if (segment < 0) {
          i32[meta + (b << 4) + M_ERROR] = node.errorBase + E.no_buffer;
          return false;
        }
        node.push(to, segment);
      }
      pool.free(b);
      return true;
    }

    return (frame: Frame, node: NodeRuntime) => {
      const { buffers, next: nexts, count } = frame;
      const { errorBase } = node;
      let ifIndex = -1;
      let isUp = false;
      let sumsChecksum = false;
      let cutsTcp = false;
      let cutsUdp = false;
      let out = NEXT_DROP;
      // Packets before this index have been pushed already, so that segments do not overtake them.
      let pushed = 0;
      for (let i = 0; i < count; i++) {
        const b = buffers[i];
        const m = meta + (b << 4);
        if (i32[m + M_TX_IF] !== ifIndex || i === 0) {
          ifIndex = i32[m + M_TX_IF];
          const iface = interfaces.at(ifIndex);
          isUp = iface !== undefined && iface.up;
          if (iface !== undefined) {
            const { offloads } = iface.device;
            sumsChecksum = offloads.checksum;
            cutsTcp = offloads.tso && sumsChecksum;
            cutsUdp = offloads.uso && sumsChecksum;
            out = arc.next(slots, ifIndex, -1);
          }
        }
        if (!isUp) {
          i32[m + M_ERROR] = errorBase + E.interface_down;
          nexts[i] = NEXT_DROP;
          continue;
        }
        nexts[i] = out;
        const gso = i32[m + M_GSO];
        const flags = i32[m + M_FLAGS];
        const isHelped = sumsChecksum && (flags & F_NO_CHECKSUM_OFFLOAD) === 0;
        if (gso !== 0 && !(isHelped && (gso >>> 16 === GSO_UDP ? cutsUdp : cutsTcp))) {
          for (; pushed < i; pushed++) {
            if (nexts[pushed] !== CONSUMED) node.push(nexts[pushed], buffers[pushed]);
            nexts[pushed] = CONSUMED;
          }
          nexts[i] = cut(b, out, !isHelped, node) ? CONSUMED : NEXT_DROP;
        } else if (!isHelped && (flags & F_CHECKSUM_PARTIAL) !== 0 && !completeChecksum(pool, b)) {
          i32[m + M_ERROR] = errorBase + E.bad_offload;
          nexts[i] = NEXT_DROP;
        }
      }
    };
  },
};
