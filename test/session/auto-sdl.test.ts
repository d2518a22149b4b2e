import { beforeEach, describe, expect, test } from "vitest";
import { formatAddress, formatPrefix, parseAddress } from "../../src/ip/address.js";
import type { SdlRecord } from "../../src/session/sdl-record.js";
import type { SessionConfig } from "../../src/session/session-config.js";
import { SESSION_ERRORS } from "../../src/session/session-errors.js";
import { FAMILIES, listening, ScriptedPeer, type ScriptedStack } from "../transport/tcp/scripted-peer.js";
import { SessionHarness } from "./fake-transport.js";

const nameOf = (value: number): string => (value < 0 ? SESSION_ERRORS[-value].name : `ok ${value}`);

const TICKS_PER_S = 10_000;

/** A session layer whose peers leave handshakes incomplete when the test says so. */
class Watch {
  readonly h: SessionHarness;

  constructor(config: Partial<SessionConfig> = {}) {
    this.h = new SessionHarness({ rtBackend: "sdl", autoSdl: true, ...config });
  }

  /** A peer leaves a handshake incomplete. */
  fails(peer: string, fib = 0): void {
    const { family, words: address } = parseAddress(peer);
    const own = { family, address: new Int32Array(4), port: 80 };
    const c = this.h.tcp.open(own, { family, address, port: 5000 }, fib);
    this.h.layer.handshakeTimedOut(0, c);
    // Its row is free again.
    this.h.tcp.rows.used--;
  }

  apply(record: SdlRecord): string {
    return nameOf(this.h.layer.apply(record));
  }

  at(seconds: number): void {
    const { autoSdl } = this.h.layer;
    autoSdl.setNow(seconds * TICKS_PER_S);
    while (autoSdl.nextExpiry(seconds * TICKS_PER_S) === 0) autoSdl.expire(seconds * TICKS_PER_S);
  }

  /** The deny list. */
  get entries(): string[] {
    return [...this.h.layer.sdl.list()].map(({ prefix }) => formatPrefix(prefix));
  }

  /** The peers, with their count; those that are denied marked. */
  get peers(): string[] {
    return [...this.h.layer.autoSdl.list()].map(
      ({ address, count, isDenied }) => `${formatAddress(address)} ${count}${isDenied ? " denied" : ""}`,
    );
  }
}

let w: Watch;
beforeEach(() => {
  w = new Watch();
});

// VPP's auto_sdl_test.c.
test("auto sdl unit: an entry for each of 2,540 and 254 peers; none when the engine is off", () => {
  w = new Watch({ autoSdl: false });
  expect(w.apply({ kind: "auto-sdl", enable: true, removeTimeoutS: 300, threshold: 1 })).toBe("ok 0");
  for (let i = 0; i < 10; i++) for (let j = 1; j < 255; j++) w.fails(`10.1.${i}.${j}`);
  for (let j = 1; j < 255; j++) w.fails(`2501:db8:85a3::8a2e:371:${j.toString(16)}`);
  expect(w.h.layer.autoSdl.counts()).toMatchObject({ peersDenied: 254 * 10 + 254, peersCounted: 0 });
  expect(w.h.layer.sdl.counts().prefixes).toBe(254 * 10 + 254);
  w.h.layer.setEnabled(false);
  expect(w.h.layer.autoSdl.counts()).toMatchObject({ peersDenied: 0, peersCounted: 0 });
  expect(w.h.layer.autoSdl.settings.isOn).toBe(false);
  expect(w.h.layer.sdl.counts().prefixes).toBe(0);
});

// VPP's test_auto_sdl.py. Its access list keeps our SYN-ACKs from the peer; here the peer does not answer them.
describe.each(FAMILIES)("test_auto_sdl.py over IPv%i", (family) => {
  let host: ScriptedStack;
  let port = 5000;
  const tcp = { synRcvdTimeoutMs: 1000 };
  const hostPrefix = (address: string): string => `${address}/${family === 4 ? 32 : 128}`;

  function start(session: Partial<SessionConfig> = {}, table = 0): void {
    [, host] = listening({ family, tcp, table, session: { rtBackend: "sdl", maxAutoSdlPeers: 64, ...session } });
  }

  /** A peer begins handshakes, and leaves them. */
  function leave(count: number, address = host.peerAddress): void {
    for (let i = 0; i < count; i++) {
      new ScriptedPeer(host, { address, port: ++port }).send({ flags: "S" }).expect({ flags: "SA" });
    }
  }

  const dump = (): string[] => [...host.stack.host.sessions.sdl.list()].map(({ prefix }) => formatPrefix(prefix));
  const enable = (threshold: number, removeTimeoutS: number): void =>
    host.stack.apply({ kind: "auto-sdl", enable: true, threshold, removeTimeoutS });

  test("auto sdl: at the threshold an entry, which is gone after the timeout", () => {
    start();
    new ScriptedPeer(host, { port: ++port }).open();
    enable(2, 3);
    leave(1);
    host.pass(1500);
    expect(dump()).toEqual([]);
    leave(1);
    host.pass(1500);
    expect(dump()).toEqual([hostPrefix(host.peerAddress)]);
    new ScriptedPeer(host, { port: ++port }).send({ flags: "S" }).expectNothing();
    expect(host.count("input", "filtered")).toBe(1);
    // Who has a connection keeps it.
    expect(host.states).toEqual(["ESTABLISHED"]);
    host.pass(3000);
    expect(dump()).toEqual([]);
    new ScriptedPeer(host, { port: ++port }).open();
  });

  test("auto sdl appns: the entry is in the namespace's table, and goes with the namespace", () => {
    start({}, 1);
    const { stack } = host;
    stack.apply({ kind: "namespace", add: true, id: "1", secret: 1, interface: "test0" });
    const { sessions } = stack.host;
    const app = sessions.attach({ name: "server", namespace: "1", secret: 1 }, {});
    expect(sessions.listen(app, 0, { family, address: new Int32Array(4), port: 80 })).toBeGreaterThanOrEqual(0);
    enable(1, 60);
    leave(1);
    host.pass(1500);
    const fib = stack.host.ip.fib.indexOf(family, 1);
    expect([...sessions.sdl.list()]).toMatchObject([{ family, fib, action: "drop" }]);
    expect(dump()).toEqual([hostPrefix(host.peerAddress)]);
    new ScriptedPeer(host, { port: ++port }).send({ flags: "S" }).expectNothing();
    stack.apply({ kind: "namespace", add: false, id: "1" });
    expect([dump(), [...sessions.autoSdl.list()]]).toEqual([[], []]);
    stack.apply({ kind: "auto-sdl", enable: false });
    sessions.setEnabled(false);
    expect(dump()).toEqual([]);
  });

  test("auto sdl scale: an entry for each source; disabling deletes them at once", () => {
    start();
    enable(1, 300);
    const sources = Array.from({ length: 10 }, (_, i) => `${family === 4 ? "198.18.0." : "2001:db8::"}${20 + i}`);
    for (const address of sources) leave(2, address);
    host.pass(1500);
    expect(dump()).toEqual(sources.map(hostPrefix));
    host.stack.apply({ kind: "auto-sdl", enable: false });
    expect([dump(), [...host.stack.host.sessions.autoSdl.list()]]).toEqual([[], []]);
    leave(1, sources[0]);
    host.pass(1500);
    expect(dump()).toEqual([]);
  });

  test("who completes its handshake, or resets it, is not counted; nor one that ends with its listener", () => {
    start({ autoSdl: true, autoSdlThreshold: 1 });
    new ScriptedPeer(host, { port: ++port }).open();
    const refusing = new ScriptedPeer(host, { port: ++port });
    refusing.send({ flags: "S" }).expect({ flags: "SA" });
    refusing.send({ flags: "R" });
    leave(1);
    void host.app.listeners[0].close();
    host.pass(1500);
    expect([dump(), [...host.stack.host.sessions.autoSdl.list()]]).toEqual([[], []]);
  });
});

describe("counting", () => {
  test("what is below the threshold is forgotten when its time is over, from the first on", () => {
    w.apply({ kind: "auto-sdl", enable: true, threshold: 3, removeTimeoutS: 10 });
    w.fails("9.0.0.1");
    w.at(9);
    w.fails("9.0.0.1");
    expect(w.peers).toEqual(["9.0.0.1 2"]);
    w.at(10);
    expect(w.peers).toEqual([]);
    for (let i = 0; i < 3; i++) w.fails("9.0.0.1");
    expect([w.peers, w.entries]).toEqual([["9.0.0.1 3 denied"], ["9.0.0.1/32"]]);
    w.at(19);
    // What was under way when it was denied ends the same way, and makes its time no longer.
    w.fails("9.0.0.1");
    expect([w.peers, w.entries]).toEqual([["9.0.0.1 4 denied"], ["9.0.0.1/32"]]);
    w.at(20);
    expect([w.peers, w.entries]).toEqual([[], []]);
  });

  test("each FIB and family for itself", () => {
    w.apply({ kind: "auto-sdl", enable: true, threshold: 2 });
    w.h.layer.apply({ kind: "namespace", add: true, id: "one", table4: 1, table6: 1 });
    for (const peer of ["9.0.0.1", "900:1::", "9.0.0.2"]) for (const fib of [0, 1]) w.fails(peer, fib);
    expect(w.entries).toEqual([]);
    w.fails("9.0.0.1", 1);
    expect([...w.h.layer.sdl.list()].map(({ fib, prefix }) => `${fib} ${formatPrefix(prefix)}`)).toEqual([
      "1 9.0.0.1/32",
    ]);
    expect(w.peers).toHaveLength(6);
    const one = w.h.layer.namespaces.find("one");
    expect([...w.h.layer.autoSdl.list(one)]).toHaveLength(3);
    w.h.layer.apply({ kind: "namespace", add: false, id: "one" });
    expect(w.peers).toEqual(["9.0.0.1 1", "900:1:: 1", "9.0.0.2 1"]);
  });

  test("new settings hold for the peers that are known", () => {
    w.apply({ kind: "auto-sdl", enable: true, threshold: 9, removeTimeoutS: 100 });
    w.fails("9.0.0.1");
    w.apply({ kind: "auto-sdl", enable: true, threshold: 2, removeTimeoutS: 5 });
    w.fails("9.0.0.1");
    expect(w.entries).toEqual(["9.0.0.1/32"]);
    w.at(5);
    expect(w.entries).toEqual([]);
    w.apply({ kind: "auto-sdl", enable: true });
    expect(w.h.layer.autoSdl.settings).toEqual({ isOn: true, threshold: 5, removeTimeoutS: 300 });
  });

  test("sleeps until the first time that is over", () => {
    const { autoSdl } = w.h.layer;
    expect(autoSdl.nextExpiry(0)).toBe(-1);
    w.apply({ kind: "auto-sdl", enable: true, threshold: 2, removeTimeoutS: 10 });
    w.fails("9.0.0.1");
    w.at(4);
    for (let i = 0; i < 2; i++) w.fails("9.0.0.2");
    expect(autoSdl.nextExpiry(4 * TICKS_PER_S)).toBe(6 * TICKS_PER_S);
    w.at(10);
    expect([w.peers, autoSdl.nextExpiry(10 * TICKS_PER_S)]).toEqual([["9.0.0.2 2 denied"], 4 * TICKS_PER_S]);
  });

  test("very many whose time is over together go in several turns", () => {
    w.apply({ kind: "auto-sdl", enable: true, threshold: 1, removeTimeoutS: 10 });
    for (let i = 0; i < 2000; i++) w.fails(`9.0.${i >> 8}.${i & 255}`);
    const { autoSdl, sdl } = w.h.layer;
    autoSdl.expire(10 * TICKS_PER_S);
    expect(sdl.count()).toBe(2000 - 1024);
    expect(autoSdl.nextExpiry(10 * TICKS_PER_S)).toBe(0);
    autoSdl.expire(10 * TICKS_PER_S);
    expect([sdl.count(), autoSdl.nextExpiry(10 * TICKS_PER_S)]).toEqual([0, -1]);
  });
});

describe("entries made by hand", () => {
  beforeEach(() => {
    w.apply({ kind: "auto-sdl", enable: true, threshold: 1, removeTimeoutS: 10 });
  });

  test("whom one of them covers is left to it", () => {
    for (const [remote, action] of [
      ["9.0.0.0/8", "allow"],
      ["8.0.0.1/32", "drop"],
    ] as const) {
      expect(w.apply({ kind: "sdl", add: true, remote, action })).toBe("ok 0");
    }
    for (const peer of ["9.0.0.1", "8.0.0.1", "8.0.0.2"]) w.fails(peer);
    expect([w.peers, w.entries]).toEqual([["8.0.0.2 1 denied"], ["8.0.0.1/32", "8.0.0.2/32", "9.0.0.0/8"]]);
    w.at(10);
    expect(w.entries).toEqual(["8.0.0.1/32", "9.0.0.0/8"]);
  });

  test("an automatic one that is deleted by hand is forgotten", () => {
    w.fails("9.0.0.1");
    expect(w.apply({ kind: "sdl", add: true, remote: "9.0.0.1/32" })).toBe("IPINUSE");
    expect(w.apply({ kind: "sdl", add: false, remote: "9.0.0.1/32" })).toBe("ok 0");
    expect([w.peers, w.entries]).toEqual([[], []]);
    expect(w.apply({ kind: "sdl", add: true, remote: "9.0.0.1/32" })).toBe("ok 0");
    w.at(100);
    expect(w.entries).toEqual(["9.0.0.1/32"]);
  });
});

describe("limits", () => {
  const flood = (count: number, first = 0): void => {
    for (let i = first; i < first + count; i++) w.fails(`9.1.${i >> 8}.${i & 255}`);
  };

  test("when all rows are used one that is only counted makes room, by lot; the same lot from the same seed", () => {
    const runs = [1, 2].map(() => {
      w = new Watch({ maxAutoSdlPeers: 64, autoSdlThreshold: 2 });
      for (let i = 0; i < 2; i++) w.fails("9.0.0.1");
      flood(1000);
      expect(w.h.layer.autoSdl.counts()).toEqual({
        peersDenied: 1,
        peersCounted: 63,
        peersEvicted: 937,
        peersRefused: 0,
      });
      expect(w.entries).toEqual(["9.0.0.1/32"]);
      return w.peers;
    });
    expect(runs[0]).toEqual(runs[1]);
    // Not just the newest are left.
    const numbers = runs[0].slice(1).map((text) => Number(text.split(" ")[0].split(".")[3]));
    expect(new Set(numbers.map((n) => n >> 4)).size).toBeGreaterThan(8);
  });

  test("of peers that are all denied the oldest makes room, with its entry", () => {
    w = new Watch({ maxAutoSdlPeers: 3, autoSdlThreshold: 1 });
    flood(5);
    expect([w.peers.length, w.entries]).toEqual([3, ["9.1.0.2/32", "9.1.0.3/32", "9.1.0.4/32"]]);
  });

  test("a deny list without room: counted, and the peer begins anew", () => {
    w = new Watch({ maxSdlPrefixes: 1, autoSdlThreshold: 2 });
    expect(w.apply({ kind: "sdl", add: true, remote: "8.0.0.0/8" })).toBe("ok 0");
    for (let i = 0; i < 2; i++) w.fails("9.0.0.1");
    expect([w.peers, w.entries]).toEqual([[], ["8.0.0.0/8"]]);
    expect(w.h.layer.autoSdl.counts().peersRefused).toBe(1);
  });

  test("a window without room: ALLOC, and it stays off", () => {
    w = new Watch({ autoSdl: false });
    w.h.window.reserve("most of it", w.h.window.freeBytes - (256 << 10));
    expect(w.apply({ kind: "auto-sdl", enable: true })).toBe("ALLOC");
    expect(w.h.layer.autoSdl.settings.isOn).toBe(false);
    w.fails("9.0.0.1");
    expect(w.peers).toEqual([]);
  });
});

describe("settings", () => {
  test("off unless it is switched on; NOSUPPORT without the engine", () => {
    w = new Watch({ autoSdl: false });
    for (let i = 0; i < 10; i++) w.fails("9.0.0.1");
    expect([w.peers, w.entries]).toEqual([[], []]);
    w = new Watch({ autoSdl: false, rtBackend: "rule-table" });
    expect(w.apply({ kind: "auto-sdl", enable: true })).toBe("NOSUPPORT");
    expect(w.apply({ kind: "auto-sdl", enable: false })).toBe("NOSUPPORT");
    for (const wrong of [{ rtBackend: "none" }, { autoSdlThreshold: 0 }, { maxAutoSdlPeers: 1 << 20 }] as const) {
      expect(() => new Watch(wrong)).toThrow("auto-sdl needs");
    }
  });

  test.each([
    { enable: "yes" },
    {},
    { enable: true, threshold: 0 },
    { enable: true, threshold: 1.5 },
    { enable: true, threshold: "2" },
    { enable: true, removeTimeoutS: 0 },
    { enable: true, removeTimeoutS: 86_401 },
    { enable: true, removeTimeoutS: null },
  ])("%j: INVALID, and nothing has changed", (record) => {
    w.fails("9.0.0.1");
    expect(w.apply(JSON.parse(JSON.stringify({ kind: "auto-sdl", ...record })) as SdlRecord)).toBe("INVALID");
    expect(w.h.layer.autoSdl.settings).toEqual({ isOn: true, threshold: 5, removeTimeoutS: 300 });
    expect(w.peers).toEqual(["9.0.0.1 1"]);
  });
});
