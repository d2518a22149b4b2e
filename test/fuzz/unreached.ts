/** Counters that no frame can reach, as `node symbol`: why, and which test counts them. */
export const UNREACHED: ReadonlyMap<string, string> = new Map([
  [
    "ip6-local no_buffer",
    "packets with tail spans and extension headers: devices deliver no tails, and what the host sends to itself has no such headers; test/nodes/ip-local.test.ts",
  ],
  [
    "udp4-input bad_length",
    "ip4-local has compared the lengths before (its udp_length); test/nodes/udp.test.ts gives the node its packets itself",
  ],
  [
    "udp6-input bad_length",
    "ip6-local has compared the lengths before (its udp_length); test/nodes/udp.test.ts gives the node its packets itself",
  ],
  [
    "tcp4-reset lookup_drops",
    "ip4-local and tcp4-input refuse segments in group frames before (RFC 1122 3.3.6 is IPv4's alone: tcp6-reset is reached)",
  ],
  [
    "icmp6-neighbor-solicitation source_is_local",
    "ip6-local has refused own addresses as sources before (its spoofed_local_packets); test/nodes/nd.test.ts gives the node its packets itself",
  ],
  [
    "icmp6-neighbor-advertisement bad_source",
    "RFC 4861 7.1.2 asks nothing of the source of an advertisement; the name holds its place in the list of what ndCheck says",
  ],
  [
    "ip4-frag bad_header",
    "needs an MTU below the 68 bytes that configuration asks for; test/nodes/ip-reassembly.test.ts",
  ],
  [
    "ip6-frag bad_header",
    "only this host's packets are fragmented, and their headers are short; test/nodes/ip-reassembly.test.ts",
  ],
  [
    "session-queue in_debt",
    "takes a superframe of more than 32 KiB, and the fuzzed devices take none; test/nodes/session-queue.test.ts",
  ],
  [
    "ip6-frag bad_offload",
    "only this host's packets are fragmented, and their partial checksums name a header; test/nodes/ip-reassembly.test.ts",
  ],
]);

/** Nodes that no frame can reach, with the reason. */
export const UNREACHED_NODES: ReadonlyMap<string, string> = new Map([
  [
    "ip4-local-end-of-arc",
    "no feature of this stack is on the arc ip4-local yet; test/nodes/ip-local.test.ts puts one there",
  ],
  [
    "ip6-local-end-of-arc",
    "no feature of this stack is on the arc ip6-local yet; test/nodes/ip-local.test.ts puts one there",
  ],
]);
