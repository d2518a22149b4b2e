import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { lacks } from "../needs.js";
import { FAMILIES, KERNEL4, KERNEL6, TapStack } from "../support/weft.js";

describe.skipIf(lacks("netns", "tun", "ip", "curl"))("session rules, before curl", () => {
  let host: TapStack;
  beforeAll(async () => {
    const drop = { proto: "tcp", localPort: 80, action: "drop", tag: "all" };
    const rules = ["0.0.0.0/0", "::/0"].map((local) => ({ ...drop, local }));
    host = await TapStack.start({}, { session: { rtBackend: "rule-table" }, rules });
  });
  afterAll(() => host.end());

  /** curl's exit status: 0, 7 (refused), 28 (no answer in time). */
  async function fetch(url: string): Promise<number | undefined> {
    const { status } = await host.netns.run("curl", ["-gsS", "-o", "/dev/null", "--connect-timeout", "1", url]);
    return status ?? undefined;
  }
  const cli = (line: string): Promise<string> => host.stack.cli(line);
  const filtered = async (family: string): Promise<number> => {
    const node = `tcp${family.at(-1)}-input`;
    const line = (await cli("show errors"))
      .split("\n")
      .find((each) => each.includes(node) && each.includes("filtered"));
    return Number.parseInt(line?.trim() ?? "0", 10);
  };

  describe.each(FAMILIES)("over $family", ({ family, url }) => {
    const [peer, all] = family === "IPv4" ? [`${KERNEL4}/32`, "0.0.0.0/0"] : [`${KERNEL6}/128`, "::/0"];
    const allow = `${all} 80 ${peer} 0`;

    beforeEach(async () => {
      await cli("clear errors");
    });

    it("drops without an answer, and counts; an allowed peer gets in until that is deleted", async () => {
      expect(await fetch(`${url}/`)).toBe(28);
      expect(await filtered(family)).toBeGreaterThan(0);
      await cli(`session rule add proto tcp ${allow} action allow`);
      expect(await fetch(`${url}/`)).toBe(0);
      await cli(`session rule del proto tcp ${allow}`);
      expect(await fetch(`${url}/`)).toBe(28);
    });

    it("leads another port to an application, and lets all in when the rule is gone", async () => {
      expect(await fetch(`${url}:8080/`)).toBe(7);
      // The page is served by the stack's own net.
      await cli(`session rule add proto tcp ${all} 8080 ${all} 0 action net`);
      expect(await fetch(`${url}:8080/`)).toBe(0);
      await cli(`session rule del proto tcp ${all} 80 ${all} 0`);
      expect(await fetch(`${url}/`)).toBe(0);
    });
  });
});
