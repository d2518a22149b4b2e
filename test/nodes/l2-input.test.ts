import { describe, expect, it } from "vitest";
import { deviceInput } from "../../nodes/device-input.js";
import { drop } from "../../nodes/drop.js";
import { ethernetInput } from "../../nodes/ethernet-input.js";
import { F_L2_MULTICAST, M_DATA, M_FLAGS, M_L3, M_RX_IF } from "../../src/graph/packet-pool.js";
import { bytesOf, Harness, hasFlags } from "./graph-harness.js";

const OWN = "020000000010";
const PEER = "020000000099";

function setUp(): Harness {
  const host = new Harness([deviceInput, ethernetInput, drop]);
  host.addInterface();
  return host;
}

/** Receives one frame and says which counter of ethernet-input dropped it, or where it went. */
function fate(host: Harness, frame: Uint8Array): string {
  host.engine.clearErrors();
  host.receive(0, frame);
  host.run();
  for (const node of ["ip4-input", "ip6-input", "arp-input"]) if (host.caught(node).length === 1) return node;
  return Object.keys(host.errors("ethernet-input")).join();
}

describe("ethernet-input", () => {
  it("tells frames apart by type and takes the header off", () => {
    const host = setUp();
    host.receive(0, bytesOf(OWN, PEER, "0800", "45000014"));
    host.receive(0, bytesOf(OWN, PEER, "86dd", "60"));
    host.receive(0, bytesOf("ffffffffffff", PEER, "0806", "0001"));
    host.run();
    const [ip4] = host.caught("ip4-input");
    expect(ip4.bytes).toEqual(bytesOf("45000014"));
    expect(ip4.meta[M_L3]).toBe(ip4.meta[M_DATA]);
    expect(ip4.meta[M_L3] & 3).toBe(0);
    expect(ip4.meta[M_RX_IF]).toBe(0);
    expect(hasFlags(ip4, F_L2_MULTICAST)).toBe(false);
    expect(host.caught("ip6-input")[0].bytes).toEqual(bytesOf("60"));
    const [arp] = host.caught("arp-input");
    expect(hasFlags(arp, F_L2_MULTICAST)).toBe(true);
    host.expectNoLeaks();
  });

  it.each([
    ["broadcast", "ffffffffffff", "ip4-input"],
    ["an IPv6 group", "333300000001", "ip4-input"],
    ["an IPv4 group", "01005e7fffff", "ip4-input"],
    ["beyond the IPv4 groups", "01005e800000", "unwanted_multicast"],
    ["spanning tree", "0180c2000000", "unwanted_multicast"],
    ["almost broadcast", "fffffffffffe", "unwanted_multicast"],
    ["another station", "020000000011", "l3_mac_mismatch"],
    ["another station, first bytes", "020000000110", "l3_mac_mismatch"],
  ])("filters by destination: %s", (_what, destination, expected) => {
    const host = setUp();
    expect(fate(host, bytesOf(destination, PEER, "0800", "45"))).toBe(expected);
    const iface = host.interfaces.at(0);
    if (iface !== undefined) iface.promiscuous = true;
    expect(fate(host, bytesOf(destination, PEER, "0800", "45"))).toBe("ip4-input");
    host.expectNoLeaks();
  });

  it.each([
    ["empty", "", "too_short"],
    ["13 bytes", "020000000010020000000099 08", "too_short"],
    ["no payload", `${OWN}${PEER}0800`, "ip4-input"],
    ["tag cut off", `${OWN}${PEER}8100 0000`, "tag_truncated"],
    ["tag without a type", `${OWN}${PEER}8100 0000 08`, "tag_truncated"],
    ["priority tag", `${OWN}${PEER}8100 e000 0800 45`, "ip4-input"],
    ["priority tag with no payload", `${OWN}${PEER}8100 0000 0800`, "ip4-input"],
    ["VLAN 1", `${OWN}${PEER}8100 0001 0800 45`, "unknown_vlan"],
    ["VLAN 4095", `${OWN}${PEER}8100 ffff 0800 45`, "unknown_vlan"],
    ["two tags", `${OWN}${PEER}8100 0000 8100 0000 0800 45`, "unknown_vlan"],
    ["service tag", `${OWN}${PEER}88a8 0001 0800 45`, "dot1ad"],
    ["priority tag, then service tag", `${OWN}${PEER}8100 0000 88a8 0001 0800 45`, "dot1ad"],
    ["802.3", `${OWN}${PEER}0003 424203`, "llc"],
    ["802.3 with padding", `${OWN}${PEER}0003 424203 0000`, "llc"],
    ["802.3 whose length lies", `${OWN}${PEER}0004 424203`, "bad_llc_length"],
    ["LLDP", `${OWN}${PEER}88cc 00`, "unknown_type"],
    ["type 0x600", `${OWN}${PEER}0600 00`, "unknown_type"],
  ])("%s", (_what, frame, expected) => {
    const host = setUp();
    expect(fate(host, bytesOf(frame))).toBe(expected);
    host.expectNoLeaks();
  });

  it("hits every counter it has", () => {
    const seen = new Set<string>();
    const host = setUp();
    for (const frame of [
      "",
      `020000000011${PEER}080045`,
      `0180c2000000${PEER}080045`,
      `${OWN}${PEER}8100`,
      `${OWN}${PEER}8100000108004500`,
      `${OWN}${PEER}88a8000108004500`,
      `${OWN}${PEER}0004424203`,
      `${OWN}${PEER}0003424203`,
      `${OWN}${PEER}88cc00`,
    ]) {
      seen.add(fate(host, bytesOf(frame)));
    }
    expect([...seen].sort()).toEqual(ethernetInput.errors.map(({ symbol }) => symbol).sort());
  });
});

describe("device-input", () => {
  it("counts, marks the interface, and leaves interfaces alone that are down", () => {
    const host = setUp();
    const second = host.addInterface();
    const frame = bytesOf("020000000011", PEER, "0800", "4500");
    host.receive(0, bytesOf(OWN, PEER, "0800", "45"));
    host.receive(1, frame);
    host.receive(1, frame);
    second.up = false;
    host.run();
    expect(host.caught("ip4-input").map(({ meta }) => meta[M_RX_IF])).toEqual([0]);
    second.up = true;
    host.run();
    expect(host.caught("ip4-input").map(({ meta }) => meta[M_RX_IF])).toEqual([1, 1]);
    expect(second.counters).toMatchObject({ rxPackets: 2, rxBytes: 32, rxNoBuffer: 0 });
    host.expectNoLeaks();
  });

  it("takes turns: a busy interface does not starve the next", () => {
    const host = setUp();
    host.addInterface();
    for (let i = 0; i < 3000; i++) host.receive(0, bytesOf(OWN, PEER, "0800", "45"));
    host.receive(1, bytesOf("020000000011", PEER, "0800", "46"));
    host.engine.turn();
    const got = host.caught("ip4-input");
    expect(got.some(({ meta }) => meta[M_RX_IF] === 1)).toBe(true);
    expect(got.length).toBeLessThan(1025);
    host.run();
    expect(got.length + host.caught("ip4-input").length).toBe(3001);
    host.expectNoLeaks();
  });

  it("counts polls that run out of buffers, and goes on when there are some again", () => {
    const host = new Harness([deviceInput, ethernetInput, drop], { small: 4, large: 1 });
    host.addInterface();
    for (let i = 0; i < 7; i++) host.receive(0, bytesOf(OWN, PEER, "0800", "45"));
    host.engine.turn();
    expect(host.errors("device-input")).toEqual({ no_buffer: 1 });
    expect(host.interfaces.at(0)?.counters.rxNoBuffer).toBe(1);
    host.run();
    expect(host.caught("ip4-input").length).toBe(7);
    host.expectNoLeaks();
  });

  it("sends packets through the features of its arc", () => {
    let seen = 0;
    const host = new Harness(
      [
        deviceInput,
        ethernetInput,
        drop,
        {
          name: "feature",
          next: [],
          errors: [],
          trace: { bytes: 0, format: () => "" },
          process: ({ engine }) => {
            const arc = engine.arc("device-input");
            const slots = arc.slotsOf("feature");
            return (frame) => {
              seen += frame.count;
              for (let i = 0; i < frame.count; i++) {
                frame.next[i] = arc.next(slots, host.meta(frame.buffers[i], M_RX_IF), arc.positionOf("feature"));
              }
            };
          },
        },
      ],
      { features: [["device-input", "feature"]] },
    );
    host.addInterface();
    host.receive(0, bytesOf(OWN, PEER, "0800", "45"));
    host.run();
    expect(seen).toBe(0);
    host.engine.arc("device-input").enable("feature", 0, true);
    host.receive(0, bytesOf(OWN, PEER, "0800", "45"));
    host.run();
    expect(seen).toBe(1);
    expect(host.caught("ip4-input").length).toBe(2);
    host.expectNoLeaks();
  });

  it("shows what a packet looked like in traces", () => {
    const host = setUp();
    host.engine.tracer.add("device-input", 2);
    host.receive(0, bytesOf(OWN, PEER, "88cc", "00"));
    host.receive(0, bytesOf("ff"));
    host.run();
    const text = host.engine.tracer.format();
    expect(text).toContain("device-input -> ethernet-input");
    expect(text).toContain("frame of 15 bytes type 0x88cc");
    expect(text).toContain("frame of 1 bytes");
    expect(text).toContain("02:00:00:00:00:99 -> 02:00:00:00:00:10 type 0x88cc");
    expect(text).toContain("ethernet-input -> drop");
    expect(text).toContain("error");
    expect(host.engine.tracer.active).toBe(0);
    host.expectNoLeaks();
  });
});

it("drop frees a packet and counts what it was told", () => {
  const host = setUp();
  const b = host.put("drop", bytesOf("00"));
  host.pool.retain(b);
  host.run();
  expect(host.pool.inUse()).toEqual([b]);
  expect(host.meta(b, M_FLAGS)).toBe(0);
  host.pool.free(b);
  host.expectNoLeaks();
});
