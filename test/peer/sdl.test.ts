import { createHash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { requestLine } from "../../src/cli/methods/request-form.js";
import type { MethodName } from "../../src/cli/methods/method-table.js";
import { CliClient } from "../../src/cli/socket-client.js";
import { lacks, PYTHON } from "../needs.js";
import { KERNEL4, KERNEL6, STACK4, STACK6, TapStack } from "../support/weft.js";

const FLOWS = 8;
const FLOW_BYTES = 96 << 20;
/** Prefixes in one request. */
const BATCH = 128;

/** Fetches bytes on several connections at once, half of them over IPv6; says the SHA-256 and the longest gap of each. */
const FETCH = `
import hashlib, socket, sys, threading, time
flows, total, hosts = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
ready = threading.Barrier(flows + 1)
def fetch(i):
    s = socket.create_connection((hosts[i % len(hosts)], 80), timeout=30)
    s.sendall(b"GET /bytes/%d HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n" % total)
    f = s.makefile("rb", buffering=0)
    head = b""
    while not head.endswith(b"\\r\\n\\r\\n"):
        head += f.read(1)
    ready.wait()
    h, last, gap, got = hashlib.sha256(), time.monotonic(), 0, 0
    while data := s.recv(1 << 18):
        now = time.monotonic()
        gap = max(gap, now - last)
        h.update(data)
        got += len(data)
        last = time.monotonic()
    # In one piece: print() writes several, between which another thread may write its own.
    sys.stdout.write(f"{h.hexdigest()} {got} {round(gap * 1000, 1)}\\n")
threads = [threading.Thread(target=fetch, args=(i,)) for i in range(flows)]
for t in threads: t.start()
ready.wait()
print("started", flush=True)
for t in threads: t.join()
`;

/** Sends SYNs from an address that is nobody's, so that nobody answers our SYN-ACKs. */
const SYNS = `
import socket, struct, sys
source, target, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
a, b = socket.inet_aton(source), socket.inet_aton(target)
def sum16(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16: total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff
for i in range(count):
    tcp = struct.pack("!HHIIBBHHH", 5000 + i, 80, 1, 0, 5 << 4, 2, 65535, 0, 0)
    check = sum16(a + b + struct.pack("!HH", 6, len(tcp)) + tcp)
    tcp = tcp[:16] + struct.pack("!H", check) + tcp[18:]
    s.sendto(struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(tcp), i, 0, 64, 6, 0, a, b) + tcp, (target, 0))
`;

function patternDigest(): string {
  const block = Buffer.from(Array.from({ length: 251 * 4096 }, (_, i) => i % 251));
  const hash = createHash("sha256");
  for (let left = FLOW_BYTES; left > 0; left -= block.length) {
    hash.update(block.subarray(0, Math.min(left, block.length)));
  }
  return hash.digest("hex");
}

/** Prefixes that lie between each other, of both families. */
function batch(i: number): { readonly remote: string }[] {
  return Array.from({ length: BATCH }, (_, j) => {
    const at = i * BATCH + j;
    const high = (at >> 8) & 255;
    const low = at & 255;
    return at % 2 === 0
      ? { remote: `${20 + (at >> 16)}.${high}.${low}.0/${24 + (at % 9)}` }
      : { remote: `2001:db8:${high.toString(16)}:${low.toString(16)}::/${64 + (at % 65)}` };
  });
}

describe.skipIf(lacks("netns", "tun", "ip", "curl", "python3"))("the source deny list, before kernels", () => {
  const directory = mkdtempSync(join(tmpdir(), "weft-sdl-"));
  const socket = join(directory, "cli.sock");
  let host: TapStack;
  let cli: CliClient;
  beforeAll(async () => {
    const session = { rtBackend: "sdl" };
    host = await TapStack.start({}, { session, tcp: { synRcvdTimeoutMs: 500 }, cli: { socket } });
    cli = await CliClient.open(socket);
  });
  afterAll(async () => {
    cli.close();
    await host.end();
    rmSync(directory, { recursive: true, force: true });
  });

  async function call(method: MethodName, params: object): Promise<void> {
    const answer = await cli.run(requestLine(method, params));
    if (!answer.ok) throw new Error(`${method}: ${answer.text}`);
  }

  /** curl's exit status: 0, or 28 (no answer in time). */
  async function fetch(host6: string): Promise<number | null> {
    const url = `http://${host6}/`;
    return (await host.netns.run("curl", ["-gsS", "-o", "/dev/null", "--connect-timeout", "1", url])).status;
  }

  it.each([
    ["IPv4", STACK4, `${KERNEL4}/32`, "198.18.0.0/24"],
    ["IPv6", `[${STACK6}]`, `${KERNEL6}/128`, "2001:db8:18::/64"],
  ])("drops a peer over %s without an answer until its entry is gone", async (_, url, peer, net) => {
    expect(await fetch(url)).toBe(0);
    await call("sdl.add", { entries: [{ remote: net }] });
    expect(await fetch(url)).toBe(28);
    await call("sdl.add", { entries: [{ remote: peer, action: "allow" }] });
    expect(await fetch(url)).toBe(0);
    await call("sdl.del", { entries: [{ remote: peer }] });
    expect(await fetch(url)).toBe(28);
    await call("sdl.del", { entries: [{ remote: net }] });
    expect(await fetch(url)).toBe(0);
  });

  it("auto-sdl denies whoever never completes its handshakes, for a while, and others not at all", async () => {
    const silent = "198.18.0.77";
    const mac = (await host.netns.must("cat", ["/sys/class/net/tap0/address"])).trim();
    await call("neighbour.set", { interface: "tap0", address: silent, mac });
    await call("auto-sdl.enable", { threshold: 3, removeTimeoutS: 4 });
    const entries = async (): Promise<string> => (await cli.run(requestLine("sdl.list", {}))).text;
    for (let i = 0; i < 3; i++) expect(await fetch(STACK4)).toBe(0);
    await host.netns.must(PYTHON, ["-c", SYNS, silent, STACK4, "3"]);
    await expect.poll(entries, { timeout: 20_000 }).toMatch(`"remote":"${silent}/32","action":"drop"`);
    expect(await fetch(STACK4)).toBe(0);
    expect(await entries()).not.toContain(KERNEL4);
    await expect.poll(entries, { timeout: 20_000 }).not.toMatch(silent);
    await call("auto-sdl.disable", {});
  });

  it(`changes while ${FLOWS} flows transfer: all whole, and none of them waits`, { timeout: 120_000 }, async () => {
    const wanted = patternDigest();
    const program = host.netns.start(PYTHON, "-c", FETCH, String(FLOWS), String(FLOW_BYTES), STACK4, STACK6);
    await program.waitFor(/started/, 30_000);
    // Those that transfer are denied, too: that is about connections to come.
    const peers = [{ remote: `${KERNEL4}/32` }, { remote: `${KERNEL6}/128` }];
    await call("sdl.add", { entries: peers });
    let isOver = false;
    const finished = program.finished.then((result) => {
      isOver = true;
      return result;
    });
    let rounds = 0;
    for (; !isOver; rounds++) {
      for (let i = 0; i < 32 && !isOver; i++) await call("sdl.add", { entries: batch(i) });
      // Over all of them, each of which is told.
      const over = [{ remote: "0.0.0.0/1" }, { remote: "2000::/3" }];
      await call("sdl.add", { entries: over });
      await call("sdl.del", { entries: over });
      const there = Number(/^prefixes +(\d+)/m.exec((await cli.run("show session rt-backend")).text)?.[1]);
      for (let i = 0; i < Math.floor((there - peers.length) / BATCH); i++) {
        await call("sdl.del", { entries: batch(i) });
      }
    }
    const lines = (await finished).stdout.match(/^[0-9a-f]{64} .*$/gm) ?? [];
    const flows = lines.map((line) => line.split(" "));
    console.log(`${rounds} rounds; longest read gaps: ${flows.map(([, , gapMs]) => gapMs).join(", ")} ms`);
    expect(rounds).toBeGreaterThan(0);
    expect(flows.map(([hash, got]) => [hash, Number(got)])).toEqual(
      Array.from({ length: FLOWS }, () => [wanted, FLOW_BYTES]),
    );
    // 50 ms on a machine that has nothing else to do.
    for (const [, , gapMs] of flows) expect(Number(gapMs)).toBeLessThan(1000);
    expect(await fetch(STACK4)).toBe(28);
    await call("sdl.del", { entries: peers });
    expect(await fetch(STACK4)).toBe(0);
  });
});
