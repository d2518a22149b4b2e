import { ALL_ARCS, ALL_NODES } from "../nodes/index.js";
import type { Host } from "../nodes/host.js";
import type { Device } from "./device/device.js";
import { type Interface, InterfaceTable } from "./device/interface.js";
import { Engine } from "./graph/engine.js";
import type { NodeForm } from "./graph/node.js";
import { PacketPool } from "./graph/packet-pool.js";
import { type Family, isAssignable } from "./ip/address.js";
import { A_IF, A_MTU, A_TYPE, ADJ_BROADCAST, type AdjIndex } from "./ip/adjacency.js";
import type { FibRecord } from "./ip/fib.js";
import { Ip, type IpOptions } from "./ip/ip.js";
import { NeighbourTable, type NeighbourOptions } from "./ip/neighbour.js";
import { sourceAddressFor } from "./ip/source-address.js";
import { FifoTable } from "./mem/fifo-table.js";
import { PAGE_BYTES } from "./mem/page-ranges.js";
import type { MemoryWindow } from "./mem/window.js";
import type { Random } from "./random/random.js";
import { TransportIcmpSink } from "./session/icmp-sink.js";
import { FlowPackets } from "./session/flow-packets.js";
import type { LocalAddresses } from "./session/local-addresses.js";
import { SessionLookup } from "./session/lookup.js";
import { DEFAULT_SESSION_CONFIG, type SessionConfig } from "./session/session-config.js";
import { SESSION_E_NOIP, SessionError } from "./session/session-errors.js";
import type { SessionHooks } from "./session/session-core.js";
import { SessionLayer } from "./session/session-layer.js";
import { isSessionRecord, type SessionRecord } from "./session/session-record.js";
import type { Clock } from "./time/clock.js";
import { CtTransport } from "./transport/ct/ct.js";
import { DEFAULT_TCP_CONFIG, type TcpConfig } from "./transport/tcp/config.js";
import { TcpTransport } from "./transport/tcp/tcp.js";
import { DtlsTransport } from "./transport/dtls/dtls.js";
import { DEFAULT_TLS_CONFIG, type TlsConfig } from "./transport/tls/config.js";
import type { TlsEngine } from "./transport/tls/engine.js";
import { TlsTransport } from "./transport/tls/tls.js";
import { C_FIB, C_FLAGS, C_RMT, CF_IP6, type Transport } from "./transport/transport.js";
import { DEFAULT_UDP_CONFIG, type UdpConfig } from "./transport/udp/config.js";
import { UdpTransport } from "./transport/udp/udp.js";
import { PROTOCOL_TCP, PROTOCOL_UDP } from "./wire/ip4.js";

/** How much memory the parts of a stack get. */
export interface StackLimits {
  /** Packet buffers of 2 KiB. */
  readonly smallPackets: number;
  /** Packet buffers of 64 KiB. */
  readonly largePackets: number;
  /** Slots of device rings (af-packet). */
  readonly ringPackets: number;
  /** Memory of all fifos, bytes; the most that sessions can hold in flight and unread. */
  readonly fifoBytes: number;
  /** Address space for the segments of applications that have their own, bytes; memory is taken segment by segment. */
  readonly appSegmentBytes: number;
  /** Interfaces at most, up to 1024. */
  readonly maxInterfaces: number;
  /** Freed packets are overwritten with 0xdb. */
  readonly poison: boolean;
}

/** Limits that suit a host on a real device. */
export const DEFAULT_LIMITS: StackLimits = {
  smallPackets: 8192,
  largePackets: 128,
  ringPackets: 256,
  fifoBytes: 256 << 20,
  appSegmentBytes: 0,
  maxInterfaces: 1024,
  poison: false,
};

/** Limits of a small host: simulator, replay, tests. */
export const SMALL_LIMITS: StackLimits = {
  smallPackets: 512,
  largePackets: 16,
  ringPackets: 0,
  fifoBytes: 4 << 20,
  appSegmentBytes: 0,
  maxInterfaces: 1024,
  poison: true,
};

/** What a stack is made of: its three capabilities are the window, the clock and the randomness. */
export interface StackParts {
  readonly window: MemoryWindow;
  readonly clock: Clock;
  readonly random: Random;
  readonly hooks: SessionHooks;
  readonly limits?: Partial<StackLimits>;
  readonly ip?: IpOptions;
  readonly neighbours?: NeighbourOptions;
  readonly session?: Partial<SessionConfig>;
  readonly tcp?: Partial<TcpConfig>;
  readonly udp?: Partial<UdpConfig>;
  /** With an engine, whose window is the stack's, there are the transports `tls` and `dtls`. */
  readonly tls?: { readonly engine: TlsEngine; readonly config?: Partial<TlsConfig> };
  /** Nodes of the user's own: features, and where the attribute nextNode sends packets. */
  readonly nodes?: readonly NodeForm<Host>[];
}

/** How an interface joins a stack. */
export interface InterfaceOptions {
  /** Largest IP packet, bytes; default the device's. */
  readonly mtu?: number;
  /** Addresses with prefix length, `198.18.0.2/24`. */
  readonly addresses?: readonly string[];
  /** Table of the interface, both families; made when missing. Default 0. */
  readonly table?: number;
  /** Takes frames and packets for any destination. */
  readonly promiscuous?: boolean;
  /** Lets sessions listen on, and send from, addresses that no interface has. */
  readonly spoofing?: boolean;
}

/**
 * One host: an engine with its graph, tables and transports. It knows neither a kind of device nor a face nor the
 * CLI; the same class runs on a TAP, in the simulator and in replay.
 */
export class Stack {
  /** What the nodes see. */
  readonly host: Host;

  constructor(parts: StackParts) {
    this.host = makeHost(parts);
  }

  /** The engine: whoever drives the stack calls its `turn`. */
  get engine(): Engine<Host> {
    return this.host.engine;
  }

  /** Puts a device into the graph. Throws with nothing added when an option is wrong or the name is taken. */
  addInterface(name: string, device: Device, options: InterfaceOptions = {}): Interface {
    const { interfaces, ip, pool } = this.host;
    const { table = 0, addresses = [] } = options;
    device.attach(pool);
    const added = interfaces.add(name, device, options.mtu);
    added.promiscuous = options.promiscuous ?? false;
    added.spoofing = options.spoofing ?? false;
    if (table !== 0) {
      ip.fib.apply({ kind: "table", table, add: true });
      ip.fib.apply({ kind: "interface-table", interface: added.index, table });
    }
    for (const prefix of addresses) {
      ip.fib.apply({ kind: "address", interface: added.index, prefix, add: true });
    }
    return added;
  }

  /** Applies a change of the forwarding tables or of the session layer. Throws RangeError or SessionError when it cannot be. */
  apply(record: FibRecord | SessionRecord): void {
    applyRecord(this.host, record);
  }

  /** Closes the devices and gives the window back. Nothing may be called afterwards. */
  close(): void {
    for (const each of this.host.interfaces.all()) each.device.close();
    this.host.window.close();
  }
}

/** The one door of changes that are records: {@link Stack.apply} for who has only the host. */
export function applyRecord(host: Host, record: FibRecord | SessionRecord): void {
  if (!isSessionRecord(record)) return host.ip.fib.apply(record);
  const error = host.sessions.apply(record);
  if (error < 0) throw new SessionError(error, record.kind === "namespace" ? `namespace ${record.id}` : record.kind);
}

function makeHost(parts: StackParts): Host {
  const { window, clock, random, hooks } = parts;
  const limits = { ...DEFAULT_LIMITS, ...parts.limits };
  const sessionConfig = { ...DEFAULT_SESSION_CONFIG, ...parts.session };
  const tcpConfig = { ...DEFAULT_TCP_CONFIG, ...parts.tcp };
  const { smallPackets: small, largePackets: large, ringPackets: ring, poison, maxInterfaces } = limits;
  const pool = new PacketPool(window, { small, large, ring, poison });
  const engine = new Engine<Host>({ window, pool, clock, maxInterfaces });
  const interfaces = new InterfaceTable(maxInterfaces);
  const ip = new Ip({ window, pool, interfaces, random }, parts.ip);
  const { adjacencies } = ip;
  const neighbours = new NeighbourTable(
    { window, pool, interfaces, adjacencies, random, time: engine },
    parts.neighbours,
  );
  ip.fib.useNextHops(neighbours);
  neighbours.useRoutes(ip.fib);
  ip.attach(engine);
  engine.addTimed(neighbours);
  const fifos = makeFifos(window, limits, sessionConfig);
  const lookup = new SessionLookup(window, random, {
    connections: tcpConfig.maxConnections + sessionConfig.maxSessions,
    halfOpens: sessionConfig.maxSessions,
    listeners: sessionConfig.maxListeners,
  });
  const addresses = localAddresses(ip, interfaces);
  const sessions = new SessionLayer({
    window,
    fifos,
    lookup,
    addresses,
    packets: new FlowPackets(pool, (node, b) => engine.inject(node, b)),
    random,
    config: sessionConfig,
    hooks,
  });
  engine.addTimed(sessions);
  engine.addTimed(sessions.autoSdl);
  ip.fib.useWatcher(sessions);
  const linkMtu = (r: number): number => mtuTowards(window, ip, interfaces, r);
  const tcp = new TcpTransport({
    window,
    pool,
    engine,
    fifos,
    lookup,
    upcalls: sessions,
    random,
    config: tcpConfig,
    linkMtu,
    doubtPath: (r) => neighbours.doubt(adjacencyTowards(window, ip, r)),
  });
  engine.addTimed(tcp);
  const udpConfig = { ...DEFAULT_UDP_CONFIG, ...parts.udp };
  const udp = new UdpTransport({
    window,
    pool,
    fifos,
    lookup,
    upcalls: sessions,
    addresses,
    ident: ip.ident,
    engine,
    config: udpConfig,
  });
  sessions.register(tcp);
  sessions.register(udp);
  const { maxSessions: maxConnections } = sessionConfig;
  const ct = new CtTransport({ window, fifos, lookup, upcalls: sessions, maxConnections });
  engine.addTimed(ct);
  sessions.register(ct);
  const tls = parts.tls === undefined ? undefined : makeTls(sessions, parts.tls);
  if (tls !== undefined) engine.addTimed(tls);
  const dtls =
    parts.tls === undefined || tls === undefined ? undefined : makeDtls(sessions, udp, addresses, tls, parts.tls);
  if (dtls !== undefined) engine.addTimed(dtls);
  ip.icmpErrors.add(PROTOCOL_TCP, new TransportIcmpSink(window, lookup, tcp));
  ip.icmpErrors.add(PROTOCOL_UDP, new TransportIcmpSink(window, lookup, udp));
  const transports: readonly (Transport | undefined)[] = sessions.transports;
  const host = {
    window,
    pool,
    engine,
    interfaces,
    ip,
    neighbours,
    fifos,
    lookup,
    sessions,
    tcp,
    udp,
    tls,
    dtls,
    transports,
  };
  for (const [name, start, end] of ALL_ARCS) engine.addArc(name, [start], end);
  for (const form of [...ALL_NODES, ...(parts.nodes ?? [])]) engine.register(form);
  engine.start(host);
  return host;
}

function makeTls(sessions: SessionLayer, { engine, config }: NonNullable<StackParts["tls"]>): TlsTransport {
  const tls = new TlsTransport({ sessions, engine, config: { ...DEFAULT_TLS_CONFIG, ...config } });
  sessions.register(tls);
  return tls;
}

function makeDtls(
  sessions: SessionLayer,
  udp: UdpTransport,
  addresses: LocalAddresses,
  tls: TlsTransport,
  { engine, config }: NonNullable<StackParts["tls"]>,
): DtlsTransport {
  const { store } = tls;
  const handOutKeys = (): void => tls.handOutKeys();
  const all = { ...DEFAULT_TLS_CONFIG, ...config };
  const dtls = new DtlsTransport({ sessions, udp, addresses, engine, store, config: all, handOutKeys });
  sessions.register(dtls);
  return dtls;
}

/** Intervals that one fifo may hold out of order: half of a long window, when a queue overflows and every second segment is lost. */
const MAX_OOO_PER_FIFO = 1024;

/** Segments at most, the stack's own counted. */
const MAX_SEGMENTS = 256;

/** The fifos of all sessions, and the segment of the applications of this process. */
function makeFifos(window: MemoryWindow, limits: StackLimits, config: SessionConfig): FifoTable {
  // Most fifos never see a gap: one row each, in a common pool, lets a few have many.
  const maxFifos = config.maxSessions * 2;
  const maxOooRows = Math.max(maxFifos, Math.min(MAX_OOO_PER_FIFO, limits.fifoBytes >> 10));
  const ownBytes = limits.fifoBytes;
  const maxSegments = limits.appSegmentBytes > 0 ? MAX_SEGMENTS : 1;
  const fifoLimits = { maxFifos, maxOooRows, maxOooPerFifo: MAX_OOO_PER_FIFO, ownBytes, maxSegments };
  const base = window.reserve("fifo segment", ownBytes, PAGE_BYTES);
  const rest = window.reserve("application segments", limits.appSegmentBytes, PAGE_BYTES, true);
  return new FifoTable(window, base, rest + limits.appSegmentBytes - base, fifoLimits);
}

/** Adjacency of the path, or of the first of several, to the remote address of a connection's row. */
function adjacencyTowards(window: MemoryWindow, ip: Ip, r: number): AdjIndex {
  const { i32 } = window;
  const family: Family = (i32[r + C_FLAGS] & CF_IP6) !== 0 ? 6 : 4;
  return ip.loadBalances.choose(ip.fib.lookup(family, i32[r + C_FIB], i32.slice(r + C_RMT, r + C_RMT + 4)), 0);
}

/** MTU of the interface behind which the remote address of a connection's row is; 1500 without a route. */
function mtuTowards(window: MemoryWindow, ip: Ip, interfaces: InterfaceTable, r: number): number {
  const adj = adjacencyTowards(window, ip, r);
  const ifIndex = ip.adjacencies.get(adj, A_IF);
  const iface = interfaces.at(ifIndex);
  return iface === undefined ? 1500 : Math.min(iface.mtu, ip.adjacencies.get(adj, A_MTU) || iface.mtu);
}

/** The session layer's view of the host's addresses. */
function localAddresses(ip: Ip, interfaces: InterfaceTable): LocalAddresses {
  const parts = { fib: ip.fib, adjacencies: ip.adjacencies, loadBalances: ip.loadBalances };
  return {
    isLocal(fib, family, address) {
      return interfaces
        .all()
        .some(
          (each) =>
            (family === 4 ? each.fib4 : each.fib6) === fib &&
            ip.fib.addresses
              .of(each.index, family)
              .some((owned) => owned.address.words.every((word, i) => word === address[i])),
        );
    },
    maySpoof(fib, family, ifIndex, address) {
      if (!isAssignable({ family, words: address })) return false;
      const adj = ip.loadBalances.choose(ip.fib.lookup(family, fib, address), 0);
      if (ip.adjacencies.get(adj, A_TYPE) === ADJ_BROADCAST) return false;
      return interfaces
        .all()
        .some(
          ({ spoofing, index, fib4, fib6 }) =>
            spoofing && (family === 4 ? fib4 : fib6) === fib && (ifIndex < 0 || index === ifIndex),
        );
    },
    sourceFor(fib, family, remote, out) {
      const source = sourceAddressFor(parts, fib, { family, words: remote });
      if (source === undefined) return SESSION_E_NOIP;
      out.set(source.words);
      return 0;
    },
    isBroadcast(fib, family, address) {
      const adj = ip.loadBalances.choose(ip.fib.lookup(family, fib, address), 0);
      return ip.adjacencies.get(adj, A_TYPE) === ADJ_BROADCAST;
    },
    interfaceOf(name) {
      const found = interfaces.byName(name);
      return found === undefined ? undefined : { ifIndex: found.index, fib4: found.fib4, fib6: found.fib6 };
    },
    interfaceName: (ifIndex) => interfaces.at(ifIndex)?.name ?? "-",
    addressesOf: (ifIndex, family) => ip.fib.addresses.of(ifIndex, family).map(({ address }) => address.words),
    hasAddress: (ifIndex, family, address) => ip.fib.addresses.has(ifIndex, family, address),
    sourceOn(ifIndex, family, remote) {
      if (family === 6) return ip.fib.addresses.source6(ifIndex, remote[0], remote[1], remote[2], remote[3])?.slice();
      const word = ip.fib.addresses.source4(ifIndex, remote[0]);
      return word === 0 ? undefined : Int32Array.of(word, 0, 0, 0);
    },
    fibOf: (family, table) => ip.fib.indexOf(family, table),
  };
}
