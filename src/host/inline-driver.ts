import type { Engine } from "../graph/engine.js";
import { TICK_US } from "../time/clock.js";
import { createPoller, type PollableDevice, type Poller } from "./poller.js";
import { Spin, SPIN_US } from "./spin.js";
import { SystemClock } from "./system-clock.js";

/** Turns in a row before Node's own event loop gets a chance. */
const MAX_TURNS = 64;
/** Longest sleep, microseconds. */
const MAX_SLEEP_US = 1_000_000;

/**
 * Runs an engine on this thread's event loop: stack, sockets and application in one thread. A turn is taken when a
 * device has frames, a timer is due, or an application did something; in between the thread sleeps in the event loop.
 * Before it sleeps it polls for a moment, as long as that pays.
 */
export class InlineDriver<Host> {
  /** Asked before each sleep: false when there is something to do after all. */
  maySleep: () => boolean = () => true;
  readonly #engine: Engine<Host>;
  readonly #clock = new SystemClock();
  readonly #poller: Poller;
  readonly #polling = new Spin();
  #isRunning = false;
  #isWoken = false;
  #isClosed = false;

  constructor(engine: Engine<Host>) {
    this.#engine = engine;
    this.#poller = createPoller(() => this.#run());
  }

  /** Watches a device for frames. */
  add(device: PollableDevice): void {
    this.#poller.add(device.fd);
  }

  /** Stops watching a device. */
  remove(device: PollableDevice): void {
    this.#poller.remove(device.fd);
  }

  /** Asks for a turn soon: an application did something outside one. Cheap; calls before that turn add nothing. */
  wake(): void {
    if (this.#isWoken || this.#isClosed) return;
    this.#isWoken = true;
    if (this.#isRunning) return; // #work looks at it before it sleeps.
    queueMicrotask(() => {
      if (!this.#isClosed) this.#run();
    });
  }

  /** Lets the process end although the stack is up. */
  unref(): void {
    this.#poller.unref();
  }

  /** Ends the watch; no turn is taken afterwards. */
  close(): void {
    this.#isClosed = true;
    this.#poller.close();
  }

  #run(): void {
    if (this.#isRunning) return;
    this.#isRunning = true;
    this.#isWoken = false;
    try {
      if (this.#work()) this.#sleep();
      else this.#poller.wake();
    } finally {
      this.#isRunning = false;
    }
  }

  /** Turns until nothing moves any more; false when there is more to do but others must have their turn first. */
  #work(): boolean {
    for (let turns = 0; turns < MAX_TURNS; turns++) {
      if (this.#engine.turn() > 0) continue;
      if (this.#isWoken) {
        this.#isWoken = false;
        continue;
      }
      // Woken by one of the last turns: a sleep would leave it woken for good, and no later call would wake it.
      if (this.#engine.nextExpiry() !== 0 && !this.#spin() && this.maySleep() && !this.#isWoken) return true;
    }
    return false;
  }

  /** Polls for a moment; true when that brought something. */
  #spin(): boolean {
    if (!this.#polling.isWorthIt) return false;
    this.#polling.begin();
    const untilUs = this.#clock.nowUs() + SPIN_US;
    do {
      if (this.#engine.turn() > 0 || this.#isWoken || this.#engine.nextExpiry() === 0) {
        this.#polling.succeeded();
        return true;
      }
    } while (this.#clock.nowUs() < untilUs);
    this.#polling.failed();
    return false;
  }

  #sleep(): void {
    this.#polling.slept();
    const ticks = this.#engine.nextExpiry();
    if (ticks < 0) this.#poller.disarm();
    else this.#poller.arm(Math.min(Math.max(ticks, 1) * TICK_US, MAX_SLEEP_US));
  }
}
