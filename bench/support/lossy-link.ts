import { compile, type Kernel, type KernelProgram } from "./kernel.js";
import { PEER_CPU } from "./protect.js";

/** What a cable does to frames, in each direction. */
export interface Cable {
  /** Share of the frames that are lost, 0 to 1. */
  readonly loss: number;
  readonly delayMs: number;
  /** Its bottleneck, in front of which a queue holds what fits into twice the delay. */
  readonly mbps: number;
  /** Which frames are lost. */
  readonly seed: number;
}

/** Two namespaces with a cable between their interfaces `eth0`. */
export interface LossyLink {
  /** Where the stack is, for which {@link A_ADDRESS} is kept, or the kernel, which has that address. */
  readonly a: string;
  /** Where its peer is: `eth0` has {@link B_ADDRESS}. */
  readonly b: string;
  /** Takes the cable away; throws when it met frames that no wire carries. */
  end(): Promise<void>;
}

/** Addresses of both ends of every cable. */
export const A_ADDRESS = "198.18.0.2";
export const B_ADDRESS = "198.18.0.1";

/** More than any cable here holds, so that neither end's buffers limit; no memory of earlier connections. */
const SYSCTLS = [
  "net.ipv4.tcp_rmem=4096 131072 33554432",
  "net.ipv4.tcp_wmem=4096 131072 33554432",
  "net.ipv4.tcp_no_metrics_save=1",
];

function namespace(kernel: Kernel, name: string): string {
  const made = kernel.namespace(name);
  // No frames but those of the test.
  kernel.run(made, ["sysctl", "-q", "-w", "net.ipv6.conf.default.disable_ipv6=1"]);
  return made;
}

async function endCable(cable: KernelProgram): Promise<void> {
  cable.end();
  const [, ...lanes] = (await cable.ended).trim().split("\n");
  const counts = lanes.map((lane) => lane.split(" ").map(Number));
  if (counts.length !== 2 || counts.some(([, , , , giant]) => giant !== 0)) {
    throw new Error(`superframes on the cable: ${lanes.join(", ")}`);
  }
}

/** Gives an interface its address, with cubic for what it connects: as a default a namespace may be refused it. */
function addAddress(kernel: Kernel, end: string, address: string): void {
  kernel.run(end, ["ip", "address", "add", `${address}/24`, "dev", "eth0", "noprefixroute"]);
  kernel.run(end, ["ip", "route", "add", "198.18.0.0/24", "dev", "eth0", "src", address, "congctl", "cubic"]);
}

/**
 * Makes a cable between two new namespaces whose names end in `name`. `a` has an address when it is the kernel's. The kernels
 * finish each frame themselves: no superframes, no checksums left to hardware.
 */
export async function makeLossyLink(
  kernel: Kernel,
  name: string,
  aEnd: "weft" | "kernel",
  cable: Cable,
): Promise<LossyLink> {
  const [a = "", b = "", middle = ""] = ["a", "b", "m"].map((end) => namespace(kernel, name + end));
  kernel.veth([a, "eth0"], [middle, "a0"]);
  kernel.veth([b, "eth0"], [middle, "b0"]);
  const off = ["tx", "off", "tso", "off", "gso", "off", "gro", "off"];
  for (const end of [a, b]) {
    kernel.run(end, ["ethtool", "-K", "eth0", ...off]);
    kernel.run(end, ["sysctl", "-q", "-w", ...SYSCTLS]);
  }
  if (aEnd === "kernel") addAddress(kernel, a, A_ADDRESS);
  addAddress(kernel, b, B_ADDRESS);
  const { loss, delayMs, mbps, seed } = cable;
  const bps = mbps * 1e6;
  const queueBytes = Math.round((bps / 8) * ((2 * delayMs) / 1000));
  const args = ["a0", "b0", loss, delayMs * 1000, bps, queueBytes, seed].map(String);
  const program = await kernel.start(middle, PEER_CPU, [compile("cable"), ...args]);
  return { a, b, end: () => endCable(program) };
}
