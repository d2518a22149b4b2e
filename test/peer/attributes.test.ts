import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createStack, type LiveStack, type Session } from "../../src/index.js";
import { lacks, PYTHON } from "../needs.js";
import { Netns } from "../support/netns.js";
import { KERNEL4, KERNEL6, STACK4, STACK6, tapInterface } from "../support/weft.js";

const BYTES = 100_000;

/** The kernel's end of one connection, which it opens or (first word "listen") accepts: sends back all that comes. */
const ECHO = `
import socket, sys
how, host, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
family = socket.AF_INET6 if ":" in host else socket.AF_INET
if how == "listen":
    server = socket.create_server((host, port), family=family)
    print("ready", flush=True)
    s, _ = server.accept()
else:
    s = socket.create_connection((host, port), timeout=10)
    print("ready", flush=True)
while data := s.recv(65536):
    s.sendall(data)
`;

describe.skipIf(lacks("netns", "tun", "ip", "tcpdump", "python3"))("attribute mss", () => {
  let netns: Netns;
  let stack: LiveStack;
  const directory = mkdtempSync(join(tmpdir(), "weft-attributes-"));

  beforeAll(async () => {
    netns = await Netns.create();
    stack = await createStack({
      interfaces: [
        tapInterface(netns.name, {
          // No superframes: what the capture holds is what would be on the wire.
          offloads: { checksum: true, gso: false },
        }),
      ],
    });
  });
  afterAll(async () => {
    await stack.close();
    await netns.remove();
    rmSync(directory, { recursive: true, force: true });
  });

  /** Payload bytes and MSS options of the segments that a filter selects. */
  async function segments(file: string, filter: string): Promise<{ lengths: number[]; mss: number[] }> {
    const text = await netns.must("tcpdump", ["-n", "-r", file, filter]);
    const numbers = (pattern: RegExp): number[] => [...text.matchAll(pattern)].map(([, digits]) => Number(digits));
    return { lengths: numbers(/ length (\d+)/g), mss: numbers(/mss (\d+)/g) };
  }

  it.each([
    ["connects", STACK4, KERNEL4],
    ["connects", STACK6, KERNEL6],
    ["listens", STACK4, KERNEL4],
    ["listens", STACK6, KERNEL6],
  ])("500: who %s at %s announces 500, and neither side sends more than that", async (how, own, kernel) => {
    const file = join(directory, `${how}-${own.length}.pcap`);
    // Headers are all that is looked at: with room for whole packets its ring would have few places.
    const options = ["-i", "tap0", "-n", "-U", "--immediate-mode", "-s", "128", "-Z", "root"];
    const dump = netns.start("tcpdump", ...options, "-w", file, "tcp");
    await dump.waitFor(/listening on/);
    const uri = (address: string): string => `tcp://${address.includes(":") ? `[${address}]` : address}:8080`;
    let received = 0;
    let left = BYTES;
    let end = (): void => {};
    const ended = new Promise<void>((resolve) => (end = resolve));
    const chunk = new Uint8Array(BYTES);
    const send = (session: Session): void => {
      left -= session.write(chunk, 0, left);
      if (left === 0) session.halfClose();
    };
    const app = await stack.attach(
      { name: how },
      {
        accept: (session) => {
          queueMicrotask(() => send(session));
        },
        rx: (session) => void (received += session.drop(session.readableBytes)),
        tx: send,
        disconnect: (session) => {
          session.close();
          end();
        },
      },
    );
    const echo = (word: string, address: string) => netns.start(PYTHON, "-c", ECHO, word, address, "8080");
    let peer: ReturnType<typeof echo>;
    if (how === "connects") {
      peer = echo("listen", kernel);
      await peer.waitFor(/ready/);
      send(await app.connect(uri(kernel), { attributes: { mss: 500 } }));
    } else {
      const { session } = await app.listen(uri(own));
      await session.setAttribute("mss", 500);
      peer = echo("connect", own);
    }
    await ended;
    expect((await peer.finished).status).toBe(0);
    await app.detach();
    const fins = own === STACK4 ? "tcp[13] & 1 != 0" : "ip6[53] & 1 != 0";
    const seen = async (): Promise<string> => (await netns.run("tcpdump", ["-n", "-r", file, fins])).stdout;
    await expect.poll(seen, { timeout: 15_000 }).toMatch(/(Flags.*){2}/su);
    expect((await dump.stop("SIGINT")).stderr).toContain("0 packets dropped by kernel");
    expect(received).toBe(BYTES);
    const family = own === STACK4 ? "ip" : "ip6";
    for (const source of [own, kernel]) {
      const syn = own === STACK4 ? "tcp[13] & 2 != 0" : "ip6[53] & 2 != 0";
      const { mss } = await segments(file, `${family} and src host ${source} and ${syn}`);
      expect(mss).toEqual([source === own ? 500 : own === STACK4 ? 1460 : 1440]);
      const { lengths } = await segments(file, `${family} and src host ${source}`);
      const sent = lengths.reduce((sum, length) => sum + length, 0);
      expect(sent).toBeGreaterThanOrEqual(BYTES);
      expect(Math.max(...lengths)).toBe(488);
    }
  });
});
