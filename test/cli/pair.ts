import { AppServer } from "../../src/app/attach.js";
import { Cli } from "../../src/cli/cli.js";
import type { CliAnswer } from "../../src/cli/socket-frame.js";
import { wire } from "../../src/device/wire-device.js";
import { MemoryWindow } from "../../src/mem/window.js";
import { SeededRandom } from "../../src/random/seeded.js";
import type { SessionConfig } from "../../src/session/session-config.js";
import { SMALL_LIMITS, Stack } from "../../src/stack.js";
import { TICK_US } from "../../src/time/clock.js";
import { ManualClock } from "../../src/time/manual-clock.js";

/** Two hosts on a wire, on one clock in the test's hand; `a` has a CLI whose waiting moves that clock. */
export class Pair {
  readonly clock = new ManualClock(1_000_000);
  readonly a: Stack;
  readonly b: Stack;
  readonly cli: Cli;
  /** Whether packets pass: else both hosts stand still. */
  isLinked = true;

  /** `session`: settings of `a`. */
  constructor(session: Partial<SessionConfig> = {}) {
    const [left, right] = wire();
    this.a = this.#stack(1, session);
    this.b = this.#stack(2, {});
    this.a.addInterface("w0", left, { addresses: ["198.18.0.2/24", "2001:db8:18::2/64"] });
    this.b.addInterface("w0", right, { addresses: ["198.18.0.1/24", "2001:db8:18::1/64"] });
    this.cli = new Cli({ host: this.a.host, wake: () => {}, sleep: async (ms) => this.run(ms * 1000) });
  }

  #stack(seed: number, session: Partial<SessionConfig>): Stack {
    return new Stack({
      window: MemoryWindow.plain(64 << 20),
      clock: this.clock,
      random: new SeededRandom(seed),
      hooks: {
        wake: () => {},
        reportError(error) {
          throw error;
        },
      },
      limits: { ...SMALL_LIMITS, largePackets: 32 },
      session: { maxSessions: 256, ...session },
      tcp: { maxConnections: 256 },
      udp: { maxConnections: 64 },
    });
  }

  /** Lets time pass; idle time is skipped. */
  run(us: number): void {
    const endUs = this.clock.nowUs() + us;
    this.settle();
    while (this.clock.nowUs() < endUs) {
      const idle = [this.a.engine.nextExpiry(), this.b.engine.nextExpiry()].filter((ticks) => ticks >= 0);
      const stepUs = Math.max(1, Math.min(...idle)) * TICK_US;
      this.clock.setUs(Math.min(endUs, this.clock.nowUs() + (Number.isFinite(stepUs) ? stepUs : us)));
      this.settle();
    }
  }

  /** Turns at this instant until nothing moves. */
  settle(): void {
    if (!this.isLinked) return;
    while (this.a.engine.turn() + this.b.engine.turn() > 0);
  }

  /** The text of a command that must succeed. */
  async ok(line: string): Promise<string> {
    const { ok, text } = await this.cli.run(line);
    if (!ok) throw new Error(`${line}: ${text}`);
    return text;
  }

  /** The text of a command that must fail. */
  async fails(line: string): Promise<string> {
    const { ok, text }: CliAnswer = await this.cli.run(line);
    if (ok) throw new Error(`${line} did not fail: ${text}`);
    return text;
  }

  /** A connection from `b` to an application on port 80 of `a`. */
  async connect(): Promise<void> {
    const server = await new AppServer(this.a.host.sessions).attach({ name: "web" }, { accept: () => true });
    await server.listen("tcp://0.0.0.0/80");
    const client = await new AppServer(this.b.host.sessions).attach({ name: "browser" }, {});
    const connecting = client.connect("tcp://198.18.0.2:80");
    this.run(10_000);
    const session = await connecting;
    session.write(new Uint8Array(1000));
    this.run(10_000);
  }
}
