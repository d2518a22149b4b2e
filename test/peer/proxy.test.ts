import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { lacks } from "../needs.js";
import { Netns, vethPair } from "../support/netns.js";
import { mustRun, type Program } from "../support/program.js";
import { KERNEL4, KERNEL6, RunningStack, STACK4, STACK6, tapInterface } from "../support/weft.js";

// Three namespaces: a sandbox, whose only way out is the stack's TAP; the outside, where the stack's process is; and a network
// beyond, with servers. The proxy lets the sandbox reach two hosts of each family.

const FAMILIES = [
  { family: "IPv4", outside: "198.19.0.1", web: "198.19.0.2", dns: "198.19.0.3", shut: "198.19.0.4" },
  { family: "IPv6", outside: "2001:db8:19::1", web: "2001:db8:19::2", dns: "2001:db8:19::3", shut: "2001:db8:19::4" },
] as const;
const PERIOD = 251;
const BULK_BYTES = 100_000_000;

/** A host as it stands in a URI. */
function literal(address: string): string {
  return address.includes(":") ? `[${address}]` : address;
}

function patternHash(bytes: number): string {
  const piece = Buffer.from(Array.from({ length: PERIOD * 1024 }, (_, i) => i % PERIOD));
  const hash = createHash("sha256");
  for (let left = bytes; left > 0; left -= piece.length) hash.update(piece.subarray(0, Math.min(left, piece.length)));
  return hash.digest("hex");
}

describe.skipIf(lacks("netns", "tun", "ip", "curl"))("a sandbox behind a proxy", () => {
  const root = mkdtempSync(join(tmpdir(), "weft-proxy-"));
  let sandbox: Netns;
  let outside: Netns;
  let beyond: Netns;
  let stack: RunningStack;
  let servers: Program;

  beforeAll(async () => {
    [sandbox, outside, beyond] = [await Netns.create(), await Netns.create(), await Netns.create()];
    await vethPair(outside, "out", beyond, "in");
    for (const { outside: ours, web, dns, shut } of FAMILIES) {
      const length = ours.includes(":") ? "/64 nodad" : "/24";
      await outside.ip(`address add ${ours}${length} dev out`);
      for (const server of [web, dns, shut]) await beyond.ip(`address add ${server}${length} dev in`);
    }
    const addresses = FAMILIES.flatMap(({ web, dns, shut }) => [web, dns, shut]);
    servers = beyond.start(process.execPath, join(import.meta.dirname, "proxy-servers.mjs"), ...addresses);
    await servers.waitFor(/^ready$/m, 20_000);
    const host = {
      addresses: [`${KERNEL4}/24`, `${KERNEL6}/64`],
      routes: [
        { prefix: "0.0.0.0/0", via: STACK4 },
        { prefix: "::/0", via: STACK6 },
      ],
    };
    const allow = FAMILIES.flatMap(({ web, dns }) => [web, `${literal(dns)}:53`]);
    stack = await RunningStack.start(
      {
        interfaces: [tapInterface(sandbox.name, { mode: "promiscuous", spoofing: true, host })],
        session: { anyProxy: true },
        apps: [{ kind: "proxy", to: "direct", allow }],
      },
      outside,
    );
  }, 60_000);
  afterAll(async () => {
    await stack?.endWell();
    await servers?.stop();
    for (const netns of [sandbox, outside, beyond]) await netns?.remove();
    rmSync(root, { recursive: true, force: true });
  });

  /** curl's exit status (0; 7 refused; 52, 56 reset) and what it got. */
  async function fetch(...args: readonly string[]): Promise<[number | null, string]> {
    const { status, stdout } = await sandbox.run("curl", [
      "-gsS",
      "--connect-timeout",
      "5",
      "--max-time",
      "60",
      ...args,
    ]);
    return [status, stdout];
  }

  describe.each(FAMILIES)("over $family", ({ outside: ours, web, dns, shut }) => {
    it("100 MB down, and up, are what they were", async () => {
      const url = `http://${literal(web)}`;
      const file = join(root, "down");
      expect(await fetch("-o", file, `${url}/bytes/${BULK_BYTES}`)).toEqual([0, ""]);
      const digest = (await mustRun("sha256sum", [file])).split(" ")[0];
      expect(digest).toBe(patternHash(BULK_BYTES));
      const [, answer] = await fetch("-X", "POST", "-H", "expect:", "-T", file, url);
      expect(answer).toBe(`${BULK_BYTES} ${digest}\n`);
    }, 60_000);

    it("DNS: answers come from the server that was asked", async () => {
      const script = `
        const { Resolver } = await import("node:dns/promises");
        const resolver = new Resolver({ timeout: 2000, tries: 3 });
        resolver.setServers([process.argv[1]]);
        for (const name of ["one.example", "two.example"]) console.log((await resolver.resolveTxt(name)).join());`;
      const text = await sandbox.must(process.execPath, ["--input-type=module", "-e", script, dns]);
      expect(text).toBe(`${ours} asked ${dns}\n`.repeat(2));
    });

    it("what is not allowed is refused, and logged once", async () => {
      for (let i = 0; i < 3; i++) expect(await fetch(`http://${literal(shut)}/bytes/1`)).toEqual([7, ""]);
      expect(await fetch(`http://${literal(dns)}/bytes/1`)).toEqual([7, ""]);
      const line = (host: string): string => `proxy: tcp ${literal(host)}:80 refused`;
      for (const host of [shut, dns]) expect(stack.program.stderr.split(line(host))).toHaveLength(2);
      expect(stack.program.stderr).not.toContain(literal(web));
    });

    it("nobody listens there: refused, and not logged; a reset comes through", async () => {
      expect(await fetch(`http://${literal(web)}:81/`)).toEqual([7, ""]);
      expect((await fetch(`http://${literal(web)}/reset`))[0]).toBe(56);
      expect(stack.program.stderr).not.toContain(":81");
    });
  });

  it("UDP that is not allowed is unreachable, and logged once", async () => {
    const script = `
      const { createSocket } = await import("node:dgram");
      const socket = createSocket("udp4");
      socket.on("error", ({ code }) => { console.log(code); socket.close(); });
      socket.connect(53, "198.19.0.4", () => socket.send("?"));`;
    for (let i = 0; i < 2; i++) {
      expect(await sandbox.must(process.execPath, ["--input-type=module", "-e", script])).toBe("ECONNREFUSED\n");
    }
    expect(stack.program.stderr.split("proxy: udp 198.19.0.4:53 refused to 198.18.0.1: not allowed\n")).toHaveLength(2);
  });

  it("the first datagrams of a flow come together, as a resolver sends its questions for both families", async () => {
    const script = `
      const { createSocket } = await import("node:dgram");
      const bytes = (n) => Buffer.concat([Buffer.from([0, n, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]), Buffer.from("\\x01a\\0\\0\\x10\\0\\x01")]);
      const socket = createSocket("udp4");
      const heard = [];
      socket.on("message", (answer) => {
        heard.push(answer[1]);
        if (heard.length === 4) { console.log(heard.sort().join()); socket.close(); }
      });
      socket.bind(0, () => { for (let i = 0; i < 4; i++) socket.send(bytes(i), 53, "198.19.0.3"); });
      setTimeout(() => { console.log(heard.sort().join()); process.exit(); }, 3000).unref();`;
    expect(await sandbox.must(process.execPath, ["--input-type=module", "-e", script])).toBe("0,1,2,3\n");
  });

  it("git clone", async () => {
    const bare = join(root, "served", "there.git");
    const work = join(root, "work");
    const git = (...args: readonly string[]): Promise<string> =>
      mustRun("git", ["-c", "user.name=weft", "-c", "user.email=weft@example.com", ...args]);
    await git("init", "-q", work);
    const bytes = createHash("sha512").update("weft").digest();
    writeFileSync(
      join(work, "file"),
      Buffer.concat(Array.from({ length: 200_000 }, (_, i) => Buffer.from(bytes).fill(i, 0, 4))),
    );
    await git("-C", work, "add", ".");
    await git("-C", work, "commit", "-qm", "all");
    await git("clone", "-q", "--bare", work, bare);
    const daemon = beyond.start(
      "git",
      "daemon",
      "--export-all",
      "--verbose",
      "--reuseaddr",
      `--base-path=${join(root, "served")}`,
    );
    try {
      await daemon.waitFor(/Ready to rumble/);
      const to = join(root, "cloned");
      await sandbox.must("git", ["clone", "-q", `git://${FAMILIES[0].web}/there.git`, to]);
      await git("-C", to, "fsck", "--strict");
      expect(await git("-C", to, "rev-parse", "HEAD")).toBe(await git("-C", work, "rev-parse", "HEAD"));
    } finally {
      await daemon.stop();
    }
  }, 60_000);

  it("no stream is left", async () => {
    const streams = async (): Promise<string[]> => {
      const lines = (await stack.cli("show session verbose")).split("\n");
      return lines.filter((line) => line.includes("[tcp]") && !line.includes("LISTEN"));
    };
    await expect.poll(streams, { timeout: 10_000 }).toEqual([]);
  });
});
