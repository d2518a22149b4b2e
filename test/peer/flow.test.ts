import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { lacks, PYTHON } from "../needs.js";
import { Program } from "../support/program.js";
import { KERNEL4, KERNEL6, STACK4, STACK6, TapStack } from "../support/weft.js";

// A kernel whose default route leads to the stack: the stack answers for whoever is asked, as the hook decides.

const FAMILIES = [
  { family: "IPv4", of: (last: number) => `198.19.0.${last}`, url: (last: number) => `http://198.19.0.${last}` },
  {
    family: "IPv6",
    of: (last: number) => `2001:db8:19::${last}`,
    url: (last: number) => `http://[2001:db8:19::${last}]`,
  },
] as const;

describe.skipIf(lacks("netns", "tun", "ip", "curl", "python3"))("a stack that answers for every address", () => {
  const root = mkdtempSync(join(tmpdir(), "weft-flow-"));
  const directory = join(root, "attach");
  let tap: TapStack;
  let outside: Program;

  beforeAll(async () => {
    const host = {
      addresses: [`${KERNEL4}/24`, `${KERNEL6}/64`],
      routes: [
        { prefix: "0.0.0.0/0", via: STACK4 },
        { prefix: "::/0", via: STACK6 },
      ],
    };
    tap = await TapStack.start(
      { mode: "promiscuous", host },
      {
        apps: [],
        attach: { directory, flowHooks: ["default"] },
        session: { anyProxy: true, flowDecisionMs: 500, flowDefault: "reset" },
      },
    );
    outside = new Program(process.execPath, [join(import.meta.dirname, "flow-http.mjs"), directory]);
    await outside.waitFor(/^ready$/m, 20_000);
  });
  afterAll(async () => {
    await outside.stop("SIGKILL");
    await tap.end();
    rmSync(root, { recursive: true, force: true });
  });

  /** curl's exit status (0; 7 refused; 28 no answer in time) and what it got. */
  async function fetch(url: string): Promise<[number | null, string]> {
    const { status, stdout } = await tap.netns.run("curl", ["-gsS", "--connect-timeout", "2", "--max-time", "10", url]);
    return [status, stdout];
  }

  describe.each(FAMILIES)("over $family", ({ of, url }) => {
    it("accept: HTTP from any address and port, by an application that is told which", async () => {
      expect(await fetch(`${url(1)}:8080/`)).toEqual([0, `${of(1)} 8080\n`]);
      expect(await fetch(`${url(6)}/`)).toEqual([0, `${of(6)} 80\n`]);
      expect(outside.stdout).toContain(`asked tcp ${of(6)} 80 outside\n`);
    });

    it("reset: refused at once", async () => {
      expect(await fetch(`${url(2)}/`)).toEqual([7, ""]);
    });

    it("drop: no answer, and the repeated SYN is not asked about", async () => {
      expect(await fetch(`${url(3)}/`)).toEqual([28, ""]);
      expect(outside.stdout.split(`asked tcp ${of(3)} 80`)).toHaveLength(2);
    });

    it("later: answered when it is decided; never: by default", async () => {
      expect(await fetch(`${url(4)}/`)).toEqual([0, `${of(4)} 80\n`]);
      expect(await fetch(`${url(5)}/`)).toEqual([7, ""]);
    });
  });

  it("UDP: a reset is the kernel's ECONNREFUSED", async () => {
    const script = `
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(5)
s.connect(("198.19.0.7", 53))
s.send(b"?")
try:
    s.recv(10)
except ConnectionRefusedError:
    print("refused")
`;
    expect(await tap.netns.must(PYTHON, ["-c", script])).toBe("refused\n");
    expect(outside.stdout).toContain("asked udp 198.19.0.7 53 undefined\n");
  });

  it("a process that dies takes its hook and its proxy with it", async () => {
    expect(await tap.stack.cli("show session flow-hooks")).toMatch(/^default +\d/m);
    await outside.stop("SIGKILL");
    expect(await fetch(`${FAMILIES[0].url(1)}/`)).toEqual([7, ""]);
    expect(await tap.stack.cli("show session flow-hooks")).not.toMatch(/^default +\d/m);
  });
});
