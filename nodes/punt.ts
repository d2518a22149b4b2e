import type { Frame } from "../src/graph/frame.js";
import { NO_TRACE, type NodeForm, type NodeRuntime, nodeErrors } from "../src/graph/node.js";
import { M_ERROR } from "../src/graph/packet-pool.js";
import type { Host } from "./host.js";

const errors = nodeErrors({ no_taker: ["info", "punted packets, which nobody takes"] });
const NEXT_DROP = 0;

/** punt: packets that routes hand to whoever stands beside the stack. Nobody does yet: they are counted and dropped. */
export const punt: NodeForm<Host> = {
  name: "punt",
  next: ["drop"],
  errors: errors.list,
  trace: NO_TRACE,
  process: (host) => {
    const { i32 } = host.window;
    const { meta } = host.pool;

    return (frame: Frame, node: NodeRuntime) => {
      const { buffers, next, count } = frame;
      for (let i = 0; i < count; i++) {
        i32[meta + (buffers[i] << 4) + M_ERROR] = node.errorBase + errors.index.no_taker;
        next[i] = NEXT_DROP;
      }
    };
  },
};
