import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import http from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { startApp } from "../../../src/node/apps/index.js";
import { eventually, stackPair, type StackPair } from "../stack-pair.js";
import { connect, readAll } from "./client.js";

let pair: StackPair;
let directory: string;
beforeEach(async () => {
  pair = stackPair();
  directory = await mkdtemp(join(tmpdir(), "weft-http-"));
});
afterEach(async () => {
  await pair.close();
  await rm(directory, { recursive: true });
});

interface Answer {
  readonly status: number | undefined;
  readonly type: string | undefined;
  readonly body: Buffer;
}

async function request(method: string, path: string, content?: Buffer): Promise<Answer> {
  const { createConnection } = pair.a.net;
  const request = http.request({ host: "198.18.0.2", createConnection, method, path });
  request.end(content);
  const [response] = (await once(request, "response")) as [http.IncomingMessage];
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  return { status: response.statusCode, type: response.headers["content-type"], body: Buffer.concat(chunks) };
}

test("the page, bodies of any length, and digests", async () => {
  const app = await startApp(pair.b, { kind: "http" });
  expect(app.uris).toEqual(["tcp://0.0.0.0:80", "tcp://[::]:80"]);
  const page = await request("GET", "/");
  expect([page.status, page.type]).toEqual([200, "text/html; charset=utf-8"]);
  expect(page.body.toString()).toMatch(/TypeScript[\s\S]*198\.18\.0\.1</);
  expect((await request("HEAD", "/")).body.length).toBe(0);
  for (const bytes of [0, 1, 251, 257_025, 3_000_000]) {
    const { status, body } = await request("GET", `/bytes/${bytes}`);
    expect([status, body.length]).toEqual([200, bytes]);
    expect(body.every((byte, i) => byte === i % 251)).toBe(true);
  }
  const data = Buffer.alloc(5_000_000, "weft");
  const answer = await request("POST", "/sha256", data);
  expect(answer.body.toString()).toBe(`${createHash("sha256").update(data).digest("hex")}\n`);
  expect((await request("DELETE", "/")).status).toBe(405);
  expect((await request("GET", "/sha256")).status).toBe(405);
  expect((await request("GET", "/nothing")).status).toBe(404);
  await app.close();
  await eventually(() => pair.b.sessionCount === 0, "nothing is left");
});

test("a slow reader of a large body holds its sender", async () => {
  await startApp(pair.b, { kind: "http", listen: ["tcp://0.0.0.0/80"] });
  const before = process.memoryUsage().arrayBuffers;
  const socket = await connect(pair, 80);
  socket.pause();
  socket.write("GET /bytes/200000000 HTTP/1.1\r\nHost: x\r\n\r\n");
  await new Promise((resolve) => setTimeout(resolve, 150));
  expect(socket.bytesRead).toBeLessThan(200_000);
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(8 << 20);
  socket.destroy();
  await eventually(() => pair.b.sessionCount === 1, "the server lets go");
});

test("files below the root are served, and none above it", async () => {
  const root = join(directory, "public");
  await mkdir(join(root, "sub"), { recursive: true });
  await writeFile(join(directory, "secret.txt"), "secret");
  await writeFile(join(root, "index.html"), "<p>mine");
  await writeFile(join(root, "a b.txt"), "text");
  await writeFile(join(root, "big.bin"), Buffer.alloc(2_000_000, 5));
  await writeFile(join(root, "empty"), "");
  await symlink("../secret.txt", join(root, "link.txt"));
  await symlink(directory, join(root, "up"));
  await startApp(pair.b, { kind: "http", root });
  const get = async (path: string): Promise<[number | undefined, string | undefined, string]> => {
    const { status, type, body } = await request("GET", path);
    return [status, type, body.toString()];
  };
  expect(await get("/")).toEqual([200, "text/html; charset=utf-8", "<p>mine"]);
  expect(await get("/a%20b.txt?query")).toEqual([200, "text/plain; charset=utf-8", "text"]);
  expect(await get("/empty")).toEqual([200, "application/octet-stream", ""]);
  expect((await request("GET", "/big.bin")).body.equals(Buffer.alloc(2_000_000, 5))).toBe(true);
  expect((await request("HEAD", "/big.bin")).body.length).toBe(0);
  const outside = [
    "/../secret.txt",
    "/%2e%2e/secret.txt",
    "/sub/..%2f..%2fsecret.txt",
    "/..\\secret.txt",
    "/link.txt",
    "/up/secret.txt",
    "/sub",
    "/sub/",
    "/%00",
    "/%zz",
    "//etc/passwd",
  ];
  for (const path of outside) expect([path, (await get(path))[0]]).toEqual([path, 404]);
});

test("a root that is none, and a URI that cannot be listened on, are refused with nothing left", async () => {
  await expect(startApp(pair.b, { kind: "http", root: join(directory, "none") })).rejects.toMatchObject({
    code: "ENOENT",
  });
  await writeFile(join(directory, "file"), "");
  await expect(startApp(pair.b, { kind: "http", root: join(directory, "file") })).rejects.toMatchObject({
    code: "ENOTDIR",
  });
  const listen = ["tcp://0.0.0.0/80", "tcp://192.0.2.1/80"];
  await expect(startApp(pair.b, { kind: "http", listen })).rejects.toMatchObject({ code: "EADDRNOTAVAIL" });
  await eventually(() => pair.b.sessionCount === 0, "nothing is left");
});

test("garbage is answered with 400 and the server goes on", async () => {
  await startApp(pair.b, { kind: "http" });
  const socket = await connect(pair, 80);
  socket.write("nonsense\r\n\r\n");
  expect((await readAll(socket)).toString()).toMatch(/^HTTP\/1\.1 400/);
  expect((await request("GET", "/bytes/3")).body).toEqual(Buffer.of(0, 1, 2));
});
