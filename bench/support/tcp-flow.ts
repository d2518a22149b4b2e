import { type Bed, kernelBed } from "./beds.js";
import { measureFlow } from "./kernel-peer.js";
import { lackOfDevices } from "./networks.js";
import { measurePairs } from "./pairs.js";
import { printRatio, printValue } from "./report.js";

const PAIRS = 5;

/** Measures one flow into (`rx`) or out of (`tx`) a stack beside the same between two kernels; prints both and the ratio. */
export async function compareFlow(
  name: string,
  direction: "rx" | "tx",
  bedOf: (service: "discard" | "chargen") => Promise<Bed>,
): Promise<void> {
  const lack = lackOfDevices();
  if (lack !== undefined) {
    console.error(`${name}: ${lack}: left out`);
    return;
  }
  const service = direction === "rx" ? "discard" : "chargen";
  const way = direction === "rx" ? "send" : "receive";
  const ours = await bedOf(service);
  try {
    const kernel = await kernelBed(service);
    try {
      const flow = ({ client, address, port }: Bed): Promise<number> => measureFlow(client, way, address, port);
      await flow(ours);
      const result = await measurePairs(
        PAIRS,
        () => flow(ours),
        () => flow(kernel),
      );
      printValue(name, result.ours, "Gbit/s");
      printValue(`${name}-kernel`, result.peer, "Gbit/s");
      printRatio(name, "kernel", result.ratio);
    } finally {
      await kernel.stop();
    }
  } finally {
    await ours.stop();
  }
}
