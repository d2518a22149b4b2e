import { describe, expect, test } from "vitest";
import { encodeSocketMessage, socketErrorReply } from "../../src/app/messages/socket-messages.js";
import { attachWorker } from "../../src/client/client-app.js";
import { loadAddon } from "../../src/host/addon.js";
import { attachDirectory, attachPath } from "../../src/host/attach-path.js";
import type { SeqpacketSocket } from "../../src/host/unix-socket.js";
import { createWakePipe } from "../../src/host/wake-pipe.js";
import { NO_WORKER_FIELDS, type WorkerFields } from "../../src/app/messages/socket-table.js";
import { SESSION_E_NOAPP, SESSION_E_WRONG_NS_SECRET } from "../../src/session/session-errors.js";
import { attachRefusal } from "./fake-stack.js";
import { eventually, fixture, until } from "./support.js";

const it = fixture();

describe("the attach path", () => {
  test("is the namespace's id in a directory beside the other sockets", () => {
    expect(attachDirectory({ XDG_RUNTIME_DIR: "/run/user/1" })).toBe("/run/user/1/weft/attach");
    expect(attachDirectory({})).toBe("/run/weft/attach");
    expect(attachPath(undefined, "/d")).toBe("/d/default");
    expect(attachPath("blue-1_a.b", "/d")).toBe("/d/blue-1_a.b");
  });

  test.each([
    ["../x", "/d/%2E.%2Fx"],
    [".", "/d/%2E"],
    ["a b%", "/d/a%20b%25"],
    ["ü", "/d/%C3%BC"],
  ])("never leaves the directory: %s", (id, path) => {
    expect(attachPath(id, "/d")).toBe(path);
  });
});

describe("attaching", () => {
  test("asks for what the options say", async () => {
    const app = await it.attach(
      {},
      {
        namespace: "blue",
        secret: 77,
        scope: ["local"],
        rxFifoBytes: 10_000,
        segmentBytes: 1 << 20,
        maxSessions: 9,
        closesOnDeath: true,
      },
    );
    expect(it.stack.attaches).toMatchObject([
      {
        name: "app",
        namespace: "blue",
        secret: "77",
        globalScope: false,
        localScope: true,
        rxFifoBytes: 10_000,
        txFifoBytes: 0,
        segmentBytes: 1 << 20,
        maxSessions: 9,
        closesOnDeath: true,
      },
    ]);
    expect([app.index, app.appHandle, app.workers.map(({ number }) => number)]).toEqual([7, 4711, [0]]);
    await app.detach();
    expect([app.workers, app.appHandle]).toEqual([[], -1]);
    await expect(app.detach()).rejects.toMatchObject({ sessionError: "NOAPP" });
    await expect(app.listen("tcp://0.0.0.0:1")).rejects.toMatchObject({ sessionError: "NOAPP" });
    await expect(app.addWorker({})).rejects.toMatchObject({ sessionError: "NOAPP" });
  });

  test("nobody there: the system's error", async () => {
    const other = { socket: `${it.path}-other` };
    await expect(it.attach({}, other)).rejects.toMatchObject({ code: "ENOENT" });
    await expect(attachWorker({ ...other, appHandle: 1 }, {})).rejects.toMatchObject({ code: "ENOENT" });
  });

  test("options and callbacks that cannot be", async () => {
    await expect(it.attach({}, { rxFifoBytes: 1.5 })).rejects.toThrow("no rxFifoBytes as it should be (INVALID)");
    await expect(it.attach({}, { name: undefined as never })).rejects.toMatchObject({ sessionError: "INVALID" });
    await expect(it.attach(3 as never)).rejects.toMatchObject({ sessionError: "INVALID" });
  });
});

describe("an answer", () => {
  const answer = (bytes: Uint8Array | ((socket: SeqpacketSocket) => void)): void => {
    it.restart({
      onRequest: (socket) => {
        if (typeof bytes === "function") bytes(socket);
        else socket.send(bytes);
        return true;
      },
    });
  };

  test("that refuses, with its reason", async () => {
    answer(attachRefusal(SESSION_E_WRONG_NS_SECRET, "another secret"));
    await expect(it.attach({})).rejects.toThrow('attach "app": another secret (WRONG_NS_SECRET)');
  });

  test("of another version names both", async () => {
    const text = "version 1 of the messages, this is version 2";
    answer(encodeSocketMessage(socketErrorReply({ error: -10, text, peerVersion: 1 })));
    await expect(it.attach({})).rejects.toThrow(`${text} (NOSUPPORT)`);
  });

  test("that is none, or another message", async () => {
    answer(new Uint8Array(50));
    await expect(it.attach({})).rejects.toMatchObject({ sessionError: "INVALID" });
    answer(encodeSocketMessage({ type: "SEND_FDS", segment: 1, segmentBytes: 4096 }));
    await expect(it.attach({})).rejects.toThrow("the stack answered by SEND_FDS");
  });

  test("that does not come: the socket is closed", async () => {
    answer((socket) => socket.close());
    await expect(it.attach({})).rejects.toMatchObject({ code: "ECONNRESET" });
  });

  test.each<[string, Partial<WorkerFields>, number, RegExp]>([
    ["without all descriptors", {}, 3, /3 descriptors, not 4/],
    ["whose control segment is longer than its memory", { controlBytes: 1 << 20 }, 4, /holds 65536 bytes/],
    ["whose control segment is not whole pages", { controlBytes: 5000 }, 4, /page size/],
    ["whose memory is no segment", {}, 4, /fifo segment/],
    ["whose segment is longer than its memory", { segmentBytes: 1 << 20 }, 4, /holds 65536 bytes/],
  ])("%s: refused, and nothing is left open", async (_, wrong, descriptors, why) => {
    answer((socket) => {
      const addon = loadAddon();
      const { reader, writer } = createWakePipe();
      const memory = addon.createMemfd("test", 65_536);
      const fields = {
        ...NO_WORKER_FIELDS,
        controlBytes: 65_536,
        toAppQueueBytes: 192 + 1024,
        toStackQueue: 8192,
        toStackQueueBytes: 192 + 1024,
        mirrors: 32_768,
        maxMirrors: 4,
        segment: 1,
        segmentBytes: 65_536,
        ...wrong,
      };
      const reply = encodeSocketMessage({
        type: "ATTACH_REPLY",
        context: 0,
        retval: 0,
        text: "",
        appIndex: 0,
        ...fields,
        rxFifoBytes: 0,
        txFifoBytes: 0,
        maxWorkers: 1,
      });
      socket.send(reply, [memory, memory, reader.fd, writer.fd].slice(0, descriptors));
      addon.closeFd(memory);
      reader.close();
      writer.close();
    });
    await expect(it.attach({})).rejects.toThrow(why);
  });
});

describe("workers", () => {
  test("in this process: more of them, each with a queue of its own; the last one ends the application", async () => {
    const heard: string[] = [];
    const app = await it.attach({ detached: () => void heard.push("first") });
    const worker = await app.addWorker({ detached: () => void heard.push("second") });
    expect([worker.number, it.stack.workers.length]).toEqual([1, 2]);
    await worker.rpc(0, Uint8Array.of(1, 2, 3));
    await until(() => it.stack.worker.said("APP_WRK_RPC").length === 1);
    expect(it.stack.worker.said("APP_WRK_RPC")).toMatchObject([{ worker: 0, data: Uint8Array.of(1, 2, 3) }]);
    await expect(worker.rpc(0, new Uint8Array(65))).rejects.toMatchObject({ sessionError: "INVALID" });
    await app.workers[0].delete();
    expect([heard, app.workers]).toEqual([["first"], [worker]]);
    await worker.delete();
    await expect(worker.delete()).rejects.toMatchObject({ sessionError: "NOAPP" });
    expect(heard).toEqual(["first", "second"]);
  });

  test("elsewhere: by the application's handle; they end with the stack", async () => {
    const app = await it.attach({});
    const heard: string[] = [];
    const callbacks = { rpc: () => void heard.push("rpc"), detached: () => void heard.push("detached") };
    const worker = await attachWorker({ socket: it.path, appHandle: app.appHandle }, callbacks);
    it.stack.worker.say({ type: "APP_WRK_RPC", worker: 0, data: new Uint8Array(1) });
    await until(() => heard.length === 1);
    it.stack.close();
    await until(() => heard.length === 2);
    expect([heard, worker.isAttached]).toEqual([["rpc", "detached"], false]);
    await expect(worker.connect("tcp://198.18.0.1:1")).rejects.toMatchObject({ sessionError: "NOAPP" });
  });

  test("a worker that is refused leaves the others", async () => {
    let isRefusing = false;
    it.restart({
      onRequest: (socket) => {
        const none = { ...NO_WORKER_FIELDS, retval: SESSION_E_NOAPP, text: "", context: 0, isAdd: true };
        return isRefusing && socket.send(encodeSocketMessage({ type: "WORKER_ADD_DEL_REPLY", ...none }));
      },
    });
    const app = await it.attach({});
    isRefusing = true;
    await expect(app.addWorker({})).rejects.toMatchObject({ sessionError: "NOAPP" });
    expect(app.workers.length).toBe(1);
    expect((await app.listen("tcp://0.0.0.0:1")).local?.port).toBe(1);
  });

  test("the one that has a session lets go of it for another that takes it", async () => {
    const sessions: unknown[] = [];
    const app = await it.attach({ accept: (session) => void sessions.push(session) });
    const listener = await app.listen("tcp://0.0.0.0:80");
    const { worker } = it.stack;
    const fake = worker.accept(listener.session.handle);
    const session = await eventually(() => sessions[0] as { state: string } | undefined);
    worker.say({ type: "REQ_WORKER_UPDATE", session: fake.index, worker: 3 });
    await until(() => worker.said("WORKER_UPDATE").length === 1);
    expect(worker.said("WORKER_UPDATE")).toMatchObject([{ handle: fake.handle, worker: 3 }]);
    expect(session.state).toBe("gone");
  });
});

test("the stack ends a worker: what was asked is refused, sessions are gone, without a word of each", async () => {
  const heard: string[] = [];
  const app = await it.attach({
    accept: () => true,
    reset: () => void heard.push("reset"),
    detached: () => void heard.push("detached"),
  });
  const listener = await app.listen("tcp://0.0.0.0:80");
  const { worker } = it.stack;
  worker.accept(listener.session.handle);
  worker.unanswered.add("CONNECT_URI");
  const connecting = app.connect("tcp://198.18.0.1:1").catch((error: unknown) => error);
  await until(() => worker.said("CONNECT_URI").length === 1);
  worker.say({ type: "DETACHED", context: 0 });
  expect(await connecting).toMatchObject({ sessionError: "NOAPP" });
  expect([heard, app.workers, listener.session.state]).toEqual([["detached"], [], "gone"]);
});
