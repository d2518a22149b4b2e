import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { CliClient } from "../../src/cli/socket-client.js";
import { MAX_REQUEST_BYTES } from "../../src/cli/socket-frame.js";
import { defaultSocketPath } from "../../src/cli/socket-path.js";
import { CliSocket } from "../../src/cli/socket-server.js";

let directory: string;
let path: string;
const sockets: CliSocket[] = [];

async function open(at = path): Promise<CliSocket> {
  const socket = await CliSocket.open(at);
  sockets.push(socket);
  return socket;
}

async function errorOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => "nothing was wrong",
    (error: unknown) => (error instanceof Error ? error.message : String(error)),
  );
}

/** All that the server says to these bytes until it closes the connection, or is quiet for a while. */
async function raw(bytes: string | Buffer): Promise<string> {
  const client: Socket = connect(path);
  await once(client, "connect");
  let said = "";
  client.on("data", (piece: Buffer) => {
    said += piece.toString();
  });
  client.on("error", () => {});
  client.write(bytes);
  await Promise.race([once(client, "close"), new Promise((resolve) => setTimeout(resolve, 200))]);
  client.destroy();
  return said;
}

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "weft-cli-"));
  path = join(directory, "run", "cli.sock");
});

afterEach(async () => {
  for (const socket of sockets.splice(0)) await socket.close();
  rmSync(directory, { recursive: true, force: true });
});

describe("the CLI socket", () => {
  it("answers lines, in order, each with its length", async () => {
    const socket = await open();
    socket.answer = async (line) => ({ ok: line !== "bad", text: line === "" ? "" : `<${line}>\nö` });
    expect(await raw("one\ntwo\r\nbad\n\n")).toBe("ok 8\n<one>\nöok 9\n<two\r>\nöerror 8\n<bad>\nöok 0\n");
    const client = await CliClient.open(path);
    const answers = await Promise.all(["a", "bad", "line\nfeed"].map((line) => client.run(line)));
    expect(answers).toEqual([
      { ok: true, text: "<a>\nö" },
      { ok: false, text: "<bad>\nö" },
      { ok: true, text: "<line feed>\nö" },
    ]);
    client.close();
  });

  it("carries long answers", async () => {
    const text = "0123456789".repeat(300_000);
    (await open()).answer = async () => ({ ok: true, text });
    const client = await CliClient.open(path);
    expect((await client.run("x")).text === text).toBe(true);
    expect((await client.run("y")).text.length).toBe(text.length);
    client.close();
  });

  it("says that a stack is still starting", async () => {
    await open();
    expect(await raw("show interface\n")).toBe("error 21\nthe stack is starting");
  });

  it("takes no request without end", async () => {
    (await open()).answer = async () => ({ ok: true, text: "" });
    expect(await raw("x".repeat(MAX_REQUEST_BYTES))).toBe("");
    const said = await raw("x".repeat(MAX_REQUEST_BYTES + 1));
    expect(said).toContain(`a request has at most ${MAX_REQUEST_BYTES} bytes`);
  });

  it("tells a command that its client went", async () => {
    const socket = await open();
    let gone: (() => void) | undefined;
    const wentAway = new Promise<void>((resolve) => {
      gone = resolve;
    });
    socket.answer = (_line, signal) =>
      new Promise((resolve) => {
        signal.addEventListener("abort", () => {
          gone?.();
          resolve({ ok: true, text: "" });
        });
      });
    expect(await raw("ping\n")).toBe("");
    await wentAway;
  });

  it("is its owner's alone, and goes when it is closed", async () => {
    const socket = await open();
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(statSync(join(directory, "run")).mode & 0o777).toBe(0o700);
    await socket.close();
    expect(existsSync(path)).toBe(false);
    await socket.close();
  });

  it("is refused while another stack has it, and replaced when that one has gone", async () => {
    const first = await open();
    expect(await errorOf(CliSocket.open(path))).toBe(`${path}: in use by another stack`);
    expect(await raw("x\n")).toContain("starting");
    await first.close();
    // What a killed stack leaves: a socket that nobody listens on.
    const { status } = await leaveStale(path);
    expect(status).toBe("killed");
    expect(existsSync(path)).toBe(true);
    const second = await open();
    second.answer = async () => ({ ok: true, text: "second" });
    expect(await raw("x\n")).toBe("ok 6\nsecond");
  });

  it("is not put in the place of a file, or where nothing can be made", async () => {
    const file = join(directory, "file");
    writeFileSync(file, "precious");
    expect(await errorOf(CliSocket.open(file))).toBe(`${file}: exists and is no socket`);
    expect(await errorOf(CliSocket.open(join(file, "x")))).toMatch(/file: cannot be made \((EEXIST|ENOTDIR)\)$/);
    expect(await errorOf(CliSocket.open(join(directory, "x".repeat(120))))).toMatch(/: longer than 107 bytes$/);
  });
});

async function leaveStale(at: string): Promise<{ status: string }> {
  const { spawnSync } = await import("node:child_process");
  const script = `require("net").createServer().listen(process.argv[1], () => process.kill(process.pid, "SIGKILL"))`;
  const { signal } = spawnSync(process.execPath, ["-e", script, at]);
  return { status: signal === "SIGKILL" ? "killed" : "not killed" };
}

describe("a client", () => {
  it("is told when no stack listens, or goes away", async () => {
    expect(await errorOf(CliClient.open(path))).toBe(`${path}: no stack listens there`);
    const socket = await open();
    socket.answer = () => new Promise(() => {});
    const client = await CliClient.open(path);
    const waiting = errorOf(client.run("x"));
    await new Promise((resolve) => setTimeout(resolve, 50));
    await socket.close();
    expect(await waiting).toBe(`${path}: the stack has gone`);
    expect(await errorOf(client.run("y"))).toBe(`${path}: the stack has gone`);
  });
});

describe("the default path", () => {
  it("lies in the user's runtime directory, else in /run", () => {
    expect(defaultSocketPath({ XDG_RUNTIME_DIR: "/run/user/7" })).toBe("/run/user/7/weft/cli.sock");
    expect(defaultSocketPath({})).toBe("/run/weft/cli.sock");
    expect(defaultSocketPath({ XDG_RUNTIME_DIR: "here" })).toBe("/run/weft/cli.sock");
  });
});
