import { expect, test } from "vitest";
import type { InboundFlow } from "../../src/app/flow-hook.js";
import { remoteStack } from "../../src/client/client-stack.js";
import type { FlowDecision } from "../../src/session/flow-record.js";
import { realStacks } from "./real-stacks.js";
import { eventually, until } from "./support.js";

const it = realStacks();

/** What a connect of the far stack comes to. */
async function outcomeOf(port: number): Promise<string> {
  const app = await it.far.attach({ name: `to ${port} ${Math.random()}` }, {});
  try {
    await app.connect(`tcp://198.18.0.1:${port}`);
    return "connected";
  } catch (error) {
    return error instanceof Error && "sessionError" in error ? String(error.sessionError) : String(error);
  } finally {
    await app.detach();
  }
}

test("onFlow decides, at once or later, as in the stack's process", async () => {
  const server = await it.near.attach({ name: "server" }, { accept: () => true });
  for (const port of [80, 82]) await server.listen(`tcp://0.0.0.0:${port}`);
  const asked: InboundFlow[] = [];
  const app = await it.attach({});
  const hook = await app.onFlow((flow) => {
    asked.push(flow);
    if (flow.local.port === 80) return "accept";
    if (flow.local.port === 81) return { application: "server" };
    return flow.local.port === 82 ? "later" : "reset";
  });
  expect(await outcomeOf(80)).toBe("connected");
  expect(asked).toEqual([
    {
      token: expect.any(Number),
      proto: "tcp",
      local: { address: "198.18.0.1", port: 80, family: 4 },
      remote: { address: "198.18.0.2", port: expect.any(Number), family: 4 },
      interface: "w0",
      namespace: "default",
      application: "server",
    },
  ]);
  expect(await outcomeOf(81)).toBe("connected");
  expect(await outcomeOf(83)).toBe("REFUSED");
  expect(asked[2].application).toBeUndefined();
  const waiting = outcomeOf(82);
  await until(() => asked.length === 4);
  const [, , , { token }] = asked;
  expect(await hook.answer(token, "nonsense" as FlowDecision)).toBe(-19);
  expect(await hook.answer(token + 1, "accept")).toBe(-12);
  expect(await hook.answer(token, "accept")).toBe(0);
  expect(await waiting).toBe("connected");
  expect(await hook.answer(token, "accept")).toBe(-12);
  await hook.close();
  await hook.close();
  expect([await hook.answer(token, "accept"), it.near.host.sessions.flows.all]).toEqual([-12, []]);
  expect(await outcomeOf(80)).toBe("connected");
  expect([asked.length, it.errors]).toEqual([4, []]);
});

test("a hook that throws, or says nothing sensible: the default, at once, reported once", async () => {
  const app = await it.attach({});
  let ports: number[] = [];
  const hook = await app.onFlow(({ local }) => {
    ports = [...ports, local.port];
    if (local.port === 80) throw new Error("oops");
    return "sure" as FlowDecision;
  });
  const outcomes = [outcomeOf(80), outcomeOf(81)];
  const [{ counters }] = it.near.host.sessions.flows.all;
  await until(() => counters.failed >= 2);
  expect(it.errors.map(String)).toEqual(["Error: oops"]);
  expect(counters).toMatchObject({ dropped: counters.failed, timedOut: 0 });
  await hook.close();
  expect(await Promise.all(outcomes)).toEqual(["REFUSED", "REFUSED"]);
  expect(ports).toEqual(expect.arrayContaining([80, 81]));
});

test("refusals: a hook is there, the configuration does not allow it, no function", async () => {
  const local = await it.near.namespace().onFlow(() => "accept");
  const app = await it.attach({});
  await expect(app.onFlow(() => "accept")).rejects.toMatchObject({ sessionError: "OWNER" });
  await local.close();
  await expect(app.onFlow(7 as never)).rejects.toMatchObject({ sessionError: "INVALID" });
  const hook = await app.onFlow(() => "accept");
  await expect(app.onFlow(() => "accept")).rejects.toMatchObject({ sessionError: "OWNER" });
  await hook.close();
  const again = await app.onFlow(() => "accept");
  await app.detach();
  expect(it.near.host.sessions.flows.all).toEqual([]);
  expect(await again.answer(0, "accept")).toBe(-12);
  await expect(app.onFlow(() => "accept")).rejects.toMatchObject({ sessionError: "NOAPP" });
  await it.near.cli("app ns add id blue");
  const blue = await it.attach({}, { namespace: "blue" });
  await expect(blue.onFlow(() => "accept")).rejects.toMatchObject({ sessionError: "NOSUPPORT" });
});

test("remoteStack: the shape of the stack's own, by an application of its own", async () => {
  const remote = remoteStack({ directory: it.directory, name: "test", onError: (error) => void it.errors.push(error) });
  const hook = await remote.onFlow(() => "reset");
  expect(await outcomeOf(80)).toBe("REFUSED");
  expect(it.near.host.sessions.applications.byName("flow-hook@test")).toBeDefined();
  await expect(remote.onFlow(() => "accept")).rejects.toMatchObject({ sessionError: expect.any(String) });
  await hook.close();
  await hook.close();
  await eventually(() => expect(it.near.host.sessions.applications.byName("flow-hook@test")).toBeUndefined());
  expect(it.near.host.sessions.flows.all).toEqual([]);
});

test("after the stack has come back the hook decides again", async () => {
  let asked = 0;
  let reattached = 0;
  const app = await it.attach({ reattached: () => void reattached++ });
  const hook = await app.onFlow(() => {
    asked++;
    return "reset";
  });
  expect(await outcomeOf(80)).toBe("REFUSED");
  await it.restart();
  await until(() => reattached === 1);
  expect(it.near.host.sessions.flows.all).toHaveLength(1);
  expect(await outcomeOf(80)).toBe("REFUSED");
  expect(asked).toBe(2);
  await hook.close();
});
