import { describe, expect, it } from "vitest";
import { flowHash4, flowHash6 } from "../../src/ip/flow-hash.js";
import { ip4, ip6, udp } from "./packets.js";

function hash(packet: Uint8Array): number {
  const dv = new DataView(packet.buffer);
  return packet[0] >>> 4 === 4 ? flowHash4(dv, 0, packet.length) : flowHash6(dv, 0, packet.length);
}

/** Packets of 4096 flows that differ in one field only. */
const families = {
  "ip4 source port": (i: number) => ip4({ src: "10.0.0.1", dst: "10.0.0.2" }, udp("10.0.0.1", "10.0.0.2", i, 53, [])),
  "ip4 source": (i: number) => ip4({ src: `10.0.${i >> 8}.${i & 255}`, dst: "10.0.0.2", protocol: 1 }, [8, 0, 0, 0]),
  "ip6 source port": (i: number) =>
    ip6({ src: "2001:db8::1", dst: "2001:db8::2" }, udp("2001:db8::1", "2001:db8::2", i, 53, [])),
  "ip6 destination": (i: number) =>
    ip6({ src: "2001:db8::1", dst: `2001:db8::${i.toString(16)}`, nextHeader: 58 }, [128, 0]),
};

describe("flow hash", () => {
  it.each(Object.entries(families))("spreads flows that differ in the %s over 2 to 64 buckets", (_name, make) => {
    for (const buckets of [2, 4, 64]) {
      const counts = new Int32Array(buckets);
      for (let i = 0; i < 4096; i++) counts[hash(make(i)) & (buckets - 1)]++;
      const fair = 4096 / buckets;
      for (const count of counts) expect(Math.abs(count - fair)).toBeLessThan(6 * Math.sqrt(fair));
    }
  });

  it("is the same for every fragment of a datagram, and for every packet of a flow", () => {
    const first = ip4({ src: "10.0.0.1", dst: "10.0.0.2", fragment: 0x2000 }, [1, 2, 3, 4, 5, 6, 7, 8]);
    const later = ip4({ src: "10.0.0.1", dst: "10.0.0.2", fragment: 1 }, [9, 9, 9, 9]);
    expect(hash(first)).toBe(hash(later));
    const [a, b] = [1, 2].map((n) =>
      ip4({ src: "10.0.0.1", dst: "10.0.0.2", id: n }, udp("10.0.0.1", "10.0.0.2", 7, 8, [n])),
    );
    expect(hash(a)).toBe(hash(b));
    expect(hash(ip4({ src: "10.0.0.1", dst: "10.0.0.2" }, [1]))).toBe(
      hash(ip4({ src: "10.0.0.1", dst: "10.0.0.2" }, [2])),
    );
  });
});
