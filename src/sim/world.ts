import {
  TCP_OPTION_MSS,
  TCP_OPTION_SACK_PERMITTED,
  TCP_OPTION_TIMESTAMPS,
  TCP_OPTION_WSCALE,
} from "../wire/tcp-options.js";
import type { SimCase, CaseChange, CaseLink } from "./sim-case.js";
import type { SimHost } from "./host.js";
import type { LinkOptions } from "./link-options.js";
import type { SimLink } from "./link.js";
import { createSimulation, type Simulation } from "./simulation.js";
import { stripTcpOptions } from "./strip-options.js";
import type { WorkloadHosts } from "./workload-run.js";

/** What a middlebox strips. */
const STRIPPED = [TCP_OPTION_MSS, TCP_OPTION_WSCALE, TCP_OPTION_SACK_PERMITTED, TCP_OPTION_TIMESTAMPS];
/** A link that does nothing to frames: for options that a change does not name, and at the end. */
const HARMLESS: Required<{ readonly [K in keyof CaseLink]: CaseLink[K] | undefined }> = {
  delayUs: undefined,
  jitterUs: undefined,
  rateBps: undefined,
  queueBytes: undefined,
  lossRate: undefined,
  burstLoss: undefined,
  loseEvery: undefined,
  reorderRate: undefined,
  reorderUs: undefined,
  duplicateRate: undefined,
  corruptRate: undefined,
  mtu: undefined,
  mtuAnswer: undefined,
  queue: undefined,
  ecn: undefined,
  stripOptions: undefined,
};

/** Memory of all fifos of a host, when the case does not say, bytes. */
export const CASE_FIFO_BYTES = 4 << 20;

/** Ranges of sent bytes of a host, when the case does not say. */
const CASE_SENT_RANGES = 4096;

/** UDP connections of a host: few enough to run out. */
const CASE_UDP_ROWS = 12;

/** The network of a case: a server, its link, and one client at the other end or several behind a switch. */
export class World implements WorkloadHosts {
  readonly sim: Simulation;
  readonly server: SimHost;
  readonly serverAddress: string;
  readonly clients: readonly SimHost[];
  readonly clientAddresses: readonly string[];
  /** The server's link. */
  readonly path: SimLink;
  readonly #of: SimCase;

  constructor(of: SimCase) {
    this.#of = of;
    this.sim = createSimulation({ seed: of.seed });
    this.server = this.#host("server", 0);
    this.serverAddress = this.#address(0);
    const numbers = Array.from({ length: of.clients }, (_, i) => i + 1);
    this.clients = numbers.map((i) => this.#host(`client${i}`, i));
    this.clientAddresses = numbers.map((i) => this.#address(i));
    const far = of.clients === 1 ? this.clients[0] : this.sim.switch("switch");
    this.path = this.sim.link(this.server, far, linkOptions(of.link));
    if (of.clients > 1) for (const client of this.clients) this.sim.link(client, far, {});
  }

  /** Of both families: the first one is that of IPv4. */
  #address(i: number): string {
    return this.#of.family === 6 ? `2001:db8::${i + 1}` : `10.0.0.${i + 1}`;
  }

  #addresses(i: number): string[] {
    const own = [`${this.#address(i)}/${this.#of.family === 6 ? 64 : 24}`];
    return this.#of.family === "both" ? [...own, `2001:db8::${i + 1}/64`] : own;
  }

  #host(name: string, i: number): SimHost {
    const { connections, mtu, tcp, session, limits, skewPpm, turnUs } = this.#of;
    // Sessions and rows for all connections at once, those in TIME-WAIT and half-open ones included.
    const rows = 4 * connections + 16;
    return this.sim.host(name, {
      addresses: this.#addresses(i),
      udp: { maxConnections: CASE_UDP_ROWS },
      tcp: { maxConnections: rows, maxSentRanges: CASE_SENT_RANGES, ...tcp },
      session: {
        maxSessions: rows,
        maxListeners: 4,
        maxApplications: connections + 4,
        rxFifoBytes: 65_536,
        txFifoBytes: 65_536,
        ...session,
      },
      limits: { smallPackets: 512, largePackets: 8, fifoBytes: CASE_FIFO_BYTES, ...limits },
      mtu,
      clockSkewPpm: skewPpm[i] ?? 0,
      turnUs: turnUs[i] ?? 0,
    });
  }

  /** Hosts that have not vanished. */
  get living(): SimHost[] {
    return this.sim.hosts.filter((host) => !host.hasVanished);
  }

  /** Schedules the case's changes; `onVanish` hears of each host that goes. */
  schedule(onVanish: (host: SimHost) => void): void {
    for (const change of this.#of.changes) this.sim.after(change.atUs, () => this.#change(change, onVanish));
  }

  #change(change: CaseChange, onVanish: (host: SimHost) => void): void {
    switch (change.kind) {
      case "partition":
        this.path.partition();
        break;
      case "heal":
        this.path.heal();
        break;
      case "link":
        this.path.set(linkOptions({ ...change.link, stripOptions: this.#of.link.stripOptions }));
        break;
      case "vanish": {
        const host = this.sim.hosts[change.host];
        if (host === undefined || host.hasVanished) break;
        host.vanish();
        onVanish(host);
        break;
      }
      default:
    }
  }

  /** Mends the server's link, for winding up. */
  heal(): void {
    this.path.heal();
    this.path.set(linkOptions({ delayUs: 1000 }));
  }
}

/** All options of a link, so that what is not named is off. */
function linkOptions(link: CaseLink): LinkOptions {
  const { stripOptions, ...options } = { ...HARMLESS, ...link };
  return { ...options, rewrite: stripOptions === true ? stripTcpOptions(STRIPPED) : undefined };
}
