import { once } from "node:events";
import { chmodSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { connect, createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { answerLine, requestLine } from "../../src/cli/methods/request-form.js";
import { RequestPace } from "../../src/cli/request-pace.js";
import { CliSocket, type SocketPermissions } from "../../src/cli/socket-server.js";
import { manage, ManageError, type Management, type ManageOptions } from "../../src/client/index.js";
import { SessionError } from "../../src/session/session-errors.js";
import { Pair } from "../cli/pair.js";

let directory: string;
let path: string;
let pair: Pair;
const closing: (() => unknown)[] = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "weft-manage-"));
  path = join(directory, "run", "one", "cli.sock");
  pair = new Pair();
});

afterEach(async () => {
  for (const close of closing.splice(0)) await close();
  rmSync(directory, { recursive: true, force: true });
});

async function serve(permissions?: SocketPermissions): Promise<CliSocket> {
  const socket = await CliSocket.open(path, permissions);
  closing.push(() => socket.close());
  socket.answer = (line, signal) => pair.cli.run(line, signal);
  return socket;
}

async function open(options: ManageOptions = {}): Promise<Management> {
  const management = await manage({ socket: path, ...options });
  closing.push(() => management.close());
  return management;
}

async function errorOf(promise: Promise<unknown>): Promise<SessionError> {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(SessionError);
  return error as SessionError;
}

describe("manage", () => {
  it("calls methods, with results by their types", async () => {
    await serve();
    const stack = await open();
    expect(await stack.call("stack.version")).toEqual({
      version: expect.stringMatching(/^\d+\.\d+\.\d+$/),
      methods: 1,
    });
    await stack.call("route.add", { prefix: "10.0.0.0/8", paths: [{ via: "198.18.0.1" }] });
    const [route] = await stack.call("route.list", { address: "10.1.2.3" });
    expect(route.paths[0].via).toBe("198.18.0.1");
    expect(await stack.call("route.del", { prefix: "10.0.0.0/8" })).toBeNull();
  });

  it("does calls in order, of many clients", async () => {
    await serve();
    const stacks = await Promise.all(Array.from({ length: 16 }, () => open()));
    const tables = stacks.map((_, i) => i + 1);
    await Promise.all(
      stacks.flatMap((stack, i) => [
        stack.call("table.add", { table: tables[i] }),
        stack.call("route.add", { prefix: "10.0.0.0/8", verdict: "drop", table: tables[i] }),
        stack.call("route.del", { prefix: "10.0.0.0/8", table: tables[i] }),
      ]),
    );
    const listed = await stacks[0].call("table.list");
    expect(listed.map(({ table }) => table)).toEqual([0, ...tables]);
  });

  it("rejects with code, name and argument of what was not done", async () => {
    await serve();
    const stack = await open();
    const error = await errorOf(stack.call("interface.state", { interface: "w9", state: "up" }));
    expect(error).toBeInstanceOf(ManageError);
    expect(error).toMatchObject({
      name: "ManageError",
      code: "ENETUNREACH",
      sessionError: "NOINTF",
      errno: -7,
      argument: "interface",
      message: 'interface.state: interface: no interface "w9" (NOINTF)',
    });
    expect(await errorOf(stack.call("table.add", { table: 0 }))).toMatchObject({ code: "EINVAL", argument: "table" });
    expect(await errorOf(stack.call("stack.explode" as "stack.version"))).toMatchObject({ sessionError: "NOSUPPORT" });
  });

  it("is told when no stack listens, starts, or goes", async () => {
    expect(await errorOf(manage({ socket: path }))).toMatchObject({
      code: "ECONNREFUSED",
      message: `manage ${path}: no stack listens there (REFUSED)`,
    });
    const socket = await CliSocket.open(path);
    closing.push(() => socket.close());
    const stack = await open();
    expect(await errorOf(stack.call("session.list"))).toMatchObject({
      code: "EIO",
      message: "session.list: the stack is starting (UNKNOWN)",
    });
    socket.answer = () => new Promise(() => {});
    const waiting = errorOf(stack.call("session.list"));
    await socket.close();
    expect(await waiting).toMatchObject({ code: "ECONNRESET" });
    expect(await errorOf(stack.call("session.list"))).toMatchObject({ code: "ECONNRESET" });
  });

  it("waits no longer than it was told, and closes what is late", async () => {
    const socket = await serve();
    let gone = 0;
    socket.answer = (_line, signal) =>
      new Promise(() => {
        signal.addEventListener("abort", () => gone++);
      });
    const stack = await open({ timeoutMs: 20 });
    expect(await errorOf(stack.call("session.disable"))).toMatchObject({
      code: "ETIMEDOUT",
      message: "session.disable: no answer in 20 ms (TIMEDOUT)",
    });
    expect(await errorOf(stack.call("session.disable"))).toMatchObject({ code: "ECONNRESET" });
    await expect.poll(() => gone).toBe(1);
    for (const timeoutMs of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 31]) {
      expect(await errorOf(manage({ socket: path, timeoutMs }))).toMatchObject({ code: "EINVAL" });
    }
  });

  it("calls no more once it is closed", async () => {
    await serve();
    const stack = await open();
    stack.close();
    expect(await errorOf(stack.call("session.list"))).toMatchObject({ code: "ECONNRESET" });
    stack.close();
  });

  it.each([
    ["HTTP/1.1 400 Bad Request\n", "ECONNRESET"],
    ["ok 4\nhalf", "EINVAL"],
    ["ok 4\nnull", "EINVAL"],
    ["ok 2\n{}", "EINVAL"],
    ['error 11\n{"error":5}', "EINVAL"],
    ['error 12\n{"error":{}}', "EIO"],
  ])("is not confused by what is no stack: %j", async (answer, code) => {
    const server: Server = createServer((socket) => {
      socket.on("error", () => {});
      socket.on("data", () => socket.write(answer));
    });
    closing.push(() => server.close());
    path = join(directory, "x.sock");
    server.listen(path);
    await once(server, "listening");
    const stack = await open();
    expect(await errorOf(stack.call("session.list"))).toMatchObject({ code });
  });
});

describe("the control socket", () => {
  it("is the owner's alone unless it is told else, with the directories made for it", async () => {
    const modes = (): number[] =>
      [path, join(directory, "run", "one"), join(directory, "run")].map((each) => statSync(each).mode & 0o777);
    const socket = await serve();
    expect(modes()).toEqual([0o600, 0o700, 0o700]);
    await socket.close();
    rmSync(join(directory, "run"), { recursive: true });
    const shared = await serve({ mode: 0o660 });
    expect(modes()).toEqual([0o660, 0o710, 0o710]);
    await shared.close();
    rmSync(join(directory, "run"), { recursive: true });
    const open666 = await serve({ mode: 0o666 });
    expect(modes()).toEqual([0o666, 0o711, 0o711]);
    await open666.close();
    // One that is there already is left as it is.
    chmodSync(join(directory, "run", "one"), 0o700);
    await serve({ mode: 0o660 });
    expect(modes()).toEqual([0o660, 0o700, 0o711]);
  });

  it("belongs to the group that it is told, or is not made", async () => {
    const group = 54_321;
    const made = await serve({ mode: 0o660, group }).then(
      () => [path, join(directory, "run")].map((each) => statSync(each).gid).join(" "),
      (error: unknown) => String(error),
    );
    // Who may not give files away is refused; the superuser may.
    expect(made).toMatch(/^54321 54321$|cannot be made \((EPERM|EINVAL)\)$/);
  });

  it("answers a long list of requests in order", async () => {
    await serve();
    const client = connect(path);
    closing.push(() => client.destroy());
    let said = "";
    client.on("data", (bytes: Buffer) => (said += bytes.toString()));
    const lines = Array.from({ length: 500 }, (_, i) => {
      return requestLine("route.add", { prefix: `10.${i >> 8}.${i & 255}.0/24`, verdict: "drop" });
    });
    client.write(`${lines.join("\n")}\n${requestLine("route.list", { address: "10.1.243.9" })}\n`);
    // More than may pass at once: the rest waits.
    await expect.poll(() => said.split('"version":1').length - 1, { timeout: 5000 }).toBe(501);
    expect(said.match(/"result":null/g)).toHaveLength(500);
    expect(said).toMatch(/"prefix":"10\.1\.243\.0\/24"[^\n]*$/);
  });

  it("has room for 32 clients", async () => {
    await serve();
    const stacks = await Promise.all(Array.from({ length: 32 }, () => open()));
    await Promise.all(stacks.map((stack) => stack.call("stack.version")));
    const one = await open();
    expect(await errorOf(one.call("stack.version"))).toMatchObject({ code: "ECONNRESET" });
    stacks[0].close();
    await expect.poll(async () => (await open()).call("stack.version").catch(() => undefined)).toBeDefined();
  });

  it("says that an answer is too long to be sent", () => {
    const circle: { itself?: unknown } = {};
    circle.itself = circle;
    expect(answerLine({ version: 1, result: circle })).toEqual({
      ok: false,
      text: '{"version":1,"error":{"code":"ENOMEM","name":"ALLOC","text":"the answer is too long"}}',
    });
  });

  it("waits for a client that reads slowly, and answers the others", async () => {
    const warnings: Error[] = [];
    const warn = (warning: Error): number => warnings.push(warning);
    process.on("warning", warn);
    closing.push(() => process.off("warning", warn));
    const socket = await serve();
    let answered = 0;
    socket.answer = async (line) => {
      if (line === "short") return { ok: true, text: "here" };
      answered++;
      return { ok: true, text: "x".repeat(1 << 20) };
    };
    const slow = connect(path);
    closing.push(() => slow.destroy());
    slow.pause();
    slow.write("long\n".repeat(12));
    await expect.poll(() => answered).toBe(1);
    const other = connect(path);
    closing.push(() => other.destroy());
    other.write("short\n");
    const [bytes] = (await once(other, "data")) as [Buffer];
    expect(bytes.toString()).toBe("ok 4\nhere");
    expect(answered).toBe(1);
    slow.resume();
    await expect.poll(() => answered).toBe(12);
    expect(warnings).toEqual([]);
  });
});

describe("the pace of requests", () => {
  it("lets some through at once, then so many a second", () => {
    const pace = new RequestPace(100, 5);
    const at = (nowMs: number, count: number): number[] => Array.from({ length: count }, () => pace.waitMs(nowMs));
    expect(at(1000, 8)).toEqual([0, 0, 0, 0, 0, 10, 20, 30]);
    expect(at(1030, 2)).toEqual([10, 20]);
    // A long rest earns no more than the burst.
    expect(at(60_000, 7)).toEqual([0, 0, 0, 0, 0, 10, 20]);
  });
});
