import { beforeEach, describe, expect, test } from "vitest";
import { AppServer } from "../../../src/app/attach.js";
import type { LocalApp } from "../../../src/app/local-app.js";
import { wire } from "../../../src/device/wire-device.js";
import { MemoryWindow } from "../../../src/mem/window.js";
import { SeededRandom } from "../../../src/random/seeded.js";
import { SESSION_ERRORS } from "../../../src/session/session-errors.js";
import { SMALL_LIMITS, Stack } from "../../../src/stack.js";
import { ExternalStack, type FakeClient } from "./fake-client.js";

// A flow hook in another process, message by message.

const nameOf = (value: number): string => SESSION_ERRORS[-value].name;

let host: ExternalStack;
let client: FakeClient;
let peer: LocalApp;
let peerStack: Stack;
let outcomes: string[];

beforeEach(async () => {
  const [near, far] = wire();
  host = new ExternalStack(near);
  peerStack = new Stack({
    window: MemoryWindow.plain(64 << 20),
    clock: host.clock,
    random: new SeededRandom(8),
    hooks: { wake: () => {}, reportError: (error) => host.errors.push(error) },
    limits: SMALL_LIMITS,
    session: { maxSessions: 256 },
    tcp: { maxConnections: 64 },
    udp: { maxConnections: 64 },
  });
  peerStack.addInterface("wire0", far, { addresses: ["10.0.0.2/24"] });
  peer = await new AppServer(peerStack.host.sessions).attach({ name: "peer" }, {});
  outcomes = [];
  client = host.attach({ name: "decider" });
});

/** Both stacks and the client do what they can, `ms` long. */
function pass(ms = 20): void {
  for (let i = 0; i < ms; i += 10) {
    host.clock.advanceUs(10_000);
    for (let n = 0; n < 20; n++) {
      host.settle();
      peerStack.engine.turn();
      client.hear();
    }
  }
}

async function connect(port: number): Promise<void> {
  void peer.connect(`tcp://10.0.0.1:${port}`).then(
    () => outcomes.push(`connected ${port}`),
    (error: unknown) => outcomes.push(`${String(Reflect.get(Object(error), "sessionError"))} ${port}`),
  );
  pass();
  await new Promise(setImmediate);
}

const hook = (isOn = true, of = client): string => {
  of.ask({ type: "FLOW_HOOK", isOn });
  return nameOf(of.last("FLOW_HOOK_REPLY").retval);
};
const answer = (decision: number, application = "", index = 0, token = client.last("FLOW").token): string => {
  client.ask({ type: "FLOW_ANSWER", token, decision, application, index });
  pass();
  return nameOf(client.last("FLOW_ANSWER_REPLY").retval);
};

describe("a worker that decides", () => {
  test("is told of each flow once, and its decisions are done", async () => {
    const server = host.attach({ name: "server" });
    server.listen("tcp://10.0.0.1:80");
    expect(hook()).toBe("NONE");
    await connect(80);
    expect(client.last("FLOW")).toEqual({
      type: "FLOW",
      token: expect.any(Number),
      proto: 0,
      local: { family: 4, address: Int32Array.of(0x0a000001, 0, 0, 0), port: 80 },
      remote: { family: 4, address: Int32Array.of(0x0a000002, 0, 0, 0), port: expect.any(Number) },
      interface: "wire0",
      namespace: "default",
      application: "server",
    });
    expect(answer(0)).toBe("NONE");
    await connect(81);
    expect(answer(1)).toBe("NONE");
    await connect(82);
    expect(answer(3, "server")).toBe("NONE");
    await connect(83);
    expect(answer(3, "", server.attached.worker.app)).toBe("NONE");
    await connect(84);
    expect(answer(3, "nobody")).toBe("NONE");
    await connect(85);
    expect(answer(2)).toBe("NONE");
    await new Promise(setImmediate);
    expect(outcomes).toEqual(["connected 80", "REFUSED 81", "connected 82", "connected 83", "REFUSED 84"]);
    expect(client.heard.filter((each) => each === "FLOW")).toHaveLength(6);
    expect(host.stack.host.sessions.flows.all[0].counters).toMatchObject({ asked: 6, redirected: 3, timedOut: 0 });
  });

  test("leaves a flow to the default; what comes too late is said to be so", async () => {
    expect(hook()).toBe("NONE");
    await connect(80);
    expect(answer(4)).toBe("NONE");
    expect(answer(0)).toBe("NOSESSION");
    expect(answer(0, "", 0, 12_345)).toBe("NOSESSION");
    expect(host.stack.host.sessions.flows.all[0].counters).toMatchObject({ failed: 1, dropped: 1 });
    await connect(81);
    const { token } = client.last("FLOW");
    pass(2000);
    expect(answer(0, "", 0, token)).toBe("NOSESSION");
    expect(host.stack.host.sessions.flows.all[0].counters.timedOut).toBe(1);
  });

  test.each([
    ["says that it does no more", () => expect(hook(false)).toBe("NONE")],
    ["dies", () => client.die()],
    ["detaches", () => void client.ask({ type: "APP_DETACH" })],
    ["is detached", () => void host.stack.host.sessions.detach(client.attached.worker.app)],
  ])("and %s: the flow is decided by default, and the next is not asked about", async (_what, go) => {
    expect(hook()).toBe("NONE");
    await connect(80);
    const { flows } = host.stack.host.sessions;
    expect([flows.undecided, flows.isOn]).toEqual([1, true]);
    go();
    expect([flows.undecided, flows.isOn, flows.all]).toEqual([0, false, []]);
    expect(host.stack.host.pool.inUse()).toEqual([]);
    await connect(81);
    expect(outcomes).toEqual(["REFUSED 81"]);
    expect(host.errors).toEqual([]);
  });

  test("one of a namespace, in a namespace that is allowed it", () => {
    const other = host.attach({ name: "other" });
    expect(hook()).toBe("NONE");
    expect(hook()).toBe("OWNER");
    expect(hook(true, other)).toBe("OWNER");
    expect(hook(false, other)).toBe("NONE");
    expect(host.stack.host.sessions.flows.all).toHaveLength(1);
    other.ask({ type: "FLOW_ANSWER", token: 0, decision: 0, application: "", index: 0 });
    expect(nameOf(other.last("FLOW_ANSWER_REPLY").retval)).toBe("NOSESSION");
    host.stack.apply({ kind: "namespace", id: "blue", add: true });
    expect(hook(true, host.attach({ name: "blue", namespace: "blue" }))).toBe("NOSUPPORT");
  });

  test("that does not listen is sent no more than its queue takes: flows are decided by default", async () => {
    expect(hook()).toBe("NONE");
    const { flows } = host.stack.host.sessions;
    for (let port = 1; flows.all[0].counters.failed === 0 && port < 2000; port++) {
      // Those before are decided by now: what is full is the queue.
      if (port % 100 === 0) host.clock.advanceUs(2_000_000);
      const connecting = peer.connect(`udp://10.0.0.1:${port}`);
      peerStack.engine.turn();
      const datagram = await connecting;
      datagram.writeDatagram(Uint8Array.of(1));
      for (let n = 0; n < 3; n++) {
        peerStack.engine.turn();
        host.stack.engine.turn();
      }
      datagram.close();
    }
    const { waiting } = client.attached.worker.outbox;
    expect([flows.all[0].counters.failed, waiting]).toEqual([1, 1]);
    pass();
    expect(client.attached.worker.outbox.waiting).toBe(0);
    expect(client.endReason).toBeUndefined();
  });
});
