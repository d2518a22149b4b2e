import { beforeEach, describe, expect, test } from "vitest";
import { MAX_FILTER_LISTENERS, MAX_QUEUED_RECORDS } from "../../src/session/evt-collector.js";
import type { ApplicationOptions } from "../../src/session/application.js";
import type { SessionStats } from "../../src/session/session-stats.js";
import { SessionHarness } from "./fake-transport.js";

let h: SessionHarness;
let records: SessionStats[];
const sessionStats = (stats: SessionStats): void => void records.push(stats);

beforeEach(() => {
  h = new SessionHarness();
  records = [];
});

/** Index of an application that collects. */
const collector = (name = "collector"): number => h.app(name, { sessionStats }).index;
const appAt = (index: number) => {
  const app = h.layer.applications.at(index);
  if (app === undefined) throw new Error(`no app ${index}`);
  return app;
};

describe("which sessions are told of", () => {
  test("those of applications that ask for it when they attach, after their connection has ended", () => {
    collector();
    const watched = h.app("watched", {}, { evtCollector: true }).index;
    const { s, c } = h.accepted(watched);
    const handle = h.layer.table.handle(s);
    h.settle();
    expect(records).toEqual([]);
    h.layer.reset(s, -3);
    expect(records).toEqual([]);
    h.settle();
    expect(records).toMatchObject([
      {
        session: handle,
        app: "watched",
        appIndex: watched,
        worker: 0,
        local: "10.0.0.1:80",
        remote: "10.0.0.9:5000",
        closedBy: "transport",
        error: "TIMEDOUT",
        proto: "tcp",
      },
    ]);
    h.layer.deleted(s);
    h.settle();
    expect(records.length).toBe(1);
    expect(h.tcp.session(c)).toBe(-1);
  });

  test("not those of others, unless collectAll says so, and never the collector's own", () => {
    for (const collectAll of [false, true]) {
      h = new SessionHarness({ collectAll });
      records = [];
      const own = collector();
      for (const [app, port] of [[h.app("other").index, 80] as const, [own, 81] as const]) {
        h.layer.terminate(h.accepted(app, port).s);
      }
      h.settle();
      expect(records.map(({ app }) => app)).toEqual(collectAll ? ["other"] : []);
    }
  });

  test("of an application that is chosen later, and no more when it is not", () => {
    collector();
    const app = h.app("late").index;
    const [first, second, third] = [80, 81, 82].map((port) => h.accepted(app, port).s);
    h.layer.terminate(first);
    h.layer.collectors.collect(appAt(app));
    h.layer.terminate(second);
    h.layer.collectors.collectNot(appAt(app));
    h.layer.terminate(third);
    h.settle();
    expect(records.map(({ local }) => local)).toEqual(["10.0.0.1:81"]);
  });

  test("by listener: those that came by one that the filter names, of no other, and none that was connected", () => {
    collector();
    const app = h.app("filtered").index;
    const [a, b, c] = [80, 81, 82].map((port) => h.listen(app, `tcp://0.0.0.0/${port}`));
    h.layer.collectors.collect(appAt(app), [a]);
    h.layer.collectors.collect(appAt(app), [b]);
    const end = (): string[] => {
      records = [];
      for (const listener of [a, b, c]) {
        const connection = h.arrive(listener, 6000 + listener);
        h.layer.deliver();
        h.layer.terminate(h.tcp.session(connection));
      }
      const s = h.connect(app, "tcp://10.0.0.9/1");
      h.layer.connected(0, h.layer.connectionOf(s), h.tcp.requests[h.layer.connectionOf(s)].context, 0);
      h.layer.terminate(s);
      h.settle();
      return records.map(({ local, listener }) => `${local.slice(9)} ${listener}`);
    };
    expect(end()).toEqual([`80 ${a}`, `81 ${b}`]);
    h.layer.collectors.collectNot(appAt(app), [b]);
    expect(end()).toEqual([`80 ${a}`]);
  });

  test("a filter has a limit, and an option that is no boolean is refused", () => {
    const app = appAt(h.app("app").index);
    const many = Array.from({ length: MAX_FILTER_LISTENERS }, (_, i) => i);
    expect(h.layer.collectors.collect(app, many)).toBe(true);
    expect(h.layer.collectors.collect(app, [MAX_FILTER_LISTENERS])).toBe(false);
    expect(app.collected?.size).toBe(MAX_FILTER_LISTENERS);
    const options = JSON.parse('{"name":"b","evtCollector":1}') as ApplicationOptions;
    expect(h.layer.attach(options, {})).toBe(-19);
  });

  test("half-open sessions and listeners have none", () => {
    collector();
    const app = h.app("app", {}, { evtCollector: true }).index;
    h.connect(app, "tcp://10.0.0.9/1");
    h.listen(app, "tcp://0.0.0.0/80");
    h.layer.detach(app);
    h.settle();
    expect(records).toEqual([]);
  });
});

describe("how a session ended", () => {
  const endings: readonly (readonly [string, (s: number) => void, object])[] = [
    ["closed by the application", (s) => (h.layer.close(s), h.layer.closed(s)), { closedBy: "app", error: undefined }],
    ["terminated", (s) => h.layer.terminate(s), { closedBy: "app", error: undefined }],
    [
      "closed by the peer first",
      (s) => (h.layer.closing(s), h.settle(), h.layer.close(s), h.layer.closed(s)),
      { closedBy: "transport", error: undefined },
    ],
    ["reset", (s) => h.layer.reset(s, -1), { closedBy: "transport", error: "UNKNOWN" }],
    [
      "reset after it was closed",
      (s) => (h.layer.close(s), h.layer.reset(s, -3)),
      { closedBy: "app", error: "TIMEDOUT" },
    ],
    ["the row goes", (s) => h.layer.deleted(s), { closedBy: "app", error: undefined }],
  ];
  test.each(endings)("%s", (_name, end, expected) => {
    collector();
    const { s } = h.accepted(h.app("app", { disconnect: () => {} }, { evtCollector: true }).index);
    end(s);
    h.layer.deleted(s);
    h.settle();
    expect(records).toMatchObject([expected]);
  });

  test("its time is counted from when it got its fifos, over the wrap of ticks", () => {
    collector();
    const app = h.app("app", {}, { evtCollector: true }).index;
    h.layer.setNow(0x7fff_ff00 | 0);
    const { s } = h.accepted(app);
    h.layer.setNow((0x7fff_ff00 + 12_340) | 0);
    h.layer.terminate(s);
    h.settle();
    expect(records.map(({ startMs, endMs }) => endMs - startMs)).toEqual([1234]);
  });
});

describe("the queue", () => {
  test("has a limit; what finds no room is dropped and counted, for each collector; no more than 1024 are told in a turn", () => {
    collector();
    collector("second");
    const app = h.app("app", {}, { evtCollector: true }).index;
    const { s } = h.accepted(app);
    const flags = h.layer.table.row(s) + 1;
    const { i32 } = h.window;
    const end = (): void => {
      i32[flags] &= ~16_384;
      h.layer.collectors.ended(s, 0);
    };
    for (let i = 0; i < MAX_QUEUED_RECORDS + 3; i++) end();
    const { all } = h.layer.collectors;
    expect(all.map(({ dropped, queue }) => [dropped, queue.length])).toEqual([
      [3, MAX_QUEUED_RECORDS],
      [3, MAX_QUEUED_RECORDS],
    ]);
    expect(h.layer.nextExpiry(0)).toBe(0);
    h.layer.deliver();
    expect(records.length).toBe(2048);
    h.settle();
    expect(records.length).toBe(2 * MAX_QUEUED_RECORDS);
    expect(all.map(({ collected }) => collected)).toEqual([MAX_QUEUED_RECORDS, MAX_QUEUED_RECORDS]);
    expect(h.layer.collectors.queued).toBe(0);
    expect(h.layer.pendingCount).toBe(0);
  });

  test("a collector that throws is reported and goes on; one that is detached hears no more, and nothing is kept for it", () => {
    const thrown = new Error("thrown");
    const bad = h.layer.attach(
      { name: "bad" },
      {
        sessionStats: () => {
          throw thrown;
        },
      },
    );
    const good = collector();
    const app = h.app("app", {}, { evtCollector: true }).index;
    h.layer.terminate(h.accepted(app, 80).s);
    h.settle();
    expect([h.errors, records.length]).toEqual([[thrown], 1]);
    h.layer.terminate(h.accepted(app, 81).s);
    h.layer.detach(good);
    h.layer.detach(bad);
    h.settle();
    expect([h.errors.length, records.length, h.layer.collectors.queued, h.layer.collectors.isOn]).toEqual([
      1,
      1,
      0,
      false,
    ]);
  });

  test("one collector that detaches another while it is told leaves the count right", () => {
    const first = h.layer.attach({ name: "first" }, { sessionStats: () => void h.layer.detach(second) });
    const second = collector();
    const app = h.app("app", {}, { evtCollector: true }).index;
    h.layer.terminate(h.accepted(app).s);
    h.settle();
    expect([h.layer.collectors.queued, records.length, h.layer.collectors.all.length]).toEqual([0, 0, 1]);
    h.layer.detach(first);
    expect(h.layer.collectors.isOn).toBe(false);
  });
});
