// How long does one byte take there and back over a TAP, beside kernel to kernel over a veth pair, on one and on two CPUs?
import { type Bed, kernelBed, ONE_CPU, type Processors, tapBed, TWO_CPUS } from "./support/beds.js";
import { measureRoundTrips } from "./support/kernel-peer.js";
import { lackOfDevices } from "./support/networks.js";
import { measurePairs } from "./support/pairs.js";
import { median, printRatio, printValue } from "./support/report.js";

const PAIRS = 5;

async function compare(name: string, processors: Processors): Promise<void> {
  const p99: number[] = [];
  const kernelP99: number[] = [];
  const p50Of = async ({ client, address, port }: Bed, rest: number[]): Promise<number> => {
    const { p50Us, p99Us } = await measureRoundTrips(client, address, port);
    rest.push(p99Us);
    return p50Us;
  };
  const ours = await tapBed("echo", processors);
  try {
    const kernel = await kernelBed("echo", processors);
    try {
      await p50Of(ours, []);
      const result = await measurePairs(
        PAIRS,
        () => p50Of(ours, p99),
        () => p50Of(kernel, kernelP99),
      );
      printValue(name, result.ours, "us");
      printValue(`${name}-p99`, median(p99), "us");
      printValue(`${name}-kernel`, result.peer, "us");
      printValue(`${name}-kernel-p99`, median(kernelP99), "us");
      printRatio(name, "kernel", result.ratio);
    } finally {
      await kernel.stop();
    }
  } finally {
    await ours.stop();
  }
}

const lack = lackOfDevices();
if (lack !== undefined) console.error(`tap-rtt: ${lack}: left out`);
else {
  await compare("tap-rtt-1cpu", ONE_CPU);
  if (TWO_CPUS.server !== TWO_CPUS.client) await compare("tap-rtt", TWO_CPUS);
}
