import { describe, expect, it } from "vitest";
import { A_REFS, A_TYPE, ADJ_ARP, ADJ_DROP, ADJ_REWRITE } from "../../src/ip/adjacency.js";
import { formatAddress, parseAddress } from "../../src/ip/address.js";
import type { NeighbourOptions } from "../../src/ip/neighbour.js";
import { Harness } from "../nodes/graph-harness.js";

const MAC = Uint8Array.of(2, 0, 0, 0, 0xff, 0x99);

function setUp(neighbours: NeighbourOptions = {}): Harness {
  const host = new Harness([], { neighbours });
  host.addInterface(["198.18.0.1/24", "2001:db8:18::1/64"]);
  return host;
}

const words = (address: string): Int32Array => parseAddress(address).words;

describe("configured neighbours", () => {
  it("can be sent to at once, by an entry of their own in the FIB", () => {
    const host = setUp();
    for (const address of ["198.18.0.9", "2001:db8:18::9", "fe80::9"]) {
      host.neighbours.setStatic(0, parseAddress(address), MAC);
    }
    expect(
      host.neighbours.list().map(({ address, mac, state, ifIndex }) => [formatAddress(address), mac, state, ifIndex]),
    ).toEqual([
      ["198.18.0.9", MAC, "static", 0],
      ["2001:db8:18::9", MAC, "static", 0],
      ["fe80::9", MAC, "static", 0],
    ]);
    const adj = host.neighbours.adjacencyFor(0, 6, words("2001:db8:18::9"));
    expect(host.ip.loadBalances.choose(host.ip.fib.lookup(6, 0, words("2001:db8:18::9")), 0)).toBe(adj);
    expect(host.ip.adjacencies.rewriteOf(adj)).toEqual(Uint8Array.of(...MAC, 2, 0, 0, 0, 0, 0x10, 0x86, 0xdd));
    expect(host.ip.adjacencies.get(adj, A_TYPE)).toBe(ADJ_REWRITE);
    expect(host.engine.nextExpiry()).toBe(-1);
  });

  it("are refused when there is no room", () => {
    const host = setUp({ limit: 1 });
    host.neighbours.setStatic(0, parseAddress("198.18.0.9"), MAC);
    expect(() => host.neighbours.setStatic(0, parseAddress("198.18.0.8"), MAC)).toThrow(RangeError);
    host.neighbours.setStatic(0, parseAddress("2001:db8:18::9"), MAC);
  });

  it("stay when their interface is flushed, unlike learned ones", () => {
    const host = setUp();
    const { neighbours } = host;
    neighbours.setStatic(0, parseAddress("198.18.0.9"), MAC);
    neighbours.learn(0, 4, words("198.18.0.8")[0], 0, 0, 0, 0x0200, 1, true);
    neighbours.adjacencyFor(0, 4, words("198.18.0.7"));
    host.addInterface(["198.19.0.1/24"]);
    neighbours.learn(1, 4, words("198.19.0.8")[0], 0, 0, 0, 0x0200, 1, true);
    neighbours.flush(0);
    expect(neighbours.list().map(({ address }) => formatAddress(address))).toEqual(["198.18.0.9", "198.19.0.8"]);
  });
});

describe("next hops of routes", () => {
  it("keep their adjacency through flush and delete, unresolved", () => {
    const host = setUp();
    const { neighbours } = host;
    host.ip.fib.apply({ kind: "route", table: 0, prefix: "0.0.0.0/0", add: true, paths: [{ via: "198.18.0.254" }] });
    const adj = neighbours.adjacencyFor(0, 4, words("198.18.0.254"));
    neighbours.setStatic(0, parseAddress("198.18.0.254"), MAC);
    expect(neighbours.delete(0, parseAddress("198.18.0.254"))).toBe(true);
    expect(host.ip.adjacencies.get(adj, A_TYPE)).toBe(ADJ_ARP);
    expect(host.ip.adjacencies.get(adj, A_REFS)).toBe(1);
    expect(neighbours.list()[0].state).toBe("failed");
    neighbours.learn(0, 4, words("198.18.0.254")[0], 0, 0, 0, 0x0200, 1, false);
    neighbours.flush(0);
    expect(neighbours.list()[0].state).toBe("failed");
    host.ip.fib.apply({ kind: "route", table: 0, prefix: "0.0.0.0/0", add: false });
    neighbours.flush(0);
    expect(neighbours.list()).toEqual([]);
  });

  it("give one adjacency to all routes through them", () => {
    const { neighbours } = setUp();
    const first = neighbours.adjacencyFor(0, 4, words("198.18.0.254"));
    expect(neighbours.adjacencyFor(0, 4, words("198.18.0.254"))).toBe(first);
    expect(neighbours.adjacencyFor(0, 4, words("198.18.0.253"))).not.toBe(first);
  });
});

it("a forgotten neighbour's adjacency is not given away in the same turn", () => {
  const host = setUp();
  const { neighbours } = host;
  const adj = neighbours.adjacencyFor(0, 4, words("198.18.0.9"));
  neighbours.delete(0, parseAddress("198.18.0.9"));
  expect(host.ip.adjacencies.get(adj, A_TYPE)).toBe(ADJ_DROP);
  expect(neighbours.adjacencyFor(0, 4, words("198.18.0.8"))).not.toBe(adj);
  host.engine.turn();
  expect(neighbours.adjacencyFor(0, 4, words("198.18.0.7"))).toBe(adj);
});

it("when adjacencies run out, neighbours are refused, not thrown over", () => {
  const host = new Harness([], { ip: { maxAdjacencies: 16 } });
  host.addInterface(["198.18.0.1/24"]);
  const given = Array.from({ length: 20 }, (_, i) => host.neighbours.adjacencyFor(0, 4, words(`198.18.0.${i + 10}`)));
  expect(given.filter((adj) => adj < 0).length).toBeGreaterThan(5);
  expect(host.neighbours.refused).toBe(given.filter((adj) => adj < 0).length);
});

it("tells ages and next deadlines", () => {
  const host = setUp({ staleMs: 5000 });
  host.engine.turn();
  host.neighbours.learn(0, 4, words("198.18.0.9")[0], 0, 0, 0, 0x0200, 1, true);
  host.pass(1_500_000);
  expect(host.neighbours.list()[0].ageMs).toBe(1500);
  const ticks = host.engine.nextExpiry();
  expect(ticks).toBeGreaterThan(0);
  expect(ticks).toBeLessThanOrEqual(35_000);
  host.pass(3_600_000);
  expect(host.neighbours.list()).toEqual([]);
});

it("timers count from the turn that starts them, however long the engine slept", () => {
  const host = setUp({ staleMs: 5000 });
  host.neighbours.learn(0, 4, words("198.18.0.8")[0], 0, 0, 0, 0x0200, 1, true);
  host.clock.advanceUs(4_000_000);
  host.engine.turn();
  host.neighbours.learn(0, 4, words("198.18.0.9")[0], 0, 0, 0, 0x0200, 1, true);
  host.pass(4_900_000);
  expect(host.neighbours.list().map(({ address }) => formatAddress(address))).toEqual(["198.18.0.9"]);
});

it.each([{ limit: 0 }, { perNeighbour: 0 }, { queued: 1.5 }, { reachableMs: -1 }, { staleMs: 1e9 }])(
  "refuses %o",
  (options) => {
    expect(() => setUp(options)).toThrow(RangeError);
  },
);
