import fc from "fast-check";
import { beforeEach, describe, expect, test } from "vitest";
import { SeededRandom } from "../../../src/random/seeded.js";
import type { App } from "../../../src/app/app.js";
import { Cli } from "../../../src/cli/cli.js";
import type { Session } from "../../../src/app/session.js";
import { TRANSPORT_CT } from "../../../src/transport/transport.js";
import { bytes, CT_FAMILIES, OneStack, readText } from "./one-stack.js";

const URI = "tcp://127.0.0.1/80";
const CAP = 8192;

let h: OneStack;
let client: Session;
let server: Session;

async function pair(callbacks: Parameters<OneStack["attach"]>[1] = {}, sizes = CAP): Promise<readonly [App, App]> {
  h = new OneStack();
  const c = await h.attach("c", callbacks);
  const s = await h.attach(
    "s",
    { accept: (session) => void (server = session) },
    { rxFifoBytes: sizes, txFifoBytes: CAP },
  );
  await s.listen(URI);
  client = await h.connect(c, URI);
  h.news();
  return [c, s];
}

describe("back-pressure", () => {
  beforeEach(async () => {
    await pair();
  });

  test("a full fifo takes no more; a quarter of it read, the writer hears tx, once", () => {
    const chunk = new Uint8Array(CAP);
    expect([client.write(chunk), client.write(chunk), client.writableBytes]).toEqual([CAP, 0, 0]);
    h.settle();
    expect(h.news()).toEqual(["s rx"]);
    expect(server.drop(CAP / 4 - 1)).toBe(CAP / 4 - 1);
    h.settle();
    expect(h.news()).toEqual([]);
    expect(client.writableBytes).toBe(CAP / 4 - 1);
    server.drop(1);
    server.drop(1);
    h.settle();
    expect(h.news()).toEqual(["c tx"]);
    expect([client.queuedBytes, server.readableBytes]).toEqual([(CAP * 3) / 4 - 1, (CAP * 3) / 4 - 1]);
  });

  test("the server's sizes hold for both directions, as in VPP", async () => {
    await pair({}, 100);
    expect([client.write(new Uint8Array(CAP)), server.write(new Uint8Array(2 * CAP))]).toEqual([100, CAP]);
  });

  test("rx is told once for what came since the last call, and again for more", () => {
    for (let i = 0; i < 5; i++) client.write(bytes("x"));
    h.settle();
    expect(h.news()).toEqual(["s rx"]);
    h.settle();
    expect(h.news()).toEqual([]);
    client.write(bytes("y"));
    h.settle();
    expect([h.news(), readText(server)]).toEqual([["s rx"], "xxxxxy"]);
  });

  test("peek and drop free room as read does; urgent data is in the stream, unmarked", () => {
    client.write(new Uint8Array(CAP + 1));
    h.settle();
    h.news();
    server.peek((_u8, _offset, length) => length);
    h.settle();
    expect(h.news()).toEqual(["c tx"]);
    expect(client.writeUrgent(bytes("urgent"))).toBe(6);
    h.settle();
    expect([h.news(), readText(server)]).toEqual([["s rx"], "urgent"]);
  });

  test("a writer that found no memory tries again after 10 ms", async () => {
    const { fifos } = h.stack.host;
    const hog = fifos.allocFifo(64 << 20);
    while (fifos.write(hog, new Uint8Array(1 << 16), 0, 1 << 16) > 0);
    expect(client.write(bytes("x"))).toBe(0);
    h.settle();
    expect(h.news()).toEqual([]);
    fifos.freeFifo(hog);
    h.clock.advanceUs(11_000);
    h.stack.engine.turn();
    h.settle();
    expect(h.news()).toEqual(["c tx"]);
    expect(client.write(bytes("x"))).toBe(1);
  });
});

describe("what it shows of itself", () => {
  beforeEach(async () => {
    await pair();
    client.write(bytes("12345"));
    h.settle();
    server.drop(2);
  });

  test("statistics by TCP's names", () => {
    expect(client.statistics()).toEqual({
      ThruOctetsAcked: 2,
      ThruOctetsReceived: 0,
      CurAppWQueue: 3,
      CurAppRQueue: 0,
    });
    expect(server.statistics()).toMatchObject({ ThruOctetsReceived: 5, CurAppRQueue: 3 });
  });

  test("state, and with verbose 2 its peer and figures", () => {
    const { sessions, transports } = h.stack.host;
    const format = (session: Session, verbose: number): string | undefined =>
      transports[TRANSPORT_CT]?.format(sessions.connectionOf(session.index), verbose);
    expect(format(client, 1)).toBe("OPENED");
    expect(format(client, 2)).toBe(
      `OPENED index 1 peer session ${server.index}\n ThruOctetsAcked 2 ThruOctetsReceived 0 CurAppWQueue 3 CurAppRQueue 0`,
    );
    client.halfClose();
    expect(format(client, 1)).toBe("OPENED half-closed");
    client.close();
    expect(format(client, 1)).toBe("OPENED app-closed");
    const listener = [...sessions.table].find((s) => s !== client.index && s !== server.index) ?? -1;
    expect(transports[TRANSPORT_CT]?.format(sessions.connectionOf(listener), 2)).toBe("LISTEN index 0");
  });

  test("show session lists both ends and the listener under ct", async () => {
    const cli = new Cli({ host: h.stack.host, wake: () => {}, sleep: async () => {} });
    expect((await cli.run("show session")).text.split("\n").slice(2)).toEqual([
      expect.stringMatching(/^ct +listening +1/),
      expect.stringMatching(/^ct +ready +2/),
    ]);
    const { text } = await cli.run("show session verbose proto ct state ready");
    const port = client.local?.port;
    expect(text).toMatch(new RegExp(`\\[ct\\] 127.0.0.1:${port}->127.0.0.1:80 +ready +OPENED +0 +3`));
    expect(text).toMatch(new RegExp(`\\[ct\\] 127.0.0.1:80->127.0.0.1:${port} +ready +OPENED +3 +0`));
    expect((await cli.run("show session verbose 2 listeners ct")).text).toMatch(/LISTEN index 0/);
  });

  test("attributes are about packets: NOSUPPORT", () => {
    expect([client.attribute("noDelay"), client.setAttribute("dscp", 1)]).toEqual([-10, -10]);
  });
});

describe.each(CT_FAMILIES)("%s", (_family, _uri, loopback) => {
  test("any order of writes, reads, half-closes and turns: each end reads what the other wrote, then the end", async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: 1 << 30 }), fc.integer({ min: 1, max: 20_000 }), async (seed, cap) => {
        const random = new SeededRandom(seed);
        h = new OneStack();
        const ends: Session[] = [];
        const finished = [false, false];
        const callbacks = (i: number): Parameters<OneStack["attach"]>[1] => ({
          accept: (session) => void (ends[1] = session),
          disconnect: () => void (finished[i] = true),
        });
        const c = await h.attach("c", callbacks(0));
        const s = await h.attach("s", callbacks(1), { rxFifoBytes: cap, txFifoBytes: 5000 });
        await s.listen(loopback);
        const clean = h.pools();
        ends[0] = await h.connect(c, loopback);
        // Byte n of a direction is a function of n.
        const byteAt = (direction: number, n: number): number => (n * 7 + (n >> 8) * 3 + direction) & 255;
        const written = [0, 0];
        const read = [0, 0];
        const isEnded = [false, false];
        const readSome = (i: number): void => {
          const into = new Uint8Array(1 + random.nextBelow(6000));
          const n = ends[i].read(into);
          for (let k = 0; k < n; k++) {
            if (into[k] !== byteAt(1 - i, read[i] + k)) throw new Error(`byte ${read[i] + k} of end ${i}`);
          }
          read[i] += n;
        };
        for (let step = 0; step < 200; step++) {
          const i = random.nextBelow(2);
          const what = random.nextBelow(10);
          if (what < 4 && !isEnded[i]) {
            const block = new Uint8Array(random.nextBelow(4000)).map((_, k) => byteAt(i, written[i] + k));
            written[i] += ends[i].write(block);
          } else if (what < 7) readSome(i);
          else if (what === 7) h.stack.engine.turn();
          else if (what === 8) h.settle();
          else if (random.nextBelow(30) === 0) {
            isEnded[i] = true;
            ends[i].halfClose();
          }
        }
        for (const i of [0, 1]) if (!isEnded[i]) ends[i].halfClose();
        h.settle();
        for (const i of [0, 1]) while (ends[i].readableBytes > 0) readSome(i);
        expect(read).toEqual([written[1], written[0]]);
        expect(finished).toEqual([true, true]);
        for (const each of ends) each.close();
        h.settle();
        expect(h.news().filter((line) => line.includes("reset"))).toEqual([]);
        expect(h.pools()).toEqual(clean);
      }),
      { numRuns: 25, seed: 11 },
    );
  });

  test("two applications push each other 2 MB through small fifos, driven by rx and tx only", async () => {
    const total = 2 << 20;
    const sent = new Uint8Array(total).map((_, n) => (n * 31 + (n >> 8)) & 255);
    const got = [new Uint8Array(total), new Uint8Array(total)];
    h = new OneStack();
    const state = [
      { written: 0, read: 0 },
      { written: 0, read: 0 },
    ];
    const ends: Session[] = [];
    const push = (i: number, session: Session): void => {
      const own = state[i];
      const n = session.write(sent, own.written);
      if (n > 0) own.written += n;
      if (own.written === total && session.data === undefined) {
        session.data = "done";
        session.halfClose();
      }
    };
    const callbacks = (i: number): Parameters<OneStack["attach"]>[1] => ({
      accept: (session) => push(i, session),
      connected: (session) => session !== undefined && push(i, session),
      tx: (session) => push(i, session),
      rx: (session) => void (state[i].read += session.read(got[i], state[i].read)),
      disconnect: (session) => void ends.push(session),
    });
    const s = await h.attach("s", callbacks(0), { rxFifoBytes: 30_000, txFifoBytes: 10_000 });
    await s.listen(loopback);
    const clean = h.pools();
    await h.connect(await h.attach("c", callbacks(1)), loopback);
    for (let i = 0; i < 10 && ends.length < 2; i++) h.settle();
    for (const each of ends) each.close();
    h.settle();
    expect(state.map(({ read }) => read)).toEqual([total, total]);
    expect(got.map((each) => Buffer.compare(each, sent))).toEqual([0, 0]);
    expect(h.news().filter((line) => line.includes("reset"))).toEqual([]);
    expect(h.pools()).toEqual({ ...clean, applications: 2 });
  });
});
