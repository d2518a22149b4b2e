import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CliClient } from "../../src/cli/socket-client.js";
import { lacks, PYTHON } from "../needs.js";
import { Netns } from "../support/netns.js";
import type { Program } from "../support/program.js";
import { RunningStack } from "../support/weft.js";

const NAMES = ["red", "blue", "green"] as const;
const BIG_BYTES = 96 << 20;

/** Fetches a file slowly enough for something to happen meanwhile; says its SHA-256 and the longest gap between reads. */
const SLOW = `
import hashlib, socket, sys, time
s = socket.create_connection(("198.18.0.2", int(sys.argv[1])), timeout=20)
s.sendall(b"GET /big HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n")
f = s.makefile("rb", buffering=0)
head = b""
while not head.endswith(b"\\r\\n\\r\\n"):
    head += f.read(1)
h, last, gap, got = hashlib.sha256(), time.monotonic(), 0, 0
try:
    while data := s.recv(1 << 18):
        now = time.monotonic()
        gap, last = max(gap, now - last), now
        h.update(data)
        if got == 0:
            print("started", flush=True)
        got += len(data)
        time.sleep(0.002)
        last = time.monotonic()
except OSError as error:
    print(error)
print(h.hexdigest(), got, round(gap * 1000, 1), flush=True)
`;

describe.skipIf(lacks("netns", "tun", "ip", "curl", "python3"))("three namespaces on two TAPs and two tables", () => {
  const sides: Netns[] = [];
  const root = mkdtempSync(join(tmpdir(), "weft-ns-"));
  const socket = join(root, "cli.sock");
  const big = Buffer.alloc(BIG_BYTES, "0123456789abcdef weft ");
  let stack: RunningStack;

  beforeAll(async () => {
    for (const name of NAMES) {
      mkdirSync(join(root, name));
      writeFileSync(join(root, name, "index.html"), `page of ${name}\n`);
      writeFileSync(join(root, name, "big"), big);
    }
    sides.push(await Netns.create(), await Netns.create());
    const page = (namespace: string, uri: string) => ({
      kind: "http",
      namespace,
      listen: [uri],
      root: join(root, namespace),
    });
    stack = await RunningStack.start({
      interfaces: sides.map(({ name }, i) => ({
        name: `tap${i}`,
        kind: "tap",
        netns: name,
        addresses: ["198.18.0.2/24"],
        table: i,
        host: { addresses: ["198.18.0.1/24"] },
      })),
      namespaces: [
        { id: "red", secret: "r", interface: "tap0" },
        { id: "blue", secret: 1234, interface: "tap1" },
        { id: "green", table4: 1 },
      ],
      apps: [page("red", "tcp://0.0.0.0/80"), page("blue", "tcp://0.0.0.0/80"), page("green", "tcp://198.18.0.2/81")],
      cli: { socket },
    });
  });
  afterAll(async () => {
    await stack.endWell();
    for (const side of sides) await side.remove();
    rmSync(root, { recursive: true, force: true });
  });

  const curl = (side: number, port: number): Promise<string> =>
    sides[side].must("curl", ["-sS", "--max-time", "5", `http://198.18.0.2:${port}/`]);

  it("curl reaches the right one from each side", async () => {
    expect(await curl(0, 80)).toBe("page of red\n");
    expect(await curl(1, 80)).toBe("page of blue\n");
    expect(await curl(1, 81)).toBe("page of green\n");
    expect((await sides[0].run("curl", ["-sS", "--max-time", "5", "http://198.18.0.2:81/"])).status).toBe(7);
  });

  it("deleting one leaves the others' transfers whole", async () => {
    const wanted = createHash("sha256").update(big).digest("hex");
    const fetches: Program[] = [sides[0].start(PYTHON, "-c", SLOW, "80"), sides[1].start(PYTHON, "-c", SLOW, "81")];
    const lost = sides[1].start(PYTHON, "-c", SLOW, "80");
    for (const each of [...fetches, lost]) await each.waitFor(/started/);
    const cli = await CliClient.open(socket);
    expect(await cli.run("app ns del id blue")).toMatchObject({ ok: true });
    cli.close();
    for (const each of fetches) {
      const { stdout } = await each.waitFor(/^[0-9a-f]{64} .*$/m, 50_000).then(() => each.finished);
      const [hash, got, gapMs] = (/^([0-9a-f]{64}) (\d+) ([\d.]+)$/m.exec(stdout) ?? []).slice(1);
      console.log(`longest read gap: ${gapMs} ms`);
      expect([hash, Number(got)]).toEqual([wanted, BIG_BYTES]);
      // 50 ms on a machine that has nothing else to do.
      expect(Number(gapMs)).toBeLessThan(1000);
    }
    const { stdout } = await lost.finished;
    expect(Number(/ (\d+) [\d.]+$/m.exec(stdout)?.[1])).toBeLessThan(BIG_BYTES);
    expect((await sides[1].run("curl", ["-sS", "--max-time", "5", "http://198.18.0.2:80/"])).status).toBe(7);
    expect(await curl(0, 80)).toBe("page of red\n");
  });
});
