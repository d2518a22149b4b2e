import { M_DATA, M_GSO, M_L3, M_LEN, M_RX_IF, M_SLOT, M_TAIL, MAX_TAILS } from "../../graph/packet-pool.js";
import {
  DGRAM_GSO_SIZE,
  DGRAM_HAS_TRAFFIC_CLASS,
  DGRAM_HEADER_BYTES,
  DGRAM_INTERFACE,
  DGRAM_IS_IP4,
  DGRAM_LOCAL_IP,
  DGRAM_LOCAL_PORT,
  DGRAM_NO_INTERFACE,
  DGRAM_REMOTE_IP,
  DGRAM_REMOTE_PORT,
  DGRAM_TRAFFIC_CLASS,
  enqueueDatagram,
} from "../../mem/fifo-datagram.js";
import type { FifoTable } from "../../mem/fifo-table.js";
import type { Offset } from "../../mem/flavor.js";
import type { MemoryWindow } from "../../mem/window.js";
import { IP4_DST, IP4_SRC, IP4_TOS } from "../../wire/ip4.js";
import { IP6_DST, IP6_SRC } from "../../wire/ip6.js";
import { UDP_DST_PORT, UDP_HEADER_LEN, UDP_SRC_PORT } from "../../wire/udp.js";
import { C_RX_FIFO } from "../transport.js";
import { U_IN_DATAGRAMS, U_IN_ERRORS, U_IN_OCTETS } from "./connection.js";

/** Puts datagrams from packets into rx fifos, each behind a header that says whose it is. */
export class UdpReceiver {
  readonly #window: MemoryWindow;
  readonly #fifos: FifoTable;
  readonly #header: Offset;
  /** The packet's payload: (offset, length) pairs. */
  readonly #payload = new Int32Array(2 * (MAX_TAILS + 1));
  /** A pair for the header, then those of one datagram. */
  readonly #spans = new Int32Array(2 * (MAX_TAILS + 2));

  /** Reserves a line of scratch. Throws RangeError when the window is full. */
  constructor(window: MemoryWindow, fifos: FifoTable) {
    this.#window = window;
    this.#fifos = fifos;
    this.#header = window.reserve("udp rx header", DGRAM_HEADER_BYTES);
  }

  /**
   * Enqueues, for the connection on row `r`, the payload of the packet whose metadata is at word `m` (M_DATA at the UDP header, M_L3 at the IP header),
   * of which `length` bytes, header included, are the datagram's; a superframe as the datagrams it was made from.
   * Returns how many of them found no room.
   */
  enqueue(r: number, m: number, length: number, isIp4: boolean): number {
    const { i32 } = this.#window;
    const rx = i32[r + C_RX_FIFO];
    this.#writeHeader(i32[m + M_L3], i32[m + M_DATA], isIp4, i32[m + M_RX_IF]);
    const count = this.#listPayload(m);
    const total = length - UDP_HEADER_LEN;
    const gsoSize = i32[m + M_GSO] & 0xffff;
    const size = gsoSize > 0 ? gsoSize : total;
    let lost = 0;
    let at = 0;
    do {
      const end = at + size < total ? at + size : total;
      const pairs = this.#cut(count, at, end);
      if (enqueueDatagram(this.#fifos, this.#window, rx, this.#header, this.#spans, 2, pairs)) {
        i32[r + U_IN_DATAGRAMS]++;
        i32[r + U_IN_OCTETS] += end - at;
      } else lost++;
      at = end;
    } while (at < total);
    i32[r + U_IN_ERRORS] += lost;
    return lost;
  }

  #writeHeader(ip: number, l4: number, isIp4: boolean, rxIf: number): void {
    const { dv, u8, i32 } = this.#window;
    const header = this.#header;
    const remote = header + DGRAM_REMOTE_IP;
    const local = header + DGRAM_LOCAL_IP;
    if (isIp4) {
      for (let i = 0; i < 3; i++) i32[(remote >> 2) + i] = i32[(local >> 2) + i] = 0;
      dv.setInt32(remote + 12, dv.getInt32(ip + IP4_SRC));
      dv.setInt32(local + 12, dv.getInt32(ip + IP4_DST));
    } else {
      for (let i = 0; i < 16; i += 4) {
        dv.setInt32(remote + i, dv.getInt32(ip + IP6_SRC + i));
        dv.setInt32(local + i, dv.getInt32(ip + IP6_DST + i));
      }
    }
    dv.setUint16(header + DGRAM_REMOTE_PORT, dv.getUint16(l4 + UDP_SRC_PORT));
    dv.setUint16(header + DGRAM_LOCAL_PORT, dv.getUint16(l4 + UDP_DST_PORT));
    u8[header + DGRAM_IS_IP4] = isIp4 ? 1 : 0;
    dv.setUint16(header + DGRAM_GSO_SIZE, 0);
    u8[header + DGRAM_TRAFFIC_CLASS] = isIp4 ? u8[ip + IP4_TOS] : dv.getUint16(ip) >>> 4;
    u8[header + DGRAM_HAS_TRAFFIC_CLASS] = 0;
    dv.setUint16(header + DGRAM_INTERFACE, rxIf < 0 ? DGRAM_NO_INTERFACE : rxIf);
  }

  #listPayload(m: number): number {
    const { i32 } = this.#window;
    const payload = this.#payload;
    payload[0] = i32[m + M_DATA] + UDP_HEADER_LEN;
    payload[1] = i32[m + M_LEN] - UDP_HEADER_LEN;
    const tails = i32[m + M_TAIL] >>> 24;
    const slot = i32[m + M_SLOT] >> 2;
    for (let i = 0; i < 2 * tails; i++) payload[2 + i] = i32[slot + i];
    return tails + 1;
  }

  /** Lists bytes [from, to) of the payload's `count` pieces behind the header's pair; returns how many pairs. */
  #cut(count: number, from: number, to: number): number {
    const payload = this.#payload;
    const spans = this.#spans;
    let pairs = 0;
    let start = 0;
    for (let i = 0; i < count && start < to; i++) {
      const bytes = payload[2 * i + 1];
      const first = from > start ? from - start : 0;
      const last = to - start < bytes ? to - start : bytes;
      if (last > first) {
        pairs++;
        spans[2 * pairs] = payload[2 * i] + first;
        spans[2 * pairs + 1] = last - first;
      }
      start += bytes;
    }
    return pairs;
  }
}
