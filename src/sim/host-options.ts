import type { FibRecord } from "../ip/fib.js";
import type { IpOptions } from "../ip/ip.js";
import type { NeighbourOptions } from "../ip/neighbour.js";
import type { MemoryWindow } from "../mem/window.js";
import type { Random } from "../random/random.js";
import type { SessionConfig } from "../session/session-config.js";
import type { StackLimits } from "../stack.js";
import type { Clock } from "../time/clock.js";
import type { TcpConfig } from "../transport/tcp/config.js";
import type { TlsConfig } from "../transport/tls/config.js";
import type { TlsEngine } from "../transport/tls/engine.js";
import type { UdpConfig } from "../transport/udp/config.js";

/** How large a host is: settings of its stack that decide how much memory it takes. */
export interface HostSize {
  readonly limits?: Partial<StackLimits>;
  readonly session?: Partial<SessionConfig>;
  readonly tcp?: Partial<TcpConfig>;
  readonly udp?: Partial<UdpConfig>;
  readonly ip?: IpOptions;
  readonly neighbours?: NeighbourOptions;
}

/**
 * Makes the window of a host, of so many bytes beside what TLS takes, and an engine of TLS for it that has randomness and
 * time from nowhere else: `simulatedTls` of the package.
 */
export type TlsSource = (
  windowBytes: number,
  random: Random,
  clock: Clock,
) => { readonly window: MemoryWindow; readonly engine: TlsEngine };

/** What a host of a simulation is. Settings that are not named are {@link SMALL_HOST}'s, then the stack's own. */
export interface SimHostOptions extends HostSize {
  /** Addresses with prefix length, `10.0.0.1/24`, of the interface of the host's first link. */
  readonly addresses: readonly string[];
  /** Those of the interfaces of its second link and so on, in the order in which the links are made. */
  readonly moreAddresses?: readonly (readonly string[])[];
  /** Changes of the forwarding tables, applied when the host gets its first link. */
  readonly routes?: readonly FibRecord[];
  /** How much faster (or, below 0, slower) than virtual time the host's own clock runs, parts per million, an integer. */
  readonly clockSkewPpm?: number;
  /** What its clock shows when virtual time is 0, microseconds, an integer. */
  readonly clockOffsetUs?: number;
  /** How long a turn takes it, microseconds: what comes meanwhile waits for the next one. Default 0. */
  readonly turnUs?: number;
  /** TLS. Default: none, `tls://` is NOSUPPORT. */
  readonly tls?: { readonly source: TlsSource; readonly config?: Partial<TlsConfig> };
  /** Largest IP packet of its interfaces, bytes. Default 1500. */
  readonly mtu?: number;
}

/** A host for a few connections of modest windows, in less than 256 KiB: the default. */
export const SMALL_HOST: HostSize = {
  limits: { smallPackets: 32, largePackets: 0, ringPackets: 0, fifoBytes: 64 << 10, maxInterfaces: 16, poison: true },
  session: { maxSessions: 16, maxListeners: 8, maxApplications: 4, rxFifoBytes: 16 << 10, txFifoBytes: 16 << 10 },
  tcp: { maxConnections: 16, maxSentRanges: 256, maxGsoBytes: 8 << 10 },
  udp: { maxConnections: 8 },
  ip: {
    maxAdjacencies: 64,
    maxLoadBalances: 64,
    fib4: { maxTables: 4 },
    fib6: { maxTables: 8 },
    reassembly: { maxDatagrams: 4, maxFragments: 16 },
  },
  neighbours: { limit: 16, perNeighbour: 4, queued: 8 },
};

/** A host for fast transfers and for hundreds of connections, in about 40 MiB: spread it into a host's options. */
export const BULK_HOST: HostSize = {
  limits: {
    smallPackets: 2048,
    largePackets: 16,
    ringPackets: 0,
    fifoBytes: 32 << 20,
    maxInterfaces: 16,
    poison: true,
  },
  session: { maxSessions: 1024, maxListeners: 64, maxApplications: 16, rxFifoBytes: 4 << 20, txFifoBytes: 4 << 20 },
  tcp: { maxConnections: 1024, maxGsoBytes: 65_000 },
  udp: { maxConnections: 64 },
  ip: {
    maxAdjacencies: 512,
    maxLoadBalances: 512,
    fib4: { maxTables: 8 },
    fib6: { maxTables: 16 },
    reassembly: { maxDatagrams: 64, maxFragments: 512 },
  },
  neighbours: { limit: 128, perNeighbour: 8, queued: 64 },
};

/** The settings of a host with those of {@link SMALL_HOST} where it names none. */
export function sizeOf(options: HostSize): Required<HostSize> {
  return {
    limits: { ...SMALL_HOST.limits, ...options.limits },
    session: { ...SMALL_HOST.session, ...options.session },
    tcp: { ...SMALL_HOST.tcp, ...options.tcp },
    udp: { ...SMALL_HOST.udp, ...options.udp },
    ip: { ...SMALL_HOST.ip, ...options.ip },
    neighbours: { ...SMALL_HOST.neighbours, ...options.neighbours },
  };
}
