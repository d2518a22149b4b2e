import { beforeEach, describe, expect, test } from "vitest";
import { C_SESSION } from "../../src/transport/transport.js";
import { SESSION_ERRORS } from "../../src/session/session-errors.js";
import { parseUri } from "../../src/session/uri.js";
import { recorder, SessionHarness } from "./fake-transport.js";

const nameOf = (value: number): string => (value < 0 ? SESSION_ERRORS[-value].name : `ok ${value}`);

let h: SessionHarness;
let index: number;
const heard: string[][] = [];

/** An application with three workers, 0 to 2. */
beforeEach(() => {
  h = new SessionHarness({ maxAppWorkers: 4 });
  h.tcp.onClose = (closed) => h.layer.deleted(h.tcp.session(closed));
  heard.length = 0;
  heard.push([], [], []);
  index = h.layer.attach({ name: "app" }, recorder(heard[0]));
  h.layer.addWorker(index, recorder(heard[1]));
  h.layer.addWorker(index, recorder(heard[2]));
});

const listen = (worker: number, uri = "tcp://0.0.0.0/80"): number =>
  h.layer.listen(index, parseUri(uri).protocol === "udp" ? 1 : 0, parseUri(uri).endpoint, { worker });
const ownerOf = (s: number): number =>
  h.layer.applications.workerAt(h.window.i32[h.layer.table.row(s) + 6])?.number ?? -1;
const accept = (l: number, port: number): number => h.tcp.session(h.arrive(l, port));

describe("the worker map", () => {
  test("numbers are given again; a limit; deleting the last worker ends the application", () => {
    expect(h.layer.addWorker(index, {})).toBe(3);
    expect(nameOf(h.layer.addWorker(index, {}))).toBe("ALLOC");
    expect(h.layer.delWorker(index, 1)).toBe(0);
    expect(nameOf(h.layer.delWorker(index, 1))).toBe("INVALID_APPWRK");
    expect(h.layer.addWorker(index, {})).toBe(1);
    for (const number of [0, 1, 2, 3]) expect(h.layer.delWorker(index, number)).toBe(0);
    expect(nameOf(h.layer.detach(index))).toBe("NOAPP");
    expect(nameOf(h.layer.addWorker(index, {}))).toBe("NOAPP");
    expect(h.layer.applications.all()).toEqual([]);
  });

  test("a worker with sessions left keeps its number until they are gone", () => {
    h.tcp.onClose = undefined;
    listen(1);
    const s = accept(h.lookup.listener4(0, 0, 1, 80), 1);
    h.settle();
    expect(h.layer.delWorker(index, 1)).toBe(0);
    expect(h.layer.addWorker(index, {})).toBe(3);
    h.layer.deleted(s);
    h.settle();
    expect(h.layer.delWorker(index, 3)).toBe(0);
    expect(h.layer.addWorker(index, {})).toBe(1);
  });
});

describe("stream listeners", () => {
  test("workers of one application share an address, and accept in turn", () => {
    const l = listen(0);
    expect([listen(2), nameOf(listen(2)), nameOf(listen(0))]).toEqual([l, "ALREADY_LISTENING", "ALREADY_LISTENING"]);
    const other = h.app("other").index;
    expect(nameOf(h.listen(other, "tcp://0.0.0.0/80"))).toBe("ALREADY_LISTENING");
    expect([1, 2, 3, 4].map((port) => ownerOf(accept(l, port)))).toEqual([0, 2, 0, 2]);
    listen(1);
    expect([5, 6, 7].map((port) => ownerOf(accept(l, port)))).toEqual([0, 1, 2]);
    h.settle();
    expect(heard.map((each) => each.filter((line) => line.startsWith("accept")).length)).toEqual([3, 1, 3]);
    expect(h.tcp.calls.filter((call) => call.startsWith("listen")).length).toBe(1);
  });

  test("unlisten takes a worker's part away; the last one ends it, accepted sessions live on", () => {
    const l = listen(0);
    listen(1);
    const s = accept(l, 1);
    expect(h.layer.unlisten(index, l, 0)).toBe(0);
    expect(nameOf(h.layer.unlisten(index, l, 0))).toBe("NOLISTEN");
    expect(ownerOf(l)).toBe(1);
    expect([2, 3].map((port) => ownerOf(accept(l, port)))).toEqual([1, 1]);
    expect(h.lookup.listener4(0, 0, 1, 80)).toBe(l);
    expect(h.layer.unlisten(index, l, 1)).toBe(0);
    expect(h.lookup.listener4(0, 0, 1, 80)).toBe(-1);
    h.settle();
    expect([h.state(l), h.state(s)]).toEqual(["free", "ready"]);
    expect(heard[0].slice(0, 2)).toEqual([`listened ${l}`, `unlistened ${l}`]);
    expect(heard[1].filter((line) => line.includes("listened"))).toEqual([`listened ${l}`, `unlistened ${l}`]);
  });

  test("a deleted worker's turns go to the others, its sessions close", () => {
    const l = listen(0);
    listen(1);
    const mine = [accept(l, 1), accept(l, 2)];
    h.settle();
    h.layer.delWorker(index, 0);
    h.settle();
    expect(mine.map((s) => h.state(s))).toEqual(["free", "ready"]);
    expect([3, 4].map((port) => ownerOf(accept(l, port)))).toEqual([1, 1]);
    expect(h.layer.close(l)).toBe(0);
    expect(h.lookup.counts().listeners).toBe(0);
  });

  test("detach ends what all workers have, once each", () => {
    const l = listen(0);
    for (const worker of [1, 2]) listen(worker);
    for (let port = 1; port <= 6; port++) accept(l, port);
    h.layer.connect(index, 0, parseUri("tcp://10.0.0.9/80").endpoint, { worker: 2 });
    h.settle();
    h.tcp.calls.length = 0;
    h.layer.detach(index);
    h.settle();
    expect(h.tcp.calls.filter((call) => call.startsWith("close")).length).toBe(7);
    expect(h.tcp.calls.filter((call) => call.startsWith("stopListen")).length).toBe(1);
    expect([h.layer.table.used, h.fifos.stats().activeFifos]).toEqual([0, 0]);
  });
});

describe("datagram listeners", () => {
  test("each worker has fifos of its own, and flows are spread over them by their hash", () => {
    const udp = h.add("udp", 1, true);
    const sessions = [0, 1, 2].map((worker) => listen(worker, "udp://0.0.0.0/53"));
    expect(new Set(sessions).size).toBe(3);
    expect(nameOf(listen(1, "udp://0.0.0.0/53"))).toBe("ALREADY_LISTENING");
    expect(h.fifos.stats().activeFifos).toBe(6);
    const first = h.lookup.listener4(0, 1, 1, 53);
    const chosen = (hash: number): number => h.window.i32[udp.row(h.layer.datagramConnection(first, hash)) + C_SESSION];
    expect([0, 1, 2, 3, -1].map(chosen)).toEqual([sessions[0], sessions[1], sessions[2], sessions[0], sessions[0]]);
    // The one that stands in the table leaves: another takes its place, and its flows go to those that are left.
    expect(h.layer.unlisten(index, sessions[0], 0)).toBe(0);
    const second = h.lookup.listener4(0, 1, 1, 53);
    expect(second).toBe(sessions[1]);
    h.layer.unlisten(index, sessions[2], 2);
    expect(h.layer.datagramConnection(second, 7)).toBe(h.layer.connectionOf(sessions[1]));
    h.layer.unlisten(index, sessions[1], 1);
    expect(h.lookup.listener4(0, 1, 1, 53)).toBe(-1);
    h.settle();
    expect([h.layer.table.used, h.fifos.stats().activeFifos]).toEqual([0, 0]);
    expect(heard[1].at(-1)).toBe(`unlistened ${sessions[1]}`);
  });

  test("a worker that finds no fifos does not listen, and the others go on", () => {
    h = new SessionHarness({ maxFifos: 3 });
    h.add("udp", 1, true);
    index = h.layer.attach({ name: "app" }, {});
    h.layer.addWorker(index, {});
    const s = listen(0, "udp://0.0.0.0/53");
    expect(nameOf(listen(1, "udp://0.0.0.0/53"))).toBe("SEG_NO_SPACE");
    expect([h.layer.table.used, h.fifos.stats().activeFifos]).toEqual([1, 2]);
    expect(h.layer.datagramConnection(s, 1)).toBe(h.layer.connectionOf(s));
  });
});

describe("change of owner", () => {
  test("a session goes to another worker, who hears of what is unread and of the rest", () => {
    const l = listen(0);
    const s = accept(l, 1);
    h.feed(s, "abc");
    h.settle();
    expect(h.layer.moveSession(index, s, 2)).toBe(0);
    expect(h.layer.moveSession(index, s, 2)).toBe(0);
    h.settle();
    expect(heard[2]).toEqual([`rx ${s}`]);
    h.layer.closing(s);
    h.settle();
    expect(heard[2].at(-1)).toBe(`disconnect ${s}`);
    expect(heard[0].at(-1)).toBe(`rx ${s}`);
    h.layer.delWorker(index, 0);
    h.settle();
    expect(h.state(s)).toBe("transport-closing");
    h.layer.delWorker(index, 2);
    h.settle();
    expect(h.state(s)).toBe("free");
  });

  test("accept is told to who owns it by then", () => {
    const s = accept(listen(0), 1);
    h.layer.moveSession(index, s, 1);
    h.settle();
    expect(heard[1][0]).toBe(`accept ${s}`);
  });

  test("refused by name", () => {
    const l = listen(0);
    const s = accept(l, 1);
    const other = h.app("other").index;
    expect(
      [
        h.layer.moveSession(99, s, 0),
        h.layer.moveSession(index, s, 9),
        h.layer.moveSession(index, 200, 0),
        h.layer.moveSession(other, s, 0),
        h.layer.moveSession(index, l, 1),
      ].map(nameOf),
    ).toEqual(["NOAPP", "INVALID_APPWRK", "NOSESSION", "OWNER", "INVALID"]);
    expect(ownerOf(s)).toBe(0);
  });
});
