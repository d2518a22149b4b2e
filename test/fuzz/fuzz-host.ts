import { readFileSync, readdirSync } from "node:fs";
import { type App, AppServer } from "../../src/app/attach.js";
import type { Session } from "../../src/app/session.js";
import { readCapture } from "../../src/device/pcap-read.js";
import { MemoryWindow } from "../../src/mem/window.js";
import { SeededRandom } from "../../src/random/seeded.js";
import { Stack } from "../../src/stack.js";
import { ManualClock } from "../../src/time/manual-clock.js";
import { FuzzDevice } from "./fuzz-device.js";

/** Hardware addresses of the captures: B is who we are. */
const OUR_MAC = Uint8Array.of(2, 0, 0, 0, 0, 2);
const SECOND_MAC = Uint8Array.of(2, 0, 0, 0, 1, 2);
/** Applications throw once in so many callbacks. */
const THROW_ONCE_IN = 5000;

/** All frames of the captures in pcaps/. */
export function capturedFrames(): Uint8Array[] {
  const directory = new URL("../../pcaps/", import.meta.url);
  const files = readdirSync(directory).filter((name) => /\.pcap(?:ng)?$/.test(name));
  return files.flatMap((name) => readCapture(readFileSync(new URL(name, directory))).frames.map(({ bytes }) => bytes));
}

/** The host that is fuzzed: the captures' host B, which also routes to a second link, with careless applications. */
export class FuzzHost {
  readonly random: SeededRandom;
  readonly clock = new ManualClock(1_000_000);
  readonly stack: Stack;
  readonly first = new FuzzDevice(OUR_MAC, true);
  readonly second = new FuzzDevice(SECOND_MAC, false);
  /** Errors that applications threw, as the session layer reported them. */
  reported = 0;
  thrown = 0;
  readonly #apps: AppServer;
  readonly #buffer = new Uint8Array(4096);
  #client: App | undefined;

  constructor(seed: number) {
    this.random = new SeededRandom(seed);
    this.stack = new Stack({
      window: MemoryWindow.plain(96 << 20),
      clock: this.clock,
      random: new SeededRandom(seed ^ 0x5eed),
      hooks: {
        wake: () => {},
        reportError: () => {
          this.reported++;
        },
      },
      limits: { smallPackets: 1024, largePackets: 24, fifoBytes: 8 << 20, poison: true },
      ip: { forward4: true, forward6: true, icmpErrors: {} },
      neighbours: { limit: 64, queued: 32 },
      session: { maxSessions: 256, backlog: 16, rxFifoBytes: 32768, txFifoBytes: 32768 },
      tcp: { maxConnections: 256 },
    });
    this.#apps = new AppServer(this.stack.host.sessions);
    this.stack.addInterface("fuzz0", this.first, { addresses: ["198.18.1.2/24", "2001:db8:1::2/64"] });
    this.stack.addInterface("fuzz1", this.second, { addresses: ["198.18.2.2/24", "2001:db8:2::2/64"], mtu: 1300 });
    const paths = [{ via: "198.18.2.9" }];
    this.stack.apply({ kind: "route", table: 0, prefix: "198.19.0.0/16", add: true, paths });
    this.stack.apply({ kind: "route", table: 0, prefix: "198.19.1.0/24", add: true, paths: "unreachable" });
    this.stack.apply({ kind: "route", table: 0, prefix: "198.19.2.0/24", add: true, paths: "punt" });
  }

  /** Attaches the applications. */
  async start(): Promise<void> {
    const echo = (session: Session): void => {
      if (this.random.nextBelow(THROW_ONCE_IN) === 0) {
        this.thrown++;
        throw new Error("an application's mistake");
      }
      const n = session.read(this.#buffer);
      if (n > 0) session.write(this.#buffer, 0, n);
      const fate = this.random.nextBelow(200);
      if (fate === 0) session.close();
      else if (fate === 1) session.halfClose();
      else if (fate === 2) session.reset();
    };
    const app = await this.#apps.attach(
      { name: "echo" },
      {
        accept: () => this.random.nextBelow(50) > 0,
        rx: echo,
        tx: echo,
        disconnect: (session) => {
          session.close();
        },
      },
    );
    for (const uri of ["tcp://0.0.0.0/7", "tcp://[::]:7", "tcp://0.0.0.0/7001", "tcp://[::]:7001"])
      await app.listen(uri);
    const datagrams = (session: Session): void => {
      for (let i = 0; i < 16 && session.readDatagram(this.#buffer) >= 0; i++) session.reply(this.#buffer, 0, 100);
    };
    const udp = await this.#apps.attach({ name: "udp" }, { rx: datagrams, accept: () => true });
    for (const uri of ["udp://0.0.0.0/7", "udp://[::]:7"]) await udp.listen(uri);
    await udp.listen("udp://0.0.0.0/9", { connected: true });
    this.#client = await this.#apps.attach({ name: "client" }, { rx: echo });
  }

  /** Starts an active open that may or may not be answered. */
  connect(): void {
    const targets = ["tcp://198.18.1.9/80", "tcp://[2001:db8:1::9]:80", "tcp://198.19.0.5/80", "udp://198.18.1.9/53"];
    const uri = targets[this.random.nextBelow(targets.length)];
    this.#client?.connect(uri).then(
      (session) => session.write(this.#buffer, 0, 1000),
      () => {},
    );
  }

  /** Turns until nothing moves. */
  settle(): void {
    for (let turns = 0; turns < 1000 && this.stack.engine.turn() > 0; turns++);
  }

  /** Lets time pass. */
  pass(ms: number): void {
    for (let done = 0; done < ms; done += 100) {
      this.clock.advanceUs(Math.min(100, ms - done) * 1000);
      this.settle();
    }
  }

  /** Ends all applications. */
  stop(): void {
    const { sessions } = this.stack.host;
    for (const app of sessions.applications.all()) sessions.detach(app.index);
  }
}
