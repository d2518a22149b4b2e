import type { InterfaceTable } from "../device/interface.js";
import type { Engine } from "../graph/engine.js";
import type { PacketPool } from "../graph/packet-pool.js";
import type { MemoryWindow } from "../mem/window.js";
import type { Random } from "../random/random.js";
import { AdjacencyTable } from "./adjacency.js";
import { EchoTable } from "./echo.js";
import { Fib } from "./fib.js";
import { Fib4, type Fib4Options } from "./fib4.js";
import { Fib6, type Fib6Options } from "./fib6.js";
import { Ident } from "./ident.js";
import { IcmpErrorSinks } from "./icmp-error-sink.js";
import { IcmpLimiter, type IcmpLimiterOptions } from "./icmp-limiter.js";
import { LoadBalanceTable } from "./load-balance.js";
import { Reassembly, type ReassemblyOptions } from "./reassembly.js";

/** Limits and settings of the IP layer. */
export interface IpOptions {
  /** Forward packets between interfaces, each family on its own (default false: a host, RFC 1122 3.3.1.1). */
  readonly forward4?: boolean;
  readonly forward6?: boolean;
  /** TTL and hop limit of packets that this layer makes (default 64). */
  readonly hopLimit?: number;
  /** Adjacency rows (default 4096). */
  readonly maxAdjacencies?: number;
  /** Load balances (default 4096). */
  readonly maxLoadBalances?: number;
  readonly fib4?: Fib4Options;
  readonly fib6?: Omit<Fib6Options, "seed">;
  readonly reassembly?: ReassemblyOptions;
  readonly icmpErrors?: IcmpLimiterOptions;
}

/** What can be switched while the stack runs; nodes read it once per frame. */
export interface IpSettings {
  forward4: boolean;
  forward6: boolean;
  /** 1 to 255. */
  hopLimit: number;
}

/** The parts of a stack that the IP layer stands on. */
export interface IpParts {
  readonly window: MemoryWindow;
  readonly pool: PacketPool;
  readonly interfaces: InterfaceTable;
  readonly random: Random;
}

/** The IP layer of one stack: tables for the nodes, control plane, and who listens to ICMP. */
export class Ip {
  readonly settings: IpSettings;
  readonly adjacencies: AdjacencyTable;
  readonly loadBalances: LoadBalanceTable;
  readonly fib4: Fib4;
  readonly fib6: Fib6;
  /** The control plane of the tables above, and the interface addresses. */
  readonly fib: Fib;
  readonly reassembly: Reassembly;
  readonly icmpLimiter: IcmpLimiter;
  /** Transports that want to hear of ICMP errors. */
  readonly icmpErrors = new IcmpErrorSinks();
  /** Who waits for echo replies. */
  readonly echo = new EchoTable();
  /** Identifications of packets that may be fragmented. */
  readonly ident: Ident;

  constructor(parts: IpParts, options: IpOptions = {}) {
    const { window, pool, interfaces, random } = parts;
    const { forward4 = false, forward6 = false, hopLimit = 64 } = options;
    if (!Number.isInteger(hopLimit) || hopLimit < 1 || hopLimit > 255) throw new RangeError(`hop limit ${hopLimit}`);
    this.ident = new Ident(random);
    this.settings = { forward4, forward6, hopLimit };
    this.adjacencies = new AdjacencyTable(window, options.maxAdjacencies);
    this.loadBalances = new LoadBalanceTable(window, this.adjacencies, options.maxLoadBalances);
    this.fib4 = new Fib4(window, options.fib4);
    this.fib6 = new Fib6(window, { ...options.fib6, seed: random.nextInt32() });
    this.fib = new Fib({ interfaces, ...this.#tables() });
    this.reassembly = new Reassembly({ window, pool, random }, options.reassembly);
    this.icmpLimiter = new IcmpLimiter(options.icmpErrors);
  }

  #tables(): Pick<Ip, "adjacencies" | "loadBalances" | "fib4" | "fib6"> {
    return { adjacencies: this.adjacencies, loadBalances: this.loadBalances, fib4: this.fib4, fib6: this.fib6 };
  }

  /** Lets reassembly time out with the engine, and its time exceeded errors leave by the graph. Once, before start. */
  attach<Host>(engine: Engine<Host>): void {
    this.reassembly.onTimeout = (isIp6, buffer) => engine.inject(isIp6 ? "ip6-icmp-error" : "ip4-icmp-error", buffer);
    engine.addTimed(this.reassembly);
  }
}
