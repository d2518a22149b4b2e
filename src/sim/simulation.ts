import { SeededRandom } from "../random/seeded.js";
import { SimHost } from "./host.js";
import { type SimHostOptions, sizeOf } from "./host-options.js";
import { type FrameEvent, type FrameObserver, SimLink } from "./link.js";
import type { LinkOptions } from "./link-options.js";
import { Network } from "./network.js";
import { SimSwitch } from "./switch.js";
import { WakeQueue } from "./wake-queue.js";
import { WindowSizes } from "./window-size.js";

/** Rounds of one instant before it is taken never to end: hosts that answer each other over links without delay. */
const MAX_ROUNDS_PER_INSTANT = 10_000;
/** Promises that one settled promise may settle in a row before the hosts go on: enough for `await app.connect()`. */
const MICROTASK_ROUNDS = 8;

/** How a simulation begins. */
export interface SimulationOptions {
  /** Its low 32 bits count. */
  readonly seed: number;
  /** Virtual time at the start, microseconds. Default 0. */
  readonly startUs?: number;
}

/** How far to run. */
export interface RunOptions {
  /** Virtual time, microseconds. */
  readonly untilUs: number;
  /** Asked after each instant at which something happened; true ends the run. */
  readonly isDone?: () => boolean;
}

/** Makes an empty network on a virtual clock. Throws RangeError when the seed is not an integer, or the time is none. */
export function createSimulation(options: SimulationOptions): Simulation {
  return new Simulation(options);
}

/**
 * A simulated network: hosts, switches and links on one virtual clock. Everything random comes from the seed, and what
 * happens at the same microsecond happens in the order in which it was put in: the same program gives the same frames,
 * byte for byte, on any machine.
 */
export class Simulation implements FrameObserver {
  readonly seed: number;
  /** Told of each frame that comes to a link, with its fate. */
  onFrame: ((event: FrameEvent) => void) | undefined = undefined;
  /** Told when all hosts have settled at an instant. */
  onInstant: (() => void) | undefined = undefined;
  /** Instants so far. */
  instants = 0;
  readonly #random: SeededRandom;
  readonly #callers: SeededRandom;
  readonly #network: Network;
  readonly #hosts: SimHost[] = [];
  readonly #switches: SimSwitch[] = [];
  readonly #links: SimLink[] = [];
  readonly #wakes = new WakeQueue();
  readonly #sizes: WindowSizes;
  /** Hosts with something to do now, in the order in which they got it. */
  #ready: SimHost[] = [];

  constructor(options: SimulationOptions) {
    const { seed, startUs = 0 } = options;
    if (!Number.isSafeInteger(seed)) throw new RangeError(`seed ${seed} is not an integer`);
    if (!Number.isSafeInteger(startUs) || startUs < 0) throw new RangeError(`start time ${startUs} us`);
    this.seed = seed;
    this.#random = new SeededRandom(seed);
    // Callers' draws have a root of their own, so that a host more does not change them.
    this.#callers = this.#random.fork();
    this.#network = new Network(startUs);
    this.#sizes = new WindowSizes(this.#network);
  }

  /** Virtual time, microseconds. */
  nowUs(): number {
    return this.#network.nowUs();
  }

  /** Random numbers for the caller: a generator of its own per call, in the order of calls. */
  fork(): SeededRandom {
    return this.#callers.fork();
  }

  /** Frames offered to links so far. */
  get frames(): number {
    return this.#network.frames;
  }

  /** All hosts, in the order in which they were made. */
  get hosts(): readonly SimHost[] {
    return this.#hosts;
  }

  /** All links, likewise. */
  get links(): readonly SimLink[] {
    return this.#links;
  }

  /** Adds a host. Throws RangeError when one of its settings is out of range. */
  host(name: string, options: SimHostOptions): SimHost {
    const size = sizeOf(options);
    const host = new SimHost(
      name,
      {
        network: this.#network,
        random: this.#random.fork(),
        index: this.#hosts.length,
        windowBytes: this.#sizes.bytesFor(size, [options.addresses, ...(options.moreAddresses ?? [])]),
        wake: (each) => this.#ready.push(each),
      },
      options,
    );
    this.#hosts.push(host);
    return host;
  }

  /** Adds a switch. */
  switch(name: string): SimSwitch {
    const added = new SimSwitch(name, this.#network);
    this.#switches.push(added);
    return added;
  }

  /** Connects two of them; a host gets an interface more. Throws RangeError when an option is out of range, or both are the same. */
  link(a: SimHost | SimSwitch, b: SimHost | SimSwitch, options: LinkOptions = {}): SimLink {
    if (a === b) throw new RangeError(`a link from ${a.name} to itself`);
    const ports = [portOf(a), portOf(b)] as const;
    const index = this.#links.length;
    const random = this.#random.fork();
    const parts = { network: this.#network, random, observer: this, index, ends: [a, b] as const, ports };
    const link = new SimLink(parts, options);
    this.#links.push(link);
    if (a instanceof SimHost) a.plug(link, link.directions[0]);
    else a.plug(link.directions[0]);
    if (b instanceof SimHost) b.plug(link, link.directions[1]);
    else b.plug(link.directions[1]);
    return link;
  }

  /** Calls `action` at a virtual time, before the hosts act at that time. Throws RangeError for the past. */
  at(timeUs: number, action: () => void): void {
    if (!Number.isSafeInteger(timeUs) || timeUs < this.nowUs()) {
      throw new RangeError(`time ${timeUs} us is not an integer from ${this.nowUs()} on`);
    }
    this.#network.events.push(timeUs, { run: action });
  }

  /** Calls `action` so much later; see {@link at}. */
  after(delayUs: number, action: () => void): void {
    this.at(this.nowUs() + delayUs, action);
  }

  /**
   * Runs until a virtual time, or until `isDone` says so; returns whether it did. Between instants, and when applications
   * have acted at one, promises are let settle, so that asynchronous programs go on at the instant of what they waited for.
   */
  async run(options: RunOptions): Promise<boolean> {
    const { untilUs, isDone } = options;
    await settlePromises();
    while (this.#toNextInstant(untilUs)) {
      do {
        this.#settle();
        await settlePromises();
      } while (this.#ready.length > 0);
      this.#endInstant();
      if (isDone?.() === true) return true;
    }
    return false;
  }

  /** As {@link run} without promises: for programs that work by callbacks alone. */
  runSync(options: RunOptions): boolean {
    const { untilUs, isDone } = options;
    while (this.#toNextInstant(untilUs)) {
      this.#settle();
      this.#endInstant();
      if (isDone?.() === true) return true;
    }
    return false;
  }

  /** Moves time to the next instant at which something happens; false, with time at `untilUs`, when there is none. */
  #toNextInstant(untilUs: number): boolean {
    const nowUs = this.nowUs();
    const { events } = this.#network;
    const nextUs = this.#ready.length > 0 ? nowUs : Math.max(nowUs, Math.min(events.nextUs, this.#wakes.nextUs));
    if (nextUs > untilUs) {
      this.#network.moveTo(untilUs);
      return false;
    }
    this.#network.moveTo(nextUs);
    return true;
  }

  /** Lets everything happen that happens now. */
  #settle(): void {
    const { events } = this.#network;
    const nowUs = this.nowUs();
    for (let rounds = 0; rounds < MAX_ROUNDS_PER_INSTANT; rounds++) {
      while (events.nextUs <= nowUs) events.pop().run();
      while (this.#wakes.nextUs <= nowUs) {
        const host = this.#wakes.nextHost;
        this.#wakes.set(host, Number.POSITIVE_INFINITY);
        this.#hosts[host].wake();
      }
      const ready = this.#ready;
      if (ready.length === 0) return;
      this.#ready = [];
      for (let i = 0; i < ready.length; i++) this.#wakes.set(ready[i].index, ready[i].settle());
    }
    throw new Error(`the network never settles at ${nowUs} us`);
  }

  #endInstant(): void {
    this.instants++;
    this.onInstant?.();
  }

  /** A hash of all frames so far, with link, direction, time and fate: 16 hex digits. */
  hash(): string {
    return this.#network.hash.toString();
  }

  /** Gives the hosts' memory back. Nothing may be called afterwards. */
  close(): void {
    for (const host of this.#hosts) host.close();
  }
}

function portOf(end: SimHost | SimSwitch): number {
  return end instanceof SimHost ? end.devices.length : end.ports;
}

async function settlePromises(): Promise<void> {
  for (let i = 0; i < MICROTASK_ROUNDS; i++) await Promise.resolve();
}
