import { beforeEach, expect, test } from "vitest";
import { AppServer } from "../../../src/app/attach.js";
import type { LocalApp } from "../../../src/app/local-app.js";
import { wire } from "../../../src/device/wire-device.js";
import { MAX_QUEUED_RECORDS } from "../../../src/session/evt-collector.js";
import { SESSION_ERRORS } from "../../../src/session/session-errors.js";
import { ExternalStack, type FakeClient } from "./fake-client.js";

// An event collector in another process, message by message.

const nameOf = (value: number): string => SESSION_ERRORS[-value].name;

let host: ExternalStack;
let client: FakeClient;
let app: LocalApp;

beforeEach(async () => {
  host = new ExternalStack(wire()[0]);
  client = host.attach({ name: "collector" });
  app = await new AppServer(host.stack.host.sessions).attach({ name: "app", evtCollector: true }, {});
});

function collect(by = client): string {
  by.ask({ type: "EVT_COLLECTOR" });
  return nameOf(by.last("EVT_COLLECTOR_REPLY").retval);
}

/** Sessions that end, one after the other; the collector does not listen. */
async function end(count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    const connecting = app.connect("udp://10.0.0.2:9");
    host.stack.engine.turn();
    (await connecting).close();
    for (let n = 0; n < 2; n++) host.stack.engine.turn();
  }
}

const told = (): number => client.messages.filter(({ type }) => type === "SESSION_STATS").length;

test("hears of each session, as an object in JSON; asked twice it hears once", async () => {
  expect([collect(), collect()]).toEqual(["NONE", "NONE"]);
  await end(3);
  host.settle();
  client.hear();
  expect(told()).toBe(3);
  expect(JSON.parse(client.last("SESSION_STATS").json)).toMatchObject({ app: "app", proto: "udp", closedBy: "app" });
  expect(host.errors).toEqual([]);
});

test("only in a namespace that is allowed it, and not after it has gone", async () => {
  host.stack.apply({ kind: "namespace", id: "blue", add: true });
  expect(collect(host.attach({ name: "blue", namespace: "blue" }))).toBe("NOSUPPORT");
  const { collectors } = host.stack.host.sessions;
  expect(collectors.isOn).toBe(false);
  collect();
  expect(collectors.isOn).toBe(true);
  client.die();
  host.settle();
  expect([collectors.isOn, collectors.queued]).toEqual([false, 0]);
});

test("that does not listen: records wait up to the limit, the rest is dropped and counted, and the stack sleeps", async () => {
  collect();
  const { sessions } = host.stack.host;
  const { collectors } = sessions;
  while (collectors.all[0].dropped === 0) await end(100);
  expect(collectors.queued).toBe(MAX_QUEUED_RECORDS);
  // One that was sent when there was no room, at most, waits in the outbox.
  expect(client.attached.worker.outbox.waiting).toBe(1);
  expect([collectors.isDue, sessions.nextExpiry(0)]).toEqual([false, -1]);
  const { collected } = collectors.all[0];
  for (let i = 0; i < 200 && client.hear(); i++) {
    host.settle();
  }
  expect([collectors.queued, told()]).toEqual([0, collected + MAX_QUEUED_RECORDS]);
});
