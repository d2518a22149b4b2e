import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { lacks, PYTHON } from "../needs.js";
import { mustRun } from "../support/program.js";
import { FAMILIES, STACK4, STACK6, TapStack } from "../support/weft.js";

/** Datagrams to open and closed ports, resets, half-closes: traffic that curl and ping do not make. */
const ODDS = `
import socket, sys, time
for host in sys.argv[1:]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for port, size in ((7, 1), (7, 8192), (9, 100), (7002, 50)):
        s = socket.socket(family, socket.SOCK_DGRAM)
        s.sendto(bytes(size), (host, port))
    for port in (7, 7001, 7002):
        try:
            s = socket.create_connection((host, port), timeout=5)
            s.sendall(b"echo\\n" + bytes(range(250)) * 20)
            s.shutdown(socket.SHUT_WR)
            while s.recv(65536):
                pass
            s.close()
        except ConnectionRefusedError:
            pass
    s = socket.create_connection((host, 19), timeout=5)
    s.recv(1000)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\\1\\0\\0\\0\\0\\0\\0\\0")
    s.close()
time.sleep(0.3)
`;

/** Something to upload, some 100 KB. */
const LOCK_FILE = join(import.meta.dirname, "..", "..", "package-lock.json");

const CHECKS = ["ip.check_checksum", "tcp.check_checksum", "udp.check_checksum"].flatMap((name) => [
  "-o",
  `${name}:TRUE`,
]);
const OURS = `(ip.src==${STACK4} || ipv6.src==${STACK6})`;

describe.skipIf(lacks("netns", "tun", "ip", "tshark", "tcpdump", "curl", "ping", "python3"))("tshark", () => {
  let host: TapStack;
  const directory = mkdtempSync(join(tmpdir(), "weft-tshark-"));
  const file = join(directory, "seen.pcap");
  /** Frames of the capture that a display filter selects. */
  const select = async (filter: string) => {
    const out = await mustRun("tshark", ["-n", "-r", file, ...CHECKS, "-Y", filter]);
    return out.split("\n").filter((line) => line !== "");
  };

  beforeAll(async () => {
    // Checksums are ours to make when the device offers no offload.
    host = await TapStack.start({ offloads: { checksum: false, gso: false } });
    const dump = host.netns.start("tcpdump", "-i", "tap0", "-n", "-U", "--immediate-mode", "-Z", "root", "-w", file);
    await dump.waitFor(/listening on/);
    for (const { url, address } of FAMILIES) {
      await host.netns.must("curl", ["-gsSf", "-o", "/dev/null", `${url}/`, "-o", "/dev/null", `${url}/bytes/300000`]);
      await host.netns.must("curl", ["-gsSf", "-o", "/dev/null", "--data-binary", `@${LOCK_FILE}`, `${url}/sha256`]);
      await host.netns.must("ping", ["-q", "-c", "3", "-i", "0.05", "-s", "4000", address]);
    }
    await host.netns.must(PYTHON, ["-c", ODDS, STACK4, STACK6]);
    await dump.stop("SIGINT");
  }, 60_000);
  afterAll(async () => {
    await host.end();
    rmSync(directory, { recursive: true, force: true });
  });

  it("sees traffic of every kind from the stack", async () => {
    for (const kind of ["tcp", "udp", "icmp", "icmpv6", "ip.flags.mf==1", "ipv6.fraghdr", "tcp.flags.reset==1"]) {
      expect([kind, (await select(`${OURS} && ${kind}`)).length > 0]).toEqual([kind, true]);
    }
    expect((await select("arp.opcode==2 || icmpv6.type==136")).length).toBeGreaterThan(1);
  });

  it("sees no bad checksum", async () => {
    const bad = ["ip", "tcp", "udp", "icmp", "icmpv6"].map((name) => `${name}.checksum.status=="Bad"`);
    expect(await select(`${OURS} && (${bad.join(" || ")})`)).toEqual([]);
    // The filter finds them: nobody else's frames are looked at above.
    expect((await select('tcp.checksum.status=="Good"')).length).toBeGreaterThan(100);
  });

  it("sees no malformed packet", async () => {
    expect(await select(`(${OURS} || arp) && (_ws.malformed || _ws.short || _ws.expert.severity=="Error")`)).toEqual(
      [],
    );
  });
});
