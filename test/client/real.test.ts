import { expect, test } from "vitest";
import type { AppCallbacks } from "../../src/app/callbacks.js";
import type { Session } from "../../src/app/session.js";
import { DatagramBatch } from "../../src/session/datagram-batch.js";
import { realStacks } from "./real-stacks.js";
import { eventually, noting, isPattern, pattern, readAll, until } from "./support.js";

const it = realStacks();

/** Sends back what it gets. */
const ECHO: AppCallbacks = {
  accept: () => true,
  rx: (session) => void session.peek((u8, offset, length) => session.write(u8, offset, length)),
  tx: (session) => void session.peek((u8, offset, length) => session.write(u8, offset, length)),
  disconnect: (session) => void session.close(),
};

/** Sends `bytes` by a session as there is room, and gets as many back. */
class Transfer {
  readonly #bytes: Uint8Array;
  readonly got: Uint8Array;
  sent = 0;
  received = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.got = new Uint8Array(bytes.length);
  }

  readonly callbacks: AppCallbacks = {
    rx: (session) => void (this.received += session.read(this.got, this.received)),
    tx: (session) => this.send(session),
  };

  send(session: Session): void {
    while (this.sent < this.#bytes.length) {
      const n = session.write(this.#bytes, this.sent, 100_000);
      if (n <= 0) return;
      this.sent += n;
    }
  }

  get isWhole(): boolean {
    return this.received === this.#bytes.length && this.got.every((byte, i) => byte === this.#bytes[i]);
  }
}

test.each(["198.18.0.1", "[2001:db8:18::1]"])("a client serves at %s: 4 MiB come back whole", async (address) => {
  const server = await it.attach(ECHO);
  const listener = await server.listen(`tcp://${address}:0`);
  const transfer = new Transfer(pattern(4 << 20));
  const peer = await it.far.attach({ name: "peer" }, transfer.callbacks);
  const session = await peer.connect(`tcp://${address}:${listener.local?.port}`);
  transfer.send(session);
  await until(() => transfer.received === transfer.got.length);
  expect(transfer.isWhole).toBe(true);
  expect(it.errors).toEqual([]);
});

test("a client connects: 4 MiB come back whole, and the ends agree", async () => {
  const peer = await it.far.attach({ name: "peer" }, ECHO);
  await peer.listen("tcp://198.18.0.2:7");
  const transfer = new Transfer(pattern(4 << 20));
  const heard: string[] = [];
  const app = await it.attach(noting(heard, transfer.callbacks));
  const session = await app.connect("tcp://198.18.0.2:7", { attributes: { dscp: 10 } });
  expect(session.remote).toEqual({ address: "198.18.0.2", port: 7, family: 4 });
  expect([await session.attribute("dscp"), await session.setAttribute("dscp", 64)]).toEqual([10, -19]);
  transfer.send(session);
  await until(() => transfer.received === transfer.got.length);
  expect(transfer.isWhole).toBe(true);
  expect(await session.statistics()).toMatchObject({ ThruOctetsAcked: 4 << 20, ThruOctetsReceived: 4 << 20 });
  session.halfClose();
  await until(() => heard.includes("disconnect"));
  session.close();
  await until(() => session.state === "gone");
  expect(heard).toEqual(["connected", "disconnect", "transportClosed", "cleanup transport", "cleanup session"]);
});

test("two clients by cut-through: 8 MiB there and back, and nothing is left", async () => {
  const options = { scope: ["local", "global"] as const };
  const server = await it.attach(ECHO, options);
  await server.listen("tcp://127.0.0.1:7");
  const transfer = new Transfer(pattern(8 << 20));
  const segments: number[] = [];
  const app = await it.attach({ ...transfer.callbacks, addSegment: (segment) => void segments.push(segment) }, options);
  const session = await app.connect("tcp://127.0.0.1:7");
  transfer.send(session);
  await until(() => transfer.received === transfer.got.length);
  expect(transfer.isWhole).toBe(true);
  expect(segments.length).toBe(1);
  session.close();
  await until(() => session.state === "gone");
  await app.detach();
  await server.detach();
  await until(() => it.near.host.sessions.table.used === 0);
  expect(it.near.host.fifos.inUse()).toBe(0);
});

test("what is refused: secret, namespace, name, address, peer", async () => {
  it.near.host.sessions.apply({ kind: "namespace", add: true, id: "blue", secret: "s3cret" });
  await expect(it.attach({}, { namespace: "blue", secret: "no" })).rejects.toMatchObject({
    sessionError: "WRONG_NS_SECRET",
  });
  await expect(it.attach({}, { namespace: "green" })).rejects.toMatchObject({ code: "ENOENT" });
  const app = await it.attach({}, { name: "only", namespace: "blue", secret: "s3cret" });
  await expect(it.attach({}, { name: "only" })).rejects.toMatchObject({ sessionError: "APP_ATTACHED" });
  await expect(app.listen("tcp://198.18.0.9:80")).rejects.toMatchObject({ sessionError: "NOIP" });
  await expect(app.connect("tcp://198.18.0.2:9")).rejects.toMatchObject({ code: "ECONNREFUSED" });
  await expect(app.listen("sctp://0.0.0.0:80")).rejects.toMatchObject({ sessionError: "NOSUPPORT" });
});

/** Sends each datagram back, in order: one for which there is no room waits for it. */
function datagramEcho(): AppCallbacks {
  const bytes = new Uint8Array(70_000);
  let waiting = -1;
  const echo = (session: Session): void => {
    for (;;) {
      if (waiting < 0) waiting = session.readDatagram(bytes);
      if (waiting < 0 || session.reply(bytes, 0, waiting) !== waiting) return;
      waiting = -1;
    }
  };
  return { rx: echo, tx: echo };
}

test("datagrams: a listener answers whoever asks, from its one socket", async () => {
  const server = await it.attach(datagramEcho());
  const { session: own } = await server.listen("udp://198.18.0.1:7");
  const got: number[] = [];
  const bytes = new Uint8Array(70_000);
  const rx = (session: Session): void => {
    for (let n = session.readDatagram(bytes); n >= 0; n = session.readDatagram(bytes)) {
      got.push(isPattern(bytes.subarray(0, n)) ? n : -n);
    }
  };
  const peer = await it.far.attach({ name: "peer" }, { rx });
  const session = await peer.connect("udp://198.18.0.1:7");
  const sizes = [0, 1, 1400, 9000, 30_000];
  for (const [i, n] of sizes.entries()) {
    session.writeDatagram(pattern(n));
    await until(() => got.length > i);
  }
  expect(got).toEqual(sizes);
  expect(own.sendTo(pattern(5), "nowhere", 9)).toBeUndefined();
  expect(own.sendTo(pattern(5), "198.18.0.2", session.local?.port ?? 0)).toBe(5);
  await until(() => got.length === 6);
  expect(got.at(-1)).toBe(5);
});

test("datagrams: a connected session has one peer", async () => {
  const peer = await it.far.attach({ name: "peer" }, datagramEcho());
  await peer.listen("udp://[2001:db8:18::2]:7");
  const got: number[] = [];
  const app = await it.attach({ rx: (session) => void got.push(session.readDatagram(new Uint8Array(100))) });
  const session = await app.connect("udp://[2001:db8:18::2]:7");
  expect(session.writeDatagram(pattern(50))).toBe(50);
  await until(() => got.length === 1);
  expect([got, session.datagram.isIp6, session.datagram.remotePort]).toEqual([[50], true, 7]);
});

test("datagrams: batches, DSCP and interface, in one process and the other", async () => {
  const batch = new DatagramBatch(8, 1000);
  const heard: unknown[] = [];
  const app = await it.attach({
    rx(session) {
      while (session.readDatagrams(batch) > 0) {
        const { ifIndex } = batch.infos[0];
        heard.push([[...batch.lengths.subarray(0, batch.count)], batch.infos[0].dscp, ifIndex]);
        batch.dscps.fill(33);
        expect(session.writeDatagrams(batch)).toBe(batch.count);
      }
    },
  });
  await app.listen("udp://198.18.0.1:7");
  let back = 0;
  const own = new DatagramBatch(5, 1000);
  const peer = await it.far.attach(
    { name: "peer" },
    {
      rx(session) {
        for (let n = session.readDatagrams(own); n > 0; n = session.readDatagrams(own)) {
          expect(own.infos.slice(0, n).map(({ dscp }) => dscp)).toEqual(new Array(n).fill(33));
          for (let i = 0; i < n; i++)
            expect(isPattern(own.bytes.subarray(i * 1000, i * 1000 + own.lengths[i]))).toBe(true);
          back += n;
        }
      },
    },
  );
  const session = await peer.connect("udp://198.18.0.1:7");
  const out = new DatagramBatch(5, 1000);
  for (let i = 0; i < 5; i++) {
    out.bytes.set(pattern(i * 200), i * 1000);
    out.lengths[i] = i * 200;
    out.dscps[i] = 7;
  }
  out.count = 5;
  expect(session.writeDatagrams(out)).toBe(5);
  await until(() => back === 5);
  const lengths = heard.flatMap((each) => (each as [number[]])[0]);
  expect(lengths).toEqual([0, 200, 400, 600, 800]);
  const interfaces: { name: string; index: number }[] = JSON.parse(await it.near.cli("show interface --json"));
  const index = interfaces.find(({ name }) => name === "w0")?.index;
  expect(heard[0]).toEqual([expect.anything(), 7, index]);
});

test("workers share a listener, send messages, and take sessions over", async () => {
  const heard: string[] = [];
  const taken: Session[] = [];
  const hear = (who: string): AppCallbacks => ({
    accept: (session) => void taken.push(session),
    rx: (session) => void heard.push(`${who} ${session.drop(1000)}`),
    rpc: (data, from) => void heard.push(`${who} from ${from}: ${data.join()}`),
    disconnect: (session) => void session.close(),
  });
  const app = await it.attach(hear("first"));
  const worker = await app.addWorker(hear("second"));
  expect(app.workers.map(({ number }) => number)).toEqual([0, 1]);
  await app.listen("tcp://198.18.0.1:80");
  await app.workers[0].rpc(1, Uint8Array.of(1, 2));
  await worker.rpc(0, Uint8Array.of(3));
  await until(() => heard.length === 2);
  expect(heard.sort()).toEqual(["first from 1: 3", "second from 0: 1,2"]);
  const peer = await it.far.attach({ name: "peer" }, {});
  const session = await peer.connect("tcp://198.18.0.1:80");
  const first = await eventually(() => taken[0]);
  session.write(pattern(100));
  await until(() => heard.includes("first 100"));
  const { handle } = first;
  const second = await worker.take({ handle });
  expect([second.handle, first.state]).toEqual([handle, "gone"]);
  session.write(pattern(200));
  await until(() => heard.includes("second 200"));
  expect(await worker.take(second)).toBe(second);
  await app.workers[0].delete();
  session.write(pattern(300));
  await until(() => heard.includes("second 300"));
  await expect(worker.take({ handle: -1 })).rejects.toMatchObject({ sessionError: "INVALID" });
});

test("workers hear of sessions of others, and take them when something comes", async () => {
  const heard: string[] = [];
  const hear = (who: string): AppCallbacks => ({
    accept: () => true,
    rx: (session) => void heard.push(`${who} ${session.drop(1000)}`),
    subscribed: (session, event) => void heard.push(`${who} told ${event} ${session.handle === handle}`),
    disconnect: (session) => void session.close(),
  });
  let handle = -1;
  const app = await it.attach({ ...hear("first"), accept: (session) => void (handle = session.handle) });
  const worker = await app.addWorker(hear("second"));
  await app.listen("tcp://198.18.0.1:80");
  const peer = await it.far.attach({ name: "peer" }, {});
  const session = await peer.connect("tcp://198.18.0.1:80");
  await until(() => handle >= 0);
  await worker.subscribe({ handle });
  await worker.subscribe({ handle });
  session.write(pattern(100));
  await until(() => heard.length === 2);
  // Two queues: in whatever order.
  expect(heard.sort()).toEqual(["first 100", "second told rx true"]);
  await worker.unsubscribe({ handle });
  session.write(pattern(50));
  await until(() => heard.length === 3);
  await worker.subscribe({ handle });
  session.close();
  await until(() => heard.includes("second told gone true"));
  // Of room it may hear, too.
  const told = heard.filter((each) => each.startsWith("second") && !each.includes("tx"));
  expect(told).toEqual(["second told rx true", "second told gone true"]);
  await expect(worker.subscribe({ handle })).rejects.toMatchObject({ sessionError: "NOSESSION" });
  await expect(worker.subscribe({ handle: -1 })).rejects.toMatchObject({ sessionError: "INVALID" });
});

test("urgent data both ways", async () => {
  const marks: number[] = [];
  const server = await it.attach({
    accept: () => true,
    urgent: (session) => void marks.push(session.attribute("urgentBytes") as number),
    rx: (session) => {
      const bytes = readAll(session);
      session.writeUrgent(bytes);
    },
  });
  await server.listen("tcp://198.18.0.1:80");
  let urgent = -1;
  let got = 0;
  const peer = await it.far.attach(
    { name: "peer" },
    {
      urgent: (session) => void (urgent = session.attribute("urgentBytes") as number),
      rx: (session) => void (got += session.drop(1000)),
    },
  );
  const session = await peer.connect("tcp://198.18.0.1:80");
  session.writeUrgent(pattern(30));
  await until(() => got === 30);
  expect([marks, urgent]).toEqual([[30], 30]);
});

test("the stack ends and comes back: clients attach and listen again", async () => {
  const heard: string[] = [];
  const app = await it.attach(noting(heard, ECHO));
  const listener = await app.listen("tcp://198.18.0.1:7");
  const peer = await it.far.attach({ name: "peer" }, {});
  await peer.connect("tcp://198.18.0.1:7");
  await until(() => it.near.host.sessions.applications.all().length > 0);
  await it.stop();
  await until(() => heard.includes("lost ECONNABORTED"));
  await expect(app.connect("tcp://198.18.0.2:7")).rejects.toMatchObject({ sessionError: "NOAPP" });
  await it.restart();
  await until(() => heard.includes("reattached"));
  expect(listener.local).toEqual({ address: "198.18.0.1", port: 7, family: 4 });
  const transfer = new Transfer(pattern(100_000));
  const again = await it.far.attach({ name: "peer" }, transfer.callbacks);
  transfer.send(await again.connect("tcp://198.18.0.1:7"));
  await until(() => transfer.received === transfer.got.length);
  expect(transfer.isWhole).toBe(true);
});
