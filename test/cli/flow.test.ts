import { expect, test } from "vitest";
import { setFlowHook } from "../../src/app/flow-hook.js";
import { Pair } from "./pair.js";

test("show session flow-hooks: the hooks, what became of flows, and the defaults", async () => {
  const pair = new Pair({ flowDefault: "reset", flowDecisionMs: 100 });
  expect(await pair.ok("show session flow-hooks")).toMatch(
    /^0 flows undecided, 0 decisions remembered; by default reset after 100 ms\n/,
  );
  const { sessions } = pair.a.host;
  setFlowHook(sessions, "default", "", ({ local }) => (local.port === 80 ? "accept" : "later"));
  await pair.connect();
  expect(await pair.ok("show session flow-hooks")).toMatch(/^default +1 +1 +0 +0 +0 +0 +0 +0$/m);
  expect(JSON.parse(await pair.ok("show session flow-hooks --json"))).toMatchObject({
    undecided: 0,
    hooks: [{ namespace: "default", asked: 1, accepted: 1, timedOut: 0 }],
  });
  expect(await pair.fails("show session flow-hooks x")).toContain("x");
});
