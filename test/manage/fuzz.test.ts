import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { type MethodForm, METHODS } from "../../src/cli/methods/method-table.js";
import { requestLine } from "../../src/cli/methods/request-form.js";
import { LineReader, MAX_REQUEST_BYTES } from "../../src/cli/socket-frame.js";
import { CliSocket } from "../../src/cli/socket-server.js";
import { Pair } from "../cli/pair.js";

const pair = new Pair();
const ADDRESSES = ["198.18.0.1", "198.18.0.2", "198.18.0.0/24", "10.0.0.0/8", "2001:db8:18::2/64", "::/0", "0.0.0.0/0"];
const NAMES = Object.values<MethodForm>(METHODS).flatMap(({ params }) => params.map(({ name }) => name));
const methods = fc.constantFrom(...Object.keys(METHODS));

/** Values that are nearly right, so that many requests come through the checks. */
const value = fc.oneof(
  fc.constantFrom<unknown>("w0", "up", "down", 0, 1, 7, 1400, 4, 6, "drop", "0:0", "0:1", "tcp", "blue", "web", null),
  fc.constantFrom(...ADDRESSES),
  fc.constant([{ via: "198.18.0.1" }]),
  fc.jsonValue({ maxDepth: 3 }),
);
const params = fc.dictionary(fc.constantFrom(...NAMES, "__proto__", "other"), value, { maxKeys: 5 });
const request = fc.oneof(
  { weight: 8, arbitrary: fc.tuple(methods, params).map(([method, given]) => requestLine(method, given)) },
  fc.jsonValue({ maxDepth: 4 }).map((each) => JSON.stringify({ version: 1, method: each, params: each })),
  fc.tuple(methods, params, fc.nat()).map(([method, given, cut]) => {
    const line = requestLine(method, given);
    return line.slice(0, 1 + (cut % line.length));
  }),
  fc.string({ unit: "binary", maxLength: 200 }).map((text) => `{${text}`),
);

/** What an answer is, whatever was asked. */
function expectAnswer(ok: boolean, text: string): void {
  const answer = JSON.parse(text) as { version: number; error?: Record<string, unknown> };
  expect(answer.version).toBe(1);
  expect("result" in answer).toBe(ok);
  if (ok) return;
  const { code, name, text: why, argument } = answer.error ?? {};
  expect([typeof code, typeof name, typeof why]).toEqual(["string", "string", "string"]);
  expect(["string", "undefined"]).toContain(typeof argument);
  // Nothing that was sent can fail in a way that nobody foresaw.
  expect(name).not.toBe("UNKNOWN");
}

describe("random requests", () => {
  it("are answered, whatever they are, by a stack that goes on", async () => {
    await pair.connect();
    await fc.assert(
      fc.asyncProperty(request, async (line) => {
        const { ok, text } = await pair.cli.run(line);
        expectAnswer(ok, text);
        pair.settle();
      }),
      { numRuns: 3000, seed: 5 },
    );
    expect(pair.a.host.pool.inUse()).toEqual([]);
  });
});

const directory = mkdtempSync(join(tmpdir(), "weft-fuzz-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

describe("random bytes on the socket", () => {
  it("get an answer for each line, and the server answers the next client", async () => {
    const path = join(directory, "cli.sock");
    const socket = await CliSocket.open(path);
    socket.answer = (line, signal) => pair.cli.run(line, signal);
    const piece = fc.oneof(
      request.map((line) => Buffer.from(`${line.replaceAll("\n", " ")}\n`)),
      request.map((line) => Buffer.from(line)),
      fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
      fc
        .constantFrom("\n\n\n", "show session\n", "help\n", "x".repeat(MAX_REQUEST_BYTES + 1))
        .map((text) => Buffer.from(text)),
    );
    try {
      await fc.assert(
        fc.asyncProperty(fc.array(piece, { minLength: 1, maxLength: 6 }), async (pieces) => {
          const client = connect(path);
          const taken = new LineReader(1 << 24);
          client.on("data", (bytes: Buffer) => taken.push(bytes));
          client.on("error", () => {});
          for (const bytes of pieces) client.write(bytes);
          client.end();
          await once(client, "close", { signal: AbortSignal.timeout(10_000) });
          // What was said is whole answers.
          for (let head = taken.next(); head !== undefined; head = taken.next()) {
            expect(head).toMatch(/^(ok|error) \d+$/);
            expect(taken.take(Number(head.split(" ")[1]))).toBeDefined();
          }
        }),
        { numRuns: 150, seed: 5 },
      );
      const last = connect(path);
      last.write(`${requestLine("stack.version", {})}\n`);
      const [bytes] = (await once(last, "data")) as [Buffer];
      expect(bytes.toString()).toMatch(/^ok \d+\n\{"version":1,"result":\{/);
      last.destroy();
    } finally {
      await socket.close();
    }
  });
});
