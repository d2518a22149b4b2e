import { fileURLToPath } from "node:url";
import type { StackConfig } from "../../src/host/config-types.js";
import { peerProgram } from "./kernel-peer.js";
import { Service } from "./processes.js";

const MAIN = fileURLToPath(new URL("stack-main.js", import.meta.url));

/**
 * Starts a stack in a process of its own, pinned to one processor; resolves when it is up. The environment variable
 * WEFT_BENCH_NODE holds options for its Node (`--cpu-prof`).
 */
export async function startStack(config: StackConfig, cpu: number): Promise<Service> {
  const options = (process.env["WEFT_BENCH_NODE"] ?? "").split(" ").filter((each) => each !== "");
  const node = [process.execPath, ...options, MAIN, JSON.stringify(config)];
  return Service.start([await peerProgram(), "-c", `${cpu}`, "run", ...node]);
}
