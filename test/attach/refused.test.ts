import { chmodSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { MESSAGES_VERSION } from "../../src/app/messages/message-table.js";
import { SESSION_E_REFUSED, SESSION_E_WRONG_NS_SECRET } from "../../src/session/session-errors.js";
import { lacks } from "../needs.js";
import { type Finished, Program } from "../support/program.js";
import { AttachHost } from "./host.js";

const ATTEMPTS = join(import.meta.dirname, "programs", "attempts.mjs");
/** Nobody's user id, by custom. */
const NOBODY = "65534";

// One attempt in a second: what a test tries at once is more than that, however slow the machine is.
describe.skipIf(lacks("netns", "tun", "ip", "setpriv"))("a client that is not to attach", () => {
  let host: AttachHost;

  beforeAll(async () => {
    host = await AttachHost.start(() => ({
      attach: { attemptsPerSecond: 1, mode: 0o666 },
      namespaces: [{ id: "blue", secret: "s3cret", table4: 0 }],
    }));
    // Others reach the socket, so that the stack is who refuses them.
    chmodSync(host.directory, 0o755);
  });
  afterAll(() => host.end());

  const socket = (namespace: string) => join(host.directory, "attach", namespace);
  const attempts = (namespace: string, secret: string, connections: number, each: number, ...version: number[]) => [
    ATTEMPTS,
    socket(namespace),
    secret,
    ...[connections, each, ...version].map(String),
  ];
  const asUs = (args: string[]): Promise<Finished> => new Program(process.execPath, args).finished;
  const asNobody = (args: string[]): Promise<Finished> =>
    new Program("setpriv", [`--reuid=${NOBODY}`, `--regid=${NOBODY}`, "--clear-groups", process.execPath, ...args])
      .finished;
  const count = (text: string, what: RegExp) => text.match(what)?.length ?? 0;
  /** Lines that the stack writes to standard error meanwhile. */
  const linesOf = async (run: () => Promise<unknown>): Promise<string> => {
    const { program } = host.stack;
    const from = program.stderr.length;
    await run();
    // What it answers after is written after.
    await host.cli("show app");
    return program.stderr.slice(from);
  };
  /** The stack's allowance is there again. */
  const rest = () => new Promise((resolve) => setTimeout(resolve, 1100));

  test("of another user is let go of, and takes no attempt from those that may", async () => {
    const lines = await linesOf(async () => {
      const { stdout } = await asNobody(attempts("default", "", 40, 1));
      expect(stdout).toBe("closed\n".repeat(40));
      expect((await asUs(attempts("default", "", 1, 1))).stdout).toBe("answer 0 \n");
    });
    const refused =
      lines.match(/^weft: attach: process \d+ of user 65534 at namespace "default": not allowed$/gm) ?? [];
    expect(refused.length).toBeGreaterThan(0);
    expect(refused.length).toBeLessThan(40);
  });

  test("without the secret is refused, so often in a second, and so are the lines about it", async () => {
    await rest();
    let stdout = "";
    const lines = await linesOf(async () => {
      ({ stdout } = await asUs(attempts("blue", "guess", 1, 60)));
    });
    const wrong = count(stdout, new RegExp(`^answer ${SESSION_E_WRONG_NS_SECRET} `, "gm"));
    expect(wrong).toBeGreaterThan(0);
    expect(
      wrong + count(stdout, new RegExp(`^answer ${SESSION_E_REFUSED} attach "\\w+": too many attempts`, "gm")),
    ).toBe(60);
    expect(wrong).toBeLessThan(60);
    expect(lines).toMatch(/^weft: attach: process \d+ of user 0 at namespace "blue": attach "\w+": WRONG_NS_SECRET$/m);
    expect(lines.trimEnd().split("\n").length).toBeLessThan(60);
    await rest();
    expect((await asUs(attempts("blue", "s3cret", 1, 1))).stdout).toBe("answer 0 \n");
  });

  test("of another version of the messages hears of both, in one line for whoever runs the stack", async () => {
    await rest();
    const other = MESSAGES_VERSION + 7;
    const text = `version ${other} of the messages, this is version ${MESSAGES_VERSION}`;
    const lines = await linesOf(async () => {
      expect((await asUs(attempts("default", "", 1, 1, other))).stdout).toContain(`${text} (NOSUPPORT)\n`);
    });
    expect(lines).toMatch(new RegExp(`^weft: attach: process \\d+ of user 0 at namespace "default": ${text}\\n$`));
  });

  test("that sends what is no message, again and again, does not fill the log", async () => {
    await rest();
    const lines = await linesOf(() => asUs(attempts("default", "", 60, 1, MESSAGES_VERSION + 7)));
    expect(lines.trimEnd().split("\n").length).toBeLessThan(60);
  });
});
