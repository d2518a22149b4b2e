// How fast does one application send to another, each in a process of its own, by cut-through, beside two kernel programs
// (blocking reads and writes of 128 KiB) and two Node programs over a unix socket? The receiver looks at what it gets where it
// lies, or (-read) copies it into an array of its own. The stack is a third process, on the sender's processor.
import { AttachStack } from "./support/attach-stack.js";
import { measurePairs } from "./support/pairs.js";
import { OUR_CPU, PEER_CPU, protect } from "./support/protect.js";
import { printRatio, printValue } from "./support/report.js";

const URI = "tcp://127.0.0.1/7001";
const MEASURE_MS = 700;
const WARM_UP = 2;
const PAIRS = 5;

protect();
const host = await AttachStack.open();
try {
  for (const [suffix, cpu] of [
    ["1cpu", OUR_CPU],
    ["2cpu", PEER_CPU],
  ] as const) {
    for (const mode of ["sink", "sink-read"] as const) {
      const name = `attach-stream${mode === "sink" ? "" : "-read"}-${suffix}`;
      await host.client(mode, URI, cpu);
      const source = await host.client("source", URI, OUR_CPU);
      await host.kernelServer("sink", `kernel-${name}`, cpu);
      await host.unix("sink", `node-${name}`, cpu);
      const unix = await host.unix("source", `node-${name}`, OUR_CPU);
      const ours = async (): Promise<number> => (await source.measure(MEASURE_MS)) / 1e9;
      const peers = [
        [
          "unix",
          async (): Promise<number> => (await host.kernelClient("send", `kernel-${name}`, OUR_CPU, MEASURE_MS)) / 1e9,
        ],
        ["node", async (): Promise<number> => (await unix.measure(MEASURE_MS)) / 1e9],
      ] as const;
      for (let i = 0; i < WARM_UP; i++) await ours();
      for (const [peer, measure] of peers) {
        await measure();
        const result = await measurePairs(PAIRS, ours, measure);
        await host.checkCounters();
        printValue(`${name}-beside-${peer}`, result.ours, "GB/s");
        printValue(`${name}-${peer}`, result.peer, "GB/s");
        printRatio(name, peer, result.ratio);
      }
      await host.endClients();
    }
  }
} finally {
  await host.close();
}
