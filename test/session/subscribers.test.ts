import { beforeEach, expect, test } from "vitest";
import { SESSION_ERRORS } from "../../src/session/session-errors.js";
import { S_FLAGS, SF_SUBSCRIBED } from "../../src/session/session-table.js";
import { MAX_SUBSCRIBERS } from "../../src/session/subscribers.js";
import { SessionHarness } from "./fake-transport.js";

const nameOf = (value: number): string => (value < 0 ? SESSION_ERRORS[-value].name : `ok ${value}`);

let h: SessionHarness;
let index: number;
let heard: string[];

/** A worker that says in one common list what it hears. */
const worker = (number: number) => ({
  accept: () => true,
  rx: (s: number) => void heard.push(`${number} rx ${s}`),
  tx: (s: number) => void heard.push(`${number} tx ${s}`),
  subscribed: (s: number, event: string) => void heard.push(`${number} told ${event} ${s}`),
});

beforeEach(() => {
  h = new SessionHarness({ maxAppWorkers: 10 });
  h.tcp.onClose = (closed) => h.layer.deleted(h.tcp.session(closed));
  heard = [];
  index = h.layer.attach({ name: "app" }, worker(0));
  for (let i = 1; i < 10; i++) h.layer.addWorker(index, worker(i));
});

const isMarked = (s: number): boolean => (h.window.i32[h.layer.table.row(s) + S_FLAGS] & SF_SUBSCRIBED) !== 0;
const subscribe = (s: number, number: number): string => nameOf(h.layer.subscribe(index, s, number, true));

test("subscribers hear after the owner, once in a turn, of what comes, of room, and of the end", () => {
  const { s } = h.accepted(index);
  expect([subscribe(s, 1), subscribe(s, 2), subscribe(s, 2)]).toEqual(["ok 0", "ok 0", "ok 0"]);
  h.feed(s, "abc");
  h.feed(s, "def");
  h.settle();
  expect(heard).toEqual([`0 rx ${s}`, `1 told rx ${s}`, `2 told rx ${s}`]);
  heard.length = 0;
  h.layer.wantTx(s);
  h.layer.expire(1000);
  h.settle();
  expect(heard).toEqual([`0 tx ${s}`, `1 told tx ${s}`, `2 told tx ${s}`]);
  heard.length = 0;
  h.layer.close(s);
  h.settle();
  expect(heard).toEqual([`1 told gone ${s}`, `2 told gone ${s}`]);
  expect(nameOf(h.layer.subscribe(index, s, 1, true))).toBe("NOSESSION");
});

test("who takes the session, leaves, or ends hears no more; the last one takes the flag away", () => {
  const { s } = h.accepted(index);
  for (const number of [1, 2, 3]) subscribe(s, number);
  expect(h.layer.moveSession(index, s, 1)).toBe(0);
  expect(h.layer.subscribe(index, s, 2, false)).toBe(0);
  expect(h.layer.subscribe(index, s, 2, false)).toBe(0);
  h.feed(s, "abc");
  h.settle();
  expect(heard).toEqual([`1 rx ${s}`, `3 told rx ${s}`]);
  expect(isMarked(s)).toBe(true);
  h.layer.delWorker(index, 3);
  expect(isMarked(s)).toBe(false);
  // Who had it may subscribe now.
  expect([subscribe(s, 0), subscribe(s, 1)]).toEqual(["ok 0", "INVALID"]);
});

test("as many as VPP allows, of the same application, of no listener", () => {
  const { s } = h.accepted(index);
  const numbers = Array.from({ length: MAX_SUBSCRIBERS }, (_, i) => i + 1);
  expect(new Set(numbers.map((number) => subscribe(s, number)))).toEqual(new Set(["ok 0"]));
  expect(subscribe(s, MAX_SUBSCRIBERS + 1)).toBe("ALLOC");
  expect(subscribe(h.listen(index, "tcp://0.0.0.0/81"), 1)).toBe("INVALID");
  const other = h.app("other").index;
  expect(nameOf(h.layer.subscribe(other, s, 0, true))).toBe("OWNER");
  expect(nameOf(h.layer.subscribe(99, s, 0, true))).toBe("NOAPP");
  expect(subscribe(-1, 1)).toBe("NOSESSION");
});

test("one that throws harms neither the session nor the others", () => {
  const { s } = h.accepted(index);
  const number = h.layer.addWorker(h.app("x").index, {});
  expect(number).toBe(1);
  h.layer.delWorker(index, 1);
  h.layer.addWorker(index, {
    subscribed: () => {
      throw new Error("no");
    },
  });
  for (const each of [1, 2]) subscribe(s, each);
  h.feed(s, "abc");
  h.settle();
  expect(heard).toEqual([`0 rx ${s}`, `2 told rx ${s}`]);
  expect(h.errors).toHaveLength(1);
  h.feed(s, "abc");
  h.settle();
  expect(heard).toHaveLength(4);
});
