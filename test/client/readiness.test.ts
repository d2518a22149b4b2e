import { expect, test } from "vitest";
import type { Session } from "../../src/app/session.js";
import { fixture, pattern, settle, until } from "./support.js";

const it = fixture();

test("a program without callbacks is told what happened, once, by session", async () => {
  const app = await it.attach();
  const listener = await app.listen("tcp://198.18.0.2:80");
  const { worker } = it.stack;
  expect(await app.waitForEvents(0)).toEqual([]);
  expect(await app.waitForEvents(5)).toEqual([]);
  const waiting = app.waitForEvents();
  const first = worker.accept(listener.session.handle);
  const [{ session, ...accepted }] = await waiting;
  expect(accepted).toMatchObject({ accepted: listener, isReadable: false, isWritable: false, isDisconnected: false });
  const second = worker.accept(listener.session.handle);
  worker.feed(first, pattern(5));
  worker.say({ type: "DISCONNECTED", session: first.index });
  worker.say({ type: "RESET", session: second.index, error: -1 });
  await settle();
  const events = await app.waitForEvents(1000);
  expect(events.map((each) => each.session.index)).toEqual([second.index, first.index]);
  expect(events[0]).toMatchObject({ accepted: listener, error: { code: "ECONNRESET" }, isReadable: false });
  expect(events[1]).toMatchObject({
    session,
    accepted: undefined,
    isReadable: true,
    isDisconnected: true,
    isGone: false,
  });
  expect(session.readableBytes).toBe(5);
  worker.cleanup(first);
  expect(await app.waitForEvents()).toMatchObject([{ session, isGone: true, isReadable: false }]);
});

test("room, and a session that went unseen", async () => {
  const app = await it.attach();
  const listener = await app.listen("tcp://198.18.0.2:80");
  const { worker } = it.stack;
  const session: Session = await app.connect("tcp://198.18.0.1:81");
  expect(session.write(pattern(6000))).toBe(4096);
  await settle();
  expect(await app.waitForEvents(1000)).toMatchObject([{ session, isWritable: true, isReadable: true }]);
  const fake = worker.accept(listener.session.handle);
  worker.cleanup(fake);
  await until(() => worker.said("CLEANUP_REPLY").length === 1);
  const events = await app.waitForEvents(0);
  expect(events.every((each) => each.session === session)).toBe(true);
});

test("the end of the application ends the wait; callbacks and waiting exclude each other", async () => {
  const app = await it.attach();
  const waiting = app.waitForEvents();
  await app.detach();
  expect(await waiting).toEqual([]);
  await expect(app.waitForEvents()).rejects.toMatchObject({ sessionError: "NOAPP" });
  const other = await it.attach({});
  await expect(other.waitForEvents()).rejects.toMatchObject({ sessionError: "NOSUPPORT" });
});
