import { CONSUMED, type Frame } from "../src/graph/frame.js";
import type { NodeForm } from "../src/graph/node.js";
import { M_ERROR } from "../src/graph/packet-pool.js";
import type { Host } from "./host.js";

/** drop: counts each packet under the error its sender named and frees it. */
export const drop: NodeForm<Host> = {
  name: "drop",
  next: [],
  errors: [],
  trace: { bytes: 0, format: (_dv, _length, meta) => `error ${meta[M_ERROR]}` },
  process: (host) => {
    const { i32 } = host.window;
    const { pool, engine } = host;
    const { meta } = pool;

    return (frame: Frame) => {
      const { buffers, next, count } = frame;
      const { errorCounters } = engine;
      for (let i = 0; i < count; i++) errorCounters[i32[meta + (buffers[i] << 4) + M_ERROR]]++;
      pool.freeAll(buffers, count);
      next.fill(CONSUMED, 0, count);
    };
  },
};
