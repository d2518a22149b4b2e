import type { Family } from "./address.js";

/** What an ICMP error means to a transport, whatever the family. */
export const ICMP_NET_UNREACHABLE = 0;
/** Host or address unreachable. */
export const ICMP_HOST_UNREACHABLE = 1;
/** Protocol unreachable, or unknown next header. */
export const ICMP_PROTOCOL_UNREACHABLE = 2;
/** Port unreachable. */
export const ICMP_PORT_UNREACHABLE = 3;
/** Fragmentation needed or packet too big; `mtu` tells. */
export const ICMP_TOO_BIG = 4;
/** Administratively prohibited. */
export const ICMP_PROHIBITED = 5;
/** TTL or hop limit exceeded, or reassembly timed out. */
export const ICMP_TIME_EXCEEDED = 6;
/** Parameter problem. */
export const ICMP_PARAMETER_PROBLEM = 7;
/** Number of kinds. */
export const ICMP_KINDS = 8;

/** The kind of an ICMPv4 error, -1 for types that are none. */
export function icmpKind4(type: number, code: number): number {
  if (type === 11) return ICMP_TIME_EXCEEDED;
  if (type === 12) return ICMP_PARAMETER_PROBLEM;
  if (type !== 3) return -1;
  switch (code) {
    case 0: // network unreachable
    case 5: // source route failed
    case 6: // network unknown
    case 11: // network, for this type of service
      return ICMP_NET_UNREACHABLE;
    case 2:
      return ICMP_PROTOCOL_UNREACHABLE;
    case 3:
      return ICMP_PORT_UNREACHABLE;
    case 4:
      return ICMP_TOO_BIG;
    case 9: // network, host, and communication prohibited
    case 10:
    case 13:
      return ICMP_PROHIBITED;
    default:
      return ICMP_HOST_UNREACHABLE;
  }
}

/** The kind of an ICMPv6 error, -1 for types that are none. */
export function icmpKind6(type: number, code: number): number {
  if (type === 2) return ICMP_TOO_BIG;
  if (type === 3) return ICMP_TIME_EXCEEDED;
  if (type === 4) return code === 1 ? ICMP_PROTOCOL_UNREACHABLE : ICMP_PARAMETER_PROBLEM;
  if (type !== 1) return -1;
  switch (code) {
    case 0:
      return ICMP_NET_UNREACHABLE;
    case 1: // prohibited, source policy, reject route
    case 5:
    case 6:
      return ICMP_PROHIBITED;
    case 4:
      return ICMP_PORT_UNREACHABLE;
    default:
      return ICMP_HOST_UNREACHABLE;
  }
}

/**
 * A transport that hears of ICMP errors about packets of its protocol. The packet was quoted by somebody who may never
 * have seen it: the transport finds its connection by the quoted addresses and ports, and believes a sequence number
 * only when it is in flight (RFC 5927). Nothing may be kept of the memory after the call; the call does not throw.
 */
export interface IcmpErrorSink {
  /**
   * `kind` is an ICMP_ number, `fib` the FIB index it came in by, `ipAt` the window offset of the quoted IP header
   * (its fixed part is there), `l4At` that of the quoted transport header, `l4Bytes` (8 or more) how much of it is
   * there. `mtu` is that of ICMP_TOO_BIG, 0 when not given, never above 65535. True when a connection was found.
   */
  icmpError(
    family: Family,
    kind: number,
    fib: number,
    ipAt: number,
    l4At: number,
    l4Bytes: number,
    mtu: number,
  ): boolean;
}

/** The sinks by IP protocol number. */
export class IcmpErrorSinks {
  readonly #sinks: (IcmpErrorSink | undefined)[] = new Array<IcmpErrorSink | undefined>(256).fill(undefined);

  /** Registers the transport of a protocol number; throws RangeError when there is one. */
  add(protocol: number, sink: IcmpErrorSink): void {
    if (this.#sinks[protocol] !== undefined) throw new RangeError(`protocol ${protocol} has an ICMP error sink`);
    this.#sinks[protocol] = sink;
  }

  /** The sink of a protocol number. */
  at(protocol: number): IcmpErrorSink | undefined {
    return this.#sinks[protocol];
  }
}
