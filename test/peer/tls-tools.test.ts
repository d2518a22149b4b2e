import { statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type WrittenFrame, writeCapture } from "../../src/device/pcap-write.js";
import { simulatedTls } from "../../src/host/simulated-tls.js";
import { lacks } from "../needs.js";
import { transfer, twoHosts } from "../sim/two-hosts.js";
import { mustRun } from "../support/program.js";
import { STACK4 } from "../support/weft.js";
import { BODY, TLS_FAMILIES, TlsPeerStack } from "./tls-stack.js";

/** What the first stream of TLS in a capture says, by the secrets of its handshake: the client's and the server's clear text. */
async function decrypted(capture: string, keys: string, port: number): Promise<[client: Buffer, server: Buffer]> {
  const how = ["-o", `tls.keylog_file:${keys}`, "-d", `tcp.port==${port},tls`, "-q", "-z", "follow,tls,raw,0"];
  const lines = (await mustRun("tshark", ["-n", "-r", capture, ...how])).split("\n");
  const of = (pattern: RegExp): Buffer =>
    Buffer.from(
      lines
        .filter((line) => pattern.test(line))
        .join("")
        .replaceAll("\t", ""),
      "hex",
    );
  expect(lines[4]).toMatch(new RegExp(`^Node 0: .*:${port}$`));
  return [of(/^\t[0-9a-f]+$/), of(/^[0-9a-f]+$/)];
}

describe.skipIf(lacks("netns", "tun", "ip", "gnutls-cli", "nmap", "tshark", "tcpdump", "curl"))("tools of TLS", () => {
  let host: TlsPeerStack;
  beforeAll(async () => {
    host = await TlsPeerStack.start();
  });
  afterAll(() => host.end());

  it.each(TLS_FAMILIES)("gnutls-cli over $family: verifies the certificate and gets every byte", async ({ stack }) => {
    const request = String.raw`printf 'GET / HTTP/1.1\r\nhost: localhost\r\n\r\n'`;
    const options = `--x509cafile ${host.trusted} --sni-hostname localhost --verify-hostname localhost --alpn http/1.1`;
    const command = `(${request}; sleep 1) | gnutls-cli ${options} --port 443 ${stack}`;
    const { stdout, status } = await host.netns.run("sh", ["-c", command]);
    expect(status).toBe(0);
    expect(stdout).toContain("The certificate is trusted");
    expect(stdout).toContain("Application protocol: http/1.1");
    expect(stdout).toContain("(TLS1.3-X.509)");
    const at = stdout.indexOf("\r\n\r\n") + 4;
    expect(Buffer.from(stdout.slice(at, at + BODY.length), "latin1").equals(BODY)).toBe(true);
  });

  it("nmap finds no version before 1.2, and no suite that is less than strong", async () => {
    const script = ["-Pn", "-n", "-p", "443", "--script", "ssl-enum-ciphers", STACK4];
    const report = await host.netns.must("nmap", script, 60_000);
    expect([...report.matchAll(/^\|\s+((?:TLS|SSL)v[\d.]+):/gm)].map(([, version]) => version)).toEqual([
      "TLSv1.2",
      "TLSv1.3",
    ]);
    const suites = [...report.matchAll(/^\|\s+(TLS_\w+) \((\w+)\) - (\w)/gm)].map(([, suite, , grade]) => [
      suite,
      grade,
    ]);
    expect(suites.length).toBeGreaterThan(5);
    for (const [suite, grade] of suites) {
      expect([suite, grade]).toEqual([expect.stringMatching(/^TLS_(ECDHE|AKE)_.*(GCM|POLY1305)/), "A"]);
    }
    expect(report).toContain("least strength: A");
    expect(report).not.toContain("warnings:");
  }, 60_000);

  it("tshark decrypts what curl was sent, by the secrets that the stack wrote", async () => {
    const capture = join(host.directory, "seen.pcap");
    const { netns } = host;
    const dump = netns.start(
      "tcpdump",
      "-i",
      "tap0",
      "-U",
      "--immediate-mode",
      "-Z",
      "root",
      "-w",
      capture,
      "port 443",
    );
    await dump.waitFor(/listening on/);
    const what = ["-gsS", "--http1.1", "--limit-rate", "5M", "-o", "/dev/null", "-A", "weft", "--cacert", host.trusted];
    await netns.must("curl", [...what, "--resolve", TLS_FAMILIES[0].resolve, "https://localhost/page"]);
    // What it has not taken yet when it is ended is lost: it has all when nothing has come for a while.
    let size = -1;
    await expect
      .poll(
        () => {
          const before = size;
          ({ size } = statSync(capture));
          return size > BODY.length && size === before;
        },
        { interval: 300, timeout: 20_000 },
      )
      .toBe(true);
    await dump.stop("SIGINT");
    const [asked, answered] = await decrypted(capture, host.keys, 443);
    expect(asked.toString()).toBe("GET /page HTTP/1.1\r\nHost: localhost\r\nUser-Agent: weft\r\nAccept: */*\r\n\r\n");
    expect(answered.subarray(-BODY.length).equals(BODY)).toBe(true);
    expect(answered.toString("latin1", 0, answered.length - BODY.length)).toMatch(/^HTTP\/1.1 200 OK\r\n.*\r\n\r\n$/s);
  });

  it("tshark decrypts the frames of a simulation", async () => {
    const tls = { source: simulatedTls };
    const { sim, a, b } = twoHosts({ seed: 5, link: { delayUs: 1000 }, a: { tls }, b: { tls } });
    const frames: WrittenFrame[] = [];
    sim.onFrame = ({ timeUs, bytes }) => {
      const seconds = Math.floor(timeUs / 1e6);
      frames.push({ seconds, nanoseconds: (timeUs % 1e6) * 1000, bytes: bytes.slice() });
    };
    let keys = "";
    b.stack.host.tls?.logKeys((lines) => (keys += lines));
    const flow = transfer(sim, a, b, 100_000, 4, { proto: "tls", tls: { verify: "none" } });
    await sim.run({ untilUs: 10_000_000, isDone: () => flow.isDone });
    expect(flow).toMatchObject({ got: 100_000, wrongAt: -1, error: undefined });
    sim.close();
    const [capture, keyFile] = ["sim.pcapng", "sim.keys"].map((name) => join(host.directory, name));
    writeFileSync(capture, writeCapture({ format: "pcapng", interfaceName: "sim" }, frames));
    writeFileSync(keyFile, keys);
    const [sent] = await decrypted(capture, keyFile, 9);
    expect(sent.equals(flow.data)).toBe(true);
  });
});
