import { afterAll, expect } from "vitest";
import { arpInput } from "../../nodes/arp-input.js";
import { deviceInput } from "../../nodes/device-input.js";
import { drop } from "../../nodes/drop.js";
import { ethernetInput } from "../../nodes/ethernet-input.js";
import type { Host } from "../../nodes/host.js";
import { interfaceOutput } from "../../nodes/interface-output.js";
import { interfaceTx } from "../../nodes/interface-tx.js";
import { ip4Arp, ip6DiscoverNeighbor } from "../../nodes/ip-discover-neighbor.js";
import { ip4Frag, ip6Frag } from "../../nodes/ip-frag.js";
import { ip4Glean, ip6Glean } from "../../nodes/ip-glean.js";
import {
  ip4IcmpEchoReply,
  ip4IcmpEchoRequest,
  ip6IcmpEchoReply,
  ip6IcmpEchoRequest,
} from "../../nodes/ip-icmp-echo.js";
import { ip4IcmpError, ip6IcmpError } from "../../nodes/ip-icmp-error.js";
import { ip4IcmpErrorInput, ip6IcmpErrorInput } from "../../nodes/ip-icmp-error-input.js";
import { ip4IcmpInput, ip6IcmpInput } from "../../nodes/ip-icmp-input.js";
import { ip4Input, ip6Input } from "../../nodes/ip-input.js";
import { ip4Local, ip4LocalEndOfArc, ip6Local, ip6LocalEndOfArc } from "../../nodes/ip-local.js";
import { ip4LocalFullReassembly, ip6LocalFullReassembly } from "../../nodes/ip-local-full-reassembly.js";
import { ip4Lookup, ip6Lookup } from "../../nodes/ip-lookup.js";
import { ipNeighborProcess } from "../../nodes/ip-neighbor-process.js";
import { ip4Rewrite, ip6Rewrite } from "../../nodes/ip-rewrite.js";
import { punt } from "../../nodes/punt.js";
import type { NodeForm } from "../../src/graph/node.js";
import { F_LOCAL_ORIGIN, M_FIB, M_FLAGS } from "../../src/graph/packet-pool.js";
import { parseAddress } from "../../src/ip/address.js";
import { frame } from "../ip/packets.js";
import { Harness, type HarnessOptions, type Meta } from "./graph-harness.js";

/** The nodes from device to device, neighbor discovery's own messages aside. */
export const IP_NODES: readonly NodeForm<Host>[] = [
  deviceInput,
  ipNeighborProcess,
  ethernetInput,
  arpInput,
  ip4Input,
  ip6Input,
  ip4Lookup,
  ip6Lookup,
  ip4Local,
  ip6Local,
  ip4LocalEndOfArc,
  ip6LocalEndOfArc,
  ip4LocalFullReassembly,
  ip6LocalFullReassembly,
  ip4IcmpInput,
  ip6IcmpInput,
  ip4IcmpEchoRequest,
  ip6IcmpEchoRequest,
  ip4IcmpEchoReply,
  ip6IcmpEchoReply,
  ip4IcmpErrorInput,
  ip6IcmpErrorInput,
  ip4IcmpError,
  ip6IcmpError,
  ip4Rewrite,
  ip6Rewrite,
  ip4Frag,
  ip6Frag,
  ip4Glean,
  ip6Glean,
  ip4Arp,
  ip6DiscoverNeighbor,
  interfaceOutput,
  interfaceTx,
  punt,
  drop,
];

/** Hardware address of the neighbour on interface `index`. */
export function peerMac(index: number): Uint8Array {
  return Uint8Array.of(2, 0, 0, 0, 0, 0xa0 + index);
}

/** Counters that the harnesses of a test file have seen. */
const seen = new Set<string>();

/** At the end of the file: every counter of these nodes must have been hit, but for those named with a reason. */
export function expectCountersHit(
  forms: readonly NodeForm<Host>[],
  except: Readonly<Record<string, string>> = {},
): void {
  afterAll(() => {
    const all = forms.flatMap(({ name, errors }) => errors.map(({ symbol }) => `${name} ${symbol}`));
    expect(all.filter((counter) => !seen.has(counter) && !(counter in except))).toEqual([]);
  });
}

/**
 * A whole IP layer between two links: 198.18.0.2/24 and 2001:db8::2/64 on interface 0, 198.18.1.2/24 and
 * 2001:db8:1::2/64 on interface 1, each with a known neighbour .1.
 */
export class IpHarness extends Harness {
  constructor(options: HarnessOptions = {}, mtus: readonly number[] = [1500, 1500], offload = false) {
    super(IP_NODES, options);
    const offloads = { checksum: offload, tso: offload, uso: offload };
    for (const [i, mtu] of mtus.entries()) {
      this.addInterface([`198.18.${i}.2/24`, `2001:db8:${i === 0 ? "" : i}::2/64`.replace(":::", "::")], {
        mtu,
        offloads,
      });
      for (const address of [`198.18.${i}.1`, i === 0 ? "2001:db8::1" : `2001:db8:${i}::1`, "fe80::1"]) {
        this.neighbours.setStatic(i, parseAddress(address), peerMac(i));
      }
    }
  }

  /** Receives IP packets on an interface, each in a frame to it (or to `dst`), and runs. */
  input(packets: readonly Uint8Array[], index = 0, dst?: readonly number[], meta: Meta = {}): void {
    for (const packet of packets) this.receive(index, frame(packet, dst ?? [2, 0, 0, 0, 0, 0x10 + index]), meta);
    this.run();
  }

  /** Sends an IP packet as a transport of this host would, and runs. */
  output(packet: Uint8Array, meta: Meta = {}): void {
    const flags = F_LOCAL_ORIGIN | (meta[M_FLAGS] ?? 0);
    this.put(packet[0] >>> 4 === 4 ? "ip4-lookup" : "ip6-lookup", packet, { [M_FIB]: 0, ...meta, [M_FLAGS]: flags });
    this.run();
  }

  /** The IP packets that an interface has sent since it was last asked. */
  packets(index = 0): number[][] {
    return this.sent(index).map((bytes) => [...bytes.subarray(14)]);
  }

  /** Every sink is empty, nothing was sent unseen, no packet is left. Notes the counters for expectCountersHit. */
  done(): void {
    for (const { node, symbol } of this.engine.errors()) seen.add(`${node} ${symbol}`);
    this.expectNoLeaks();
  }
}
