import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { lacks } from "../needs.js";
import { runProgram } from "../support/program.js";
import { TapStack, weft } from "../support/weft.js";

const directory = mkdtempSync(join(tmpdir(), "weft-manage-"));
const socket = join(directory, "cli.sock");

/** A program of its own, which has the package by its name: the tests run in its tree. */
const PROGRAM = `
import { manage } from "weft/client";
const stack = await manage({ socket: process.argv[1] });
await stack.call("interface.address.add", { interface: "tap0", prefix: "198.18.0.3/24" });
const [{ addresses }] = await stack.call("interface.list");
const late = await stack.call("interface.mtu", { interface: "tap0", mtu: 65535 }).catch((error) => error);
console.log(JSON.stringify({ addresses, code: late.code, argument: late.argument }));
stack.close();
`;

describe.skipIf(lacks("netns", "tun", "ip", "ping"))("a running stack", () => {
  let tap: TapStack;
  beforeAll(async () => {
    tap = await TapStack.start({}, { cli: { socket, mode: 0o660 } });
  });
  afterAll(async () => {
    await tap.end();
    rmSync(directory, { recursive: true, force: true });
  });

  it("is managed by another program, and the kernel sees it", async () => {
    expect(statSync(socket).mode & 0o777).toBe(0o660);
    const { status, stdout, stderr } = await runProgram(process.execPath, [
      "--input-type=module",
      "-e",
      PROGRAM,
      socket,
    ]);
    expect(stderr).toBe("");
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toEqual({
      addresses: expect.arrayContaining(["198.18.0.3/24"]),
      code: "EINVAL",
      argument: "mtu",
    });
    const ping = await tap.netns.run("ping", ["-c", "1", "-W", "5", "198.18.0.3"]);
    expect(ping.status).toBe(0);
  });

  it("takes a request from the command line too", async () => {
    const request = '{"version":1,"method":"interface.list","params":{"interface":"tap9"}}';
    const { status, stderr } = await weft("cli", "--socket", socket, request);
    expect(status).toBe(1);
    expect(stderr).toContain('"name":"NOINTF","text":"no interface \\"tap9\\"","argument":"interface"');
  });
});
