import { describe, expect, test } from "vitest";
import { simulatedTls } from "../../src/host/simulated-tls.js";
import type { LinkOptions } from "../../src/sim/link-options.js";
import { transfer, twoHosts } from "./two-hosts.js";

const TLS = { tls: { source: simulatedTls } };
const LOSSY: LinkOptions = { delayUs: 2000, rateBps: 50_000_000, lossRate: 0.02, reorderRate: 0.01 };
const YEAR_US = 365 * 86_400 * 1e6;

interface Run {
  readonly hash: string;
  readonly error: string;
  readonly certificate: string;
}

/** A run of one transfer: the hash of its frames, how it ended, and the certificate of the server. */
async function run(seed: number, family: 4 | 6, clientClockUs = 0): Promise<Run> {
  const { sim, a, b } = twoHosts({ seed, link: LOSSY, a: { ...TLS, clockOffsetUs: clientClockUs }, b: TLS });
  const certificate = b.stack.host.tls?.store.testPair.certificate ?? new Uint8Array(0);
  const trust = a.stack.host.tls?.store.addTrust(certificate) ?? 0;
  const flow = transfer(sim, a, b, 50_000, family, { proto: "tls", tls: { trust } });
  await sim.run({ untilUs: 60_000_000, isDone: () => flow.isDone || flow.error !== undefined });
  const error = flow.error instanceof Error ? flow.error.message : flow.got === 50_000 ? "" : `${flow.got} bytes`;
  expect([...a.errors, ...b.errors, flow.wrongAt]).toEqual([-1]);
  const hash = sim.hash();
  sim.close();
  return { hash, error, certificate: Buffer.from(certificate).toString("latin1") };
}

describe("TLS in a simulation", () => {
  test.each([4, 6] as const)("the same seed gives the same frames, byte for byte, IPv%i", async (family) => {
    const first = await run(7, family);
    expect(first.error).toBe("");
    expect(await run(7, family)).toEqual(first);
  });

  test("another seed has other keys", async () => {
    const [one, other] = [await run(1, 4), await run(2, 4)];
    expect([one.error, other.error]).toEqual(["", ""]);
    expect(other.hash).not.toBe(one.hash);
    expect(other.certificate).not.toBe(one.certificate);
  });

  test("certificates are verified at the time of the host", async () => {
    expect((await run(3, 4, YEAR_US - 86_400e6)).error).toBe("");
    const late = await run(3, 4, YEAR_US + 86_400e6);
    expect(late.error).toContain("certificate has expired");
    expect(await run(3, 4, YEAR_US + 86_400e6)).toEqual(late);
  });

  test("hosts without it refuse", async () => {
    const { sim, a, b } = twoHosts();
    const flow = transfer(sim, a, b, 10, 4, { proto: "tls" });
    await sim.run({ untilUs: 1000 });
    expect(String(flow.error)).toContain("NOSUPPORT");
    sim.close();
  });
});
