import { expect, test } from "vitest";
import type { Session } from "../../src/app/session.js";
import { simulatedTls } from "../../src/host/simulated-tls.js";
import type { LinkOptions } from "../../src/sim/link-options.js";
import { twoHosts } from "./two-hosts.js";

const LOSSY: LinkOptions = { delayUs: 5000, lossRate: 0.25, reorderRate: 0.1, duplicateRate: 0.1 };

interface Run {
  readonly hash: string;
  readonly error: string;
  /** Numbers of the datagrams that arrived, of 50. */
  readonly arrived: readonly number[];
  readonly untilUs: number;
}

/** A handshake over a bad link, then 50 datagrams, and the end. */
async function run(seed: number): Promise<Run> {
  const tls = { source: simulatedTls, config: { handshakeMs: 120_000 } };
  const { sim, a, b } = twoHosts({ seed, link: LOSSY, a: { tls }, b: { tls } });
  const arrived: number[] = [];
  const into = new Uint8Array(64);
  const rx = (session: Session): void => {
    while (session.readDatagram(into) >= 0) arrived.push(into[0]);
  };
  const server = b.attach({ name: "server" }, { accept: () => true, rx });
  await server.listen("dtls://0.0.0.0/5684");
  const trust = a.stack.host.tls?.store.addTrust(b.stack.host.tls?.store.testPair.certificate ?? into) ?? 0;
  const client = a.attach({ name: "client" }, {});
  let error = "under way";
  let openedUs = 0;
  const opened = (session: Session): void => {
    error = "";
    openedUs = sim.nowUs();
    for (let i = 0; i < 50; i++) session.writeDatagram(Uint8Array.of(i, ...new Array<number>(40).fill(i)));
  };
  client.connect("dtls://[localhost]10.0.0.2/5684", { tls: { trust } }).then(opened, (reason: unknown) => {
    error = String(reason);
  });
  await sim.run({ untilUs: 150_000_000, isDone: () => error !== "under way" && sim.nowUs() > openedUs + 1_000_000 });
  expect([...a.errors, ...b.errors]).toEqual([]);
  const hash = sim.hash();
  sim.close();
  return { hash, error, arrived, untilUs: openedUs };
}

test("a handshake comes about whichever flights are lost, on virtual time; datagrams arrive once or not at all", async () => {
  let retried = 0;
  for (let seed = 1; seed <= 30; seed++) {
    const { error, arrived, untilUs } = await run(seed);
    expect([seed, error]).toEqual([seed, ""]);
    if (untilUs > 900_000) retried++;
    expect(arrived.length).toBeGreaterThan(10);
    expect(new Set(arrived).size).toBe(arrived.length);
  }
  expect(retried).toBeGreaterThan(10);
});

test("the same seed gives the same frames", async () => {
  expect(await run(3)).toEqual(await run(3));
});
