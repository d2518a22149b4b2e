import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { App } from "../../../src/app/app.js";
import type { Session } from "../../../src/app/session.js";
import { TLS_1_2, TLS_1_3, type TlsContextSettings, type TlsPeer } from "../../../src/transport/tls/engine.js";
import type { TlsOptions } from "../../../src/transport/tls/crypto-config.js";
import { End, EnginePair, must, Pipe } from "./engine-pair.js";
import { pattern, TlsStacks } from "./two-stacks.js";

const KEY_MS = 60_000;
const VERSIONS = [
  ["1.2", TLS_1_2],
  ["1.3", TLS_1_3],
] as const;

let net: TlsStacks;
let client: App;
let trust: number;
beforeEach(() => begin());
afterEach(() => net.close());

async function begin(config: { ticketKeyMs?: number } = {}): Promise<void> {
  net = new TlsStacks({ ticketKeyMs: KEY_MS, ...config });
  client = await net.attach(0);
  trust = net.trustServer();
}

async function listen(options: TlsOptions = {}): Promise<void> {
  await (await net.attach(1)).listen("tls://0.0.0.0/443", { tls: options });
}

/** Connects, sends a byte each way and closes. Returns whether each end resumed a session. */
async function visit(options: TlsOptions = {}): Promise<boolean[]> {
  const session = await net.connect(client, "tls://[localhost]198.18.0.2/443", { tls: { trust, ...options } });
  const server = net.ears[1].session;
  session.write(pattern(1));
  server.write(pattern(1));
  await net.pass();
  const resumed = [session, server].map((each: Session) => each.tlsInfo()?.resumed === true);
  session.close();
  await net.pass();
  server.close();
  await net.pass();
  return resumed;
}

async function passMs(ms: number): Promise<void> {
  net.clock.advanceUs(ms * 1000);
  await net.pass();
}

describe.each(VERSIONS)("TLS %s", (_name, version) => {
  test("who comes again resumes its session, as often as it comes", async () => {
    await listen({ profile: net.tls(1).store.addProfile({ maxVersion: version }) });
    expect(await visit()).toEqual([false, false]);
    expect(await visit()).toEqual([true, true]);
    expect(await visit()).toEqual([true, true]);
    expect(([0, 1] as const).map((side) => ({ ...net.tls(side).completed }))).toEqual([
      { full: 1, resumed: 2 },
      { full: 1, resumed: 2 },
    ]);
    expect(await net.leftovers()).toEqual([]);
  });

  test("the certificate, name and protocol of a resumed session are known", async () => {
    await listen({ alpn: ["h2"], profile: net.tls(1).store.addProfile({ maxVersion: version }) });
    await visit({ alpn: ["h2"] });
    const session = await net.connect(client, "tls://[localhost]198.18.0.2/443", { tls: { trust, alpn: ["h2"] } });
    const info = session.tlsInfo();
    expect([info?.resumed, info?.alpn, info?.serverName]).toEqual([true, "h2", "localhost"]);
    expect(info?.certificate?.length).toBeGreaterThan(300);
  });

  test("keys change: those before are taken, older ones are not", async () => {
    await listen({ profile: net.tls(1).store.addProfile({ maxVersion: version }) });
    await visit();
    await passMs(KEY_MS + 1000);
    expect(await visit()).toEqual([true, true]);
    await passMs(KEY_MS + 1000);
    expect(await visit()).toEqual([true, true]);
    await passMs(2 * KEY_MS + 1000);
    expect(await visit()).toEqual([false, false]);
    expect(await visit()).toEqual([true, true]);
  });

  test("who trusts somebody else, or speaks otherwise, does not resume what was agreed on before", async () => {
    await listen({ alpn: ["h2", "x"], profile: net.tls(1).store.addProfile({ maxVersion: version }) });
    await visit();
    expect(await visit({ trust: net.trustServer() })).toEqual([false, false]);
    expect(await visit({ alpn: ["x"] })).toEqual([false, false]);
    expect(await visit({ verify: "none" })).toEqual([false, false]);
    expect(await visit()).toEqual([true, true]);
  });
});

test("a ticket of TLS 1.3 is offered once (RFC 8446 C.4)", async () => {
  await listen();
  await visit();
  const tls = { trust };
  const connecting = [0, 1].map(() => client.connect("tls://[localhost]198.18.0.2/443", { tls }));
  await net.pass(20);
  const sessions = await Promise.all(connecting);
  expect(sessions.map((session) => session.tlsInfo()?.resumed)).toEqual([true, false]);
});

test("without tickets there is no resumption", async () => {
  net.close();
  await begin({ ticketKeyMs: 0 });
  await listen();
  expect([await visit(), await visit()]).toEqual([
    [false, false],
    [false, false],
  ]);
});

test("the certificate that was asked for is not asked for again by who resumes", async () => {
  let asked = 0;
  const server = await net.attach(1, {
    certificate: () => {
      asked++;
      return 0;
    },
  });
  await server.listen("tls://0.0.0.0/443", { tls: { pair: "ask" } });
  expect([await visit(), await visit(), asked]).toEqual([[false, false], [true, true], 1]);
});

describe("in the engine", () => {
  const PEER: TlsPeer = { hostname: "weft.test", peer: "weft.test 443" };
  const TICKETS = { ticketSeconds: 60 };

  /** An engine with a client and two servers, of which the second one is as `other` says. */
  function twoServers(other: Partial<TlsContextSettings>): {
    pair: EnginePair;
    meet: (server: 0 | 1, peer?: TlsPeer) => boolean;
  } {
    const pair = new EnginePair({ ...TICKETS }, { ...TICKETS });
    const { engine, window } = pair;
    const [up, down, clear] = ["up 2", "down 2", "clear 2"].map((name) => new Pipe(window, name));
    const { certificate, key } = engine.makePair("weft.test");
    const own = must(engine.addPair(certificate, key));
    const store = must(engine.addStore(certificate, new Uint8Array(0)));
    const context = must(engine.addContext({ server: false, store, verify: 2, pair: own, ...TICKETS }));
    const servers = [{}, other].map((each) =>
      must(engine.addContext({ server: true, pair: own, store, ...TICKETS, ...each })),
    );
    const meet = (to: 0 | 1, peer = PEER): boolean => {
      const ends = [engine.open(context, peer), engine.open(servers[to], {})];
      for (const pipe of [up, down]) pipe.head = pipe.tail = 0;
      const client = new End(engine, window, ends[0], down, up, clear);
      const server = new End(engine, window, ends[1], up, down, clear);
      for (let i = 0; i < 6; i++) for (const end of [client, server]) end.step();
      const resumed = ends.map((end) => engine.info(end).resumed);
      expect(resumed[1]).toBe(resumed[0]);
      for (const end of ends) engine.close(end);
      return resumed[0];
    };
    return { pair, meet };
  }

  test.each<[string, Partial<TlsContextSettings>]>([
    ["that is just like it", {}],
    ["that wants certificates of clients", { verify: 2 }],
    ["without tickets", { ticketSeconds: 0 }],
  ])("a ticket of one server opens nothing at another one %s", (_what, other) => {
    const { pair, meet } = twoServers(other);
    expect([meet(0), meet(0), meet(1)]).toEqual([false, true, false]);
    pair.close();
  });

  test("peers with another word, or none, have nothing to resume", () => {
    const { pair, meet } = twoServers({});
    expect([meet(0), meet(0, { ...PEER, peer: "weft.test 444" }), meet(0, { hostname: "weft.test" }), meet(0)]).toEqual(
      [false, false, false, true],
    );
    pair.close();
  });

  test("sessions of many peers: the one that was used longest ago is forgotten", () => {
    const { pair, meet } = twoServers({});
    const peers = Array.from({ length: 65 }, (_, i) => ({ ...PEER, peer: `peer ${i}` }));
    for (const peer of peers) expect(meet(0, peer)).toBe(false);
    expect([meet(0, peers[64]), meet(0, peers[1]), meet(0, peers[0])]).toEqual([true, true, false]);
    pair.close();
  });
});
