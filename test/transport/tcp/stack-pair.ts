import { LocalApp } from "../../../src/app/local-app.js";
import { AppServer } from "../../../src/app/attach.js";
import type { AppCallbacks } from "../../../src/app/callbacks.js";
import type { Session } from "../../../src/app/session.js";
import type { Offloads } from "../../../src/device/device.js";
import { wire } from "../../../src/device/wire-device.js";
import { MemoryWindow } from "../../../src/mem/window.js";
import { SeededRandom } from "../../../src/random/seeded.js";
import { censusChange, censusOf } from "../../../src/sim/census.js";
import { SMALL_LIMITS, Stack, type StackLimits } from "../../../src/stack.js";
import { ManualClock } from "../../../src/time/manual-clock.js";
import { TICK_US } from "../../../src/time/clock.js";
import type { TcpConfig } from "../../../src/transport/tcp/config.js";
import { type Faults, LossyDevice } from "./lossy-device.js";

/** How two stacks are connected. */
export interface PairOptions {
  readonly seed: number;
  readonly faults: Faults;
  readonly mtu?: number;
  readonly offloads?: Offloads;
  readonly tcp?: Partial<TcpConfig>;
  readonly limits?: Partial<StackLimits>;
  readonly rxFifoBytes?: number;
  readonly txFifoBytes?: number;
}

/** One of the two hosts. */
export interface PairHost {
  readonly stack: Stack;
  readonly device: LossyDevice;
  readonly apps: LocalApp[];
  readonly addresses: { readonly 4: string; readonly 6: string };
}

/** Two stacks on one clock, and a bad wire in memory between them. */
export class StackPair {
  readonly clock = new ManualClock(1_000_000);
  readonly hosts: readonly [PairHost, PairHost];
  readonly errors: unknown[] = [];

  constructor(options: PairOptions) {
    const { seed, mtu = 1500, offloads = { checksum: false, tso: false, uso: false } } = options;
    const ends = wire({ mtu, offloads, frames: 256, bytes: 1 << 20 });
    const random = new SeededRandom(seed);
    const make = (i: 0 | 1): PairHost => {
      const limits = { ...SMALL_LIMITS, smallPackets: 512, fifoBytes: 1 << 20, ...options.limits };
      const stack = new Stack({
        window: MemoryWindow.plain((6 << 20) + limits.fifoBytes),
        clock: this.clock,
        random: random.fork(),
        hooks: { wake: () => {}, reportError: (error) => this.errors.push(error) },
        limits,
        tcp: { maxConnections: 64, timeWaitMs: 60_000, ...options.tcp },
        session: { maxSessions: 64, maxListeners: 8, maxApplications: 4 },
      });
      const device = new LossyDevice(ends[i], random.fork(), options.faults);
      const addresses = { 4: `198.18.0.${i + 1}`, 6: `2001:db8::${i + 1}` };
      stack.addInterface("wire0", device, { addresses: [`${addresses[4]}/24`, `${addresses[6]}/64`], mtu });
      return { stack, device, apps: [], addresses };
    };
    this.hosts = [make(0), make(1)];
  }

  /** Attaches an application to one of the hosts. */
  attach(i: 0 | 1, callbacks: AppCallbacks, options: Pick<PairOptions, "rxFifoBytes" | "txFifoBytes"> = {}): LocalApp {
    const host = this.hosts[i];
    const app = new LocalApp(
      new AppServer(host.stack.host.sessions).objects,
      { name: `app${host.apps.length}`, ...options },
      callbacks,
    );
    host.apps.push(app);
    return app;
  }

  /** Turns both at this moment until neither has anything to do. */
  #settle(): void {
    for (let quiet = 0; quiet < 2; ) {
      let busy = 0;
      for (const { stack, device } of this.hosts) {
        busy += stack.engine.turn();
        if (stack.engine.nextExpiry() === 0) busy++;
        busy += device.held;
      }
      quiet = busy === 0 ? quiet + 1 : 0;
    }
    if (this.errors.length > 0) throw this.errors[0];
  }

  /** Runs until `isDone` or for `ms`; returns whether it is done. */
  run(ms: number, isDone: () => boolean = () => false): boolean {
    const untilUs = this.clock.nowUs() + ms * 1000;
    for (;;) {
      this.#settle();
      if (isDone()) return true;
      const ticks = this.hosts.map(({ stack }) => stack.engine.nextExpiry()).filter((each) => each >= 0);
      const nowTick = Math.floor(this.clock.nowUs() / TICK_US);
      const nextUs = ticks.length === 0 ? untilUs : (nowTick + Math.max(1, Math.min(...ticks))) * TICK_US;
      if (nextUs >= untilUs) break;
      this.clock.setUs(nextUs);
    }
    this.clock.setUs(untilUs);
    this.#settle();
    return isDone();
  }

  /** Winds both up; returns what is left of each, of which nothing may be. */
  leftovers(): string[] {
    for (const { apps, device } of this.hosts) {
      for (const app of apps) app.detach().catch(() => {});
      device.faults = { lose: 0, duplicate: 0, delay: 0 };
    }
    this.run(400_000);
    return this.hosts.map(({ stack }) => censusChange(censusOf(stack.host)));
  }
}

/** What {@link StackPair.leftovers} says when nothing is left. */
export const NOTHING_LEFT = ["", ""];

/** A stream of `length` bytes from a seed, in and out of sessions. */
export class Flow {
  readonly bytes: Uint8Array;
  sent = 0;
  readonly received: Uint8Array;
  got = 0;

  constructor(seed: number, length: number) {
    this.bytes = new Uint8Array(length);
    new SeededRandom(seed).fill(this.bytes);
    // Room for more, which would be seen.
    this.received = new Uint8Array(length + 1000);
  }

  /** Writes what goes; half-closes after the last byte. */
  write(session: Session, most: number): void {
    while (this.sent < this.bytes.length) {
      const n = session.write(this.bytes, this.sent, Math.min(most, this.bytes.length - this.sent));
      if (n <= 0) return;
      this.sent += n;
    }
    session.halfClose();
  }

  /** Reads what is there. */
  read(session: Session, most: number): void {
    for (let n = 1; n > 0; this.got += Math.max(0, n)) n = session.read(this.received, this.got, most);
  }

  /** Whether everything arrived once, in order. */
  get isWhole(): boolean {
    return this.got === this.bytes.length && Buffer.compare(this.received.subarray(0, this.got), this.bytes) === 0;
  }
}
