import type { NodeForm } from "../src/graph/node.js";
import { arpInput } from "./arp-input.js";
import { arpReply } from "./arp-reply.js";
import { deviceInput } from "./device-input.js";
import { drop } from "./drop.js";
import { ethernetInput } from "./ethernet-input.js";
import type { Host } from "./host.js";
import { icmp6NeighborAdvertisement } from "./icmp6-neighbor-advertisement.js";
import { icmp6NeighborSolicitation } from "./icmp6-neighbor-solicitation.js";
import { interfaceOutput } from "./interface-output.js";
import { interfaceTx } from "./interface-tx.js";
import { ip4Arp, ip6DiscoverNeighbor } from "./ip-discover-neighbor.js";
import { ip4Frag, ip6Frag } from "./ip-frag.js";
import { ip4Glean, ip6Glean } from "./ip-glean.js";
import { ip4IcmpEchoReply, ip4IcmpEchoRequest, ip6IcmpEchoReply, ip6IcmpEchoRequest } from "./ip-icmp-echo.js";
import { ip4IcmpError, ip6IcmpError } from "./ip-icmp-error.js";
import { ip4IcmpErrorInput, ip6IcmpErrorInput } from "./ip-icmp-error-input.js";
import { ip4IcmpInput, ip6IcmpInput } from "./ip-icmp-input.js";
import { ip4Input, ip6Input } from "./ip-input.js";
import { ip4Local, ip4LocalEndOfArc, ip6Local, ip6LocalEndOfArc } from "./ip-local.js";
import { ip4LocalFullReassembly, ip6LocalFullReassembly } from "./ip-local-full-reassembly.js";
import { ip4Lookup, ip6Lookup } from "./ip-lookup.js";
import { ipNeighborProcess } from "./ip-neighbor-process.js";
import { ip4Rewrite, ip6Rewrite } from "./ip-rewrite.js";
import { punt } from "./punt.js";
import { sessionInput } from "./session-input.js";
import { sessionQueue } from "./session-queue.js";
import { tcp4Established, tcp6Established } from "./tcp-established.js";
import { tcp4Input, tcp6Input } from "./tcp-input.js";
import { tcp4Listen, tcp6Listen } from "./tcp-listen.js";
import { tcp4Output, tcp6Output } from "./tcp-output.js";
import { tcp4RcvProcess, tcp6RcvProcess } from "./tcp-rcv-process.js";
import { tcp4Reset, tcp6Reset } from "./tcp-reset.js";
import { tcp4SynSent, tcp6SynSent } from "./tcp-syn-sent.js";
import { udp4Input, udp6Input } from "./udp-input.js";
import { udp4Output, udp6Output } from "./udp-output.js";

/** Every node of a stack. Input and sched nodes run in the order in which they stand here. */
export const ALL_NODES: readonly NodeForm<Host>[] = [
  deviceInput,
  ipNeighborProcess,
  sessionInput,
  sessionQueue,
  ethernetInput,
  arpInput,
  arpReply,
  ip4Input,
  ip6Input,
  ip4Lookup,
  ip6Lookup,
  ip4Local,
  ip4LocalEndOfArc,
  ip6Local,
  ip6LocalEndOfArc,
  ip4LocalFullReassembly,
  ip6LocalFullReassembly,
  tcp4Input,
  tcp6Input,
  tcp4Established,
  tcp6Established,
  tcp4Listen,
  tcp6Listen,
  tcp4RcvProcess,
  tcp6RcvProcess,
  tcp4SynSent,
  tcp6SynSent,
  tcp4Reset,
  tcp6Reset,
  udp4Input,
  udp6Input,
  ip4IcmpInput,
  ip6IcmpInput,
  ip4IcmpEchoRequest,
  ip6IcmpEchoRequest,
  ip4IcmpEchoReply,
  ip6IcmpEchoReply,
  ip4IcmpErrorInput,
  ip6IcmpErrorInput,
  icmp6NeighborSolicitation,
  icmp6NeighborAdvertisement,
  ip4IcmpError,
  ip6IcmpError,
  tcp4Output,
  tcp6Output,
  udp4Output,
  udp6Output,
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

/** The feature arcs (VPP's names): name, where packets enter it, and the node after its last feature. */
export const ALL_ARCS: readonly (readonly [name: string, start: string, end: string])[] = [
  ["device-input", "device-input", "ethernet-input"],
  ["ip4-unicast", "ip4-input", "ip4-lookup"],
  ["ip6-unicast", "ip6-input", "ip6-lookup"],
  ["ip4-local", "ip4-local", "ip4-local-end-of-arc"],
  ["ip6-local", "ip6-local", "ip6-local-end-of-arc"],
  ["ip4-output", "ip4-rewrite", "interface-output"],
  ["ip6-output", "ip6-rewrite", "interface-output"],
  ["interface-output", "interface-output", "interface-tx"],
];
