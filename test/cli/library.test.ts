import { type EventEmitter, once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
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

  it("asks the hook of a namespace about new flows, and lets its applications answer for others", async () => {
    const [a, b] = await pair();
    await a.cli("set interface promiscuous on w0");
    await b.cli("ip route add 203.0.113.0/24 via 198.18.0.1");
    const namespace = a.namespace();
    const server = namespace.net.createServer((socket) => socket.end(socket.localAddress));
    server.listen(8080, "0.0.0.0");
    await once(server, "listening");
    const asked: (string | undefined)[] = [];
    const hook = await namespace.onFlow(({ token, local, application }) => {
      asked.push(`${local.address}:${local.port}`, application);
      if (local.address === "203.0.113.9") return "reset";
      setImmediate(() => void hook.answer(token, "accept"));
      return "later";
    });
    const told = b.net.connect(8080, "203.0.113.7");
    const [bytes] = (await once(told, "data", { signal: AbortSignal.timeout(3000) })) as [Buffer];
    expect(bytes.toString()).toBe("203.0.113.7");
    const [error] = (await once(b.net.connect(8080, "203.0.113.9"), "error")) as [NodeJS.ErrnoException];
    expect(error.code).toBe("ECONNREFUSED");
    expect(asked).toEqual(["203.0.113.7:8080", "net@default", "203.0.113.9:8080", "net@default"]);
    await expect(a.namespace().onFlow(() => "accept")).rejects.toMatchObject({ sessionError: "OWNER" });
    await expect(a.namespace("blue").onFlow(() => "accept")).rejects.toMatchObject({ sessionError: "INVALID_NS" });
    await hook.close();
    expect(await hook.answer(0, "accept")).toBeLessThan(0);
  });

  it("serves each application namespace by its own applications, one address in two tables", async () => {
    const root = await mkdtemp(join(tmpdir(), "weft-ns-"));
    for (const name of ["red", "blue", "green"]) {
      await mkdir(join(root, name));
      await writeFile(join(root, name, "index.html"), `page of ${name}`);
    }
    const wires = [wire(), wire()];
    const page = (kind: string, listen: string[]) => ({
      kind: "http" as const,
      namespace: kind,
      root: join(root, kind),
      listen,
    });
    const stack = await createStack({
      interfaces: wires.map(([device], i) => ({
        name: `w${i}`,
        kind: "wire" as const,
        device,
        addresses: ["198.18.0.2/24"],
        table: i,
      })),
      namespaces: [
        { id: "red", secret: "r", interface: "w0" },
        { id: "blue", secret: 1234, interface: "w1" },
        { id: "green", table4: 1 },
      ],
      session: { secret: "host" },
      apps: [
        page("red", ["tcp://0.0.0.0/80"]),
        page("blue", ["tcp://0.0.0.0/80"]),
        page("green", ["tcp://198.18.0.2/81"]),
        { kind: "echo", namespace: "red", listen: ["tcp://0.0.0.0/7"] },
        { kind: "echo", listen: ["tcp://0.0.0.0/7"] },
      ],
      limits: LIMITS,
    });
    stacks.push(stack);
    for (const [, device] of wires) {
      const addresses = ["198.18.0.1/24"];
      stacks.push(await createStack({ interfaces: [{ name: "w", kind: "wire", device, addresses }], limits: LIMITS }));
    }
    const get = async (side: number, port: number): Promise<string> => {
      const socket = stacks[side].net.connect(port, "198.18.0.2");
      let text = "";
      socket.on("data", (bytes: Buffer) => (text += bytes.toString()));
      socket.write("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
      await once(socket, "close", { signal: AbortSignal.timeout(3000) });
      return text.split("\r\n\r\n")[1];
    };
    expect([await get(1, 80), await get(2, 80), await get(2, 81)]).toEqual([
      "page of red",
      "page of blue",
      "page of green",
    ]);
    await expect(get(1, 81)).rejects.toMatchObject({ code: "ECONNREFUSED" });
    await expect(stack.attach({ name: "x", namespace: "blue" }, {})).rejects.toMatchObject({
      sessionError: "WRONG_NS_SECRET",
    });
    expect(await stack.cli("show app")).toMatch(/net@red +red/);
    await stack.cli("app ns del id red");
    await expect(get(1, 80)).rejects.toMatchObject({ code: "ECONNREFUSED" });
    expect(await get(2, 80)).toBe("page of blue");
    // Off and on again: what was open is gone, and the stack's own net attaches anew.
    const server = stack.net.createServer(() => {});
    server.listen(90, "198.18.0.2");
    await once(server, "listening");
    const socket = stacks[1].net.connect(90, "198.18.0.2");
    const [inside] = (await once(server, "connection")) as [EventEmitter];
    const broken = once(inside, "error");
    const closed = once(server, "close");
    await stack.cli("session disable");
    await expect(broken).resolves.toMatchObject([{ code: "ECONNABORTED" }]);
    await closed;
    socket.destroy();
    await stack.cli("session enable");
    stack.net.createServer((peer) => peer.end("again")).listen(91, "198.18.0.2");
    const again = stacks[1].net.connect(91, "198.18.0.2");
    const [bytes] = (await once(again, "data", { signal: AbortSignal.timeout(3000) })) as [Buffer];
    expect(bytes.toString()).toBe("again");
    await rm(root, { recursive: true });
  });

  it("has the session rules of its configuration before its applications begin", async () => {
    const [near, far] = wire();
    const stack = await createStack({
      interfaces: [{ name: "w0", kind: "wire", device: near, addresses: ["198.18.0.1/24"] }],
      namespaces: [{ id: "blue" }],
      session: { rtBackend: "rule-table" },
      rules: [
        { proto: "tcp", local: "198.18.0.1/32", localPort: 8080, action: { application: "echo" } },
        { proto: "udp", remote: "::/0", namespace: "blue", scope: "both", action: "drop", tag: "six" },
      ],
      apps: [{ kind: "echo" }],
      limits: LIMITS,
    });
    stacks.push(stack);
    const other = { name: "w0", kind: "wire" as const, device: far, addresses: ["198.18.0.2/24"] };
    stacks.push(await createStack({ interfaces: [other], limits: LIMITS }));
    expect(await stack.cli("show session rules")).toMatch(/^blue +local +udp +::\/0 +\* +::\/0 +\* +drop +six$/m);
    const socket = stacks[1].net.connect(8080, "198.18.0.1");
    socket.write("hello");
    const [bytes] = (await once(socket, "data", { signal: AbortSignal.timeout(3000) })) as [Buffer];
    expect(bytes.toString()).toBe("hello");
  });

  it.each([
    ["rules[1]", "obj/memory allocation error (ALLOC)", { remote: "2.0.0.0/8" }],
    ["rules[1].tag", 'another rule of its table has it: "one"', { remote: "2.0.0.0/8", tag: "one" }],
    ["rules[1]", "no route (NOROUTE)", { remote: "2.0.0.0/8", namespace: "six" }],
  ])("refuses rules that cannot be: %s: %s", async (where, message, second) => {
    const [device] = wire();
    const rule = { proto: "tcp", action: "drop" } as const;
    const config = {
      interfaces: [{ name: "w0", kind: "wire" as const, device }],
      namespaces: [{ id: "six", table6: 0 }],
      session: { rtBackend: "rule-table" as const, maxRules: 1 },
      rules: [
        { ...rule, remote: "1.0.0.0/8", tag: "one" },
        { ...rule, ...second },
      ],
      limits: LIMITS,
    };
    await expect(createStack(config)).rejects.toMatchObject({
      code: "ERR_WEFT_CONFIG",
      where,
      message: `${where}: ${message}`,
    });
  });

  it("has the source deny list of its configuration, and auto-sdl", async () => {
    const [near, far] = wire();
    const stack = await createStack({
      interfaces: [{ name: "w0", kind: "wire", device: near, addresses: ["198.18.0.1/24"] }],
      namespaces: [{ id: "blue" }],
      session: { rtBackend: "sdl", autoSdl: true, autoSdlThreshold: 7 },
      sdl: [
        { remote: "198.18.0.0/24", tag: "net" },
        { remote: "198.18.0.2/32", action: "allow", namespace: "blue" },
        { remote: "198.18.0.3/32", action: "allow" },
      ],
      apps: [{ kind: "echo" }],
      limits: LIMITS,
    });
    stacks.push(stack);
    const addresses = ["198.18.0.2/24", "198.18.0.4/24"];
    stacks.push(
      await createStack({ interfaces: [{ name: "w0", kind: "wire", device: far, addresses }], limits: LIMITS }),
    );
    expect(await stack.cli("show session sdl 198.18.0.9")).toMatch(/198\.18\.0\.0\/24 +drop +net$/);
    expect(await stack.cli("show auto-sdl summary")).toMatch(/^auto-sdl +on\nthreshold +7$/m);
    const denied = stacks[1].net.connect({ port: 7, host: "198.18.0.1", localAddress: "198.18.0.4" });
    const socket = stacks[1].net.connect({ port: 7, host: "198.18.0.1", localAddress: "198.18.0.2" });
    socket.write("hello");
    const [bytes] = (await once(socket, "data", { signal: AbortSignal.timeout(3000) })) as [Buffer];
    expect([bytes.toString(), denied.connecting]).toEqual(["hello", true]);
    expect(await stack.cli("show errors")).toMatch(/filtered/);
    denied.destroy();
  });

  it.each([
    ["sdl[1]", "obj/memory allocation error (ALLOC)", { remote: "2.0.0.0/8" }],
    ["sdl[1]", "ip in use (IPINUSE)", { remote: "1.2.3.4/8" }],
    ["sdl[1].tag", 'another entry of its table has it: "one"', { remote: "2.0.0.0/8", tag: "one" }],
    ["sdl[1]", "no route (NOROUTE)", { remote: "2.0.0.0/8", namespace: "six" }],
  ])("refuses entries that cannot be: %s: %s", async (where, message, second) => {
    const [device] = wire();
    const config = {
      interfaces: [{ name: "w0", kind: "wire" as const, device }],
      namespaces: [{ id: "six", table6: 0 }],
      session: { rtBackend: "sdl" as const, maxSdlPrefixes: 1 },
      sdl: [{ remote: "1.0.0.0/8", tag: "one" }, second],
      limits: LIMITS,
    };
    await expect(createStack(config)).rejects.toMatchObject({
      code: "ERR_WEFT_CONFIG",
      where,
      message: `${where}: ${message}`,
    });
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
