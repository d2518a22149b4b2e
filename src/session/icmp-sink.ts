import type { Family } from "../ip/address.js";
import type { IcmpErrorSink } from "../ip/icmp-error-sink.js";
import type { MemoryWindow } from "../mem/window.js";
import type { Transport } from "../transport/transport.js";
import { IP4_DST, IP4_SRC } from "../wire/ip4.js";
import { IP6_DST, IP6_SRC } from "../wire/ip6.js";
import type { SessionLookup } from "./lookup.js";

/** Finds the connection of a quoted packet and tells its transport (VPP transport-icmp-dest-unreachable). */
export class TransportIcmpSink implements IcmpErrorSink {
  readonly #window: MemoryWindow;
  readonly #lookup: SessionLookup;
  readonly #transport: Transport;

  constructor(window: MemoryWindow, lookup: SessionLookup, transport: Transport) {
    this.#window = window;
    this.#lookup = lookup;
    this.#transport = transport;
  }

  icmpError(
    family: Family,
    kind: number,
    fib: number,
    ipAt: number,
    l4At: number,
    l4Bytes: number,
    mtu: number,
  ): boolean {
    if (l4Bytes < 8) return false;
    const { dv } = this.#window;
    // We sent the quoted packet: its source is our side. Ports stand first in every transport's header.
    const ports = dv.getInt32(l4At);
    const isIp6 = family === 6;
    const lclAt = ipAt + (isIp6 ? IP6_SRC : IP4_SRC);
    const rmtAt = ipAt + (isIp6 ? IP6_DST : IP4_DST);
    const c = this.#lookup.connectionAt(isIp6, fib, this.#transport.proto, lclAt, rmtAt, ports);
    if (c < 0) return false;
    this.#transport.icmpError(c, kind, dv.getInt32(l4At + 4), mtu);
    return true;
  }
}
