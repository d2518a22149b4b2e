import { readFileSync, readdirSync } from "node:fs";
import { readCapture } from "../../src/device/pcap-read.js";
import type { RoutePath, RouteVerdict } from "../../src/ip/fib.js";
import { MemoryWindow } from "../../src/mem/window.js";
import { SeededRandom } from "../../src/random/seeded.js";
import { Stack } from "../../src/stack.js";
import { ManualClock } from "../../src/time/manual-clock.js";
import { ECHO_ID, OUR_MAC, SECOND_MAC, THIRD_MAC } from "./frames.js";
import { FuzzApps } from "./fuzz-apps.js";
import { FuzzDevice } from "./fuzz-device.js";
import { SentVerifier } from "./verify-sent.js";

/** All frames of the captures in pcaps/. */
export function capturedFrames(): Uint8Array[] {
  const directory = new URL("../../pcaps/", import.meta.url);
  const files = readdirSync(directory)
    .filter((name) => /\.pcap(?:ng)?$/.test(name))
    .sort();
  return files.flatMap((name) => readCapture(readFileSync(new URL(name, directory))).frames.map(({ bytes }) => bytes));
}

/** Prefixes of the host's links, and the link-local addresses that came with them. */
export const ADDRESSES: readonly (readonly [interfaceIndex: number, prefix: string])[] = [
  [0, "198.18.1.2/24"],
  [0, "2001:db8:1::2/64"],
  [0, "fe80::ff:fe00:2/64"],
  [1, "198.18.2.2/24"],
  [1, "2001:db8:2::2/64"],
  [1, "fe80::ff:fe00:102/64"],
];

/**
 * The host that is fuzzed: the captures' host B, which also routes to a second link without offloads, knows a third one
 * on which it has no address, and runs careless applications.
 */
export class FuzzHost {
  readonly random: SeededRandom;
  readonly clock = new ManualClock(1_000_000);
  readonly stack: Stack;
  readonly first = new FuzzDevice(OUR_MAC, { hasOffloads: true });
  readonly second = new FuzzDevice(SECOND_MAC, { hasOffloads: false, mtu: 1300, ringSlots: 128 });
  readonly third = new FuzzDevice(THIRD_MAC, { hasOffloads: false });
  readonly devices = [this.first, this.second, this.third] as const;
  readonly apps: FuzzApps;
  readonly verifier = new SentVerifier();
  /** The last frames that each device sent, until somebody answers them. */
  readonly heard: readonly [Uint8Array[], Uint8Array[], Uint8Array[]] = [[], [], []];
  /** Errors that applications threw, as the session layer reported them. */
  reported = 0;
  /** Echo replies that were waited for. */
  echoes = 0;

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
      limits: { smallPackets: 1024, largePackets: 24, ringPackets: 128, fifoBytes: 8 << 20, poison: true },
      ip: {
        forward4: true,
        forward6: true,
        reassembly: { maxDatagrams: 32, maxFragmentsPerDatagram: 40, maxFragments: 200 },
      },
      neighbours: { limit: 32, queued: 32 },
      session: { maxSessions: 256, backlog: 3, rxFifoBytes: 32768, txFifoBytes: 32768, rtBackend: "rule-table" },
      // Short waits: much happens in little time.
      udp: { maxConnections: 512 },
      tcp: {
        maxConnections: 128,
        challengeAcksPerSecond: 5,
        synRcvdTimeoutMs: 3000,
        timeWaitMs: 2000,
        finWait2Ms: 3000,
        closingTimeoutMs: 3000,
        connectTimeoutMs: 6000,
        userTimeoutMs: 10_000,
      },
    });
    this.devices.forEach((device, i) => {
      this.verifier.watch(device, (frame) => {
        if (this.heard[i].length < 64) this.heard[i].push(frame);
      });
      const addresses = ADDRESSES.filter(([index, prefix]) => index === i && !prefix.startsWith("fe80"));
      this.stack.addInterface(`fuzz${i}`, device, { addresses: addresses.map(([, prefix]) => prefix) });
    });
    this.#addRoutes();
    this.stack.host.ip.echo.listen(ECHO_ID, () => {
      this.echoes++;
    });
    this.apps = new FuzzApps(this.stack.host.sessions, this.random);
  }

  /** Routes to a router that answers, to some that never do, to links without an address, and to nowhere. */
  #addRoutes(): void {
    const route = (prefix: string, paths: readonly RoutePath[] | RouteVerdict): void =>
      this.stack.apply({ kind: "route", table: 0, prefix, add: true, paths });
    route("198.19.0.0/16", [{ via: "198.18.2.9" }]);
    route("198.19.1.0/24", "unreachable");
    route("198.19.2.0/24", "punt");
    route("198.19.3.0/24", "drop");
    route("2001:db8:dead::/48", "drop");
    route("2001:db8:3::/48", "punt");
    for (let i = 10; i < 14; i++) {
      route(`198.19.${i}.0/24`, [{ via: `198.18.2.${190 + i}` }]);
      route(`2001:db8:${i.toString(16)}::/48`, [{ via: `2001:db8:2::${(190 + i).toString(16)}` }]);
    }
    route("198.51.100.0/24", [{ interface: 2 }]);
    route("203.0.113.0/24", [{ via: "203.0.113.1", interface: 2 }]);
    route("2001:db8:51::/48", [{ interface: 2 }]);
    route("2001:db8:52::/48", [{ via: "2001:db8:52::1", interface: 2 }]);
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
