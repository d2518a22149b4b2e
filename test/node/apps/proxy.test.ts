import { createHash } from "node:crypto";
import { once } from "node:events";
import type { Socket as KernelEnd } from "node:net";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { Session } from "../../../src/app/session.js";
import type { AppHandle } from "../../../src/node/apps/index.js";
import { startProxy } from "../../../src/node/apps/proxy/index.js";
import { OwnFlows } from "../../../src/node/apps/proxy/own-flows.js";
import type { Socket } from "../../../src/node/net/socket.js";
import { eventually, stackPair, type StackPair } from "../stack-pair.js";
import { connect } from "./client.js";
import { type SocksManners, SocksPeer } from "./socks-peer.js";

// A client and a server on the first host, the proxy on the second.

let pair: StackPair;
let log: string[];
let proxies: AppHandle[];

beforeEach(() => {
  pair = stackPair();
  log = [];
  proxies = [];
});
afterEach(async () => {
  for (const proxy of proxies) await proxy.close();
  await pair.close();
});

async function start(to: string, listen: readonly string[], allow?: readonly string[]): Promise<AppHandle> {
  const proxy = await startProxy(pair.b, { to, listen, allow }, (line) => log.push(line));
  proxies.push(proxy);
  return proxy;
}

/** A body without a short period. */
function body(bytes: number, seed: number): Buffer {
  const out = Buffer.alloc(bytes);
  for (let i = 0; i < bytes; i++) out[i] = (i * seed + (i >> 8) * 13) & 0xff;
  return out;
}

function hash(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** What is behind the proxy: `next` gives its end of the next connection. */
interface Behind {
  readonly to: string;
  next(): Promise<Far>;
  close(): void;
}

/** The far end of a proxied connection: a socket of the stack's, or of the kernel's. */
type Far = Socket | KernelEnd;

async function overStack(): Promise<Behind> {
  const waiting: Socket[] = [];
  const server = pair.a.net.createServer({ allowHalfOpen: true }, (socket) => {
    socket.on("error", () => undefined);
    waiting.push(socket);
  });
  server.listen(80);
  await once(server, "listening");
  return {
    to: "tcp://198.18.0.1/80",
    async next() {
      await eventually(() => waiting.length > 0, "the server is connected");
      return waiting.shift() as Socket;
    },
    close: () => server.close(),
  };
}

async function overSocks(): Promise<Behind> {
  const peer = await SocksPeer.listen();
  return {
    to: `socks5://127.0.0.1:${peer.port}`,
    async next() {
      await eventually(() => peer.through.length > 0, "the server is connected");
      return peer.through.shift() as KernelEnd;
    },
    close: () => peer.close(),
  };
}

/** Everything that comes until the end; the other direction stays as it is. */
async function all(socket: Far): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

describe.each([
  ["a URI, through the stack", overStack],
  ["the kernel, through a SOCKS5 server", overSocks],
] as const)("streams to %s", (_, behindOf) => {
  let behind: Behind;
  beforeEach(async () => {
    behind = await behindOf();
    await start(behind.to, ["tcp://0.0.0.0/81", "tcp://[::]:81"]);
  });
  afterEach(() => behind.close());

  test.each([false, true])("bytes both ways at once, and both ends (IPv6: %s)", async (isIp6) => {
    const client = await connect(pair, 81, isIp6);
    const far = await behind.next();
    const [up, down] = [body(5_000_000, 7), body(3_000_000, 11)];
    client.end(up);
    far.end(down);
    const [gotUp, gotDown] = await Promise.all([all(far), all(client)]);
    expect([hash(gotUp), hash(gotDown)]).toEqual([hash(up), hash(down)]);
    await eventually(() => pair.b.sessionCount === 2, "only listeners are left");
  });

  test("each direction ends by itself", async () => {
    const client = await connect(pair, 81);
    const far = await behind.next();
    client.end("question");
    expect(String(await all(far))).toBe("question");
    await new Promise((resolve) => setTimeout(resolve, 20));
    far.end("answer after the end");
    expect(String(await all(client))).toBe("answer after the end");

    const second = await connect(pair, 81);
    const server = await behind.next();
    server.end("said first");
    expect(String(await all(second))).toBe("said first");
    second.end("and answered");
    expect(String(await all(server))).toBe("and answered");
    await eventually(() => pair.b.sessionCount === 2, "only listeners are left");
  });

  test("a reset goes through, from either side", async () => {
    const client = await connect(pair, 81);
    const far = await behind.next();
    far.resume();
    const farEnds = once(far, "error");
    client.resetAndDestroy();
    expect(await farEnds).toMatchObject([{ code: "ECONNRESET" }]);

    const second = await connect(pair, 81);
    const server = await behind.next();
    const ends = once(second, "error");
    second.resume();
    server.resetAndDestroy();
    expect(await ends).toMatchObject([{ code: "ECONNRESET" }]);
    await eventually(() => pair.b.sessionCount === 2, "only listeners are left");
  });

  test("who does not read holds who sends, in either direction", async () => {
    const client = await connect(pair, 81);
    const far = await behind.next();
    const sent = body(32 << 20, 7);
    const { fifos } = pair.b.core.host.sessions;
    // Two fifos of 1 MiB, and what is too much of their chunks.
    const limit = (2 << 20) + (256 << 10);
    const isHeld = async (): Promise<void> => {
      let before = -1;
      let steady = 0;
      await eventually(() => {
        const now = fifos.inUse();
        steady = now === before && now >= 1 << 20 ? steady + 1 : 0;
        before = now;
        return steady > 10;
      }, "the sender is held");
      for (let i = 0; i < 20; i++) {
        expect(fifos.inUse()).toBeLessThan(limit);
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
    };
    client.end(sent);
    await isHeld();
    expect(hash(await all(far))).toBe(hash(sent));
    far.end(sent);
    await isHeld();
    expect(hash(await all(client))).toBe(hash(sent));
  });
});

test("a stream to nobody is reset", async () => {
  await start("tcp://198.18.0.1/80", ["tcp://0.0.0.0/81"]);
  const client = await connect(pair, 81);
  client.resume();
  expect(await once(client, "error")).toMatchObject([{ code: "ECONNRESET" }]);
  await eventually(() => pair.b.sessionCount === 1, "only the listener is left");
});

test("a client that goes before the other side is there takes it along", async () => {
  const behind = await overStack();
  await start(behind.to, ["tcp://0.0.0.0/81"]);
  const client = await connect(pair, 81);
  client.resetAndDestroy();
  await eventually(() => pair.b.sessionCount === 1, "only the listener is left");
  // Whether the server has been connected or not: if so, it is not any more.
  await eventually(() => pair.a.sessionCount === 2, "only the server's listeners are left");
  expect(pair.b.errors).toEqual([]);
  behind.close();
});

test("of the proxy's own flows none is remembered once it is over, also one that came too late for its client", async () => {
  const behind = await overStack();
  const adds = vi.spyOn(OwnFlows.prototype, "add");
  let goOn = (): void => {};
  const isLate = new Promise<void>((resolve) => (goOn = resolve));
  const late = Object.assign(Object.create(pair.b) as typeof pair.b, {
    attach: async (...args: Parameters<typeof pair.b.attach>) => {
      const app = await pair.b.attach(...args);
      const open = app.connect.bind(app);
      app.connect = async (...to) => {
        const session = await open(...to);
        await isLate;
        return session;
      };
      return app;
    },
  });
  proxies.push(await startProxy(late, { to: behind.to, listen: ["tcp://0.0.0.0/81"], allow: undefined }));
  const client = await connect(pair, 81);
  await eventually(() => adds.mock.calls.length === 1, "the other side is there");
  const [, { local, remote }] = adds.mock.calls[0];
  const own = adds.mock.contexts[0] as OwnFlows;
  const back = { local: remote, remote: local };
  expect(own.has(back)).toBe(true);
  client.resetAndDestroy();
  await eventually(() => pair.b.sessionCount === 2, "the client has gone");
  goOn();
  await eventually(() => pair.b.sessionCount === 1, "only the listener is left");
  expect(own.has(back)).toBe(false);
  adds.mockRestore();
  behind.close();
});

test("a proxy that leads to itself is found out, and the loop is broken", async () => {
  await start("tcp://198.18.0.2/81", ["tcp://0.0.0.0/81"]);
  for (let i = 0; i < 3; i++) {
    const client = await connect(pair, 81);
    client.resume();
    expect(await once(client, "error")).toMatchObject([{ code: "ECONNRESET" }]);
  }
  await eventually(() => pair.b.sessionCount === 1, "only the listener is left");
  expect(log).toEqual(["proxy: tcp 198.18.0.2:81 refused to 198.18.0.2: it is the proxy's own"]);
});

describe("policy", () => {
  test("what is not allowed is refused before it is accepted, and logged once", async () => {
    const behind = await overStack();
    await start(behind.to, ["tcp://0.0.0.0/81", "tcp://0.0.0.0/82", "tcp://[::]:81"], ["198.18.0.0/24:81"]);
    const client = await connect(pair, 81);
    (await behind.next()).end("hello");
    expect(String(await all(client))).toBe("hello");
    for (let i = 0; i < 2; i++) {
      await expect(connect(pair, 82)).rejects.toMatchObject({ code: "ECONNREFUSED" });
      await expect(connect(pair, 81, true)).rejects.toMatchObject({ code: "ECONNREFUSED" });
    }
    expect(log).toEqual([
      "proxy: tcp 198.18.0.2:82 refused to 198.18.0.1: not allowed",
      "proxy: tcp [2001:db8:18::2]:81 refused to 2001:db8:18::1: not allowed",
    ]);
    client.destroy();
    behind.close();
  });

  test("two proxies of a namespace share its hook; when they go it goes; another's is in the way", async () => {
    const behind = await overStack();
    const shut = await start(behind.to, ["tcp://0.0.0.0/82"], []);
    const open = await start(behind.to, ["tcp://0.0.0.0/81"]);
    await expect(connect(pair, 82)).rejects.toMatchObject({ code: "ECONNREFUSED" });
    const client = await connect(pair, 81);
    (await behind.next()).end();
    client.destroy();
    const { flows } = pair.b.core.host.sessions;
    await shut.close();
    expect(flows.isOn).toBe(true);
    await open.close();
    expect(flows.isOn).toBe(false);
    const hook = await pair.b.onFlow(() => "accept");
    await expect(start(behind.to, ["tcp://0.0.0.0/81"])).rejects.toMatchObject({ sessionError: "OWNER" });
    await hook.close();
    await start(behind.to, ["tcp://0.0.0.0/81"]);
    behind.close();
  });
});

describe("SOCKS5", () => {
  let peer: SocksPeer;
  afterEach(() => peer.close());

  async function startSocks(manners: SocksManners, who = ""): Promise<void> {
    peer = await SocksPeer.listen(manners);
    await start(`socks5://${who}127.0.0.1:${peer.port}`, ["tcp://0.0.0.0/81", "tcp://[::]:81"]);
  }

  test("is told the destination, byte by byte or at once; what is sent behind the reply is not lost", async () => {
    await startSocks({ user: "weft", password: "a b", early: "banner ", isSlow: true }, "weft:a%20b@");
    for (const isIp6 of [false, true]) {
      const client = await connect(pair, 81, isIp6);
      await eventually(() => peer.through.length > 0, "through");
      peer.through.shift()?.end("and more");
      expect(String(await all(client))).toBe("banner and more");
      client.end();
    }
    expect(peer.asked).toEqual(["198.18.0.2:81", "20010db8001800000000000000000002:81"]);
  });

  test.each([
    ["a wrong password", { user: "weft", password: "right" }, "weft:wrong@"],
    ["a server that wants one", { user: "weft", password: "right" }, ""],
    ["a server that does not know it", {}, "weft:right@"],
    ["a destination that cannot be reached", { reply: 5 }, ""],
  ])("%s: refused", async (_, manners, who) => {
    await startSocks(manners, who);
    await expect(connect(pair, 81)).rejects.toMatchObject({ code: "ECONNREFUSED" });
    expect(peer.through).toEqual([]);
  });

  test("no server: refused", async () => {
    await startSocks({});
    peer.close();
    await expect(connect(pair, 81)).rejects.toMatchObject({ code: "ECONNREFUSED" });
  });
});

/** A session of datagrams, and hashes of what came to it. */
interface Client {
  readonly session: Session;
  readonly got: string[];
}

const scratch = Buffer.alloc(65_535);

async function client(name: string, to: string): Promise<Client> {
  const got: string[] = [];
  const app = await pair.a.attach(
    { name },
    {
      rx(session) {
        for (let n = session.readDatagram(scratch); n >= 0; n = session.readDatagram(scratch)) {
          got.push(hash(scratch.subarray(0, n)));
        }
      },
    },
  );
  return { session: await app.connect(to), got };
}

test("when the stack detaches a proxy, its sockets go and its hook, too", async () => {
  const peer = await SocksPeer.listen();
  await start(`socks5://127.0.0.1:${peer.port}`, ["tcp://0.0.0.0/81", "udp://0.0.0.0/53"]);
  const stream = await connect(pair, 81);
  stream.on("error", () => undefined);
  const { session, got } = await client("one", "udp://198.18.0.2/53");
  session.writeDatagram(Buffer.from("?"));
  await eventually(() => got.length === 1 && peer.through.length === 1, "both are through");
  let isOver = false;
  peer.through[0].on("close", () => (isOver = true)).resume();
  const { sessions } = pair.b.core.host;
  for (const app of sessions.applications.all()) sessions.detach(app.index);
  await eventually(() => isOver && peer.relays === 0, "nothing is left of them");
  expect(sessions.flows.isOn).toBe(false);
  peer.close();
});

describe("datagrams through a SOCKS5 server", () => {
  let peer: SocksPeer;
  const through = async (manners: SocksManners = {}): Promise<AppHandle> => {
    peer = await SocksPeer.listen(manners);
    return start(`socks5://127.0.0.1:${peer.port}`, ["udp://0.0.0.0/53", "udp://[::]:53"]);
  };
  afterEach(() => peer.close());

  test("are led to their destination and back, each flow by an association of its own", async () => {
    const proxy = await through();
    const clients = [await client("one", "udp://198.18.0.2/53"), await client("two", "udp://[2001:db8:18::2]:53")];
    const datagrams = [Buffer.from("one"), Buffer.alloc(0)];
    const large = body(8192, 7);
    for (const { session, got } of clients) {
      for (const each of datagrams) session.writeDatagram(each);
      await eventually(() => got.length === datagrams.length, "all are answered");
      session.writeDatagram(large);
      await eventually(() => got.length > datagrams.length, "the large one is answered");
      expect(got).toEqual([...datagrams, large].map((each) => hash(each)));
    }
    const wanted = ["01c61200020035", "0420010db80018000000000000000000020035"].map((each) => `udp ${each}`);
    expect(peer.asked).toEqual(wanted.flatMap((each) => [each, each, each]));
    expect(peer.relays).toBe(2);
    await proxy.close();
    await eventually(() => peer.relays === 0, "the associations end");
  });

  test("a server that ends an association ends the flow", async () => {
    await through();
    const { session, got } = await client("one", "udp://198.18.0.2/53");
    session.writeDatagram(Buffer.from("?"));
    await eventually(() => got.length === 1, "it is answered");
    expect(pair.b.sessionCount).toBe(3);
    peer.close();
    await eventually(() => pair.b.sessionCount === 2, "only the listeners are left");
  });

  test("a server that refuses an association ends the flow", async () => {
    await through({ reply: 1 });
    const { session } = await client("one", "udp://198.18.0.2/53");
    session.writeDatagram(Buffer.from("?"));
    await eventually(() => peer.relaysEver === 1, "it is asked");
    await eventually(() => pair.b.sessionCount === 2, "only the listeners are left");
    expect(peer.asked).toEqual([]);
    await eventually(() => peer.relays === 0, "nothing is left of it");
  });

  test("a server that names port 0 for datagrams ends the flow", async () => {
    await through({ relayPort: 0 });
    const { session } = await client("one", "udp://198.18.0.2/53");
    session.writeDatagram(Buffer.from("?"));
    await eventually(() => peer.relaysEver === 1, "it is asked");
    await eventually(() => pair.b.sessionCount === 2, "only the listeners are left");
    await eventually(() => peer.relays === 0, "nothing is left of it");
    expect([peer.asked, pair.b.errors]).toEqual([[], []]);
  });
});

describe("datagrams to a URI", () => {
  let seen: string[];

  async function serve(): Promise<void> {
    seen = [];
    const app = await pair.a.attach(
      { name: "server" },
      {
        rx(session) {
          for (let n = session.readDatagram(scratch); n >= 0; n = session.readDatagram(scratch)) {
            seen.push(hash(scratch.subarray(0, n)));
            session.reply(scratch, 0, n);
          }
        },
      },
    );
    await app.listen("udp://198.18.0.1/53");
  }
  beforeEach(serve);

  test("keep their bounds, and answers go to who asked, from where they asked", async () => {
    await start("udp://198.18.0.1/53", ["udp://0.0.0.0/53", "udp://[::]:53"]);
    const clients = [await client("one", "udp://198.18.0.2/53"), await client("two", "udp://[2001:db8:18::2]:53")];
    const datagrams = [Buffer.from("one"), Buffer.alloc(0), Buffer.from("three")];
    const large = body(8192, 7);
    for (const { session, got } of clients) {
      for (const each of datagrams) session.writeDatagram(each);
      await eventually(() => got.length === datagrams.length, "all are answered");
      session.writeDatagram(large);
      await eventually(() => got.length > datagrams.length, "the large one is answered");
      expect(got).toEqual([...datagrams, large].map((each) => hash(each)));
    }
    expect(seen).toHaveLength(8);
    // Two listeners, and two flows of two sessions each.
    expect(pair.b.sessionCount).toBe(6);
  });

  test("what is not allowed is refused, and logged once", async () => {
    await start("udp://198.18.0.1/53", ["udp://0.0.0.0/53"], ["198.18.0.2:54"]);
    const { session } = await client("one", "udp://198.18.0.2/53");
    for (let i = 0; i < 3; i++) session.writeDatagram(Buffer.from("?"));
    await eventually(() => log.length > 0, "it is logged");
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(log).toEqual(["proxy: udp 198.18.0.2:53 refused to 198.18.0.1: not allowed"]);
    expect([seen, pair.b.sessionCount]).toEqual([[], 1]);
  });

  test("what is not allowed is refused also when the hook could not be asked, and the default is to accept", async () => {
    await pair.close();
    pair = stackPair({ session: { maxUndecidedFlows: 1, flowDefault: "accept" } });
    await serve();
    await start("udp://198.18.0.1/53", ["udp://0.0.0.0/53", "udp://0.0.0.0/54"], ["198.18.0.2:54"]);
    const clients = await Promise.all(["one", "two", "three"].map((name) => client(name, "udp://198.18.0.2/53")));
    for (let i = 0; i < 3; i++) for (const { session } of clients) session.writeDatagram(Buffer.from("?"));
    await eventually(() => pair.b.core.host.sessions.flows.all[0].counters.overLimit > 0, "one was not asked about");
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(log).toEqual(["proxy: udp 198.18.0.2:53 refused to 198.18.0.1: not allowed"]);
    expect([seen, pair.b.sessionCount]).toEqual([[], 2]);
  });

  test("a flow to the proxy itself is no flow", async () => {
    await start("udp://198.18.0.2/53", ["udp://0.0.0.0/53"]);
    const { session } = await client("one", "udp://198.18.0.2/53");
    session.writeDatagram(Buffer.from("?"));
    await eventually(() => log.length > 0, "it is logged");
    expect(log).toEqual(["proxy: udp 198.18.0.2:53 refused to 198.18.0.2: it is the proxy's own"]);
    await eventually(() => pair.b.sessionCount === 1, "only the listener is left");
  });
});
