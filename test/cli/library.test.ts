import { once } from "node:events";
import { afterEach, describe, expect, it } from "vitest";
import { createStack, type LiveStack, wire } from "../../src/index.js";

const LIMITS = { fifoBytes: 8 << 20, smallPackets: 512, largePackets: 32 };
const stacks: LiveStack[] = [];

async function pair(): Promise<[LiveStack, LiveStack]> {
  const devices = wire();
  for (const [i, device] of devices.entries()) {
    const addresses = [`198.18.0.${i + 1}/24`, `2001:db8:18::${i + 1}/64`];
    stacks.push(await createStack({ interfaces: [{ name: "w0", kind: "wire", device, addresses }], limits: LIMITS }));
  }
  return [stacks[0], stacks[1]];
}

afterEach(async () => {
  for (const stack of stacks.splice(0)) await stack.close();
});

describe("a stack of a program", () => {
  it("answers CLI commands", async () => {
    const [a] = await pair();
    expect(await a.cli("show interface addr")).toContain("L3 198.18.0.1/24");
    expect(await a.cli("nonsense")).toBe('unknown command: "nonsense" (try help)');
    expect(await a.cli("ping 198.18.0.2 repeat 2 interval 0.01")).toContain("2 sent, 2 received, 0% packet loss");
  });

  it("connects at once when nothing else happens", async () => {
    const [a, b] = await pair();
    const server = a.net.createServer((socket) => socket.end("hello"));
    server.listen(8080, "0.0.0.0");
    await once(server, "listening");
    const socket = b.net.connect(8080, "198.18.0.1");
    const [bytes] = (await once(socket, "data", { signal: AbortSignal.timeout(3000) })) as [Buffer];
    expect(bytes.toString()).toBe("hello");
  });

  it("refuses a configuration that names the key at fault", async () => {
    const wrong = { interfaces: [{ name: "tap0", kind: "tap" as const, addresses: ["10.0.0.300/8"] }] };
    await expect(createStack(wrong)).rejects.toMatchObject({
      code: "ERR_WEFT_CONFIG",
      where: "interfaces[0].addresses[0]",
      message: 'interfaces[0].addresses[0]: not an address prefix: "10.0.0.300/8"',
    });
  });
});
