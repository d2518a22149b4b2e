import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { lacks, PYTHON } from "../needs.js";
import { FAMILIES, KERNEL4, STACK4 } from "../support/weft.js";
import { AttachHost, type Census, statusOf, until } from "./host.js";

// VPP's cases of applications in other processes, by their names in test/asf/test_session.py, test/test_vcl.py and hs-test.

const MIB = 1 << 20;

describe.skipIf(lacks("netns", "tun", "ip"))("an application in another process", () => {
  let host: AttachHost;
  let before: Census;
  beforeAll(async () => {
    host = await AttachHost.start();
    before = await host.census();
  });
  afterEach(async () => {
    await host.endPrograms();
    await host.back(before);
  });
  afterAll(() => host.end());

  test("segment_manager_alloc: small segments force several; the transfer completes, and none is left", async () => {
    const server = await host.serve({
      mode: "echo",
      uris: [`tcp://${STACK4}/1000`],
      segmentBytes: 64 << 10,
      addSegmentBytes: 64 << 10,
      maxFifoMemoryBytes: 8 * MIB,
    });
    const clients = Array.from({ length: 12 }, () => host.kernel(1000, "echo", 200_000));
    for (const each of clients) await each.waitFor(/^ended after 200000$/m, 20_000);
    const counts = [...server.stdout.matchAll(/^segment (\d+)$/gm)].map(([, count]) => Number(count));
    expect(Math.max(...counts)).toBeGreaterThanOrEqual(2);
    expect(counts.length).toBeGreaterThanOrEqual(2);
  });

  test("cut-through echo, of several sessions at once", async () => {
    await host.serve({ mode: "echo", uris: [`tcp://${STACK4}/1001`], scope: ["local", "global"] });
    const client = host.connect({
      uri: `tcp://${STACK4}/1001`,
      scope: ["local", "global"],
      bytes: 2 * MIB,
      sessions: 4,
    });
    const { stdout, status } = await client.finished;
    expect(stdout.match(/^done 2097152$/gm)).toHaveLength(4);
    expect(status).toBe(0);
  });

  test.each(FAMILIES)("thru-host-stack echo over $family, through the kernel", async ({ literal, address }) => {
    await host.serve({ mode: "echo", uris: [`tcp://${literal}:1002`] });
    const client = host.kernel(1002, "echo", 2 * MIB, 1, address);
    await client.waitFor(/^ended after 2097152$/m);
    expect(client.stdout).toMatch(/^ended after 2097152$/m);
  });

  test.each(FAMILIES)("uni-dir nsock over $family: bytes one way, each way", async ({ literal, address }) => {
    const sink = await host.serve({ mode: "sink", uris: [`tcp://${literal}:1003`] });
    host.kernel(1003, "send", 4 * MIB, 1, address);
    await sink.waitFor(/^sunk 4194304$/m);
    await host.serve({ name: "source", mode: "source", bytes: 4 * MIB, uris: [`tcp://${literal}:1004`] });
    const fetched = host.kernel(1004, "fetch", 0, 1, address);
    await fetched.waitFor(/^ended after 4194304$/m);
    expect([sink.stdout, fetched.stdout].join("\n")).toMatch(/^sunk 4194304$[^]*^ended after 4194304$/m);
  });

  test("bi-dir nsock: an application that connects to a server of the kernel's, both ways at once", async () => {
    await host.kernelServer(1005, "echo", 0, KERNEL4);
    const client = host.connect({ uri: `tcp://${KERNEL4}/1005`, mode: "echo", bytes: 2 * MIB, sessions: 2 });
    const { stdout, status } = await client.finished;
    expect([stdout.match(/^done 2097152$/gm)?.length, status]).toEqual([2, 0]);
  });

  test("CL UDP echo, and multiple binds: each port answers for itself", async () => {
    await host.serve({ mode: "udp-echo", uris: [1010, 1011, 1012].map((port) => `udp://${STACK4}/${port}`) });
    const script = `
import socket
for port in (1010, 1011, 1012):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(5)
    for n in (0, 1, 1000, 1472, 1473, 8000):
        data = bytes((i * 7 + n + port) % 251 for i in range(n))
        s.sendto(data, ("${STACK4}", port))
        got, source = s.recvfrom(70000)
        assert got == data and source == ("${STACK4}", port), (port, n, len(got), source)
print("ok")
`;
    expect(await host.netns.must(PYTHON, ["-c", script])).toBe("ok\n");
  });

  test("CL UDP echo from one application to another", async () => {
    await host.serve({ mode: "udp-echo", uris: [`udp://${STACK4}/1013`] });
    const { stdout, status } = await host.connect({ uri: `udp://${STACK4}/1013`, mode: "udp", count: 300 }).finished;
    expect(stdout).toContain("done 300\n");
    expect(status).toBe(0);
  });

  test("multi-worker: two processes of one application accept in turn", async () => {
    const uris = [`tcp://${STACK4}/1006`];
    const first = await host.serve({ mode: "echo", uris });
    const appHandle = Number(/^ready (\d+)$/m.exec(first.stdout)?.[1]);
    const second = await host.serve({ mode: "echo", uris, appHandle });
    await host.kernel(1006, "echo", 1000, 10).finished;
    const accepted = [first, second].map(({ stdout }) => stdout.match(/^accepted$/gm)?.length);
    expect(accepted).toEqual([5, 5]);
    await second.stop("SIGKILL");
    await until("the worker is gone", async () => !(await host.cli("show app 0 verbose")).includes("0 1"));
    await host.kernel(1006, "echo", 1000, 4).finished;
    expect(first.stdout.match(/^accepted$/gm)).toHaveLength(9);
  });

  test("interrupt mode: nobody wakes up while there is nothing to do, and all do when there is", async () => {
    const server = await host.serve({ mode: "echo", uris: [`tcp://${STACK4}/1007`] });
    await host.kernel(1007, "echo", 100_000).finished;
    const processes = [server.pid, host.stack.program.pid];
    const switches = (): number[] => processes.map((pid) => statusOf(pid, "voluntary_ctxt_switches"));
    // What is still to be done after a connection ends is over when a while brings no switch.
    let idle = switches();
    let added = [Infinity, Infinity];
    await until("both sleep", async () => {
      await new Promise((resolve) => setTimeout(resolve, 300));
      const now = switches();
      added = now.map((count, i) => count - idle[i]);
      idle = now;
      return Math.max(...added) <= 3;
    });
    await host.kernel(1007, "echo", 100_000).waitFor(/^ended after 100000$/m);
    expect(switches()[0]).toBeGreaterThan(idle[0]);
  });
});
