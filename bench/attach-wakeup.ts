// How long is the way of one byte there and back between an application in this process, the stack's, and one in another,
// by cut-through; and (-3proc) between two applications that are both in processes of their own, so that each byte
// goes by way of the stack's? Beside a unix socket between two Node programs, and (-c) between two C programs that block.
import { AttachStack } from "./support/attach-stack.js";
import { measurePairs } from "./support/pairs.js";
import { OUR_CPU, PEER_CPU, protect } from "./support/protect.js";
import { printRatio, printValue } from "./support/report.js";

const URI = "tcp://127.0.0.1/7001";
const URI_WITHIN = "tcp://127.0.0.1/7002";
const ROUND_TRIPS = 5000;
const WARM_UP = 2;
const PAIRS = 5;

protect();
const host = await AttachStack.open();
const INTO = new Uint8Array(16);
try {
  const app = await host.stack.attach(
    { name: "within", scope: ["local", "global"] },
    {
      accept: () => true,
      rx: (session) => {
        const n = session.read(INTO);
        if (n > 0) session.write(INTO, 0, n);
      },
    },
  );
  await app.listen(URI_WITHIN);
  for (const [suffix, cpu] of [
    ["1cpu", OUR_CPU],
    ["2cpu", PEER_CPU],
  ] as const) {
    const name = `attach-wakeup-${suffix}`;
    await host.client("pong", URI, cpu);
    const within = await host.client("ping", URI_WITHIN, cpu);
    const beyond = await host.client("ping", URI, OUR_CPU);
    await host.unix("pong", `node-${name}`, OUR_CPU);
    const node = await host.unix("ping", `node-${name}`, cpu);
    await host.kernelServer("pong", `c-${name}`, OUR_CPU);
    const unix = async (): Promise<number> => (await node.measure(ROUND_TRIPS)) / 1000;
    const c = async (): Promise<number> => (await host.kernelClient("ping", `c-${name}`, cpu, ROUND_TRIPS)) / 1000;
    for (const [kind, client] of [
      ["", within],
      ["-3proc", beyond],
    ] as const) {
      const ours = async (): Promise<number> => (await client.measure(ROUND_TRIPS)) / 1000;
      for (let i = 0; i < WARM_UP; i++) {
        await ours();
        await unix();
      }
      const beside = await measurePairs(PAIRS, ours, unix);
      printValue(`${name}${kind}`, beside.ours, "us");
      printValue(`${name}${kind}-unix`, beside.peer, "us");
      printRatio(`${name}${kind}`, "unix", beside.ratio);
      const besideC = await measurePairs(PAIRS, ours, c);
      printValue(`${name}${kind}-c`, besideC.peer, "us");
      printRatio(`${name}${kind}`, "c", besideC.ratio);
      await host.checkCounters();
    }
    await host.endClients();
  }
} finally {
  await host.close();
}
