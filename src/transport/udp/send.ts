import { CONSUMED, FRAME_SIZE, type Frame } from "../../graph/frame.js";
import {
  F_CHECKSUM_PARTIAL,
  F_IP6,
  F_LOCAL_ORIGIN,
  F_NO_CHECKSUM_OFFLOAD,
  M_CONN,
  M_DATA,
  M_FIB,
  M_FLAGS,
  M_L3,
  M_L4,
  M_LEN,
  M_PROTO,
  type PacketPool,
} from "../../graph/packet-pool.js";
import type { Ident } from "../../ip/ident.js";
import {
  DGRAM_DATA_OFFSET,
  DGRAM_HAS_TRAFFIC_CLASS,
  DGRAM_HEADER_BYTES,
  DGRAM_LOCAL_IP,
  DGRAM_REMOTE_IP,
  DGRAM_REMOTE_PORT,
  DGRAM_TRAFFIC_CLASS,
  dropDatagram,
  peekDatagram,
} from "../../mem/fifo-datagram.js";
import type { FifoOffset } from "../../mem/fifo-layout.js";
import type { FifoTable } from "../../mem/fifo-table.js";
import type { Offset } from "../../mem/flavor.js";
import type { MemoryWindow } from "../../mem/window.js";
import type { LocalAddresses } from "../../session/local-addresses.js";
import { checksumPseudo4, checksumPseudo6 } from "../../wire/checksum.js";
import { ETH_HEADER_LEN } from "../../wire/ethernet.js";
import { IP4_HEADER_LEN, ip4Emit, PROTOCOL_UDP } from "../../wire/ip4.js";
import { IP6_DST, IP6_HEADER_LEN, IP6_SRC, ip6Emit, ip6EmitAddress } from "../../wire/ip6.js";
import { UDP_CHECKSUM, UDP_HEADER_LEN, udpEmit } from "../../wire/udp.js";
import {
  C_FIB,
  C_FLAGS,
  C_IP_FIELDS,
  C_LCL,
  C_PORTS,
  C_RMT,
  C_SESSION,
  C_STATE,
  C_TX_FIFO,
  CF_IP6,
  CF_NO_CHECKSUM_OFFLOAD,
  type ConnectionIndex,
  TRANSPORT_UDP,
  type SessionIndex,
  type TransportUpcalls,
} from "../transport.js";
import { U_OUT_DATAGRAMS, U_OUT_OCTETS, UDP_LISTEN } from "./connection.js";

/** Datagrams dropped on the way out, by reason: indices of {@link UdpSender.drops}. */
export const UDP_DROP_NO_BUFFER = 0;
/** No source address: there is no route to the destination. */
export const UDP_DROP_NO_ROUTE = 1;
/** Destination, port or size that no datagram can have. */
export const UDP_DROP_BAD_DESTINATION = 2;
/** Reasons. */
export const UDP_DROPS = 3;

/** What sending needs. */
export interface UdpSenderParts {
  readonly window: MemoryWindow;
  readonly pool: PacketPool;
  readonly fifos: FifoTable;
  readonly addresses: LocalAddresses;
  readonly upcalls: TransportUpcalls;
  readonly ident: Ident;
}

/** A source address that was found or checked, kept for the next datagram. */
class SourceCache {
  readonly key = new Int32Array(4);
  readonly source = new Int32Array(4);
  fib = -1;
  family: 4 | 6 = 4;

  matches(fib: number, family: 4 | 6, words: Int32Array): boolean {
    const { key } = this;
    return (
      fib === this.fib &&
      family === this.family &&
      key[0] === words[0] &&
      key[1] === words[1] &&
      key[2] === words[2] &&
      key[3] === words[3]
    );
  }

  store(fib: number, family: 4 | 6, words: Int32Array): void {
    this.fib = fib;
    this.family = family;
    for (let i = 0; i < 4; i++) this.key[i] = words[i];
  }
}

/** Makes packets of the datagrams in tx fifos. */
export class UdpSender {
  /** Datagrams dropped since session-queue last counted them, by UDP_DROP_ number. */
  readonly drops = new Int32Array(UDP_DROPS);
  readonly #parts: UdpSenderParts;
  readonly #header: Offset;
  readonly #local = new Int32Array(4);
  readonly #remote = new Int32Array(4);
  readonly #chosen = new SourceCache();
  readonly #checked = new SourceCache();

  /** Reserves a line of scratch. Throws RangeError when the window is full. */
  constructor(parts: UdpSenderParts) {
    this.#parts = parts;
    this.#header = parts.window.reserve("udp tx header", DGRAM_HEADER_BYTES);
  }

  /** Forgets remembered source addresses: the host's addresses or routes may have changed. */
  forgetSources(): void {
    this.#chosen.fib = this.#checked.fib = -1;
  }

  /** Sends datagrams of connection `c` on row `r`, at most `budget`, none after `most` bytes; returns whether there are more. */
  send(c: ConnectionIndex, r: number, frame: Frame, budget: number, most: number): boolean {
    const { window, fifos } = this.#parts;
    const tx = window.i32[r + C_TX_FIFO];
    const next = (TRANSPORT_UDP << 1) | ((window.i32[r + C_FLAGS] & CF_IP6) !== 0 ? 1 : 0);
    let left = most;
    for (let n = 0; n < budget && left > 0 && frame.count < FRAME_SIZE; n++) {
      const bytes = peekDatagram(fifos, window, tx, this.#header);
      if (bytes < 0) return false;
      const b = this.#build(c, r, tx, bytes);
      dropDatagram(fifos, window, tx, this.#header);
      left = (left - bytes) | 0;
      if (b === CONSUMED) continue;
      frame.add(b, next);
      window.i32[r + U_OUT_DATAGRAMS]++;
      window.i32[r + U_OUT_OCTETS] += bytes;
    }
    return fifos.maxDequeue(tx) > 0;
  }

  /** The packet of the first datagram, or CONSUMED, counted, when it cannot be sent. */
  #build(c: ConnectionIndex, r: number, tx: FifoOffset, bytes: number): number {
    const { window, pool, fifos, ident } = this.#parts;
    const { i32, u8, dv } = window;
    const header = this.#header;
    const flags = i32[r + C_FLAGS];
    const isIp6 = (flags & CF_IP6) !== 0;
    let remotePort = i32[r + C_PORTS] & 0xffff;
    const local = this.#local;
    const remote = this.#remote;
    for (let i = 0; i < 4; i++) {
      local[i] = i32[r + C_LCL + i];
      remote[i] = i32[r + C_RMT + i];
    }
    if (i32[r + C_STATE] === UDP_LISTEN) {
      remotePort = dv.getUint16(header + DGRAM_REMOTE_PORT);
      const drop = this.#address(i32[r + C_SESSION], i32[r + C_FIB], isIp6);
      if (drop >= 0) return this.#drop(drop);
    }
    const ipLen = isIp6 ? IP6_HEADER_LEN : IP4_HEADER_LEN;
    const length = bytes + UDP_HEADER_LEN;
    if (remotePort === 0 || length + (isIp6 ? 0 : ipLen) > 0xffff) return this.#drop(UDP_DROP_BAD_DESTINATION);
    const b = pool.allocFor(ETH_HEADER_LEN + ipLen + length);
    if (b < 0) return this.#drop(UDP_DROP_NO_BUFFER);

    const m = pool.meta + (b << 4);
    const ip = i32[m + M_DATA] + ETH_HEADER_LEN;
    const l4 = ip + ipLen;
    const fields = i32[r + C_IP_FIELDS];
    const hops = (fields >>> 8) & 0xff;
    // ECN is not an application's to say (RFC 3168 6.1).
    const trafficClass =
      u8[header + DGRAM_HAS_TRAFFIC_CLASS] === 0 ? fields & 0xff : u8[header + DGRAM_TRAFFIC_CLASS] & 0xfc;
    if (isIp6) {
      ip6Emit(dv, ip, trafficClass, 0, length, PROTOCOL_UDP, hops);
      ip6EmitAddress(dv, ip + IP6_SRC, local[0], local[1], local[2], local[3]);
      ip6EmitAddress(dv, ip + IP6_DST, remote[0], remote[1], remote[2], remote[3]);
    } else {
      const id = ident.next4(local[0], remote[0], PROTOCOL_UDP);
      ip4Emit(dv, ip, trafficClass, ipLen + length, id, 0, hops, PROTOCOL_UDP, local[0], remote[0]);
    }
    udpEmit(dv, l4, i32[r + C_PORTS] >>> 16, remotePort, length);
    const sum = isIp6 ? checksumPseudo6(dv, ip, PROTOCOL_UDP, length) : checksumPseudo4(dv, ip, PROTOCOL_UDP, length);
    dv.setUint16(l4 + UDP_CHECKSUM, sum);
    const offset = i32[(header + DGRAM_DATA_OFFSET) >> 2];
    if (bytes > 0) fifos.peek(tx, DGRAM_HEADER_BYTES + offset, l4 + UDP_HEADER_LEN, bytes);
    i32[m + M_DATA] = i32[m + M_L3] = ip;
    i32[m + M_LEN] = ipLen + length;
    i32[m + M_L4] = l4;
    i32[m + M_PROTO] = PROTOCOL_UDP;
    i32[m + M_FIB] = i32[r + C_FIB];
    i32[m + M_CONN] = c;
    i32[m + M_FLAGS] |=
      F_LOCAL_ORIGIN |
      F_CHECKSUM_PARTIAL |
      (isIp6 ? F_IP6 : 0) |
      ((flags & CF_NO_CHECKSUM_OFFLOAD) !== 0 ? F_NO_CHECKSUM_OFFLOAD : 0);
    return b;
  }

  #drop(reason: number): number {
    this.drops[reason]++;
    return CONSUMED;
  }

  /** Takes the addresses of a listener's datagram from its header. Returns -1, or why it cannot be sent. */
  #address(session: SessionIndex, fib: number, isIp6: boolean): number {
    const { dv } = this.#parts.window;
    const { addresses } = this.#parts;
    const header = this.#header;
    const local = this.#local;
    const remote = this.#remote;
    const family = isIp6 ? 6 : 4;
    const skip = isIp6 ? 0 : 12;
    const words = isIp6 ? 4 : 1;
    let isBound = false;
    let asksLocal = 0;
    let anyRemote = 0;
    for (let i = 0; i < words; i++) {
      isBound = isBound || local[i] !== 0;
      remote[i] = dv.getInt32(header + DGRAM_REMOTE_IP + skip + 4 * i);
      anyRemote |= remote[i];
      asksLocal |= dv.getInt32(header + DGRAM_LOCAL_IP + skip + 4 * i);
    }
    if (anyRemote === 0) return UDP_DROP_BAD_DESTINATION;
    if (isBound) return -1;
    for (let i = 0; i < words; i++) local[i] = dv.getInt32(header + DGRAM_LOCAL_IP + skip + 4 * i);
    const { upcalls } = this.#parts;
    if (upcalls.isOnInterface(session)) {
      // Whatever an application in another process has written there: its namespace's interface is all it has.
      const own = upcalls.sourceOn(session, remote, asksLocal === 0 ? undefined : local);
      if (own === undefined) return UDP_DROP_NO_ROUTE;
      for (let i = 0; i < 4; i++) local[i] = own[i];
      return -1;
    }
    if (asksLocal !== 0) {
      if (this.#checked.matches(fib, family, local)) return -1;
      // Groups and broadcast addresses that a datagram came to are no address to answer from: route as if none was asked for.
      if (addresses.isLocal(fib, family, local) || addresses.maySpoof(fib, family, -1, local)) {
        this.#checked.store(fib, family, local);
        return -1;
      }
    }
    const chosen = this.#chosen;
    if (!chosen.matches(fib, family, remote)) {
      chosen.fib = -1;
      if (addresses.sourceFor(fib, family, remote, chosen.source) < 0) return UDP_DROP_NO_ROUTE;
      chosen.store(fib, family, remote);
    }
    for (let i = 0; i < 4; i++) local[i] = chosen.source[i];
    return -1;
  }
}
