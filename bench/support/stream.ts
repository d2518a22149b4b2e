import type { InterfaceConfig, LiveStack } from "../../src/index.js";
import { Kernel } from "./kernel.js";
import { measurePairs } from "./pairs.js";
import { OUR_CPU, PEER_CPU, protect } from "./protect.js";
import { printRatio, printValue } from "./report.js";
import { serveTcp } from "./tcp-stack.js";

/** Rounds until what is hot is compiled. */
const WARM_UP = 3;
const PAIRS = 5;
const MEASURE_MS = 1000;
/** Where the stack is. */
export const OUR_ADDRESS = "198.18.0.2";
/** Where the kernel's stand-in for it is. */
const KERNEL_ADDRESS = "198.18.1.2";

/** What connects the stack to the kernel's client. */
export type Link = "tap" | "af-packet";

/** The namespaces of a measurement, and the interface of the stack in them. */
export function makeLink(kernel: Kernel, link: Link): { client: string; server: string; config: InterfaceConfig } {
  const client = kernel.namespace("client");
  const server = kernel.namespace("server");
  kernel.veth([client, "k0", "198.18.1.1/24"], [server, "k1", `${KERNEL_ADDRESS}/24`]);
  const addresses = [`${OUR_ADDRESS}/24`];
  if (link === "tap") {
    const host = { addresses: ["198.18.0.1/24"] };
    return { client, server, config: { name: "tap0", kind: "tap", netns: client, addresses, host } };
  }
  const ours = kernel.namespace("ours");
  kernel.veth([client, "v0", "198.18.0.1/24"], [ours, "v1"]);
  return { client, server, config: { name: "v1", kind: "af-packet", netns: ours, addresses } };
}

/**
 * One TCP connection between a kernel program on one processor and the stack on another: what the stack receives
 * (`rx`) or sends (`tx`), beside the same program connected to the kernel over a veth.
 */
export async function benchStream(name: string, link: Link, direction: "rx" | "tx"): Promise<void> {
  protect();
  const kernel = new Kernel();
  let stack: LiveStack | undefined;
  try {
    const { client, server, config } = makeLink(kernel, link);
    const [service, mode] = direction === "rx" ? (["sink", "send"] as const) : (["source", "receive"] as const);
    stack = await serveTcp(config, service);
    await kernel.serve(server, OUR_CPU, service);
    const gbps = async (address: string): Promise<number> =>
      ((await kernel.measure(client, PEER_CPU, mode, address, MEASURE_MS)) * 8) / 1e9;
    for (let i = 0; i < WARM_UP; i++) await gbps(OUR_ADDRESS);
    const { ours, peer, ratio } = await measurePairs(
      PAIRS,
      () => gbps(OUR_ADDRESS),
      () => gbps(KERNEL_ADDRESS),
    );
    printValue(name, ours, "Gbit/s");
    printValue(`${name}-kernel`, peer, "Gbit/s");
    printRatio(name, "kernel", ratio);
  } finally {
    await stack?.close();
    await kernel.close();
  }
}
