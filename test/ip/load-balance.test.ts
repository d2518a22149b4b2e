import { describe, expect, it } from "vitest";
import {
  A_NEXT_HOP,
  A_REFS,
  A_TYPE,
  ADJ_ARP,
  ADJ_DROP,
  ADJ_GLEAN,
  ADJ_INDEX_LOCAL,
  ADJ_LOCAL,
  ADJ_REWRITE,
  AdjacencyTable,
} from "../../src/ip/adjacency.js";
import { formatAddress, parseAddress } from "../../src/ip/address.js";
import { LoadBalanceTable } from "../../src/ip/load-balance.js";
import { MemoryWindow } from "../../src/mem/window.js";

function tables(rows = 64, multipath = 4) {
  const window = MemoryWindow.plain(1 << 20);
  const adjacencies = new AdjacencyTable(window, rows);
  return { adjacencies, loadBalances: new LoadBalanceTable(window, adjacencies, rows, multipath) };
}

describe("adjacencies", () => {
  it("hold a rewrite at the end of its area, the next hop, and turn incomplete and back", () => {
    const { adjacencies } = tables();
    const adj = adjacencies.alloc(ADJ_ARP, 3, 6, 1500);
    adjacencies.setNextHop(adj, parseAddress("2001:db8::7"), 12);
    const rewrite = Uint8Array.from({ length: 14 }, (_, i) => i + 1);
    adjacencies.setRewrite(adj, rewrite);
    expect(adjacencies.get(adj, A_TYPE)).toBe(ADJ_REWRITE);
    expect([...adjacencies.rewriteOf(adj)]).toEqual([...rewrite]);
    const hop = adjacencies.nextHopOf(adj);
    expect(hop && formatAddress(hop)).toBe("2001:db8::7");
    expect(adjacencies.get(adj, A_NEXT_HOP)).toBe(0x2001_0db8);
    adjacencies.setIncomplete(adj);
    expect(adjacencies.typeName(adj)).toBe("arp");
    expect(() => adjacencies.setRewrite(adj, new Uint8Array(21))).toThrow(RangeError);
    expect(adjacencies.nextHopOf(ADJ_INDEX_LOCAL)).toBeUndefined();
    expect(adjacencies.get(ADJ_INDEX_LOCAL, A_TYPE)).toBe(ADJ_LOCAL);
  });

  it("are freed at once, or when the last load balance lets go", () => {
    const { adjacencies, loadBalances } = tables();
    const before = adjacencies.used;
    const [a, b] = [adjacencies.alloc(ADJ_GLEAN, 0, 4, 1500), adjacencies.alloc(ADJ_GLEAN, 0, 4, 1500)];
    adjacencies.free(a);
    const lb = loadBalances.acquireSingle(b);
    adjacencies.free(b);
    expect(adjacencies.get(b, A_TYPE)).toBe(ADJ_DROP);
    expect(adjacencies.used).toBe(before + 1);
    loadBalances.release(lb);
    expect(adjacencies.used).toBe(before);
    adjacencies.free(ADJ_INDEX_LOCAL);
    expect(adjacencies.used).toBe(before);
  });

  it("have an end", () => {
    const { adjacencies } = tables(16);
    for (let i = adjacencies.used; i < 16; i++) expect(adjacencies.alloc(ADJ_GLEAN, 0, 4, 1500)).toBeGreaterThan(0);
    expect(adjacencies.alloc(ADJ_GLEAN, 0, 4, 1500)).toBe(-1);
  });
});

describe("load balances", () => {
  it("share a row for equal paths and count references", () => {
    const { adjacencies, loadBalances } = tables();
    const a = adjacencies.alloc(ADJ_REWRITE, 0, 4, 1500);
    const first = loadBalances.acquireSingle(a);
    expect(loadBalances.acquireSingle(a)).toBe(first);
    expect(adjacencies.get(a, A_REFS)).toBe(1);
    loadBalances.release(first);
    expect(loadBalances.choose(first, 123)).toBe(a);
    loadBalances.release(first);
    expect(adjacencies.get(a, A_REFS)).toBe(0);
    expect(loadBalances.used).toBe(0);
    const borrowed = loadBalances.acquireBorrowed(a);
    expect(adjacencies.get(a, A_REFS)).toBe(0);
    expect(loadBalances.choose(borrowed, 5)).toBe(a);
    loadBalances.release(borrowed);
  });

  it.each([
    [
      [1, 1],
      [50, 50],
    ],
    [
      [1, 1, 1],
      [33, 33, 33],
    ],
    [
      [3, 1],
      [75, 25],
    ],
    [
      [255, 1, 1],
      [97, 1.6, 1.6],
    ],
    [new Array<number>(16).fill(1), new Array<number>(16).fill(6.25)],
    [[1, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255], [1.6]],
  ])("spreads weights %j over the buckets", (weights, percent) => {
    const { adjacencies, loadBalances } = tables();
    const paths = weights.map((weight) => ({ adj: adjacencies.alloc(ADJ_REWRITE, 0, 4, 1500), weight }));
    const lb = loadBalances.acquire(paths);
    const counts = new Map<number, number>();
    for (let hash = 0; hash < 64; hash++) {
      const adj = loadBalances.choose(lb, hash);
      counts.set(adj, (counts.get(adj) ?? 0) + 100 / 64);
    }
    expect(loadBalances.pathsOf(lb)).toEqual(paths);
    for (const [i, share] of percent.entries())
      expect(Math.abs((counts.get(paths[i].adj) ?? 0) - share)).toBeLessThan(2);
    loadBalances.release(lb);
  });

  it("refuse bad paths and end at their limits", () => {
    const { adjacencies, loadBalances } = tables(64, 1);
    const adjs = Array.from({ length: 20 }, () => adjacencies.alloc(ADJ_REWRITE, 0, 4, 1500));
    expect(() => loadBalances.acquire([])).toThrow(RangeError);
    expect(() => loadBalances.acquire(adjs.map((adj) => ({ adj, weight: 1 })))).toThrow(/20 paths/);
    expect(() => loadBalances.acquire([{ adj: adjs[0], weight: 0 }])).toThrow(/weight/);
    const two = loadBalances.acquire([
      { adj: adjs[0], weight: 1 },
      { adj: adjs[1], weight: 1 },
    ]);
    const other = [
      { adj: adjs[2], weight: 1 },
      { adj: adjs[1], weight: 1 },
    ];
    expect(() => loadBalances.acquire(other)).toThrow(/several paths/);
    loadBalances.release(two);
    loadBalances.release(loadBalances.acquire(other));
    expect(adjs.map((adj) => adjacencies.get(adj, A_REFS)).every((refs) => refs === 0)).toBe(true);
    const small = tables(16);
    for (let i = 0; i < 12; i++) small.loadBalances.acquireSingle(small.adjacencies.alloc(ADJ_GLEAN, 0, 4, 1));
    for (let i = 0; i < 4; i++) small.loadBalances.acquireSingle(i);
    expect(() => small.loadBalances.acquire([{ adj: 1, weight: 2 }])).toThrow(/more than 16/);
  });
});
