import { LocalApp } from "../app/local-app.js";
import { AppServer } from "../app/attach.js";
import type { AppCallbacks } from "../app/callbacks.js";
import { MemoryWindow } from "../mem/window.js";
import type { SeededRandom } from "../random/seeded.js";
import type { ApplicationOptions } from "../session/application.js";
import { Stack } from "../stack.js";
import { TICK_US } from "../time/clock.js";
import type { TlsConfig } from "../transport/tls/config.js";
import { type SimHostOptions, sizeOf } from "./host-options.js";
import type { LinkEnd, SimLink } from "./link.js";
import type { LinkDirection } from "./link-direction.js";
import type { Network } from "./network.js";
import { SimDevice } from "./sim-device.js";
import type { SimFrame } from "./sim-frame.js";
import { SkewedClock } from "./skewed-clock.js";

/** Turns at one instant before the host is taken to be never done. */
const MAX_TURNS_PER_INSTANT = 10_000;
const DEFAULT_MTU = 1500;
/** TLS of a small host. Tickets have the time of day in them, so there are none. */
const SMALL_TLS: Partial<TlsConfig> = { maxConnections: 16, maxHandshakes: 16, fifoBytes: 32 << 10, ticketKeyMs: 0 };

/** What a host is made of, and whom it tells. */
export interface HostParts {
  readonly network: Network;
  readonly random: SeededRandom;
  /** Number of the host in its network. */
  readonly index: number;
  readonly windowBytes: number;
  /** The host has something to do at this instant. */
  readonly wake: (host: SimHost) => void;
}

/** A host: a stack on a clock of its own, driven when it has something to do. */
export class SimHost implements LinkEnd {
  readonly name: string;
  /** Number of the host in its network. */
  readonly index: number;
  readonly stack: Stack;
  /** Attaches applications. */
  readonly server: AppServer;
  /** As text, without prefix length. */
  readonly addresses: readonly string[];
  /** Bytes of the stack's window. */
  readonly windowBytes: number;
  /** What callbacks of its applications threw. */
  readonly errors: unknown[] = [];
  /** The links that it is on, in order. */
  readonly links: SimLink[] = [];
  /** Its ends of them. */
  readonly devices: SimDevice[] = [];
  /** Instants at which it had something to do. */
  instants = 0;
  /** It waits for its turn at this instant. For the simulation. */
  isReady = false;
  readonly #options: SimHostOptions;
  readonly #network: Network;
  readonly #clock: SkewedClock;
  readonly #wake: (host: SimHost) => void;
  readonly #apps: LocalApp[] = [];
  #hasVanished = false;
  /** Its last turn takes until then. */
  #busyUntilUs = 0;

  constructor(name: string, parts: HostParts, options: SimHostOptions) {
    const { network, random, index, windowBytes } = parts;
    this.name = name;
    this.index = index;
    this.windowBytes = windowBytes;
    this.addresses = [options.addresses, ...(options.moreAddresses ?? [])]
      .flat()
      .map((each) => each.split("/")[0] ?? "");
    this.#options = options;
    this.#network = network;
    this.#wake = parts.wake;
    this.#clock = new SkewedClock(network, options.clockSkewPpm ?? 0, options.clockOffsetUs ?? 0);
    const tls = options.tls?.source(windowBytes, random, this.#clock);
    this.stack = new Stack({
      window: tls?.window ?? MemoryWindow.plain(windowBytes),
      clock: this.#clock,
      random,
      hooks: { wake: () => this.wake(), reportError: (error) => this.errors.push(error) },
      ...sizeOf(options),
      ...(tls !== undefined && { tls: { engine: tls.engine, config: { ...SMALL_TLS, ...options.tls?.config } } }),
    });
    this.server = new AppServer(this.stack.host.sessions);
  }

  /** Attaches an application. Throws SessionError. */
  attach(options: ApplicationOptions, callbacks: AppCallbacks): LocalApp {
    const app = new LocalApp(this.server.objects, options, callbacks);
    this.#apps.push(app);
    return app;
  }

  /** The applications that were attached. */
  get apps(): readonly LocalApp[] {
    return this.#apps;
  }

  /** It lost its power: see {@link vanish}. */
  get hasVanished(): boolean {
    return this.#hasVanished;
  }

  /** It is in the midst of a turn that takes time. */
  get isBusy(): boolean {
    return this.#network.nowUs() < this.#busyUntilUs;
  }

  /** Puts an interface on a link: what it sends leaves by `out`. For the simulation. */
  plug(link: SimLink, out: LinkDirection): void {
    const port = this.devices.length;
    const { addresses, moreAddresses = [], routes = [], mtu = DEFAULT_MTU } = this.#options;
    const device = new SimDevice(macOf(this.index, port), mtu, this.#network, out);
    const own = port === 0 ? addresses : (moreAddresses[port - 1] ?? []);
    this.stack.addInterface(`eth${port}`, device, { addresses: own, mtu });
    this.devices.push(device);
    this.links.push(link);
    if (port === 0) for (const record of routes) this.stack.apply(record);
  }

  receive(port: number, frame: SimFrame): void {
    this.devices[port].deliver(frame);
    this.wake();
  }

  /** Gives the host a turn at the present instant: after a change behind the back of its applications. */
  wake(): void {
    if (this.isReady || this.#hasVanished) return;
    this.isReady = true;
    this.#wake(this);
  }

  /**
   * Takes the power away: no turn is taken any more, nothing more is sent or received, and what was on its way to the
   * host is lost. Its peers are not told.
   */
  vanish(): void {
    this.#hasVanished = true;
    this.isReady = false;
    for (const link of this.links) link.die();
  }

  /**
   * Takes turns at this instant until there is nothing to do. Returns the virtual time of the next deadline, Infinity
   * when there is none. For the simulation.
   */
  settle(): number {
    this.isReady = false;
    if (this.#hasVanished) return Number.POSITIVE_INFINITY;
    if (this.isBusy) return this.#busyUntilUs;
    const { engine } = this.stack;
    const { turnUs = 0 } = this.#options;
    this.instants++;
    // Ready already, so that what its own turns wake it for does not put it in line again.
    this.isReady = true;
    let ticks = 0;
    for (let turns = 0; ; turns++) {
      if (turns === MAX_TURNS_PER_INSTANT) throw new Error(`host ${this.name} is never done`);
      engine.turn();
      if (this.#hasVanished) return Number.POSITIVE_INFINITY;
      ticks = engine.nextExpiry();
      if (ticks !== 0 && this.#waiting() === 0) break;
      if (turnUs > 0) {
        ticks = 0;
        break;
      }
    }
    this.isReady = false;
    if (turnUs > 0) {
      this.#busyUntilUs = this.#network.nowUs() + turnUs;
      if (ticks === 0) return this.#busyUntilUs;
    }
    if (ticks < 0) return Number.POSITIVE_INFINITY;
    const tickUs = Math.floor(engine.nowUs / TICK_US) * TICK_US;
    return this.#clock.virtualUs(tickUs + ticks * TICK_US);
  }

  #waiting(): number {
    let waiting = 0;
    for (let i = 0; i < this.devices.length; i++) waiting += this.devices[i].waiting;
    return waiting;
  }

  /** Gives the stack's memory back. */
  close(): void {
    this.stack.close();
  }
}

/** A locally administered address that names host and interface. */
function macOf(host: number, port: number): Uint8Array {
  return Uint8Array.of(2, 0x57, host >>> 16, host >>> 8, host, port);
}
