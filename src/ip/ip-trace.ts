import type { TraceForm } from "../graph/node.js";
import { M_ADJ, M_FIB } from "../graph/packet-pool.js";
import { ip4FragmentField, ip4Id, ip4Dst, ip4Protocol, ip4Src, ip4TotalLen, ip4Ttl } from "../wire/ip4.js";
import { ip6Dst, ip6HopLimit, ip6NextHeader, ip6PayloadLen, ip6Src } from "../wire/ip6.js";
import { formatIp4, formatIp6 } from "./address.js";

const NAMES: ReadonlyMap<number, string> = new Map([
  [0, "hop-by-hop"],
  [1, "ICMP"],
  [6, "TCP"],
  [17, "UDP"],
  [43, "routing"],
  [44, "fragment"],
  [58, "ICMP6"],
  [60, "destination-options"],
]);

function nameOf(protocol: number): string {
  return NAMES.get(protocol) ?? `protocol ${protocol}`;
}

function format4(dv: DataView, length: number): string {
  if (length < 20) return "truncated";
  const field = ip4FragmentField(dv, 0);
  const fragment =
    (field & 0x3fff) === 0 ? "" : ` fragment offset ${(field & 0x1fff) << 3}${(field & 0x2000) === 0 ? "" : " MF"}`;
  return (
    `${nameOf(ip4Protocol(dv, 0))}: ${formatIp4(ip4Src(dv, 0))} -> ${formatIp4(ip4Dst(dv, 0))} ` +
    `ttl ${ip4Ttl(dv, 0)} length ${ip4TotalLen(dv, 0)} id 0x${ip4Id(dv, 0).toString(16).padStart(4, "0")}${fragment}`
  );
}

function format6(dv: DataView, length: number): string {
  if (length < 40) return "truncated";
  const word = (reader: typeof ip6Src): string =>
    formatIp6(reader(dv, 0, 0), reader(dv, 0, 1), reader(dv, 0, 2), reader(dv, 0, 3));
  return (
    `${nameOf(ip6NextHeader(dv, 0))}: ${word(ip6Src)} -> ${word(ip6Dst)} ` +
    `hop limit ${ip6HopLimit(dv, 0)} payload ${ip6PayloadLen(dv, 0)}`
  );
}

/** Trace of nodes that see an IPv4 packet at its header. */
export const IP4_TRACE: TraceForm = { bytes: 20, format: format4 };

/** Trace of nodes that see an IPv6 packet at its header. */
export const IP6_TRACE: TraceForm = { bytes: 40, format: format6 };

/** As {@link IP4_TRACE} or {@link IP6_TRACE}, with FIB index and adjacency. */
export function ipTraceWithAdjacency(isIp4: boolean): TraceForm {
  const format = isIp4 ? format4 : format6;
  return {
    bytes: isIp4 ? 20 : 40,
    format: (dv, length, meta) => `fib ${meta[M_FIB]} adj ${meta[M_ADJ]}: ${format(dv, length)}`,
  };
}

/** Trace of nodes that see an ICMP message at its header. */
export const ICMP_TRACE: TraceForm = {
  bytes: 8,
  format: (dv, length) =>
    length < 8 ? "truncated" : `type ${dv.getUint8(0)} code ${dv.getUint8(1)} word 0x${dv.getUint32(4).toString(16)}`,
};
