import { beforeEach, describe, expect, test } from "vitest";
import type { App } from "../../src/app/app.js";
import { AppServer } from "../../src/app/attach.js";
import type { AppCallbacks } from "../../src/app/callbacks.js";
import type { Session, SessionAddress } from "../../src/app/session.js";
import { SessionError } from "../../src/session/session-errors.js";
import { Pair } from "../cli/pair.js";

// What an interface's modes let applications do: `a` answers for whom `b` asks, and speaks as whom it likes.

const FAMILIES = [
  { family: 4, any: "0.0.0.0", own: "198.18.0.2", peer: "198.18.0.1", others: "203.0.113.7", net: "203.0.113.0/24" },
  {
    family: 6,
    any: "[::]",
    own: "2001:db8:18::2",
    peer: "2001:db8:18::1",
    others: "2001:db8:77::7",
    net: "2001:db8:77::/48",
  },
] as const;

const text = (value: string): Uint8Array => new TextEncoder().encode(value);
const hostOf = (address: string): string => (address.includes(":") ? `[${address}]` : address);
const ends = ({ local, remote }: Session): (string | undefined)[] =>
  [local, remote].map((end: SessionAddress | undefined) => end?.address);
const errorOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => "none",
    (error: unknown) => (error instanceof SessionError ? error.sessionError : error),
  );

describe.each(FAMILIES)("IPv$family", ({ any, own, peer, others, net }) => {
  let pair: Pair;
  let accepted: Session[];

  beforeEach(() => {
    pair = new Pair({ anyProxy: true });
    accepted = [];
    pair.b.apply({ kind: "route", table: 0, prefix: net, add: true, paths: [{ via: own }] });
  });

  let apps = 0;
  const attach = (stack: "a" | "b", callbacks: AppCallbacks = {}): Promise<App> =>
    new AppServer(pair[stack].host.sessions).attach({ name: `app ${apps++}` }, callbacks);
  const serve = async (uri: string, options: object): Promise<Session> => {
    const app = await attach("a", { accept: (session) => void accepted.push(session) });
    const { session } = await app.listen(uri, options);
    return session;
  };
  const settled = async <T>(promise: Promise<T>): Promise<T> => {
    promise.catch(() => undefined);
    pair.run(50_000);
    return promise;
  };
  const set = (mode: "promiscuous" | "spoofing"): Promise<string> => pair.ok(`set interface ${mode} on w0`);

  test("promiscuous: a proxy takes every destination and port, and is told which; without, nobody is asked", async () => {
    await serve(`tcp://${any}:0`, { proxy: true });
    const client = await attach("b");
    const uri = `tcp://${hostOf(others)}:8080`;
    const lost = client.connect(uri);
    pair.run(50_000);
    expect(accepted).toEqual([]);
    await set("promiscuous");
    const session = await settled(client.connect(uri));
    expect(accepted.map(ends)).toEqual([[others, peer]]);
    expect(accepted[0].local?.port).toBe(8080);
    accepted[0].write(text("as another"));
    pair.run(10_000);
    const bytes = new Uint8Array(20);
    expect(session.read(bytes)).toBe(10);
    pair.run(2_000_000);
    await lost;
    expect(accepted).toHaveLength(2);
    await pair.ok("set interface promiscuous off w0");
    accepted[0].write(text("more"));
    pair.run(10_000);
    expect(session.read(bytes)).toBe(4);
  });

  test("promiscuous: nobody there is said by whom it was asked of", async () => {
    await set("promiscuous");
    const client = await attach("b");
    expect(await errorOf(settled(client.connect(`tcp://${hostOf(others)}:9`)))).toBe("REFUSED");
    const errors: unknown[] = [];
    const talker = await attach("b", { reset: (_session, error) => void errors.push(error.sessionError) });
    const session = await settled(talker.connect(`udp://${hostOf(others)}:9`));
    session.writeDatagram(text("?"));
    pair.run(10_000);
    expect(errors).toEqual(["REFUSED"]);
  });

  test("datagrams: a connected-mode proxy makes sessions; a listener answers from where it was asked if it may spoof", async () => {
    await set("promiscuous");
    await serve(`udp://${any}:0`, { proxy: true, connected: true });
    const listener = await serve(`udp://${any}:53`, {});
    const client = await attach("b");
    const [one, two] = [443, 53].map((port) => client.connect(`udp://${hostOf(others)}:${port}`));
    for (const session of [await settled(one), await settled(two)]) session.writeDatagram(text("hello"));
    pair.run(10_000);
    expect(accepted.map(ends)).toEqual([[others, peer]]);
    const bytes = new Uint8Array(20);
    const answer = (): number => {
      expect(listener.readDatagram(bytes)).toBe(5);
      listener.reply(text("answer"));
      pair.run(10_000);
      return bytes.length;
    };
    answer();
    const session = await two;
    expect(session.readDatagram(bytes)).toBe(-1);
    await set("spoofing");
    session.writeDatagram(text("again"));
    pair.run(10_000);
    answer();
    expect(session.readDatagram(bytes)).toBe(6);
  });

  test("spoofing: sessions listen on, and connect from, addresses that no interface has", async () => {
    await set("promiscuous");
    const app = await attach("a", { accept: (session) => void accepted.push(session) });
    const server = await attach("b", { accept: (session) => void accepted.push(session) });
    await server.listen(`tcp://${any}:80`);
    const uri = `tcp://${hostOf(others)}:80`;
    const from = `tcp://${hostOf(others)}:0`;
    const to = `tcp://${hostOf(peer)}:80`;
    expect(await errorOf(app.listen(uri))).toBe("NOIP");
    expect(await errorOf(app.connect(to, { from }))).toBe("NOIP");
    await set("spoofing");
    await app.listen(uri);
    const client = await attach("b");
    await settled(client.connect(uri));
    await settled(app.connect(to, { from }));
    expect(accepted.map(ends)).toEqual([
      [others, peer],
      [peer, others],
    ]);
    for (const address of any === "[::]" ? ["[ff02::1]", "[::1]"] : ["224.0.0.1", "127.0.0.1", "198.18.0.255"]) {
      expect(await errorOf(app.listen(`tcp://${address}:80`))).toBe("NOIP");
      expect(await errorOf(app.connect(to, { from: `tcp://${address}:0` }))).toBe("NOIP");
    }
    await pair.ok("set interface spoofing off w0");
    expect(await errorOf(app.listen(`tcp://${hostOf(others)}:81`))).toBe("NOIP");
  });

  test("spoofing on another interface does not count for a namespace that has an interface", async () => {
    pair.a.apply({ kind: "namespace", id: "one", add: true, interface: "w0" });
    const app = await new AppServer(pair.a.host.sessions).attach({ name: "x", namespace: "one" }, {});
    const uri = `tcp://${hostOf(others)}:80`;
    expect(await errorOf(app.listen(uri))).toBe("NOIP");
    await set("spoofing");
    await app.listen(uri);
    pair.a.apply({ kind: "table", table: 5, add: true });
    pair.a.apply({ kind: "namespace", id: "two", add: true, table4: 5, table6: 5 });
    const other = await new AppServer(pair.a.host.sessions).attach({ name: "y", namespace: "two" }, {});
    expect(await errorOf(other.listen(uri))).toBe("NOIP");
  });
});
