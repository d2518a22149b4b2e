import { expect, test } from "vitest";
import { AppServer } from "../../src/app/attach.js";
import type { Session } from "../../src/app/session.js";
import type { SessionStats } from "../../src/session/session-stats.js";
import { Pair } from "../cli/pair.js";
import { OneStack } from "../transport/ct/one-stack.js";

/** What a collector of a server hears; both attached to `a` of a pair. */
async function collected(pair: Pair): Promise<{ records: SessionStats[]; server: AppServer; client: AppServer }> {
  const records: SessionStats[] = [];
  const server = new AppServer(pair.a.host.sessions);
  await server.attach({ name: "collector" }, { sessionStats: (stats) => records.push(stats) });
  return { records, server, client: new AppServer(pair.b.host.sessions) };
}

test("TCP: octets and segments of both directions, round trip, ends and time", async () => {
  const pair = new Pair();
  const { records, server, client } = await collected(pair);
  let accepted: Session | undefined;
  const web = await server.attach(
    { name: "web", evtCollector: true },
    {
      accept(session) {
        accepted = session;
      },
      rx: (session) => session.write(new Uint8Array(session.drop(100_000) * 2)),
    },
  );
  const { session: listener } = await web.listen("tcp://0.0.0.0/80");
  const browser = await client.attach({ name: "browser" }, { rx: (session) => void session.drop(100_000) });
  const connecting = browser.connect("tcp://198.18.0.2:80");
  pair.run(10_000);
  const session = await connecting;
  pair.run(2_000_000);
  session.write(new Uint8Array(1000));
  pair.run(1_000_000);
  const handle = accepted?.handle;
  session.close();
  pair.run(10_000);
  expect(records).toMatchObject([
    {
      proto: "tcp",
      session: handle,
      app: "web",
      listener: listener.index,
      local: "198.18.0.2:80",
      closedBy: "transport",
      statistics: { ThruOctetsReceived: 1000, ThruOctetsAcked: 2000, DataSegsIn: 1, SegsRetrans: 0, CurMSS: 1448 },
    },
  ]);
  const [{ startMs, endMs, remote, error }] = records;
  expect([remote.split(":")[0], error]).toEqual(["198.18.0.1", undefined]);
  expect(Math.round((endMs - startMs) / 1000)).toBe(3);
});

test("TCP: a session that is closed with unread data still has its octets", async () => {
  const pair = new Pair();
  const { records, server, client } = await collected(pair);
  const sessions: Session[] = [];
  const web = await server.attach(
    { name: "web", evtCollector: true },
    { accept: (session) => void sessions.push(session) },
  );
  await web.listen("tcp://0.0.0.0/80");
  const browser = await client.attach({ name: "browser" }, {});
  const connecting = browser.connect("tcp://198.18.0.2:80");
  pair.run(10_000);
  (await connecting).write(new Uint8Array(777));
  pair.run(10_000);
  sessions[0].close();
  pair.run(10_000);
  expect(records).toMatchObject([
    { closedBy: "app", local: "198.18.0.2:80", statistics: { ThruOctetsReceived: 777, ThruOctetsAcked: 0 } },
  ]);
});

test("UDP: datagrams and octets of a connected session, also those that found no room", async () => {
  const pair = new Pair();
  const { records, server, client } = await collected(pair);
  const echo = await client.attach(
    { name: "echo" },
    {
      rx: (session) => {
        const bytes = new Uint8Array(2000);
        for (let n = session.readDatagram(bytes); n >= 0; n = session.readDatagram(bytes)) session.reply(bytes, 0, n);
      },
    },
  );
  await echo.listen("udp://0.0.0.0/7");
  const app = await server.attach({ name: "asker", evtCollector: true, rxFifoBytes: 2048 }, {});
  const connecting = app.connect("udp://198.18.0.1:7");
  pair.run(10_000);
  const session = await connecting;
  for (let i = 0; i < 5; i++) session.writeDatagram(new Uint8Array(700));
  pair.run(10_000);
  session.close();
  pair.run(10_000);
  expect(records).toMatchObject([
    {
      proto: "udp",
      remote: "198.18.0.1:7",
      listener: -1,
      closedBy: "app",
      statistics: { OutDatagrams: 5, OutOctets: 3500, InDatagrams: 2, InOctets: 1400, InErrors: 3 },
    },
  ]);
});

test("cut-through: one record for each end, with what it has read and written", async () => {
  const one = new OneStack({ collectAll: true });
  const records: SessionStats[] = [];
  await one.server.attach({ name: "collector" }, { sessionStats: (stats) => records.push(stats) });
  const server = await one.attach("server", { rx: (session) => void session.drop(10) });
  await server.listen("tcp://127.0.0.1:80");
  const client = await one.attach("client");
  const session = await one.connect(client, "tcp://127.0.0.1:80");
  session.write(new Uint8Array(10));
  one.settle();
  session.close();
  one.settle();
  expect(
    records.map(({ app, proto, closedBy, remote, statistics }) => ({ app, proto, closedBy, remote, statistics })),
  ).toEqual([
    {
      app: "client",
      proto: "ct",
      closedBy: "app",
      remote: "127.0.0.1:80",
      statistics: { ThruOctetsReceived: 0, ThruOctetsAcked: 10 },
    },
    {
      app: "server",
      proto: "ct",
      closedBy: "transport",
      remote: expect.stringMatching(/^127\.0\.0\.1:\d+$/),
      statistics: { ThruOctetsReceived: 10, ThruOctetsAcked: 0 },
    },
  ]);
});
