// How fast does the stack, as a router between two TAPs at MTU 1500, forward a TCP stream between two kernels, beside a
// kernel that routes between two veths?
import { createStack, type LiveStack } from "../src/index.js";
import { Kernel } from "./support/kernel.js";
import { measurePairs } from "./support/pairs.js";
import { PEER_CPU, protect } from "./support/protect.js";
import { printRatio, printValue } from "./support/report.js";

const WARM_UP = 2;
const PAIRS = 5;
const MEASURE_MS = 1000;

protect();
const kernel = new Kernel();
let stack: LiveStack | undefined;
try {
  const client = kernel.namespace("client");
  const server = kernel.namespace("server");
  const router = kernel.namespace("router");
  kernel.veth([client, "k0", "198.18.2.1/24"], [router, "r0", "198.18.2.2/24"]);
  kernel.veth([server, "k1", "198.18.3.1/24"], [router, "r1", "198.18.3.2/24"]);
  kernel.run(router, ["sysctl", "-q", "-w", "net.ipv4.ip_forward=1"]);
  kernel.run(client, ["ip", "route", "add", "198.18.3.0/24", "via", "198.18.2.2"]);
  kernel.run(server, ["ip", "route", "add", "198.18.2.0/24", "via", "198.18.3.2"]);
  stack = await createStack({
    interfaces: [
      {
        name: "tap0",
        netns: client,
        mtu: 1500,
        addresses: ["198.18.0.2/24"],
        host: { addresses: ["198.18.0.1/24"], routes: [{ prefix: "198.18.1.0/24", via: "198.18.0.2" }] },
      },
      {
        name: "tap1",
        netns: server,
        mtu: 1500,
        addresses: ["198.18.1.2/24"],
        host: { addresses: ["198.18.1.1/24"], routes: [{ prefix: "198.18.0.0/24", via: "198.18.1.2" }] },
      },
    ],
    ip: { forward4: true },
  });
  await kernel.serve(server, PEER_CPU, "sink");
  const gbps = async (address: string): Promise<number> =>
    ((await kernel.measure(client, PEER_CPU, "send", address, MEASURE_MS)) * 8) / 1e9;
  for (let i = 0; i < WARM_UP; i++) await gbps("198.18.1.1");
  const { ours, peer, ratio } = await measurePairs(
    PAIRS,
    () => gbps("198.18.1.1"),
    () => gbps("198.18.3.1"),
  );
  printValue("router-tcp", ours, "Gbit/s");
  printValue("router-tcp-kernel", peer, "Gbit/s");
  printRatio("router-tcp", "kernel", ratio);
} finally {
  await stack?.close();
  await kernel.close();
}
