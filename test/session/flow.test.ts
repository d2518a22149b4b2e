import { beforeEach, describe, expect, test } from "vitest";
import { type FlowHookHandle, type InboundFlow, type OnFlow, setFlowHook } from "../../src/app/flow-hook.js";
import type { Session } from "../../src/app/session.js";
import { F_L3_MULTICAST } from "../../src/graph/packet-pool.js";
import type { FlowCounters } from "../../src/session/flow-hooks.js";
import type { FlowDecision } from "../../src/session/flow-record.js";
import { SESSION_ERRORS } from "../../src/session/session-errors.js";
import type { SessionConfig } from "../../src/session/session-config.js";
import type { SessionLayer } from "../../src/session/session-layer.js";
import { UdpHarness, udpPacket } from "../nodes/session-harness.js";
import { FAMILIES, listening, ScriptedPeer, ScriptedStack } from "../transport/tcp/scripted-peer.js";

// What flow hooks decide on, when they are asked, and what becomes of the packets meanwhile.

const nameOf = (value: number): string => SESSION_ERRORS[-value].name;

/** The counters of the hook of the default namespace that are not 0. */
function counted(sessions: SessionLayer): Partial<FlowCounters> {
  const [{ counters }] = sessions.flows.all;
  return Object.fromEntries(Object.entries(counters).filter(([, count]) => count > 0));
}

describe.each(FAMILIES)("TCP over IPv%i", (family) => {
  let host: ScriptedStack;
  let peer: ScriptedPeer;
  let sessions: SessionLayer;
  let asked: InboundFlow[];
  let hook: FlowHookHandle;

  const start = (session: Partial<SessionConfig> = {}, mtu = 1500): void => {
    [peer, host] = listening({ family, session, mtu }, { timestamps: true, wscale: 3, sack: true });
    sessions = host.stack.host.sessions;
    asked = [];
  };
  const decide = (decision: FlowDecision | "later"): void => {
    hook = setFlowHook(sessions, "default", "", (flow) => {
      asked.push(flow);
      return decision;
    });
  };
  const answer = (decision: FlowDecision, at = 0): string => {
    const error = hook.answer(asked[at].token, decision);
    host.settle();
    return nameOf(error as number);
  };

  beforeEach(() => start());

  test("is asked once, before the SYN-ACK, with both ends and who would take it", () => {
    decide("accept");
    peer.open();
    expect(asked).toEqual([
      {
        token: expect.any(Number),
        proto: "tcp",
        local: { address: host.address, port: 80, family },
        remote: { address: peer.address, port: peer.port, family },
        interface: "test0",
        namespace: "default",
        application: "script",
      },
    ]);
    peer.send({ flags: "A", data: "hello" });
    expect(asked).toHaveLength(1);
    expect(host.session.readableBytes).toBe(5);
    expect(counted(sessions)).toEqual({ asked: 1, accepted: 1 });
    expect([sessions.flows.undecided, sessions.flows.decided]).toEqual([0, 0]);
  });

  test("reset: RST; the next SYN is asked about again", () => {
    decide("reset");
    peer.send({ flags: "S" }).expect({ flags: "RA", ack: 1 });
    peer.send({ flags: "S", seq: 0 }).expect({ flags: "RA", ack: 1 });
    expect(counted(sessions)).toEqual({ asked: 2, reset: 2 });
    expect([host.states, sessions.flows.decided]).toEqual([[], 0]);
  });

  test("drop: no answer, and none to the same SYN again; another one is a new flow", () => {
    decide("drop");
    peer.send({ flags: "S" }).expectNothing();
    for (const ms of [1000, 2000, 4000]) {
      host.pass(ms);
      peer.send({ flags: "S", seq: 0 }).expectNothing();
    }
    expect(counted(sessions)).toEqual({ asked: 1, dropped: 1 });
    expect(host.errors("input")).toEqual({ filtered: 3 });
    peer.send({ flags: "S", seq: 900 }).expectNothing();
    expect(counted(sessions)).toEqual({ asked: 2, dropped: 2 });
    host.pass(40_000);
    expect(sessions.flows.decided).toBe(0);
    peer.send({ flags: "S", seq: 900 }).expectNothing();
    expect(counted(sessions)).toEqual({ asked: 3, dropped: 3 });
  });

  test("an application takes it, also where nobody listens; one that does not listen is nobody", () => {
    hook = setFlowHook(sessions, "default", "", ({ application, local: { port } }) => {
      expect(application).toBeUndefined();
      return { application: port === 8080 ? "script" : "nobody" };
    });
    const other = new ScriptedPeer(host, { localPort: 8080, port: 5000 });
    other.open();
    expect(host.session.local?.port).toBe(8080);
    new ScriptedPeer(host, { localPort: 8081, port: 5001 }).send({ flags: "S" }).expect({ flags: "RA" });
    expect(counted(sessions)).toEqual({ asked: 2, redirected: 2 });
  });

  test("SYN cookies: the ACK that brings one back goes to whom the SYN was led to, and only that one", () => {
    host = new ScriptedStack({ family, session: { backlog: 1 } });
    host.listen();
    new ScriptedPeer(host, { port: 4999 }).send({ flags: "S" }).expect({ flags: "SA" });
    sessions = host.stack.host.sessions;
    setFlowHook(sessions, "default", "", () => ({ application: "script" }));
    const other = new ScriptedPeer(host, { localPort: 8080, port: 5000 });
    other.send({ flags: "S", ...other.synOptions }).expect({ flags: "SA", ack: 1 });
    expect([host.states, host.count("listen", "syn_cookies_sent")]).toEqual([["SYN_RCVD"], 1]);
    other.send({ flags: "S", seq: 0, ...other.synOptions }).expect({ flags: "SA", ack: 1 });
    expect(counted(sessions)).toEqual({ asked: 1, redirected: 1 });
    other.send({ flags: "A", seq: 77 }).expect({ flags: "R" });
    other.send({ flags: "A", seq: 1 }).expectNothing();
    expect(host.states).toEqual(["ESTABLISHED", "SYN_RCVD"]);
    expect(host.session.local?.port).toBe(8080);
  });

  test("accept where nobody listens is what it would be without a hook", () => {
    decide("accept");
    new ScriptedPeer(host, { localPort: 81 }).send({ flags: "S" }).expect({ flags: "RA" });
    expect(asked[0].application).toBeUndefined();
    expect(host.errors("input")).toEqual({ no_listener: 1 });
  });

  test("later: the SYN waits with its options, is not asked about again, and is answered at once when it is decided", () => {
    decide("later");
    peer.send({ flags: "S", ...peer.synOptions }).expectNothing();
    host.pass(1000);
    peer.send({ flags: "S", seq: 0, ...peer.synOptions }).expectNothing();
    expect([asked.length, sessions.flows.undecided, host.stack.host.pool.inUse().length]).toEqual([1, 1, 1]);
    expect(answer("accept")).toBe("NONE");
    const { wscale, sackPermitted, ts } = peer.expect({ flags: "SA", seq: 0, ack: 1 });
    expect([wscale !== undefined, sackPermitted, ts !== undefined]).toEqual([true, true, true]);
    expect(answer("accept")).toBe("NOSESSION");
    peer.hasTimestamps = true;
    peer.send({ flags: "A" });
    expect(host.states).toEqual(["ESTABLISHED"]);
    expect([sessions.flows.undecided, sessions.flows.decided, host.stack.host.pool.inUse()]).toEqual([0, 0, []]);
  });

  test.each(["reset", "drop"] as const)("later, and then %s", (decision) => {
    decide("later");
    peer.send({ flags: "S" });
    expect(answer(decision)).toBe("NONE");
    if (decision === "reset") peer.expect({ flags: "RA", ack: 1 });
    peer.expectNothing();
    expect(host.stack.host.pool.inUse()).toEqual([]);
    expect(host.states).toEqual([]);
  });

  test("of several SYNs the last is answered: the peer may have begun anew", () => {
    decide("later");
    peer.send({ flags: "S", mss: 1460 });
    peer.send({ flags: "S", seq: 5000, mss: 700 });
    expect(answer("accept")).toBe("NONE");
    peer.expect({ flags: "SA", ack: 5001 });
    expect(host.states).toEqual(["SYN_RCVD"]);
  });

  test("two SYNs in one vector are one flow", () => {
    decide("accept");
    host.together(() => peer.send({ flags: "S" }).send({ flags: "S", seq: 0 }));
    peer.expect({ flags: "SA" });
    expect(asked).toHaveLength(1);
  });

  test.each(["accept", "reset", "drop"] as const)("without an answer in time: by default, %s", (flowDefault) => {
    start({ flowDefault, flowDecisionMs: 500 });
    decide("later");
    peer.send({ flags: "S" });
    host.pass(499);
    peer.expectNothing();
    host.pass(1);
    if (flowDefault === "accept") peer.expect({ flags: "SA" });
    if (flowDefault === "reset") peer.expect({ flags: "RA" });
    peer.expectNothing();
    const what = { accept: "accepted", reset: "reset", drop: "dropped" }[flowDefault];
    expect(counted(sessions)).toEqual({ asked: 1, timedOut: 1, [what]: 1 });
    expect(answer("accept")).toBe("NOSESSION");
    if (flowDefault === "accept") return;
    // It was not the hook's word: the same SYN is asked about again.
    peer.send({ flags: "S", seq: 0 });
    expect(asked).toHaveLength(2);
    expect(answer("accept", 1)).toBe("NONE");
    peer.expect({ flags: "SA" });
  });

  test.each(["accept", "reset", "drop"] as const)(
    "past the limit: %s by default, counted, and not asked",
    (flowDefault) => {
      start({ flowDefault, maxUndecidedFlows: 3 });
      decide("later");
      const peers = Array.from({ length: 4 }, (_, i) => new ScriptedPeer(host, { port: 5000 + i }));
      for (const each of peers) each.send({ flags: "S" });
      const [, , , last] = peers;
      if (flowDefault === "accept") last.expect({ flags: "SA" });
      if (flowDefault === "reset") last.expect({ flags: "RA" });
      for (const each of peers) each.expectNothing();
      expect(counted(sessions)).toEqual({ asked: 3, overLimit: 1 });
      expect(answer("accept", 1)).toBe("NONE");
      peers[1].expect({ flags: "SA" });
      new ScriptedPeer(host, { port: 5009 }).send({ flags: "S" });
      expect(asked).toHaveLength(4);
    },
  );

  test("rules come first: what they drop or lead to an application is not asked about, what they allow is", () => {
    start({ rtBackend: "rule-table", maxRules: 16 });
    decide("reset");
    const remote = `${peer.address}/${family === 4 ? 32 : 128}`;
    const rule = (localPort: number, action: "drop" | "allow" | { application: string }): void =>
      host.stack.apply({ kind: "rule", add: true, proto: "tcp", remote, localPort, action });
    rule(81, "drop");
    rule(82, { application: "script" });
    rule(80, "allow");
    new ScriptedPeer(host, { localPort: 81 }).send({ flags: "S" }).expectNothing();
    new ScriptedPeer(host, { localPort: 82 }).send({ flags: "S" }).expect({ flags: "SA" });
    expect(asked).toEqual([]);
    peer.send({ flags: "S" }).expect({ flags: "RA" });
    expect(asked).toHaveLength(1);
  });

  test("a rule that comes while a flow is undecided holds for it", () => {
    start({ rtBackend: "rule-table", maxRules: 16 });
    decide("later");
    peer.send({ flags: "S" });
    const local = `${host.address}/${family === 4 ? 32 : 128}`;
    host.stack.apply({ kind: "rule", add: true, proto: "tcp", local, localPort: 80, action: "drop" });
    expect(answer("accept")).toBe("NONE");
    peer.expectNothing();
    expect(host.errors("input")).toEqual({ filtered: 1 });
    host.pass(40_000);
    expect(sessions.flows.decided).toBe(0);
  });

  test("only SYNs begin flows; what is there goes on", () => {
    peer.open();
    decide("drop");
    const stray = new ScriptedPeer(host, { port: 5000 });
    stray.send({ flags: "A" }).expect({ flags: "R" });
    stray.send({ flags: "R" }).send({ flags: "SR" }).expectNothing();
    stray.send({ flags: "SA" }).expect({ flags: "R" });
    const active = new ScriptedPeer(host, { port: 81, localPort: 0 });
    host.connect(81);
    active.accept();
    peer.send({ flags: "A", data: "hello" });
    expect(host.sessions[0].readableBytes).toBe(5);
    expect(asked).toEqual([]);
  });

  test("a SYN over a connection in TIME_WAIT is a new flow", () => {
    peer.open();
    host.session.close();
    host.settle();
    peer.send({ flags: "FA" });
    expect(host.states).toEqual(["TIME_WAIT"]);
    decide("later");
    peer.takeAll();
    peer.send({ flags: "S", seq: 1000 }).expectNothing();
    expect(asked).toHaveLength(1);
    expect(answer("accept")).toBe("NONE");
    peer.expect({ flags: "SA" });
  });

  test("a hook that goes leaves what is undecided to the default, and listeners to themselves", async () => {
    start({ flowDefault: "reset" });
    decide("later");
    peer.send({ flags: "S" });
    await hook.close();
    host.settle();
    peer.expect({ flags: "RA" });
    expect(answer("accept")).toBe("NOSESSION");
    expect(sessions.flows.isOn).toBe(false);
    peer.send({ flags: "S", seq: 0 }).expect({ flags: "SA" });
    await hook.close();
  });

  test("a hook that answers and goes at once has had its say", async () => {
    decide("later");
    peer.send({ flags: "S" });
    void hook.answer(asked[0].token, "reset");
    await hook.close();
    host.settle();
    peer.expect({ flags: "RA" });
    expect(sessions.flows.isOn).toBe(false);
  });

  test("tokens: another hook's, of a flow that has gone, and nonsense", () => {
    decide("later");
    peer.send({ flags: "S" });
    const [{ token }] = asked;
    for (const wrong of [-1, 0.5, token + 1, token + 2 ** 24, Number.NaN, 2 ** 53, "0", undefined, {}]) {
      expect(nameOf(hook.answer(wrong as number, "accept") as number)).toBe("NOSESSION");
    }
    for (const wrong of ["later", "", "ACCEPT", undefined, null, {}, { application: "" }, { application: 1.5 }, 0]) {
      expect(answer(wrong as FlowDecision)).toBe("INVALID");
    }
    expect(answer("reset")).toBe("NONE");
    peer.expect({ flags: "RA" });
  });

  test("one hook a namespace, for who knows its secret", () => {
    decide("accept");
    const errorOf = (namespace: string, secret: string, onFlow: unknown = (): string => "accept"): unknown => {
      try {
        return setFlowHook(sessions, namespace, secret, onFlow as OnFlow);
      } catch (error) {
        return error instanceof Error && "sessionError" in error ? error.sessionError : error;
      }
    };
    expect(errorOf("default", "")).toBe("OWNER");
    expect(errorOf("blue", "")).toBe("INVALID_NS");
    host.stack.apply({ kind: "namespace", id: "blue", add: true, secret: "x" });
    expect(errorOf("blue", "y")).toBe("WRONG_NS_SECRET");
    expect(errorOf("blue", "x", 7)).toBe("INVALID");
    expect(errorOf("blue", "x")).toHaveProperty("answer");
    host.stack.apply({ kind: "namespace", id: "blue", add: false });
    expect(sessions.flows.all).toHaveLength(1);
  });

  test("whose hook is asked: of the interface that has the destination, else that it came by, else of the table", () => {
    const calls: string[] = [];
    const set = (namespace: string): FlowHookHandle =>
      setFlowHook(sessions, namespace, "", (flow) => {
        calls.push(`${namespace} ${flow.namespace}`);
        return "reset";
      });
    const syn = (): void => void peer.send({ flags: "S", seq: 0 }).expect({ flags: "RA" });
    host.stack.apply({ kind: "namespace", id: "port", add: true, interface: "test0" });
    host.stack.apply({ kind: "table", table: 5, add: true });
    host.stack.apply({ kind: "namespace", id: "elsewhere", add: true, table4: 5, table6: 5 });
    set("default");
    set("elsewhere");
    syn();
    set("port");
    syn();
    host.stack.apply({ kind: "namespace", id: "port", add: false });
    syn();
    expect(calls).toEqual(["default default", "port port", "default default"]);
  });

  test("a decision goes when too many are remembered: the flow is new again", () => {
    start({ maxDecidedFlows: 2 });
    decide("drop");
    const peers = Array.from({ length: 3 }, (_, i) => new ScriptedPeer(host, { port: 5000 + i }));
    for (const each of peers) each.send({ flags: "S" });
    expect(sessions.flows.decided).toBe(2);
    peers[2].send({ flags: "S", seq: 0 });
    expect(asked).toHaveLength(3);
    peers[0].send({ flags: "S", seq: 0 });
    expect(asked).toHaveLength(4);
  });

  test("a SYN that is too large to keep is answered when it comes again", () => {
    start({}, 9000);
    decide("later");
    peer.send({ flags: "S", data: new Uint8Array(3000) });
    expect(host.errors("input")).toEqual({ undecided: 1 });
    expect(answer("accept")).toBe("NONE");
    peer.expectNothing();
    peer.send({ flags: "S", seq: 0 }).expect({ flags: "SA", ack: 1 });
    expect(asked).toHaveLength(1);
  });
});

const US4 = [10, 0, 0, 1];
const PEER4 = [10, 0, 0, 9];
const US6 = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
const PEER6 = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9];

describe.each([
  ["ip4", "udp4-input", "udp://0.0.0.0/53", US4, PEER4],
  ["ip6", "udp6-input", "udp://[::]:53", US6, PEER6],
] as const)("UDP over %s", (family, input, any, us, peer) => {
  let h: UdpHarness;
  let asked: InboundFlow[];
  let hook: FlowHookHandle;
  let listener: Session;
  let accepted: Session[];

  const start = async (session: Partial<SessionConfig> = {}, options = {}): Promise<void> => {
    h = new UdpHarness(session);
    asked = [];
    accepted = [];
    const app = await h.server.attach({ name: "dns" }, { accept: (each) => void accepted.push(each) });
    ({ session: listener } = await app.listen(any, options));
  };
  const decide = (decision: FlowDecision | "later"): void => {
    hook = setFlowHook(h.sessions, "default", "", (flow) => {
      asked.push(flow);
      return decision;
    });
  };
  const arrive = (text: string, port = 53, fromPort = 1000, meta = {}): void => {
    h.arrive(udpPacket(peer, us, [fromPort, port], new TextEncoder().encode(text)), meta);
    h.run();
  };
  const drain = (session = listener): string[] => {
    const found: string[] = [];
    const bytes = new Uint8Array(70_000);
    for (let n = session.readDatagram(bytes); n >= 0; n = session.readDatagram(bytes)) {
      found.push(new TextDecoder().decode(bytes.subarray(0, n)));
    }
    return found;
  };
  const pass = (ms: number): void => {
    h.clock.advanceUs(ms * 1000);
    h.run();
  };
  const answer = (decision: FlowDecision): string => {
    const error = hook.answer(asked[asked.length - 1].token, decision);
    h.run();
    return nameOf(error as number);
  };

  beforeEach(() => start());

  test("accept: the first datagram is delivered, and those that follow are not asked about until the flow was idle", () => {
    decide("accept");
    arrive("one");
    arrive("two");
    pass(29_000);
    arrive("three");
    pass(29_000);
    arrive("four");
    expect(drain()).toEqual(["one", "two", "three", "four"]);
    expect(
      asked.map(({ proto, local, remote, application, interface: via }) => [
        proto,
        local.port,
        remote.port,
        application,
        via,
      ]),
    ).toEqual([["udp", 53, 1000, "dns", undefined]]);
    arrive("other", 53, 1001);
    expect(asked).toHaveLength(2);
    pass(31_000);
    arrive("again");
    expect(asked).toHaveLength(3);
    expect(h.pool.inUse()).toEqual([]);
  });

  test("reset and drop hold for the datagrams that follow", () => {
    decide("reset");
    for (const text of ["one", "two"]) arrive(text);
    expect(h.caught(`${family}-icmp-error`)).toHaveLength(2);
    expect(asked).toHaveLength(1);
    void hook.close();
    decide("drop");
    for (const text of ["three", "four"]) arrive(text);
    expect(asked).toHaveLength(2);
    expect(h.counters(input)).toEqual({ no_listener: 2, filtered: 1 });
    expect(h.caught(`${family}-icmp-error`)).toEqual([]);
    expect(drain()).toEqual([]);
  });

  test("later: four datagrams wait, in order, those that come meanwhile are lost and counted", () => {
    decide("later");
    for (const text of ["one", "two", "three", "four", "five", "six"]) arrive(text);
    expect(h.counters(input)).toEqual({ undecided: 2 });
    expect(h.pool.inUse()).toHaveLength(4);
    expect(answer("accept")).toBe("NONE");
    expect(drain()).toEqual(["one", "two", "three", "four"]);
    expect(h.pool.inUse()).toEqual([]);
    arrive("seven");
    expect(drain()).toEqual(["seven"]);
    expect(asked).toHaveLength(1);
  });

  test("all that waits is let go with a drop, and with the hook; a reset answers each", () => {
    for (const [i, decision] of (["drop", "reset"] as const).entries()) {
      decide("later");
      for (const text of ["one", "two"]) arrive(text, 53, 2000 + i);
      expect(answer(decision)).toBe("NONE");
      expect(h.caught(`${family}-icmp-error`)).toHaveLength(2 * i);
      void hook.close();
    }
    decide("later");
    for (const text of ["one", "two"]) arrive(text, 53, 3000);
    void hook.close();
    h.run();
    expect([drain(), h.pool.inUse()]).toEqual([[], []]);
  });

  test("without an answer in time: by default, which holds for the flow", async () => {
    await start({ flowDefault: "accept", flowDecisionMs: 100 });
    decide("later");
    arrive("one");
    pass(99);
    expect(drain()).toEqual([]);
    pass(1);
    expect(drain()).toEqual(["one"]);
    arrive("two");
    expect(drain()).toEqual(["two"]);
    expect(counted(h.sessions)).toEqual({ asked: 1, accepted: 1, timedOut: 1 });
  });

  test("an application takes what is for any port", () => {
    decide({ application: "dns" });
    arrive("one", 5353);
    arrive("two", 5353);
    expect([drain(), asked.length]).toEqual([["one", "two"], 1]);
    void hook.close();
    decide({ application: "nobody" });
    arrive("three");
    expect(h.caught(`${family}-icmp-error`)).toHaveLength(1);
    expect(h.sessions.flows.decided).toBe(1);
  });

  test("a flow that becomes a session is a new one after it", async () => {
    await start({}, { connected: true });
    decide("later");
    arrive("one");
    arrive("and");
    expect(answer("accept")).toBe("NONE");
    arrive("two");
    expect(accepted.map((session) => drain(session))).toEqual([["one", "and", "two"]]);
    expect(h.sessions.flows.decided).toBe(0);
    accepted[0].close();
    h.run();
    arrive("three");
    expect(asked).toHaveLength(2);
  });

  test("a hook that throws, or says nothing sensible: the default, reported once", async () => {
    await start({ flowDefault: "accept" });
    decide("nonsense" as FlowDecision);
    arrive("one");
    arrive("two", 53, 1001);
    expect(drain()).toEqual(["one", "two"]);
    expect(h.errors.map(String)).toEqual([expect.stringContaining("no decision (INVALID)")]);
    expect(counted(h.sessions)).toEqual({ asked: 2, accepted: 2, failed: 2 });
    void hook.close();
    hook = setFlowHook(h.sessions, "default", "", ({ token }) => {
      void hook.answer(token, "drop");
      throw new Error("after its answer");
    });
    arrive("three", 53, 1002);
    expect(drain()).toEqual([]);
    expect(h.errors).toHaveLength(2);
    expect(counted(h.sessions)).toEqual({ asked: 1, dropped: 1, failed: 1 });
  });

  test("a hook may answer at once and still say later, or go while it is asked", async () => {
    hook = setFlowHook(h.sessions, "default", "", ({ token }) => {
      expect(hook.answer(token, "accept")).toBe(0);
      return "later";
    });
    arrive("one");
    expect(drain()).toEqual(["one"]);
    await hook.close();
    hook = setFlowHook(h.sessions, "default", "", () => {
      void hook.close();
      return "accept";
    });
    arrive("two");
    expect(drain()).toEqual([]);
    expect([h.sessions.flows.undecided, h.sessions.flows.isOn]).toEqual([0, false]);
    arrive("three");
    expect(drain()).toEqual(["three"]);
  });

  test("a datagram with tail spans is kept in a slot of its own; one that is too large is not kept", () => {
    decide("later");
    arrive("spans of a fifo", 53, 1000, { tails: [4, 3] });
    expect(answer("accept")).toBe("NONE");
    expect(drain()).toEqual(["spans of a fifo"]);
    arrive("x".repeat(3000), 53, 1001);
    expect(h.counters(input)).toEqual({ undecided: 1 });
    expect(h.pool.inUse()).toEqual([]);
    expect(answer("accept")).toBe("NONE");
    arrive("y".repeat(3000), 53, 1001);
    expect(drain()).toEqual(["y".repeat(3000)]);
    expect(asked).toHaveLength(2);
  });

  test("undecided flows keep a part of the packets at most", async () => {
    await start({ small: 40 } as Partial<SessionConfig>);
    decide("later");
    for (let port = 1; port <= 30; port++) arrive("x", 53, port);
    expect([asked.length, h.pool.inUse().length]).toEqual([10, 10]);
    expect(counted(h.sessions)).toEqual({ asked: 10, overLimit: 20 });
    await hook.close();
    h.run();
    expect(h.pool.inUse()).toEqual([]);
  });

  test("what goes to a group is asked about, and never answered", () => {
    decide("reset");
    arrive("to all", 53, 1000, { flags: F_L3_MULTICAST });
    expect(asked).toHaveLength(1);
    expect(h.counters(input)).toEqual({ no_group_listener: 1 });
    expect(h.caught(`${family}-icmp-error`)).toEqual([]);
  });

  test("a new vector of many flows: in order, none twice; first datagrams go before further ones", () => {
    decide("accept");
    for (let port = 1; port <= 40; port++) {
      h.arrive(udpPacket(peer, us, [port, 53], Uint8Array.of(port)));
      h.arrive(udpPacket(peer, us, [port, 53], Uint8Array.of(port)));
    }
    h.run();
    expect(asked.map(({ remote }) => remote.port)).toEqual(Array.from({ length: 40 }, (_, i) => i + 1));
    // A quarter of 256 packets may be kept, and half of that by further ones.
    expect(drain()).toHaveLength(40 + 16);
    expect(h.counters(input)).toEqual({ undecided: 24 });
  });
});
