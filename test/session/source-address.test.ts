import { beforeEach, describe, expect, test } from "vitest";
import { SESSION_ERRORS } from "../../src/session/session-errors.js";
import { parseUri } from "../../src/session/uri.js";
import { SessionHarness } from "./fake-transport.js";

const nameOf = (value: number): string => (value < 0 ? SESSION_ERRORS[-value].name : `ok ${value}`);

let h: SessionHarness;
let index: number;
beforeEach(() => {
  h = new SessionHarness({ minSrcPort: 1024, maxSrcPort: 1027 });
  index = h.app().index;
});

const apply = (first: number, last: number, more: object = {}): number =>
  h.layer.apply({
    kind: "source-addresses",
    add: true,
    family: 4,
    first: [first, 0, 0, 0],
    last: [last, 0, 0, 0],
    ...more,
  });

/** Connects and notes the connection as half-open, as TCP does. */
function open(uri: string, from?: string): string {
  const s = h.connect(index, uri, from);
  if (s < 0) return nameOf(s);
  h.lookup.addHalfOpen(0, h.layer.connectionOf(s));
  const { address, port } = h.layer.localEndpoint(s) ?? { address: [0], port: 0 };
  return `${address[0] & 0xff}:${port}`;
}

describe("source ports", () => {
  test("one address: as many connections to one peer as there are ports, each used again for another peer", () => {
    const first = Array.from({ length: 4 }, () => open("tcp://10.0.0.9/80"));
    expect(first.sort()).toEqual(["1:1024", "1:1025", "1:1026", "1:1027"]);
    expect(open("tcp://10.0.0.9/80")).toBe("NOPORT");
    expect(Array.from({ length: 4 }, () => open("tcp://10.0.0.9/81")).sort()).toEqual(first);
  });
});

describe("tcp src-address", () => {
  test("more addresses: that many times more connections, in turn", () => {
    expect(apply(0x0a000001, 0x0a000002)).toBe(0);
    const all = Array.from({ length: 8 }, () => open("tcp://10.0.0.9/80"));
    expect(all.slice(0, 4).map((text) => text[0])).toEqual(["1", "2", "1", "2"]);
    expect(new Set(all).size).toBe(8);
    expect(open("tcp://10.0.0.9/80")).toBe("NOPORT");
  });

  test("an address that is asked for, another family and other transports are left alone", () => {
    h.add("udp", 1, true);
    apply(0x0a000002, 0x0a000002);
    expect(open("tcp://10.0.0.9/80", "tcp://10.0.0.1/1025")).toBe("1:1025");
    expect(open("tcp://10.0.0.9/80", "tcp://0.0.0.0/1025")).toBe("2:1025");
    expect(open("tcp://[2001:db8::9]:80")).toMatch(/^\d+:10\d\d$/);
    const s = h.layer.connect(index, 1, parseUri("udp://10.0.0.9/53").endpoint);
    expect(h.layer.localEndpoint(s)?.address[0]).toBe(0x0a000001);
  });

  test("removed, routing chooses again", () => {
    apply(0x0a000002, 0x0a000002);
    expect(nameOf(apply(0x0a000001, 0x0a000001, { add: false }))).toBe("ADDR_NOT_IN_USE");
    expect(apply(0x0a000002, 0x0a000002, { add: false })).toBe(0);
    expect(open("tcp://10.0.0.9/80")[0]).toBe("1");
  });

  test.each([
    ["the wrong way round", () => apply(0x0a000002, 0x0a000001), "INVALID"],
    ["too long", () => apply(0x0a000001, 0x0a000401), "INVALID"],
    ["any", () => apply(0, 0), "INVALID"],
    ["words missing", () => apply(1, 1, { first: [1] }), "INVALID"],
    ["another net of IPv6", () => apply(1, 2, { family: 6, first: [1, 0, 0, 1], last: [2, 0, 0, 2] }), "INVALID"],
    ["no such table", () => apply(0x0a000001, 0x0a000001, { table: 9 }), "NOROUTE"],
    ["not this host's", () => apply(0x0a000002, 0x0a000003), "NOIP"],
    ["twice", () => (apply(0x0a000001, 0x0a000001), apply(0x0a000001, 0x0a000002)), "IPINUSE"],
  ] as const)("%s: %s", (_, call, error) => {
    expect(nameOf(call())).toBe(error);
  });
});
