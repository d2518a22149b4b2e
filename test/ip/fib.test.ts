import { describe, expect, it } from "vitest";
import type { Device } from "../../src/device/device.js";
import { InterfaceTable } from "../../src/device/interface.js";
import { PacketPool } from "../../src/graph/packet-pool.js";
import { A_IF, A_MTU, A_REFS, ADJ_ARP } from "../../src/ip/adjacency.js";
import { type Family, formatAddress, parseAddress } from "../../src/ip/address.js";
import type { FibRecord } from "../../src/ip/fib.js";
import { Ip, type IpOptions } from "../../src/ip/ip.js";
import { sourceAddressFor } from "../../src/ip/source-address.js";
import { MemoryWindow } from "../../src/mem/window.js";
import { SeededRandom } from "../../src/random/seeded.js";

function device(index: number, mtu = 1500): Device {
  return {
    kind: "test",
    mac: Uint8Array.of(2, 0, 0, 0, 0, 0x10 + index),
    mtu,
    offloads: { checksum: false, tso: false, uso: false },
    attach: () => {},
    rx: () => 0,
    tx: () => 0,
    close: () => {},
  };
}

class Host {
  readonly window = MemoryWindow.plain(8 << 20);
  readonly interfaces = new InterfaceTable();
  readonly ip: Ip;
  readonly neighbours = new Map<string, number>();

  constructor(count = 2, options: IpOptions = {}, mtu = 1500) {
    const pool = new PacketPool(this.window, { small: 16, large: 1 });
    for (let i = 0; i < count; i++) this.interfaces.add(`if${i}`, device(i, mtu));
    const random = new SeededRandom(1);
    this.ip = new Ip({ window: this.window, pool, interfaces: this.interfaces, random }, options);
    this.ip.fib.useNextHops({
      adjacencyFor: (ifIndex, family, words) => {
        const key = `${ifIndex} ${words.join(" ")}`;
        let adj = this.neighbours.get(key);
        if (adj === undefined) {
          adj = this.ip.adjacencies.alloc(ADJ_ARP, ifIndex, family, 1500);
          this.ip.adjacencies.setNextHop(adj, { family, words }, 0);
          this.neighbours.set(key, adj);
        }
        return adj;
      },
    });
  }

  apply(...records: FibRecord[]): void {
    for (const record of records) this.ip.fib.apply(structuredClone(record));
  }

  address(prefix: string, index = 0, add = true): void {
    this.apply({ kind: "address", interface: index, prefix, add });
  }

  /** Type and interface of where a destination leads. */
  to(destination: string, fib = 0): string {
    const { family, words } = parseAddress(destination);
    return this.#describe(family, fib, words);
  }

  /** As {@link to}, in the link table of an interface. */
  link(destination: string, index = 0): string {
    return this.#describe(6, this.ip.fib.link6[index], parseAddress(destination).words);
  }

  #describe(family: Family, fib: number, words: Int32Array): string {
    const { fib: control, adjacencies, loadBalances } = this.ip;
    const adj = loadBalances.choose(control.lookup(family, fib, words), 0);
    const ifIndex = adjacencies.get(adj, A_IF);
    return ifIndex < 0 ? adjacencies.typeName(adj) : `${adjacencies.typeName(adj)} if${ifIndex}`;
  }
}

const route = (prefix: string, paths: (FibRecord & { kind: "route" })["paths"], table = 0): FibRecord =>
  paths === undefined
    ? { kind: "route", table, prefix, add: true }
    : { kind: "route", table, prefix, add: true, paths };
const noRoute = (prefix: string, table = 0): FibRecord => ({ kind: "route", table, prefix, add: false });

describe("a new table", () => {
  it("has the entries of VPP's", () => {
    const host = new Host();
    expect(host.to("8.8.8.8")).toBe("unreachable");
    expect(host.to("240.0.0.1")).toBe("drop");
    expect(host.to("224.0.0.5")).toBe("drop");
    expect(host.to("224.0.0.1")).toBe("local");
    expect(host.to("255.255.255.255")).toBe("local");
    expect(host.to("0.1.2.3")).toBe("drop");
    expect(host.to("127.0.0.1")).toBe("local");
    expect(host.to("2001:db8::1")).toBe("unreachable");
    expect(host.to("::")).toBe("drop");
    expect(host.to("::1")).toBe("local");
  });

  it("is added and removed by id, and refused when wrong", () => {
    const host = new Host();
    host.apply({ kind: "table", table: 7, add: true });
    const fib = host.ip.fib.indexOf(4, 7);
    expect(fib).toBe(1);
    expect(host.ip.fib.tables()).toEqual([0, 7]);
    expect(host.to("224.0.0.1", fib)).toBe("local");
    for (const bad of [
      { kind: "table", table: 7, add: true },
      { kind: "table", table: -1, add: true },
      { kind: "table", table: 0, add: false },
      { kind: "table", table: 8, add: false },
      { kind: "interface-table", interface: 0, table: 8 },
      { kind: "interface-table", interface: 9, table: 7 },
    ] as const) {
      expect(() => host.apply(bad)).toThrow(RangeError);
    }
    host.apply({ kind: "interface-table", interface: 1, table: 7 });
    expect(() => host.apply({ kind: "table", table: 7, add: false })).toThrow(/in use by interface if1/);
    host.address("10.0.0.1/8", 1);
    expect(host.to("10.0.0.1", fib)).toBe("local");
    expect(host.to("10.0.0.1")).toBe("unreachable");
    expect(() => host.apply({ kind: "interface-table", interface: 1, table: 0 })).toThrow(/has addresses/);
    host.address("10.0.0.1/8", 1, false);
    const used = host.ip.loadBalances.used;
    host.apply({ kind: "interface-table", interface: 1, table: 0 }, { kind: "table", table: 7, add: false });
    expect(host.ip.loadBalances.used).toBe(used);
    expect(host.ip.fib.indexOf(6, 7)).toBe(-1);
    const tight = new Host(1, { fib6: { maxTables: 1 } });
    expect(() => tight.apply({ kind: "table", table: 1, add: true })).toThrow(RangeError);
    expect(tight.ip.fib.tables()).toEqual([0]);
  });
});

describe("interface addresses", () => {
  it("bring local, subnet, network and broadcast entries for IPv4", () => {
    const host = new Host();
    const [adjs, lbs] = [host.ip.adjacencies.used, host.ip.loadBalances.used];
    host.address("198.18.0.2/24");
    expect(host.to("198.18.0.2")).toBe("local");
    expect(host.to("198.18.0.77")).toBe("glean if0");
    expect(host.to("198.18.0.0")).toBe("drop");
    expect(host.to("198.18.0.255")).toBe("broadcast if0");
    expect(host.to("198.18.1.1")).toBe("unreachable");
    expect(host.ip.fib.defaultInterface[4]).toBe(0);
    host.address("198.18.0.2/24", 0, false);
    expect(host.to("198.18.0.2")).toBe("unreachable");
    expect(host.to("198.18.0.255")).toBe("unreachable");
    expect(host.ip.fib.defaultInterface[4]).toBe(-1);
    // The group adjacency of the interface stays.
    expect([host.ip.adjacencies.used, host.ip.loadBalances.used]).toEqual([adjs + 1, lbs]);
  });

  it("have neither network nor broadcast address in a /31 and no subnet in a /32", () => {
    const host = new Host();
    host.address("10.0.0.0/31");
    expect(host.to("10.0.0.0")).toBe("local");
    expect(host.to("10.0.0.1")).toBe("glean if0");
    host.address("10.1.0.1/32");
    expect(host.to("10.1.0.1")).toBe("local");
    expect(host.to("10.1.0.2")).toBe("unreachable");
  });

  it("may share a subnet on one interface, which then stays until the last goes", () => {
    const host = new Host();
    host.address("10.0.0.1/24");
    host.address("10.0.0.2/24");
    host.address("10.0.0.1/24", 0, false);
    expect(host.to("10.0.0.1")).toBe("glean if0");
    expect(host.to("10.0.0.2")).toBe("local");
    expect(host.to("10.0.0.255")).toBe("broadcast if0");
    host.address("10.0.0.2/24", 0, false);
    expect(host.to("10.0.0.2")).toBe("unreachable");
  });

  it("bring IPv6 to an interface: link-local address, all-nodes and solicited-node groups", () => {
    const host = new Host();
    host.address("2001:db8::2/64");
    expect(host.to("2001:db8::2")).toBe("local");
    expect(host.to("2001:db8::77")).toBe("glean if0");
    expect(host.link("fe80::ff:fe00:10")).toBe("local");
    expect(host.link("fe80::1")).toBe("glean if0");
    expect(host.link("ff02::1")).toBe("local");
    expect(host.link("ff02::1:ff00:2")).toBe("local");
    expect(host.link("ff02::1:ff00:10")).toBe("local");
    expect(host.link("ff02::2")).toBe("drop");
    expect(host.ip.fib.link6[1]).toBe(-1);
    host.address("2001:db8::2/64", 0, false);
    expect(host.link("ff02::1:ff00:2")).toBe("drop");
    expect(host.to("2001:db8::2")).toBe("unreachable");
    host.address("fe80::ff:fe00:11/64", 1);
    expect(host.link("fe80::ff:fe00:11", 1)).toBe("local");
    expect(host.ip.fib.addresses.of(1, 6)).toHaveLength(1);
  });

  it.each([
    ["224.0.0.1/24", /cannot be/],
    ["127.0.0.1/8", /cannot be/],
    ["::1/128", /cannot be/],
    ["10.0.0.1/0", /everything/],
    ["10.0.0.0/24", /not a host/],
    ["10.0.0.255/24", /not a host/],
    ["10.9.0.9/16", /in use on if1|overlaps/],
    ["10.9.1.1/24", /overlaps 10.9.0.9\/16 on if1/],
    ["2001:db8:9::5/48", /overlaps/],
    ["nonsense", /not an IP prefix/],
  ])("%s is refused and changes nothing", (prefix, reason) => {
    const host = new Host();
    host.address("10.9.0.9/16", 1);
    host.address("2001:db8:9::9/64", 1);
    const before = [host.ip.fib.routes(4, 0), host.ip.fib.routes(6, 0), host.ip.adjacencies.used];
    expect(() => host.address(prefix)).toThrow(reason);
    expect([host.ip.fib.routes(4, 0), host.ip.fib.routes(6, 0), host.ip.adjacencies.used]).toEqual(before);
  });

  it("are refused on interfaces that do not exist, twice, or with an MTU too small for IPv6", () => {
    const host = new Host(1, {}, 1000);
    expect(() => host.address("10.0.0.1/8", 5)).toThrow(/no interface 5/);
    host.address("10.0.0.1/8");
    expect(() => host.address("10.0.0.1/8")).toThrow(/in use/);
    expect(() => host.address("10.0.0.7/8", 0, false)).toThrow(/no address 10.0.0.7/);
    expect(() => host.address("2001:db8::1/64")).toThrow(/too small for IPv6/);
    expect(host.ip.fib.link6[0]).toBe(-1);
  });

  it("leave nothing behind when a table is full half way", () => {
    const host = new Host(1, { maxAdjacencies: 16 });
    while (host.ip.adjacencies.used < 14) host.ip.adjacencies.alloc(ADJ_ARP, 0, 4, 1500);
    // Room for the group adjacency and the subnet, not for the broadcast address.
    expect(() => host.address("10.0.0.1/8")).toThrow(/adjacency table is full/);
    expect(host.to("10.0.0.1")).toBe("unreachable");
    expect(host.ip.fib.addresses.of(0, 4)).toHaveLength(0);
    expect(host.ip.adjacencies.used).toBe(15);
  });

  it("change the MTU of all adjacencies with the interface's", () => {
    const host = new Host();
    host.address("10.0.0.1/8");
    host.apply({ kind: "mtu", interface: 0, mtu: 576 });
    expect(host.interfaces.at(0)?.mtu).toBe(576);
    expect(host.ip.adjacencies.get(host.ip.fib.multicast4[0], A_MTU)).toBe(576);
    host.address("2001:db8::1/64", 1);
    for (const [at, mtu] of [
      [0, 67],
      [0, 1501],
      [1, 1279],
      [0, 1000.5],
      [7, 1500],
    ] as const) {
      expect(() => host.apply({ kind: "mtu", interface: at, mtu })).toThrow(RangeError);
    }
  });
});

describe("groups", () => {
  it("are joined and left on an interface", () => {
    const host = new Host();
    host.address("2001:db8::1/64");
    host.apply({ kind: "group", interface: 0, group: "224.0.0.251", add: true });
    host.apply({ kind: "group", interface: 0, group: "ff02::fb", add: true });
    expect([host.to("224.0.0.251"), host.link("ff02::fb")]).toEqual(["local", "local"]);
    host.apply({ kind: "group", interface: 0, group: "224.0.0.251", add: false });
    expect(host.to("224.0.0.251")).toBe("drop");
    expect(() => host.apply({ kind: "group", interface: 0, group: "224.0.0.251", add: false })).toThrow(/not in/);
    expect(() => host.apply({ kind: "group", interface: 1, group: "ff02::fb", add: true })).toThrow(/no IPv6/);
    expect(() => host.apply({ kind: "group", interface: 0, group: "10.0.0.1", add: true })).toThrow(/not a multicast/);
  });
});

describe("routes", () => {
  it("go by next hops, over several paths, to verdicts, and back to what they hid", () => {
    const host = new Host();
    host.address("10.0.0.1/24");
    host.address("10.0.1.1/24", 1);
    host.apply(route("0.0.0.0/0", [{ via: "10.0.0.254" }]));
    expect(host.to("8.8.8.8")).toBe("arp if0");
    host.apply(
      route("20.0.0.0/8", [
        { via: "10.0.0.9", weight: 3 },
        { via: "10.0.1.9", interface: 1 },
      ]),
    );
    const lb = host.ip.fib.lookup(4, 0, parseAddress("20.1.1.1").words);
    expect(host.ip.loadBalances.pathsOf(lb)).toHaveLength(2);
    const view = host.ip.fib.routes(4, 0).find(({ prefix }) => prefix === "20.0.0.0/8");
    expect(view).toEqual({
      prefix: "20.0.0.0/8",
      source: "route",
      paths: [
        { type: "arp", via: "10.0.0.9", interface: "if0", weight: 3 },
        { type: "arp", via: "10.0.1.9", interface: "if1", weight: 1 },
      ],
    });
    host.apply(route("20.0.0.0/8", "drop"));
    expect(host.to("20.1.1.1")).toBe("drop");
    host.apply(route("20.1.0.0/16", [{ interface: 1 }]));
    expect(host.to("20.1.1.1")).toBe("glean if1");
    host.apply(noRoute("20.1.0.0/16"), noRoute("20.0.0.0/8"));
    expect(host.to("20.1.1.1")).toBe("arp if0");
    host.apply(noRoute("0.0.0.0/0"));
    expect(host.to("20.1.1.1")).toBe("unreachable");
    for (const adj of host.neighbours.values()) expect(host.ip.adjacencies.get(adj, A_REFS)).toBe(0);
  });

  it("do not take an interface's own entries away", () => {
    const host = new Host();
    host.address("10.0.0.1/24");
    host.apply(route("10.0.0.1/32", "drop"), route("10.0.0.77/24", "unreachable"));
    expect([host.to("10.0.0.1"), host.to("10.0.0.2")]).toEqual(["local", "glean if0"]);
    host.address("10.0.0.1/24", 0, false);
    expect([host.to("10.0.0.1"), host.to("10.0.0.2")]).toEqual(["drop", "unreachable"]);
  });

  it("take link-local next hops with an interface", () => {
    const host = new Host();
    host.address("2001:db8::1/64");
    host.apply(route("::/0", [{ via: "fe80::1", interface: 0 }]));
    expect(host.to("2001:4860::8888")).toBe("arp if0");
    expect(() => host.apply(route("::/0", [{ via: "fe80::1" }]))).toThrow(/no connected subnet/);
  });

  it.each([
    [route("10.0.0.0/8", undefined), /without a path/],
    [route("10.0.0.0/8", []), /without a path/],
    [route("10.0.0.0/8", [{}]), /neither next hop nor interface/],
    [route("10.0.0.0/8", [{ via: "11.0.0.1" }]), /no connected subnet/],
    [route("10.0.0.0/8", [{ via: "2001:db8::1" }]), /other family/],
    [route("10.0.0.0/8", [{ via: "198.18.0.1" }]), /is this host/],
    [route("10.0.0.0/8", [{ via: "224.0.0.1", interface: 0 }]), /is a group/],
    [route("10.0.0.0/8", [{ via: "198.18.0.9", interface: 9 }]), /no interface 9/],
    [route("10.0.0.0/8", [{ via: "198.18.0.9", weight: 0 }]), /weight/],
    [route("10.0.0.0/8", "drop", 3), /no table 3/],
    [noRoute("10.0.0.0/8"), /no route to 10.0.0.0\/8/],
  ])("%j is refused", (record, reason) => {
    const host = new Host();
    host.address("198.18.0.1/24");
    expect(() => host.apply(record)).toThrow(reason);
    expect(host.to("10.1.1.1")).toBe("unreachable");
  });
});

describe("neighbour entries", () => {
  it("refine a connected subnet and go with it", () => {
    const host = new Host();
    const { fib, adjacencies } = host.ip;
    host.address("10.0.0.1/24");
    const { words } = parseAddress("10.0.0.9");
    const adj = adjacencies.alloc(ADJ_ARP, 0, 4, 1500);
    expect(fib.addNeighbour(0, 4, words, adj)).toBe(true);
    expect(host.to("10.0.0.9")).toBe("arp if0");
    expect(adjacencies.get(adj, A_REFS)).toBe(0);
    expect(fib.addNeighbour(0, 4, words, adj)).toBe(true);
    fib.removeNeighbour(0, 4, words);
    expect(host.to("10.0.0.9")).toBe("glean if0");
    fib.addNeighbour(0, 4, words, adj);
    host.address("10.0.0.1/24", 0, false);
    expect(host.to("10.0.0.9")).toBe("unreachable");
  });

  it("are refused elsewhere: another interface, another subnet, own addresses", () => {
    const host = new Host();
    const { fib, adjacencies } = host.ip;
    host.address("10.0.0.1/24");
    host.address("2001:db8::1/64");
    const adj = adjacencies.alloc(ADJ_ARP, 0, 4, 1500);
    expect(fib.addNeighbour(1, 4, parseAddress("10.0.0.9").words, adj)).toBe(false);
    expect(fib.addNeighbour(0, 4, parseAddress("10.0.1.9").words, adj)).toBe(false);
    expect(fib.addNeighbour(0, 4, parseAddress("10.0.0.1").words, adj)).toBe(false);
    expect(fib.addNeighbour(9, 4, parseAddress("10.0.0.9").words, adj)).toBe(false);
    expect(fib.addNeighbour(1, 6, parseAddress("fe80::9").words, adj)).toBe(false);
    expect(fib.addNeighbour(0, 6, parseAddress("fe80::9").words, adj)).toBe(true);
    expect(host.link("fe80::9")).toBe("arp if0");
    expect(fib.routes(6, -1).map(({ prefix }) => prefix)).toContain("fe80::9/128");
    fib.removeNeighbour(9, 4, parseAddress("10.0.0.9").words);
  });
});

describe("source addresses", () => {
  function source(host: Host, destination: string, ifIndex = -1): string {
    const found = sourceAddressFor(host.ip, 0, parseAddress(destination), ifIndex);
    return found === undefined ? "none" : formatAddress(found);
  }

  it("are of the interface towards the destination, in its subnet if possible", () => {
    const host = new Host();
    host.address("10.0.0.1/24");
    host.address("10.0.5.1/24");
    host.address("192.168.0.1/24", 1);
    expect(source(host, "10.0.0.9")).toBe("10.0.0.1");
    expect(source(host, "192.168.0.1")).toBe("192.168.0.1");
    expect(source(host, "192.168.0.2")).toBe("192.168.0.1");
    host.apply(route("20.0.0.0/8", [{ via: "10.0.5.7" }]));
    expect(source(host, "20.0.0.9")).toBe("10.0.0.1");
    expect(source(host, "224.0.0.1", 1)).toBe("192.168.0.1");
    expect(source(host, "255.255.255.255")).toBe("10.0.0.1");
    expect(source(host, "8.8.8.8")).toBe("none");
    expect(source(host, "2001:db8::1")).toBe("none");
    expect(source(host, "ff02::1")).toBe("none");
  });

  it("follow RFC 6724 for IPv6: same address, scope, label, longest prefix", () => {
    const host = new Host();
    host.address("2001:db8:1::1/64");
    host.address("2001:db8:2::1/64");
    host.address("fd00::1/64");
    expect(source(host, "2001:db8:2::99")).toBe("2001:db8:2::1");
    expect(source(host, "2001:db8:1::1")).toBe("2001:db8:1::1");
    expect(source(host, "fe80::99")).toBe("fe80::ff:fe00:10");
    expect(source(host, "fe80::ff:fe00:10")).toBe("fe80::ff:fe00:10");
    expect(source(host, "ff02::fb")).toBe("fe80::ff:fe00:10");
    expect(source(host, "ff0e::1")).toBe("2001:db8:1::1");
    expect(source(host, "fd00::77")).toBe("fd00::1");
    host.apply(route("::/0", [{ via: "fe80::1", interface: 0 }]));
    expect(source(host, "fd77::1")).toBe("fd00::1");
    expect(source(host, "2a00::1")).toBe("2001:db8:1::1");
  });
});
