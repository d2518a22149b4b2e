// How fast does an application in another process receive one TCP stream over a TAP with superframes, beside one in the
// stack's process? The kernel sends from the second processor; the application is on the stack's or on the sender's.
import { AttachStack } from "./support/attach-stack.js";
import { Kernel, PORT } from "./support/kernel.js";
import { measurePairs } from "./support/pairs.js";
import { OUR_CPU, PEER_CPU, protect } from "./support/protect.js";
import { printRatio, printValue } from "./support/report.js";
import { makeLink, OUR_ADDRESS } from "./support/stream.js";
import { attachService } from "./support/tcp-stack.js";

const WARM_UP = 3;
const PAIRS = 5;
const MEASURE_MS = 1000;
/** Of the application in another process: while it sleeps the sender can go on. More than in the stack's, where more only costs. */
const RX_FIFO_BYTES = 2 << 20;

protect();
const kernel = new Kernel();
let host: AttachStack | undefined;
try {
  const { client, config } = makeLink(kernel, "tap");
  host = await AttachStack.open({ interfaces: [config] });
  await attachService(host.stack, "sink");
  const gbps = async (port: number): Promise<number> =>
    ((await kernel.measure(client, PEER_CPU, "send", OUR_ADDRESS, MEASURE_MS, port)) * 8) / 1e9;
  for (const [name, cpu] of [
    ["attach-tcp-rx-1cpu", OUR_CPU],
    ["attach-tcp-rx-2cpu", PEER_CPU],
  ] as const) {
    const port = PORT + 1;
    await host.client("sink", `tcp://0.0.0.0/${port}`, cpu, RX_FIFO_BYTES);
    for (let i = 0; i < WARM_UP; i++) {
      await gbps(PORT);
      await gbps(port);
    }
    const { ours, peer, ratio } = await measurePairs(
      PAIRS,
      () => gbps(port),
      () => gbps(PORT),
    );
    printValue(name, ours, "Gbit/s");
    printValue(`${name}-within`, peer, "Gbit/s");
    await host.checkCounters();
    printRatio(name, "within", ratio);
    await host.endClients();
  }
} finally {
  await host?.close();
  await kernel.close();
}
