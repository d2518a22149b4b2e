import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { lacks } from "../needs.js";
import { AttachHost, type Census, until } from "./host.js";

// VPP's cases of application namespaces and of coming back, with applications in processes of their own. Where VPP leads
// from one table to the other within itself, here the kernel forwards between the two interfaces.

const RED = "198.18.0.2";
const BLUE = "198.18.1.2";
const MIB = 1 << 20;
const SECRETS = { red: "1234", blue: "5678" } as const;

/** Two interfaces, each in a table of its own, whose ways to each other go through the kernel. */
function configuration(netns: string) {
  const sides = [
    ["198.18.0", 0],
    ["198.18.1", 1],
  ] as const;
  return {
    interfaces: sides.map(([net, i]) => ({
      name: `tap${i}`,
      kind: "tap",
      netns,
      table: i,
      addresses: [`${net}.2/24`],
      host: { addresses: [`${net}.1/24`] },
    })),
    routes: sides.map(([net, table]) => ({ prefix: "0.0.0.0/0", via: `${net}.1`, table })),
    namespaces: [
      { id: "red", secret: SECRETS.red, interface: "tap0" },
      { id: "blue", secret: SECRETS.blue, interface: "tap1" },
    ],
  };
}

describe.skipIf(lacks("netns", "tun", "ip"))("applications in other processes, and namespaces", () => {
  let host: AttachHost;
  let before: Census;
  beforeAll(async () => {
    host = await AttachHost.start(configuration);
    await host.netns.must("sysctl", ["-qw", "net.ipv4.ip_forward=1"]);
    before = await host.census();
  });
  afterEach(() => host.endPrograms());
  afterAll(() => host.end());

  const inside = (namespace: keyof typeof SECRETS) => ({ namespace, secret: SECRETS[namespace] });
  /** A megabyte there and back. */
  const transfer = async (from: keyof typeof SECRETS, address: string): Promise<void> => {
    const client = host.connect({ ...inside(from), uri: `tcp://${address}/1000`, bytes: MIB });
    const { stdout, stderr, status } = await client.finished;
    expect([stdout.match(/^done .*$/gm), stderr, status]).toEqual([["done 1048576"], "", 0]);
  };

  test("application_namespace: a server in one table, a client in another, each with the secret of its namespace", async () => {
    const refused = host.connect({ namespace: "red", secret: "4321", uri: `tcp://${RED}/1000` });
    expect((await refused.finished).stdout).toMatch(/^refused EACCES: .*WRONG_NS_SECRET/m);
    const server = await host.serve({ ...inside("red"), mode: "echo", uris: ["tcp://0.0.0.0/1000"] });
    await transfer("blue", RED);
    expect(server.stdout.match(/^accepted$/gm)).toHaveLength(1);
    // The namespace has its interface's address alone.
    const elsewhere = host.client(
      "app.mjs",
      "serve",
      JSON.stringify({
        directory: `${host.directory}/attach`,
        name: "elsewhere",
        ...inside("red"),
        uris: [`tcp://${BLUE}/1001`],
      }),
    );
    expect((await elsewhere.finished).stdout).toMatch(/^refused \w+: .*NOIP/m);
    await server.stop("SIGTERM");
    await host.back(before);
  });

  test("application_namespace_binding: a namespace goes from one interface to the other, is deleted, and comes back", async () => {
    const serve = () => host.serve({ ...inside("red"), mode: "echo", uris: ["tcp://0.0.0.0/1000"] });
    const first = await serve();
    await transfer("blue", RED);
    await first.stop("SIGTERM");
    // For who attaches from now on.
    await host.cli(`app ns add id red secret ${SECRETS.red} if tap1`);
    await host.cli(`app ns add id blue secret ${SECRETS.blue} if tap0`);
    const second = await serve();
    await transfer("blue", BLUE);
    await host.cli("app ns del id red");
    await second.waitFor(/^detached$/m);
    const late = host.connect({ ...inside("red"), uri: `tcp://${BLUE}/1000` });
    expect((await late.finished).stdout).toMatch(/^refused ENOENT/m);
    await host.cli(`app ns add id red secret ${SECRETS.red} if tap0`);
    await host.cli(`app ns add id blue secret ${SECRETS.blue} if tap1`);
    const third = await serve();
    await transfer("blue", RED);
    await third.stop("SIGTERM");
    await until("the first state is back", async () => (await host.census()).apps === before.apps);
    await host.back(before);
  });

  test("retry attach: applications attach and listen again when the stack comes back, again and again", async () => {
    const server = await host.serve({ ...inside("red"), mode: "echo", uris: ["tcp://0.0.0.0/1000"] });
    for (let i = 1; i <= 3; i++) {
      await transfer("blue", RED);
      await host.killStack();
      await server.waitForLines("lost", i);
      const early = host.connect({ ...inside("blue"), uri: `tcp://${RED}/1000` });
      expect((await early.finished).stdout).toMatch(/^refused (?:ECONNREFUSED|ENOENT)/m);
      for (const name of ["tap0", "tap1"]) await host.netns.ip(`link del ${name}`).catch(() => undefined);
      await host.startStack();
      await server.waitForLines("reattached", i);
    }
    await transfer("blue", RED);
    expect(server.stdout.match(/^accepted$/gm)).toHaveLength(4);
    await server.stop("SIGTERM");
  });
});
