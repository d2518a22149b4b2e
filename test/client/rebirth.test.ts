import { existsSync } from "node:fs";
import { describe, expect, test } from "vitest";
import type { Session } from "../../src/app/session.js";
import { SESSION_E_APP_ATTACHED, SESSION_E_NOIP, SESSION_E_WRONG_NS_SECRET } from "../../src/session/session-errors.js";
import { openFds } from "../host/sockets.js";
import { attachRefusal } from "./fake-stack.js";
import { eventually, fixture, noting, pattern, readAll, until } from "./support.js";

const it = fixture();
const URI = "tcp://198.18.0.2:80";

describe("the stack has gone", () => {
  test("sessions are detached, requests rejected, and what it said before is still heard", async () => {
    const heard: string[] = [];
    const sessions: Session[] = [];
    const got: Uint8Array[] = [];
    const app = await it.attach(
      noting(heard, {
        accept: (each) => void sessions.push(each),
        rx: (each) => void got.push(readAll(each)),
      }),
    );
    const listener = await app.listen(URI);
    const { worker, attaches } = it.stack;
    expect(attaches.length).toBe(1);
    const fake = worker.accept(listener.session.handle);
    worker.accept(listener.session.handle);
    await until(() => sessions.length === 2);
    sessions[1].close();
    worker.unanswered.add("CONNECT_URI").add("LISTEN_URI");
    const requests = [
      app.connect("tcp://198.18.0.1:1"),
      app.listen("tcp://0.0.0.0:1"),
      Promise.resolve(sessions[0].attribute("mss")),
      Promise.resolve(sessions[0].statistics()),
    ];
    const results = Promise.allSettled(requests);
    await until(() => worker.said("STATISTICS").length === 1);
    heard.length = 0;
    worker.feed(fake, pattern(77));
    it.stack.close();
    await until(() => heard.some((each) => each.startsWith("lost")));
    expect(got).toEqual([pattern(77)]);
    expect(heard).toEqual([
      "reset ECONNABORTED detached",
      "cleanup session",
      "cleanup session",
      "failed NOAPP",
      "lost ECONNABORTED",
    ]);
    expect(await results).toMatchObject([
      { reason: { sessionError: "NOAPP" } },
      { reason: { sessionError: "NOAPP" } },
      { value: -13 },
      { value: undefined },
    ]);
    for (const session of sessions) {
      expect([session.state, session.index, session.readableBytes, session.close()]).toEqual(["detached", -1, 0, -12]);
      expect([session.write(pattern(1)), session.read(pattern(1)), session.peek(() => 1)]).toEqual([-12, -12, -12]);
      expect([session.local, await session.attribute("mss"), await session.statistics()]).toEqual([
        undefined,
        -12,
        undefined,
      ]);
    }
    await expect(app.connect(URI)).rejects.toMatchObject({ sessionError: "NOAPP" });
  });

  test("without `reattach` that is the end", async () => {
    const heard: string[] = [];
    const app = await it.attach(noting(heard), { reattach: false });
    await app.listen(URI);
    it.stack.close();
    await until(() => heard.includes("detached"));
    expect([heard, app.workers, app.listeners]).toEqual([[`listened ${URI}`, "detached"], [], []]);
  });

  test("a program that detaches meanwhile does not attach again", async () => {
    const heard: string[] = [];
    const app = await it.attach(noting(heard));
    it.stack.close();
    await until(() => heard.length === 1);
    await app.detach();
    expect(heard).toEqual(["lost ECONNABORTED", "detached"]);
    const { attaches } = it.restart();
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(attaches).toEqual([]);
  });
});

describe("a stack has come back", () => {
  test("the application attaches as before and listens where it did, at the port that it had", async () => {
    const heard: string[] = [];
    const sessions: Session[] = [];
    const app = await it.attach(noting(heard, { accept: (each) => void sessions.push(each) }), { secret: "s" });
    const fixed = await app.listen(URI, { backlog: 3 });
    const any = await app.listen("tcp://0.0.0.0:0");
    const closed = await app.listen("tcp://198.18.0.2:81");
    await closed.close();
    heard.length = 0;
    it.stack.close();
    await until(() => heard.length === 1);
    expect([fixed.local, app.listeners.length, app.workers.length]).toEqual([undefined, 2, 1]);
    const { attaches } = it.restart();
    await until(() => heard.includes("reattached"));
    expect(attaches).toMatchObject([{ name: "app", secret: "s" }]);
    const { worker } = it.stack;
    const asked = worker.said("LISTEN_URI").map(({ uri, backlog }) => `${uri} ${backlog}`);
    expect(asked).toEqual([`${URI} 3`, "tcp://0.0.0.0:49152 0"]);
    expect([fixed.session.state, any.local?.port, app.listeners]).toEqual(["listening", 49_152, [fixed, any]]);
    const fake = worker.accept(fixed.session.handle);
    const session = await eventually(() => sessions[0]);
    worker.feed(fake, pattern(9));
    await until(() => session.readableBytes === 9);
  });

  test("a listener that is refused there is closed, and the others listen", async () => {
    const heard: string[] = [];
    const app = await it.attach(noting(heard));
    const [first, second] = [await app.listen(URI), await app.listen("tcp://198.18.0.2:81")];
    heard.length = 0;
    it.stack.close();
    await until(() => heard.length === 1);
    it.restart({ unanswered: ["LISTEN_URI"] });
    await until(() => it.stack.workers.length === 1);
    const { worker } = it.stack;
    await until(() => worker.said("LISTEN_URI").length === 2);
    const [bad, good] = worker.said("LISTEN_URI");
    worker.refuse("BOUND", bad.context, SESSION_E_NOIP);
    const { fields } = it.stack.makeSession(worker, { hasFifos: false });
    worker.say({ type: "BOUND", context: good.context, retval: 0, ...fields });
    await until(() => heard.includes("reattached"));
    expect(heard.filter((each) => each.startsWith("un"))).toEqual([`unlistened ${URI}`]);
    expect([app.listeners, first.local]).toEqual([[second], undefined]);
    expect(it.errors).toMatchObject([{ sessionError: "NOIP" }]);
    await expect(first.close()).rejects.toMatchObject({ sessionError: "NOLISTEN" });
  });

  test("it tries until it is let in, but not against a final refusal", async () => {
    const heard: string[] = [];
    const app = await it.attach(noting(heard));
    let refusal = SESSION_E_APP_ATTACHED;
    let tries = 0;
    it.restart({
      onRequest: (socket) => {
        tries++;
        return socket.send(attachRefusal(refusal, ""));
      },
    });
    await until(() => tries >= 3);
    expect(heard).toEqual(["lost ECONNABORTED"]);
    refusal = SESSION_E_WRONG_NS_SECRET;
    await until(() => heard.includes("detached"));
    expect([app.workers, it.errors]).toMatchObject([[], [{ sessionError: "WRONG_NS_SECRET" }]]);
  });

  test("all workers of this process come back, the first with the application", async () => {
    const heard: string[] = [];
    const app = await it.attach({ reattached: () => void heard.push("first") });
    await app.addWorker({ reattached: () => void heard.push("second") });
    it.stack.close();
    await until(() => app.appHandle < 0);
    it.restart();
    await until(() => heard.length === 2);
    expect([it.stack.attaches.length, it.stack.workers.length]).toEqual([1, 2]);
    expect(new Set(app.workers.map(({ number }) => number))).toEqual(new Set([0, 1]));
  });

  test("again and again: no descriptor and no mapping is left over", async () => {
    let count = 0;
    const app = await it.attach({ accept: () => true, reattached: () => void count++ });
    await app.listen(URI);
    let before = 0;
    for (let i = 0; i < 20; i++) {
      const { worker } = it.stack;
      const listener = app.listeners[0];
      worker.feed(worker.accept(listener.session.handle), pattern(100));
      it.restart();
      await until(() => count === i + 1);
      if (i === 0) before = openFds();
    }
    expect(openFds()).toBe(before);
    expect(existsSync(it.path)).toBe(true);
  });
});
