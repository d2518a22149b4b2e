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
    const c = family === 4 ? this.#find4(fib, ipAt, ports) : this.#find6(fib, ipAt, ports);
    if (c < 0) return false;
    this.#transport.icmpError(c, kind, dv.getInt32(l4At + 4), mtu);
    return true;
  }

  #find4(fib: number, ipAt: number, ports: number): number {
    const { dv } = this.#window;
    const lookup = this.#lookup;
    const { proto } = this.#transport;
    const lcl = dv.getInt32(ipAt + IP4_SRC);
    const rmt = dv.getInt32(ipAt + IP4_DST);
    const hash = lookup.hash4(lcl, rmt, ports);
    const c = lookup.established4(fib, proto, lcl, rmt, ports, hash);
    return c >= 0 ? c : lookup.halfOpen4(fib, proto, lcl, rmt, ports, hash);
  }

  #find6(fib: number, ipAt: number, ports: number): number {
    const { dv } = this.#window;
    const lookup = this.#lookup;
    const { proto } = this.#transport;
    const s = ipAt + IP6_SRC;
    const d = ipAt + IP6_DST;
    const l0 = dv.getInt32(s);
    const l1 = dv.getInt32(s + 4);
    const l2 = dv.getInt32(s + 8);
    const l3 = dv.getInt32(s + 12);
    const r0 = dv.getInt32(d);
    const r1 = dv.getInt32(d + 4);
    const r2 = dv.getInt32(d + 8);
    const r3 = dv.getInt32(d + 12);
    const hash = lookup.hash6(l0, l1, l2, l3, r0, r1, r2, r3, ports);
    const c = lookup.established6(fib, proto, l0, l1, l2, l3, r0, r1, r2, r3, ports, hash);
    return c >= 0 ? c : lookup.halfOpen6(fib, proto, l0, l1, l2, l3, r0, r1, r2, r3, ports, hash);
  }
}
