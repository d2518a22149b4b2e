import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { App } from "../../../src/app/app.js";
import type { AppCallbacks } from "../../../src/app/callbacks.js";
import type { Session } from "../../../src/app/session.js";
import { DGRAM_LOCAL_IP, DGRAM_LOCAL_PORT, writeDatagram } from "../../../src/mem/fifo-datagram.js";
import { writeDatagramHeader } from "../../../src/session/datagram-header.js";
import { S_RX_FIFO } from "../../../src/session/session-table.js";
import { SESSION_E_INVALID } from "../../../src/session/session-errors.js";
import { SessionIo } from "../../../src/session/session-io.js";
import { TLS_LOWER } from "../../../src/transport/tls/connection.js";
import type { TlsOptions } from "../../../src/transport/tls/crypto-config.js";
import { TlsStacks } from "../tls/two-stacks.js";

const ENDS = {
  ip4: ["dtls://0.0.0.0/443", "dtls://[localhost]198.18.0.2/443", "198.18.0.1", "198.18.0.2"],
  ip6: ["dtls://::/443", "dtls://[localhost]2001:db8::2/443", "2001:db8::1", "2001:db8::2"],
} as const;
const SERVER = ENDS.ip4[1];

let net: TlsStacks;
/** Datagrams that each side read, as text. */
let read: [string[], string[]];
beforeEach(() => {
  net = new TlsStacks();
  read = [[], []];
});
afterEach(() => net.close());

const text = (value: string): Uint8Array => new TextEncoder().encode(value);

/** An application that keeps what it reads, datagram by datagram. */
function attach(side: 0 | 1, more: Partial<AppCallbacks> = {}): Promise<App> {
  const into = Buffer.alloc(20_000);
  const rx = (session: Session): void => {
    for (let n = session.readDatagram(into); n >= 0; n = session.readDatagram(into)) {
      read[side].push(into.toString("latin1", 0, n));
    }
  };
  return net.attach(side, { rx, ...more });
}

async function listen(tls: TlsOptions = {}, uri: string = ENDS.ip4[0]): Promise<App> {
  const app = await attach(1);
  await app.listen(uri, { tls });
  return app;
}

async function connect(tls: TlsOptions = {}, uri: string = SERVER): Promise<Session> {
  return net.connect(await attach(0), uri, { tls: { trust: net.trustServer(), ...tls } });
}

describe("a session", () => {
  test.each(["ip4", "ip6"] as const)("%s: datagrams go both ways with their boundaries", async (family) => {
    const [at, uri, near, far] = ENDS[family];
    await listen({}, at);
    const client = await connect({}, uri);
    const server = net.ears[1].session;
    expect([client.local?.address, client.remote?.address, client.remote?.port]).toEqual([near, far, 443]);
    expect([server.local?.address, server.local?.port, server.remote?.address]).toEqual([far, 443, near]);
    expect(server.remote?.port).toBe(client.local?.port);
    for (const each of ["one", "two", "three".repeat(1000)]) {
      expect(client.writeDatagram(text(each))).toBe(each.length);
    }
    server.writeDatagram(text("down"));
    await net.pass();
    expect(read).toEqual([["down"], ["one", "two", "three".repeat(1000)]]);
    const info = client.tlsInfo();
    expect([info?.version, info?.cipher, info?.serverName]).toEqual([
      "DTLSv1.2",
      "ECDHE-ECDSA-AES256-GCM-SHA384",
      "localhost",
    ]);
    client.close();
    await net.pass();
    expect(net.ears[1].heard).toContain("disconnect");
    server.close();
    expect(await net.leftovers()).toEqual([]);
    expect(net.stacks.map(({ host }) => host.dtls?.rows.used)).toEqual([0, 1]);
  });

  test("the longest datagram, and those that no record holds", async () => {
    await listen();
    const client = await connect();
    const longest = "x".repeat(16_384);
    expect(client.writeDatagram(text(longest))).toBe(16_384);
    for (const wrong of [`${longest}x`, ""]) expect(client.writeDatagram(text(wrong))).toBe(SESSION_E_INVALID);
    await net.pass();
    expect(read[1]).toEqual([longest]);
  });

  test("two clients of a server have a session each", async () => {
    await listen();
    const clients = [await connect(), await connect()];
    clients.forEach((client, i) => client.writeDatagram(text(`from ${i}`)));
    await net.pass();
    expect(read[1].toSorted()).toEqual(["from 0", "from 1"]);
    for (const session of net.ears[1].sessions) session.writeDatagram(text("to each"));
    await net.pass();
    expect(read[0]).toEqual(["to each", "to each"]);
  });
});

/** The name and text of the error that connecting ends with. */
async function refusal(tls: TlsOptions = {}, uri: string = SERVER): Promise<string> {
  return net.refusal(await attach(0), uri, { tls: { trust: net.trustServer(), ...tls } });
}

const reasons = (side: 0 | 1): [string, number][] => [...(net.stacks[side].host.dtls?.failures.all() ?? [])];

describe("certificates, names and protocols are those of TLS", () => {
  test("a certificate for another name", async () => {
    await listen();
    expect(await refusal({}, "dtls://[other.test]198.18.0.2/443")).toBe(
      "certificate verify failed: hostname mismatch (TLS_HANDSHAKE)",
    );
    expect(reasons(1)).toEqual([["sslv3 alert bad certificate", 1]]);
    expect(await net.leftovers()).toEqual([]);
  });

  test("certificates of clients, when they are required", async () => {
    const server = net.tls(1).store;
    const own = server.engine.makePair("client.test");
    await listen({ verify: "require", trust: server.addTrust(own.certificate) });
    expect(await refusal()).toContain("TLS_HANDSHAKE");
    const client = await connect({ pair: net.tls(0).store.addPair(own) });
    client.writeDatagram(text("me"));
    await net.pass();
    expect(read[1]).toEqual(["me"]);
    expect(net.ears[1].session.tlsInfo()?.certificate?.length).toBeGreaterThan(100);
  });

  test("ALPN, and nothing in common", async () => {
    await listen({ alpn: ["coap", "x"] });
    expect((await connect({ alpn: ["x", "coap"] })).tlsInfo()?.alpn).toBe("coap");
    expect(await refusal({ alpn: ["h2"] })).toContain("no application protocol (TLS_HANDSHAKE)");
  });

  test("the certificate is asked for by name", async () => {
    const asked: string[] = [];
    const certificate = async (name: string): Promise<number> => {
      asked.push(name);
      return 0;
    };
    const app = await attach(1, { certificate });
    await app.listen(ENDS.ip4[0], { tls: { pair: "ask" } });
    const client = await connect();
    client.writeDatagram(text("after all"));
    await net.pass();
    expect([asked, read[1]]).toEqual([["localhost"], ["after all"]]);
  });

  test("DTLS 1.3 is not there: a profile that wants it is refused", async () => {
    const profile = net.tls(1).store.addProfile({ minVersion: 0x0304 });
    await expect(listen({ profile })).rejects.toThrow("INVALID");
  });

  test("secrets of handshakes are handed out", async () => {
    let keys = "";
    net.tls(0).logKeys((lines) => (keys += lines));
    await listen();
    await connect();
    expect(keys).toMatch(/^CLIENT_RANDOM [0-9a-f]{64} [0-9a-f]{96}\n$/);
  });
});

describe("limits", () => {
  test("nobody listens: the port is unreachable", async () => {
    expect(await refusal()).toMatch(/REFUSED/);
    expect(await net.leftovers()).toEqual([]);
  });

  test("a server that never answers: the hello is sent again after 1, 2 and 4 seconds, and given up after ten", async () => {
    const heard: number[] = [];
    const app = await net.attach(1, {
      rx: (session) => {
        while (session.readDatagram(Buffer.alloc(2000)) >= 0) heard.push(net.clock.nowUs());
      },
    });
    await app.listen("udp://0.0.0.0/443");
    const began = net.clock.nowUs();
    const connecting = (await attach(0)).connect(SERVER, { tls: { verify: "none" } });
    connecting.catch(() => {});
    for (let i = 0; i < 120; i++) {
      net.clock.advanceUs(99_000);
      await net.pass(1);
    }
    await expect(connecting).rejects.toThrow("TIMEDOUT");
    expect(heard.map((us) => Math.round((us - began) / 1e6))).toEqual([0, 1, 3, 7]);
  });

  test("so many handshakes at once", async () => {
    net.close();
    net = new TlsStacks({ maxHandshakes: 1 });
    const app = await attach(1, { certificate: () => new Promise<number>(() => {}) });
    await app.listen(ENDS.ip4[0], { tls: { pair: "ask" } });
    const waiting = (await attach(0)).connect(SERVER, { tls: { verify: "none" } });
    waiting.catch(() => {});
    await net.pass();
    expect(net.stacks[1].host.dtls?.handshakes).toBe(1);
    expect(await refusal()).toContain("REFUSED");
    for (let i = 0; i < 120; i++) {
      net.clock.advanceUs(99_000);
      await net.pass(1);
    }
    await expect(waiting).rejects.toThrow("TIMEDOUT");
    expect(reasons(1)).toEqual([["handshake timed out", 1]]);
    expect(await net.leftovers()).toEqual([]);
  });
});

describe("the end of a session", () => {
  test("what was written before close arrives", async () => {
    await listen();
    const client = await connect();
    for (let i = 0; i < 20; i++) client.writeDatagram(text(`datagram ${i}`));
    client.close();
    await net.pass();
    expect(read[1]).toEqual(Array.from({ length: 20 }, (_, i) => `datagram ${i}`));
    expect(net.ears[1].heard).toContain("disconnect");
    net.ears[1].session.close();
    expect(await net.leftovers()).toEqual([]);
  });

  test("a listener that ends takes its handshakes with it, and leaves sessions alone", async () => {
    const app = await attach(1);
    const listener = await app.listen(ENDS.ip4[0]);
    const client = await connect();
    await listener.close();
    client.writeDatagram(text("still here"));
    await net.pass();
    expect(read[1]).toEqual(["still here"]);
    client.close();
    await net.pass();
    net.ears[1].session.close();
    expect(await net.leftovers()).toEqual([]);
  });

  test("applications that are detached take their sessions with them", async () => {
    const server = await listen();
    const client = await connect();
    await server.detach();
    await net.pass();
    expect(net.ears[0].heard).toContain("disconnect");
    client.close();
    expect(await net.leftovers()).toEqual([]);
  });

  test("DTLS's own application ends below: sessions are reset, and the peer's, whose datagrams nobody takes", async () => {
    await listen();
    const client = await connect();
    const { sessions } = net.stacks[1].host;
    const own = sessions.applications.byName("dtls-0");
    expect(sessions.detach(own?.index ?? -1)).toBe(0);
    await net.pass();
    expect(net.ears[1].heard.map((each) => each.split(":")[0])).toContain("reset UNKNOWN");
    client.writeDatagram(text("anybody?"));
    await net.pass(20);
    expect(net.ears[0].heard.map((each) => each.split(":")[0])).toContain("reset REFUSED");
  });
});

describe("what comes over the wire", () => {
  test("who has not shown that it is there costs nothing, however many they are", async () => {
    await listen();
    const hello = await firstHello();
    const app = await net.attach(0);
    const { table } = net.stacks[1].host.sessions;
    const before = table.used;
    for (let i = 0; i < 300; i++) {
      const session = await udp(app);
      session.writeDatagram(hello);
      await net.pass(1);
      session.close();
    }
    await net.pass();
    expect([table.used, net.stacks[1].host.dtls?.rows.used, net.stacks[1].host.dtls?.handshakes]).toEqual([
      before,
      1,
      0,
    ]);
    expect((await connect()).tlsInfo()?.version).toBe("DTLSv1.2");
  });

  test("a cookie is good for the peer that got it, for a while", async () => {
    await listen();
    const { hello, cookie } = await cookieOf();
    // Another port: another peer.
    await raw(hello(cookie));
    expect(net.stacks[1].host.dtls?.handshakes).toBe(0);
    const session = await rawSession();
    const own = await askCookie(session, hello(Buffer.alloc(0)));
    net.clock.advanceUs(70_000_000);
    session.writeDatagram(hello(own));
    await net.pass(2);
    expect(net.stacks[1].host.dtls?.handshakes).toBe(1);
    const late = await rawSession();
    const old = await askCookie(late, hello(Buffer.alloc(0)));
    net.clock.advanceUs(130_000_000);
    late.writeDatagram(hello(old));
    await net.pass(2);
    expect(net.stacks[1].host.dtls?.handshakes).toBe(0);
  });

  test("who shows that it is there at a broadcast address has no session there", async () => {
    await listen();
    const { hello } = await cookieOf();
    const { sessions, window, fifos, dtls } = net.stacks[1].host;
    const lower = window.i32[(dtls?.rows.row(0) ?? 0) + TLS_LOWER];
    const header = window.reserve("header of the test", 64);
    const peer = await rawSession();
    /** As if it had come to that address, to the listener without peers. */
    const arrive = async (bytes: Buffer, to: number): Promise<void> => {
      writeDatagramHeader(
        window.dv,
        header,
        false,
        Int32Array.of(0xc612_0001, 0, 0, 0),
        peer.local?.port ?? 0,
        undefined,
        -1,
      );
      window.dv.setInt32(header + DGRAM_LOCAL_IP + 12, to);
      window.dv.setUint16(header + DGRAM_LOCAL_PORT, 443);
      const rx = window.i32[sessions.table.row(lower) + S_RX_FIFO];
      expect(writeDatagram(fifos, window, rx, header, bytes, 0, bytes.length)).toBe(true);
      sessions.received(lower);
      await net.pass(2);
    };
    for (const [to, handshakes] of [
      [0xc612_00ff, 0],
      [0xc612_0002, 1],
    ] as const) {
      got.length = 0;
      await arrive(hello(Buffer.alloc(0)), to);
      await arrive(hello(Buffer.from(got[0].subarray(28, 60))), to);
      expect(dtls?.handshakes).toBe(handshakes);
    }
  });

  test("random and cut datagrams are lost, before, in and after a handshake", async () => {
    await listen();
    const hello = await firstHello();
    const session = await rawSession();
    let seed = 1;
    const random = (n: number): number => (seed = (seed * 48_271) % 0x7fff_ffff) % n;
    for (let i = 0; i < 400; i++) {
      const bytes = Buffer.from(hello.subarray(0, i % 2 === 0 ? random(hello.length) : hello.length));
      for (let j = random(4); j > 0 && bytes.length > 0; j--) bytes[random(bytes.length)] = random(256);
      session.writeDatagram(bytes);
      if (i % 20 === 19) await net.pass(1);
    }
    const client = await connect();
    // Onto the session's own five-tuple, as somebody on the way could.
    const { sessions } = net.stacks[0].host;
    const rows = net.stacks[0].host.dtls?.rows;
    const lower = sessions.window.i32[(rows?.row(sessions.connectionOf(client.index)) ?? 0) + TLS_LOWER];
    const io = new SessionIo(sessions);
    for (let i = 0; i < 400; i++) {
      // Records of application data, of alerts and of handshakes, of this epoch and others.
      const bytes = Buffer.from([20 + random(5), 254, 253, 0, random(3), 0, 0, 0, 0, 0, random(256), 0, 30]);
      io.writeDatagram(lower, Buffer.concat([bytes, Buffer.alloc(30, random(256))]), 0, 43, -1);
      if (i % 20 === 19) await net.pass(1);
    }
    client.writeDatagram(text("still right"));
    await net.pass();
    expect(read[1]).toEqual(["still right"]);
  });
});

async function udp(app: App): Promise<Session> {
  const connecting = app.connect("udp://198.18.0.2/443");
  await net.pass(1);
  return connecting;
}

const got: Buffer[] = [];
/** A session of UDP to the server, which keeps what it gets. */
async function rawSession(): Promise<Session> {
  got.length = 0;
  const into = Buffer.alloc(2000);
  const app = await net.attach(0, {
    rx: (session) => {
      for (let n = session.readDatagram(into); n >= 0; n = session.readDatagram(into))
        got.push(Buffer.from(into.subarray(0, n)));
    },
  });
  return udp(app);
}

async function raw(bytes: Uint8Array): Promise<void> {
  const session = await rawSession();
  session.writeDatagram(bytes);
  await net.pass(2);
  session.close();
}

/** The first datagram of a client. */
async function firstHello(): Promise<Buffer> {
  const heard: Buffer[] = [];
  const into = Buffer.alloc(2000);
  const rx = (session: Session): void => {
    for (let n = session.readDatagram(into); n >= 0; n = session.readDatagram(into))
      heard.push(Buffer.from(into.subarray(0, n)));
  };
  const app = await net.attach(1, { rx });
  const listener = await app.listen("udp://0.0.0.0/444");
  const connecting = (await attach(0)).connect("dtls://[localhost]198.18.0.2/444", { tls: { verify: "none" } });
  connecting.catch(() => {});
  await net.pass();
  await listener.close();
  await net.pass(2);
  return heard[0];
}

// RFC 6347 4.2.1: record header 13, handshake header 12, version 2, random 32, session id (its length), then the cookie.
async function cookieOf(): Promise<{ hello: (cookie: Buffer) => Buffer; cookie: Buffer }> {
  const first = await firstHello();
  const at = 13 + 12 + 2 + 32 + 1 + first[59];
  const hello = (cookie: Buffer): Buffer => {
    const made = Buffer.concat([first.subarray(0, at), Buffer.of(cookie.length), cookie, first.subarray(at + 1)]);
    made.writeUInt16BE(made.length - 13, 11);
    for (const where of [14, 22]) made.writeUIntBE(made.length - 25, where, 3);
    if (cookie.length > 0) made[18] = made[10] = 1;
    return made;
  };
  return { hello, cookie: await askCookie(await rawSession(), hello(Buffer.alloc(0))) };
}

async function askCookie(session: Session, hello: Buffer): Promise<Buffer> {
  session.writeDatagram(hello);
  await net.pass(2);
  const [answer] = got;
  expect([answer[13], answer[27]]).toEqual([3, 32]);
  return Buffer.from(answer.subarray(28, 60));
}
