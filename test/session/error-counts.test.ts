import { beforeEach, expect, test } from "vitest";
import { setSessionAttribute } from "../../src/session/attributes.js";
import { SESSION_ERRORS } from "../../src/session/session-errors.js";
import { parseUri } from "../../src/session/uri.js";
import { SessionHarness } from "./fake-transport.js";

let h: SessionHarness;
beforeEach(() => {
  h = new SessionHarness({ maxListeners: 4, backlog: 1, secret: "pass" });
});

/** What was counted, by name. */
const counts = (): Record<string, number> =>
  Object.fromEntries(
    SESSION_ERRORS.flatMap(({ name }, i) => (h.layer.errorCounts[i] > 0 ? [[name, h.layer.errorCounts[i]]] : [])),
  );
const any = parseUri("tcp://0.0.0.0/80").endpoint;
const attached = (): number => h.app("app", {}, { secret: "pass" }).index;

type Refusal = readonly [what: string, name: string, () => number];
const CASES: readonly Refusal[] = [
  ["attach: a wrong secret", "WRONG_NS_SECRET", () => h.layer.attach({ name: "x" }, {})],
  ["attach: no such namespace", "INVALID_NS", () => h.layer.attach({ name: "x", namespace: "none" }, {})],
  ["attach: no name", "INVALID", () => h.layer.attach({ name: "" }, {})],
  ["detach: nobody", "NOAPP", () => h.layer.detach(9)],
  ["add worker: nobody", "NOAPP", () => h.layer.addWorker(9, {})],
  ["delete worker: no such one", "INVALID_APPWRK", () => h.layer.delWorker(attached(), 3)],
  ["listen: no such transport", "NOSUPPORT", () => h.layer.listen(attached(), 5, any)],
  ["listen: not our address", "NOIP", () => h.layer.listen(attached(), 0, parseUri("tcp://9.9.9.9/80").endpoint)],
  ["unlisten: no listener", "NOLISTEN", () => h.layer.unlisten(attached(), 0)],
  ["connect: no route", "NOROUTE", () => h.layer.connect(attached(), 0, parseUri("tcp://203.0.113.1/80").endpoint)],
  ["close", "NOSESSION", () => h.layer.close(7)],
  ["terminate", "NOSESSION", () => h.layer.terminate(7)],
  ["half-close", "NOSESSION", () => h.layer.halfClose(7)],
  ["answer", "NOSESSION", () => h.layer.answer(7, true)],
  ["move", "NOSESSION", () => h.layer.moveSession(attached(), 7, 0)],
  ["an attribute", "NOSESSION", () => setSessionAttribute(h.layer, 7, "dscp", 1)],
  ["a record", "INVALID_NS", () => h.layer.apply({ kind: "namespace", add: false, id: "none" })],
];

test.each(CASES)("%s is counted once, as %s", (_what, name, refuse) => {
  expect(SESSION_ERRORS[-refuse()].name).toBe(name);
  expect(counts()).toEqual({ [name]: 1 });
});

test("what a control call does is none", () => {
  const app = attached();
  const { s } = h.accepted(app);
  expect([setSessionAttribute(h.layer, s, "dscp", 1), h.layer.halfClose(s), h.layer.close(s)]).toEqual([0, 0, 0]);
  expect(counts()).toEqual({});
});

test("a listener that is full, and a connection that breaks, count where it happens", () => {
  const { s } = h.accepted(attached());
  const listener = [...h.layer.table][0];
  expect([h.layer.mayAccept(listener), h.layer.mayAccept(listener)]).toEqual([true, false]);
  h.layer.reset(s, -3);
  h.layer.reset(s, -3);
  expect(counts()).toEqual({ REFUSED: 1, TIMEDOUT: 1 });
});
