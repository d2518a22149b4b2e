import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { lacks } from "../needs.js";
import { STACK4, STACK6, TapStack } from "../support/weft.js";

interface Report {
  readonly error?: string;
  readonly end: {
    readonly sum_sent: { readonly bytes: number };
    readonly sum_received: { readonly bytes: number };
    readonly streams: readonly unknown[];
  };
}

describe.skipIf(lacks("netns", "tun", "ip", "iperf3"))("the iperf3 client", () => {
  let host: TapStack;
  beforeAll(async () => {
    host = await TapStack.start();
  });
  afterAll(() => host.end());

  it.each([
    { args: "", streams: 1 },
    { args: "-R", streams: 1 },
    { args: "-P 4", streams: 4 },
    { args: "-P 4 -R", streams: 4 },
    { args: "-l 1000", streams: 1 },
    { args: "-l 128K -R", streams: 1 },
    { args: "-C reno", streams: 1 },
    { args: "-n 20M", streams: 1 },
    { args: "-n 20M -R", streams: 1 },
    { args: "-6", streams: 1 },
    { args: "-6 -R", streams: 1 },
  ])("iperf3 -c $args", async ({ args, streams }) => {
    const address = args.includes("-6") ? STACK6 : STACK4;
    const length = args.includes("-n") ? [] : ["-t", "1"];
    const words = ["-c", address, ...length, "--json", ...args.split(" ").filter((word) => word !== "")];
    const { stdout, stderr, status } = await host.netns.run("iperf3", words, 20_000);
    const report = JSON.parse(stdout === "" ? `{"error":${JSON.stringify(stderr)}}` : stdout) as Report;
    expect([status, report.error]).toEqual([0, undefined]);
    expect(report.end.streams).toHaveLength(streams);
    const { sum_sent: sent, sum_received: received } = report.end;
    expect(received.bytes).toBeGreaterThan(10e6);
    expect(received.bytes).toBeLessThanOrEqual(sent.bytes);
    expect(sent.bytes).toBeGreaterThanOrEqual(args.includes("-n") ? 20 << 20 : 10e6);
  });
});
