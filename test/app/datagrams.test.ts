import { beforeEach, describe, expect, test } from "vitest";
import type { App } from "../../src/app/app.js";
import { AppServer } from "../../src/app/attach.js";
import type { AppCallbacks } from "../../src/app/callbacks.js";
import type { Session } from "../../src/app/session.js";
import { wire } from "../../src/device/wire-device.js";
import { parseAddress } from "../../src/ip/address.js";
import { MemoryWindow } from "../../src/mem/window.js";
import { SeededRandom } from "../../src/random/seeded.js";
import { DatagramBatch } from "../../src/session/datagram-batch.js";
import { SESSION_E_INVALID, SESSION_E_NOSESSION } from "../../src/session/session-errors.js";
import { SMALL_LIMITS, Stack } from "../../src/stack.js";
import { ManualClock } from "../../src/time/manual-clock.js";

// What is known of each datagram, and batches of them, between two stacks on two wires.

const LINKS = [
  [
    ["198.18.0.1/24", "2001:db8:1::1/64"],
    ["198.18.0.2/24", "2001:db8:1::2/64"],
  ],
  [
    ["198.18.1.1/24", "2001:db8:2::1/64"],
    ["198.18.1.2/24", "2001:db8:2::2/64"],
  ],
] as const;

let clock: ManualClock;
let stacks: Stack[];
let servers: AppServer[];

beforeEach(() => {
  clock = new ManualClock(1_000_000);
  stacks = [0, 1].map(
    (i) =>
      new Stack({
        window: MemoryWindow.plain(64 << 20),
        clock,
        random: new SeededRandom(i + 1),
        hooks: {
          wake: () => {},
          reportError: (error) => {
            throw error;
          },
        },
        limits: SMALL_LIMITS,
        session: { maxSessions: 64 },
        tcp: { maxConnections: 16 },
        udp: { maxConnections: 64 },
      }),
  );
  for (const [n, addresses] of LINKS.entries()) {
    wire().forEach((device, i) => stacks[i].addInterface(`wire${n}`, device, { addresses: addresses[i] }));
  }
  servers = stacks.map((stack) => new AppServer(stack.host.sessions));
});

function settle(): void {
  for (let t = 0; t < 20; t++) {
    for (let i = 0; i < 8; i++) for (const stack of stacks) stack.engine.turn();
    clock.advanceUs(1000);
  }
}

async function app(side: 0 | 1, callbacks: AppCallbacks): Promise<App> {
  return servers[side].attach({ name: "app" }, callbacks);
}

/** Connects, and lets it happen. */
async function connected(to: App, uri: string): Promise<Session> {
  const session = to.connect(uri);
  settle();
  return session;
}

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

describe.each([
  { family: 4, all: "0.0.0.0", near: "198.18.0.2", far: "198.18.1.2" },
  {
    family: 6,
    all: "::",
    near: "2001:db8:1::2",
    far: "2001:db8:2::2",
  },
])("over IPv$family", ({ all, near, far }) => {
  test("each says its DSCP and its interface, and is sent with one of its own", async () => {
    const heard: string[] = [];
    const buffer = new Uint8Array(100);
    const server = await app(1, {
      rx(session) {
        for (let n = session.readDatagram(buffer); n >= 0; n = session.readDatagram(buffer)) {
          const { dscp, ecn, ifIndex } = session.datagram;
          heard.push(`${n} ${dscp} ${ecn} ${stacks[1].host.interfaces.at(ifIndex)?.name}`);
          session.reply(buffer, 0, n, 20);
        }
      },
    });
    await server.listen(`udp://${all}/7`);
    const answers: number[] = [];
    const client = await app(0, {
      rx(session) {
        while (session.readDatagram(buffer) >= 0) answers.push(session.datagram.dscp);
      },
    });
    const first = await connected(client, `udp://${near}/7`);
    const second = await connected(client, `udp://${far}/7`);
    expect(first.setAttribute("dscp", 10)).toBe(0);
    expect(first.writeDatagram(bytesOf("a"))).toBe(1);
    expect(first.writeDatagram(bytesOf("ab"), 0, 2, 46)).toBe(2);
    expect(first.writeDatagram(bytesOf("abc"), 0, 3, 0)).toBe(3);
    expect(second.writeDatagram(bytesOf("abcd"))).toBe(4);
    settle();
    expect(heard).toEqual(["1 10 0 wire0", "2 46 0 wire0", "3 0 0 wire0", "4 0 0 wire1"]);
    expect(answers).toEqual([20, 20, 20, 20]);
    for (const dscp of [64, -2, 0.5]) expect(first.writeDatagram(bytesOf("a"), 0, 1, dscp)).toBe(SESSION_E_INVALID);
  });

  test("sendTo says where from, and with which DSCP", async () => {
    const heard: unknown[] = [];
    const server = await app(1, {
      rx(session) {
        while (session.readDatagram(new Uint8Array(10)) >= 0) {
          const { remote, dscp } = session.datagram;
          heard.push([remote.slice(), dscp]);
        }
      },
    });
    await server.listen(`udp://${near}/7`);
    const client = await app(0, {});
    const { session } = await client.listen(`udp://${all}/9`);
    const [own, other] = all === "::" ? ["2001:db8:1::1", "2001:db8:2::1"] : ["198.18.0.1", "198.18.1.1"];
    expect(session.sendTo(bytesOf("a"), near, 7)).toBe(1);
    expect(session.sendTo(bytesOf("a"), near, 7, { from: other, dscp: 12 })).toBe(1);
    // An address that is not ours, without spoofing: as if none was given.
    expect(session.sendTo(bytesOf("a"), near, 7, { from: near })).toBe(1);
    expect(session.sendTo(bytesOf("a"), near, 7, { from: all === "::" ? "198.18.0.1" : "2001:db8:1::1" })).toBe(
      undefined,
    );
    expect(session.sendTo(bytesOf("a"), near, 7, { from: "no address" })).toBe(undefined);
    settle();
    const words = (text: string): Int32Array => parseAddress(text).words;
    expect(heard).toEqual([
      [words(own), 0],
      [words(other), 12],
      [words(own), 0],
    ]);
  });

  test("batches: read by slots, answered as they are, cut and counted", async () => {
    const read: number[][] = [];
    const whole: number[] = [];
    const batch = new DatagramBatch(4, 8);
    const server = await app(1, {
      rx(session) {
        while (session.readDatagrams(batch) > 0) {
          read.push([...batch.lengths.subarray(0, batch.count)]);
          whole.push(...batch.infos.slice(0, batch.count).map(({ length }) => length));
          expect(session.writeDatagrams(batch)).toBe(batch.count);
        }
      },
    });
    await server.listen(`udp://${all}/7`);
    const answers: string[] = [];
    const buffer = new Uint8Array(100);
    const client = await app(0, {
      rx(session) {
        for (let n = session.readDatagram(buffer); n >= 0; n = session.readDatagram(buffer)) {
          answers.push(`${session.datagram.dscp} ${new TextDecoder().decode(buffer.subarray(0, n))}`);
        }
      },
    });
    const session = await connected(client, `udp://${near}/7`);
    const out = new DatagramBatch(6, 12);
    for (const [i, text] of ["a", "", "twelve bytes", "abc", "z"].entries()) {
      out.bytes.set(bytesOf(text), i * out.slotBytes);
      out.lengths[i] = text.length;
      out.dscps[i] = i === 3 ? -1 : i;
    }
    out.count = 5;
    batch.dscps[2] = 33;
    expect(session.writeDatagrams(out)).toBe(5);
    settle();
    expect([read, whole]).toEqual([
      [[1, 0, 8, 3], [1]],
      [1, 0, 12, 3, 1],
    ]);
    expect(answers).toEqual(["0 a", "0 ", "33 twelve b", "0 abc", "0 z"]);
    expect(session.writeDatagrams(out, 5)).toBe(0);
  });
});

test("a batch stops where there is no room, or at what cannot be sent; the first one says why", async () => {
  let rooms = 0;
  const server = await app(1, {});
  await server.listen("udp://0.0.0.0/7");
  const client = await servers[0].attach({ name: "app", txFifoBytes: 4096 }, { tx: () => void rooms++ });
  const session = await connected(client, "udp://198.18.0.2:7");
  const batch = new DatagramBatch(4, 1500);
  batch.lengths.fill(1500);
  batch.count = 4;
  expect(session.writeDatagrams(batch)).toBe(2);
  settle();
  expect(rooms).toBe(1);
  expect(session.writeDatagrams(batch, 2)).toBe(2);
  batch.lengths[1] = 1501;
  settle();
  expect(session.writeDatagrams(batch)).toBe(1);
  expect(session.writeDatagrams(batch, 1)).toBe(SESSION_E_INVALID);
  batch.lengths[1] = 10;
  batch.dscps[1] = 64;
  expect(session.writeDatagrams(batch, 1)).toBe(SESSION_E_INVALID);
  for (const from of [-1, 0.5, Number.NaN]) expect(session.writeDatagrams(batch, from)).toBe(SESSION_E_INVALID);
  for (const none of [undefined, {}, []]) {
    expect(Reflect.apply(session.readDatagrams, session, [none])).toBe(SESSION_E_INVALID);
    expect(Reflect.apply(session.writeDatagrams, session, [none])).toBe(SESSION_E_INVALID);
  }
  session.close();
  settle();
  expect([session.readDatagrams(batch), session.writeDatagrams(batch)]).toEqual([
    SESSION_E_NOSESSION,
    SESSION_E_NOSESSION,
  ]);
  expect(batch.count).toBe(4);
});
