import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { Session } from "../../../src/app/session.js";
import { pattern, TlsStacks } from "./two-stacks.js";

let net: TlsStacks;
beforeEach(() => {
  net = new TlsStacks();
});
afterEach(() => net.close());

const text = (value: string): Uint8Array => new TextEncoder().encode(value);

describe("a session", () => {
  test.each([
    ["ip4", "tls://0.0.0.0/443", "tls://[localhost]198.18.0.2/443", "198.18.0.1", "198.18.0.2"],
    ["ip6", "tls://::/443", "tls://[localhost]2001:db8::2/443", "2001:db8::1", "2001:db8::2"],
  ])("%s: clear text goes both ways, and each end has its addresses", async (_family, listen, connect, near, far) => {
    const listening = await net.attach(1);
    await listening.listen(listen);
    const app = await net.attach(0);
    const client = await net.connect(app, connect, { tls: { trust: net.trustServer() } });
    const server = net.ears[1].session;
    expect([client.local?.address, client.remote?.address, client.remote?.port]).toEqual([near, far, 443]);
    expect([server.local?.address, server.local?.port, server.remote?.address]).toEqual([far, 443, near]);
    expect(server.remote?.port).toBe(client.local?.port);
    client.write(text("up"));
    server.write(text("down"));
    await net.pass();
    expect([net.ears[1].read.toString(), net.ears[0].read.toString()]).toEqual(["up", "down"]);
    client.close();
    await net.pass();
    server.close();
    expect(await net.leftovers()).toEqual([]);
    const end = ["transportClosed", "cleanup transport", "cleanup session"];
    expect(net.ears.map(({ heard }) => heard)).toEqual([end, ["accept", "disconnect", ...end]]);
  });

  test("bulk goes both ways at once through small fifos", async () => {
    const up = pattern(400_000);
    const down = pattern(300_001);
    const { client, server } = await net.open(20_000);
    const ends: [Session, Buffer, number][] = [
      [client, up, 0],
      [server, down, 0],
    ];
    for (let i = 0; i < 400; i++) {
      for (const end of ends) end[2] += Math.max(0, end[0].write(end[1], end[2]));
      await net.pass(1);
    }
    expect(net.ears[1].read.equals(up)).toBe(true);
    expect(net.ears[0].read.equals(down)).toBe(true);
    client.close();
    server.close();
    expect(await net.leftovers()).toEqual([]);
  });
});

describe("the end of a session", () => {
  test("half-close: the other direction goes on", async () => {
    const { client, server } = await net.open();
    client.write(text("request"));
    expect(client.halfClose()).toBe(0);
    await net.pass();
    expect([net.ears[1].read.toString(), ...net.ears[1].heard]).toEqual(["request", "accept", "disconnect"]);
    expect(client.write(text("more"))).toBeLessThan(0);
    for (let i = 0; i < 50; i++) {
      server.write(pattern(1000));
      await net.pass(1);
    }
    await net.pass();
    expect(net.ears[0].read.length).toBe(50_000);
    server.close();
    await net.pass();
    expect(net.ears[0].heard).toEqual(["disconnect", "transportClosed", "cleanup transport"]);
    client.close();
    expect(await net.leftovers()).toEqual([]);
  });

  test("what was written before close arrives, however much it is", async () => {
    const { client, server } = await net.open(200_000);
    expect(client.write(pattern(200_000))).toBe(200_000);
    client.close();
    await net.pass(60);
    expect(net.ears[1].read.equals(pattern(200_000))).toBe(true);
    expect(net.ears[1].heard).toEqual(["accept", "disconnect"]);
    server.close();
    expect(await net.leftovers()).toEqual([]);
  });

  describe("the application has closed, and the peer's window is closed", () => {
    /** A server that has written as much as there is room for, and closed; its client reads nothing. */
    async function full(): Promise<{ client: Session; bytes: number }> {
      net.close();
      net = new TlsStacks({ fifoBytes: 32_768 });
      net.ears[0].isReading = false;
      const { client, server } = await net.open();
      const all = pattern(1 << 20);
      let bytes = 0;
      for (let i = 0; i < 100; i++) {
        bytes += Math.max(0, server.write(all, bytes));
        await net.pass(2);
      }
      expect([server.close(), bytes > 150_000, bytes < all.length]).toEqual([0, true, true]);
      return { client, bytes };
    }

    async function passSeconds(seconds: number): Promise<void> {
      for (let i = 0; i < seconds * 10; i++) {
        net.clock.advanceUs(99_000);
        await net.pass(1);
      }
    }

    test("it is reset in a while, as over TCP", async () => {
      await full();
      await passSeconds(20);
      expect(net.tls(1).rows.used).toBe(2);
      await passSeconds(60);
      expect(net.tls(1).rows.used).toBe(1);
      expect(net.ears[0].heard.map((each) => each.split(" ")[0])).toContain("reset");
      expect(await net.leftovers()).toEqual([]);
    });

    test("who reads slowly gets all of it", async () => {
      const { client, bytes } = await full();
      const into = Buffer.alloc(16_384);
      for (let i = 0; i < 40 && net.ears[0].read.length < bytes; i++) {
        const n = client.read(into);
        net.ears[0].read = Buffer.concat([net.ears[0].read, into.subarray(0, Math.max(0, n))]);
        await passSeconds(8);
      }
      expect(net.ears[0].read.equals(pattern(1 << 20).subarray(0, bytes))).toBe(true);
      expect(net.ears[0].heard).toEqual(["disconnect"]);
      client.close();
      expect(await net.leftovers()).toEqual([]);
    });
  });

  test("both close at once", async () => {
    const { client, server } = await net.open();
    client.write(text("a"));
    server.write(text("b"));
    client.close();
    server.close();
    expect(await net.leftovers()).toEqual([]);
    for (const ear of net.ears) expect(ear.heard.at(-1)).toBe("cleanup session");
  });

  test("who closes with unread data resets", async () => {
    net.ears[0].isReading = false;
    const { client, server } = await net.open();
    server.write(text("unread"));
    await net.pass();
    client.close();
    await net.pass();
    expect(net.ears[1].heard).toEqual([
      "accept",
      "reset UNKNOWN: connection reset by peer (UNKNOWN)",
      "cleanup transport",
      "cleanup session",
    ]);
    expect(await net.leftovers()).toEqual([]);
  });

  test("a reset is one", async () => {
    const { client, server } = await net.open();
    server.write(text("x"));
    server.reset();
    await net.pass();
    expect(net.ears[0].heard[0]).toBe("reset UNKNOWN: connection reset by peer (UNKNOWN)");
    expect(client.state).toBe("gone");
    expect(await net.leftovers()).toEqual([]);
  });

  test("an application that refuses a session resets it", async () => {
    const listening = await net.attach(1, { accept: () => false });
    await listening.listen("tls://0.0.0.0/443");
    const app = await net.attach(0);
    await net.connect(app, "tls://[localhost]198.18.0.2/443", { tls: { trust: net.trustServer() } });
    await net.pass();
    expect(net.ears[0].heard[0]).toBe("reset UNKNOWN: connection reset by peer (UNKNOWN)");
    expect(await net.leftovers()).toEqual([]);
  });

  test("applications that are detached take their sessions with them", async () => {
    const listening = await net.attach(1);
    await listening.listen("tls://0.0.0.0/443");
    const app = await net.attach(0);
    await net.connect(app, "tls://[localhost]198.18.0.2/443", { tls: { trust: net.trustServer() } });
    await listening.detach();
    await net.pass();
    expect(net.ears[0].heard).toEqual(["disconnect"]);
    await app.detach();
    expect(await net.leftovers()).toEqual([]);
  });
});

describe("when TLS's own application ends below", () => {
  test("sessions are reset, however much of them is unread, and nothing is left", async () => {
    net.ears[1].isReading = false;
    const { client, server } = await net.open();
    for (let i = 0; i < 30; i++) {
      client.write(pattern(20_000));
      await net.pass(1);
    }
    const { sessions } = net.stacks[1].host;
    const below = sessions.applications.byName("tls-0")?.index ?? -1;
    expect(net.tls(1).owns(below)).toBe(true);
    expect(sessions.detach(below)).toBe(0);
    expect(net.tls(1).owns(below)).toBe(false);
    await net.pass();
    expect(net.ears[1].heard.slice(0, 2)).toEqual([
      "accept",
      "reset TLS_TRUNCATED: tls stream ended without close_notify (TLS_TRUNCATED)",
    ]);
    client.close();
    server.close();
    await net.pass(300);
    expect(net.tls(1).rows.used).toBe(1);
    expect(net.stacks[1].host.fifos.inUse()).toBe(0);
    // Who listens then listens by a new one.
    const again = await net.attach(1);
    await again.listen("tls://0.0.0.0/444");
    expect(sessions.applications.byName("tls-0")).toBeDefined();
  });
});

describe("back-pressure", () => {
  test("who does not read stops who writes, and no fifo holds more than it may", async () => {
    net.ears[1].isReading = false;
    const { client, server } = await net.open();
    let written = 0;
    for (let i = 0; i < 300; i++) {
      written += Math.max(0, client.write(pattern(10_000)));
      await net.pass(1);
    }
    const before = written;
    written += Math.max(0, client.write(pattern(10_000)));
    expect(written).toBe(before);
    expect(server.readableBytes).toBe(65_536);
    // Two fifos of clear text of 64 KiB, two of records of 512 KiB, and what the engine holds.
    expect(written).toBeLessThanOrEqual(2 * 65_536 + 2 * 524_288 + 16_384);
    expect(written).toBeGreaterThan(1_000_000);
    net.ears[1].take(server);
    net.ears[1].isReading = true;
    for (let i = 0; i < 200; i++) await net.pass(1);
    expect(net.ears[1].read.length).toBe(written);
    client.close();
    server.close();
    expect(await net.leftovers()).toEqual([]);
  });

  test("while there is no room for records, the engine is not called; what comes then is complete", async () => {
    net.close();
    net = new TlsStacks({ fifoBytes: 32_768 });
    net.ears[0].isReading = false;
    const { client, server } = await net.open();
    const all = pattern(1 << 20);
    let bytes = 0;
    for (let i = 0; i < 500 && server.writableBytes > 32_768; i++) {
      bytes += server.write(all.subarray(0, bytes + 4096), bytes);
      await net.pass(2);
    }
    await net.pass(100);
    const engine = net.tls(1).store.engine;
    const step = engine.step.bind(engine);
    let steps = 0;
    engine.step = (connection) => {
      steps++;
      return step(connection);
    };
    for (let i = 0; i < 20; i++) {
      bytes += server.write(all.subarray(0, bytes + 100), bytes);
      await net.pass(2);
    }
    expect(steps).toBe(0);
    net.ears[0].isReading = true;
    net.ears[0].take(client);
    await net.pass(2000);
    expect(steps).toBeGreaterThan(0);
    expect(net.ears[0].read.equals(all.subarray(0, bytes))).toBe(true);
  });
});

describe("what is known of a session", () => {
  test("as show session verbose 2 has it", async () => {
    const { client } = await net.open();
    const tls = net.tls(0);
    const c = net.stacks[0].host.sessions.connectionOf(client.index);
    expect(tls.format(c, 1)).toBe("OPEN");
    expect(tls.format(c, 2)).toMatch(
      /^OPEN index \d+ tcp session \d+ engine openssl, TLSv1\.3 TLS_AES_256_GCM_SHA384, server name localhost, peer certificate \d+ bytes\n unsent 0\n tcp ESTABLISHED/,
    );
    expect(client.attribute("noDelay")).toBe(1);
    expect(client.setAttribute("dscp", 10)).toBe(0);
    expect(client.attribute("dscp")).toBe(10);
    expect(client.writeUrgent(text("x"))).toBe(1);
    expect(client.attribute("urgentBytes")).toBe(0);
    await net.pass();
    expect(client.statistics()).toMatchObject({ CurMSS: 1448 });
  });

  test("a name that the client says reaches no terminal as it is", async () => {
    const { engine } = net.tls(0).store;
    const open = engine.open.bind(engine);
    vi.spyOn(engine, "open").mockImplementation((context) => open(context, { hostname: "a\u001b[2J\u009b\nb" }));
    await (await net.attach(1)).listen("tls://0.0.0.0/443");
    await net.connect(await net.attach(0), "tls://198.18.0.2/443", { tls: { verify: "none" } });
    const server = net.ears[1].session;
    expect(server.tlsInfo()).toMatchObject({ serverName: "a\u001b[2J\u009b\nb" });
    const c = net.stacks[1].host.sessions.connectionOf(server.index);
    expect(net.tls(1).format(c, 2)).toContain(", server name a?[2J??b\n");
  });
});
