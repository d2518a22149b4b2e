import type { Host } from "../../nodes/host.js";
import { drop } from "../../nodes/drop.js";
import { sessionInput } from "../../nodes/session-input.js";
import { sessionQueue } from "../../nodes/session-queue.js";
import { udp4Input, udp6Input } from "../../nodes/udp-input.js";
import { udp4Output, udp6Output } from "../../nodes/udp-output.js";
import { AppServer } from "../../src/app/attach.js";
import { InterfaceTable } from "../../src/device/interface.js";
import { Engine } from "../../src/graph/engine.js";
import { CONSUMED } from "../../src/graph/frame.js";
import { NO_TRACE, type NodeForm } from "../../src/graph/node.js";
import { F_IP6, M_DATA, M_FIB, M_FLAGS, M_GSO, M_L3, M_LEN, PacketPool } from "../../src/graph/packet-pool.js";
import type { Ip } from "../../src/ip/ip.js";
import { Ident } from "../../src/ip/ident.js";
import type { NeighbourTable } from "../../src/ip/neighbour.js";
import { FifoTable } from "../../src/mem/fifo-table.js";
import { MemoryWindow } from "../../src/mem/window.js";
import { SeededRandom } from "../../src/random/seeded.js";
import { FlowPackets } from "../../src/session/flow-packets.js";
import { SessionLookup } from "../../src/session/lookup.js";
import { DEFAULT_SESSION_CONFIG, type SessionConfig } from "../../src/session/session-config.js";
import { SessionLayer } from "../../src/session/session-layer.js";
import { ManualClock } from "../../src/time/manual-clock.js";
import type { TcpTransport } from "../../src/transport/tcp/tcp.js";
import { UdpTransport } from "../../src/transport/udp/udp.js";
import { FakeAddresses } from "../session/fake-transport.js";

/** A packet that left the nodes under test: its bytes from M_DATA on, and its metadata line. */
export interface Sent {
  readonly bytes: Uint8Array;
  readonly meta: Int32Array;
}

/** The session and UDP nodes in a real engine; what they send on is caught. */
export class UdpHarness implements Host {
  readonly window = MemoryWindow.plain(16 << 20);
  readonly pool: PacketPool;
  readonly clock = new ManualClock(1_000_000);
  readonly engine: Engine<Host>;
  readonly interfaces = new InterfaceTable();
  readonly fifos: FifoTable;
  readonly lookup: SessionLookup;
  readonly sessions: SessionLayer;
  readonly udp: UdpTransport;
  readonly tls = undefined;
  readonly dtls = undefined;
  readonly server: AppServer;
  readonly errors: unknown[] = [];
  readonly #sinks = new Map<string, Sent[]>();

  constructor({ small = 256, large = 4, ...config }: Partial<SessionConfig> & { small?: number; large?: number } = {}) {
    const { window } = this;
    this.pool = new PacketPool(window, { small, large, poison: true });
    this.engine = new Engine<Host>({ window, pool: this.pool, clock: this.clock });
    const bytes = 4 << 20;
    this.fifos = new FifoTable(window, window.reserve("fifos", bytes, 4096), bytes, { maxFifos: 256 });
    const random = new SeededRandom(11);
    const addresses = new FakeAddresses();
    this.lookup = new SessionLookup(window, random, { connections: 1024, halfOpens: 256, listeners: 64 });
    this.sessions = new SessionLayer({
      window,
      fifos: this.fifos,
      lookup: this.lookup,
      addresses,
      packets: new FlowPackets(this.pool, (node, b) => this.engine.inject(node, b)),
      random,
      config: { ...DEFAULT_SESSION_CONFIG, maxSessions: 128, ...config },
      hooks: { wake: () => {}, reportError: (error) => this.errors.push(error) },
    });
    this.udp = new UdpTransport({
      window,
      pool: this.pool,
      fifos: this.fifos,
      lookup: this.lookup,
      upcalls: this.sessions,
      addresses,
      ident: new Ident(random),
      engine: this.engine,
      config: { maxConnections: 64, hopLimit: 64 },
    });
    this.sessions.register(this.udp);
    this.server = new AppServer(this.sessions);
    for (const form of [drop, udp4Input, udp6Input, udp4Output, udp6Output, sessionInput, sessionQueue]) {
      this.engine.register(form);
    }
    for (const name of ["ip4-lookup", "ip6-lookup", "ip4-icmp-error", "ip6-icmp-error", "tcp4-output", "tcp6-output"]) {
      this.engine.register(this.#sink(name));
    }
    this.engine.addTimed(this.sessions);
    this.engine.start(this);
  }

  get ip(): Ip {
    throw new Error("no ip layer");
  }

  get neighbours(): NeighbourTable {
    throw new Error("no neighbours");
  }

  get tcp(): TcpTransport {
    throw new Error("no TCP");
  }

  get transports(): SessionLayer["transports"] {
    return this.sessions.transports;
  }

  #sink(name: string): NodeForm<Host> {
    const caught: Sent[] = [];
    this.#sinks.set(name, caught);
    return {
      name,
      next: [],
      errors: [],
      trace: NO_TRACE,
      process:
        ({ window: { i32, u8 }, pool }) =>
        (frame) => {
          for (let i = 0; i < frame.count; i++) {
            const m = pool.meta + (frame.buffers[i] << 4);
            const data = i32[m + M_DATA];
            caught.push({ bytes: u8.slice(data, data + i32[m + M_LEN]), meta: i32.slice(m, m + 16) });
            pool.free(frame.buffers[i]);
            frame.next[i] = CONSUMED;
          }
        },
    };
  }

  /** What a sink has caught since it was last asked. */
  caught(name: string): Sent[] {
    return (this.#sinks.get(name) as Sent[]).splice(0);
  }

  /**
   * Puts an IP packet where ip-local would: M_DATA at the transport header. `tails` are moved to tail spans: that many
   * bytes from the end, in the order given.
   */
  arrive(packet: Uint8Array, { flags = 0, fib = 0, gso = 0, tails = [] as readonly number[] } = {}): number {
    const { pool } = this;
    const { i32, u8 } = this.window;
    const isIp6 = packet[0] >>> 4 === 6;
    const headerLength = isIp6 ? 40 : (packet[0] & 15) << 2;
    const b = pool.allocFor(packet.length + 64);
    if (b < 0) throw new Error("no buffer");
    const m = pool.meta + (b << 4);
    u8.set(packet, i32[m + M_DATA]);
    i32[m + M_L3] = i32[m + M_DATA];
    i32[m + M_DATA] += headerLength;
    i32[m + M_LEN] = packet.length - headerLength;
    i32[m + M_FLAGS] |= flags | (isIp6 ? F_IP6 : 0);
    i32[m + M_FIB] = fib;
    i32[m + M_GSO] = gso;
    let at = packet.length;
    for (const bytes of tails) at -= bytes;
    i32[m + M_LEN] = at - headerLength;
    for (const bytes of tails) {
      pool.addTail(b, i32[m + M_L3] + at, bytes);
      at += bytes;
    }
    this.engine.inject(isIp6 ? "udp6-input" : "udp4-input", b);
    return b;
  }

  /** A few turns. */
  run(turns = 3): void {
    for (let i = 0; i < turns; i++) this.engine.turn();
  }

  /** Counters of a node that are not 0. */
  counters(node: string): Record<string, number> {
    return Object.fromEntries(
      this.engine.errors().flatMap((each) => (each.node === node ? [[each.symbol, each.count]] : [])),
    );
  }
}

/** An IPv4 or IPv6 packet that carries a UDP datagram; addresses as bytes, checksum 0x1234 unless given. */
export function udpPacket(
  source: readonly number[],
  destination: readonly number[],
  ports: readonly [source: number, destination: number],
  payload: Uint8Array,
  { length = payload.length + 8, checksum = 0x1234 } = {},
): Uint8Array {
  const isIp6 = source.length === 16;
  const header = isIp6 ? 40 : 20;
  const packet = new Uint8Array(header + 8 + payload.length);
  const dv = new DataView(packet.buffer);
  packet[0] = isIp6 ? 0x60 : 0x45;
  if (isIp6) {
    dv.setUint16(4, 8 + payload.length);
    packet[6] = 17;
    packet[7] = 64;
  } else {
    dv.setUint16(2, packet.length);
    packet[8] = 64;
    packet[9] = 17;
  }
  packet.set(source, isIp6 ? 8 : 12);
  packet.set(destination, isIp6 ? 24 : 16);
  dv.setUint16(header, ports[0]);
  dv.setUint16(header + 2, ports[1]);
  dv.setUint16(header + 4, length);
  dv.setUint16(header + 6, checksum);
  packet.set(payload, header + 8);
  return packet;
}
