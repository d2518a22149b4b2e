import { describe, expect, test } from "vitest";
import { SeededRandom } from "../../src/random/seeded.js";
import type { ApplicationCallbacks } from "../../src/session/application.js";
import { parseUri } from "../../src/session/uri.js";
import { TRANSPORT_CT } from "../../src/transport/transport.js";
import { SessionHarness } from "./fake-transport.js";

// Applications, workers, namespaces and sessions that come and go at random, with transports that fail and break off: at
// the end everything is back, and on the way no call throws.

const ROUNDS = 40;
const STEPS = 1500;
const URIS = ["0.0.0.0/80", "10.0.0.1/80", "10.0.0.2/80", "0.0.0.0/81", "[::]:80", "[2001:db8::1]:80", "0.0.0.0/0"];
const NAMESPACES = ["", "one", "two", "three"];

class Soak {
  readonly h = new SessionHarness({
    maxSessions: 64,
    maxApplications: 6,
    maxAppWorkers: 4,
    maxFifos: 40,
    anyProxy: true,
  });
  readonly random: SeededRandom;
  readonly udp = this.h.add("udp", 1, true);
  readonly ct = this.h.add("ct", TRANSPORT_CT);

  constructor(seed: number) {
    this.random = new SeededRandom(seed);
    for (const transport of [this.h.tcp, this.udp]) {
      // Half of the closes end at once, the others when the peer says so.
      transport.onClose = (c) => {
        if (this.below(2) === 0) this.h.layer.deleted(transport.session(c));
      };
    }
  }

  below(n: number): number {
    return this.random.nextBelow(n);
  }

  any<T>(list: readonly T[]): T {
    return list[this.below(list.length)];
  }

  /** Callbacks that do odd things from within. */
  callbacks(): ApplicationCallbacks {
    const { layer } = this.h;
    const odd = (s: number): void => {
      switch (this.below(60)) {
        case 0:
          layer.close(s);
          break;
        case 1:
          layer.terminate(s);
          break;
        case 2:
          throw new Error("careless");
        case 3:
          layer.detach(this.below(6));
          break;
        case 4:
          layer.delWorker(this.below(6), this.below(4));
          break;
        default:
      }
    };
    return {
      accept: (s) => {
        odd(s);
        return this.below(5) > 0;
      },
      connected: odd,
      disconnect: odd,
      reset: odd,
      rx: odd,
      listened: odd,
      unlistened: odd,
      detached: () => odd(this.below(64)),
      cleanup: (s) => {
        if (this.below(20) === 0) odd(s);
      },
    };
  }

  listeners(): number[] {
    return [...this.h.layer.table].filter((s) => this.h.state(s) === "listening");
  }

  step(): void {
    const { h } = this;
    const { layer } = h;
    const attached = layer.applications.all().filter(({ isAttached }) => isAttached);
    const app = this.below(8) === 0 || attached.length === 0 ? this.below(7) : this.any(attached).index;
    const used = [...layer.table];
    const s = this.below(8) === 0 || used.length === 0 ? this.below(64) : this.any(used);
    const worker = this.below(2) === 0 ? 0 : this.below(4);
    h.tcp.failure = this.below(8) === 0 ? -4 : 0;
    switch (this.below(18)) {
      case 0:
        layer.attach(
          {
            name: `app${this.below(8)}`,
            namespace: this.any(NAMESPACES),
            scope: this.any([[], ["global"], ["local"], ["global", "local"]]),
          },
          this.callbacks(),
        );
        break;
      case 1:
        if (this.below(5) === 0) layer.detach(app);
        break;
      case 2:
        layer.addWorker(app, this.callbacks());
        break;
      case 3:
        if (this.below(3) === 0) layer.delWorker(app, worker);
        break;
      case 4:
      case 5:
      case 6: {
        const proto = this.below(2);
        const uri = this.any(URIS);
        const options = { worker, connected: this.below(4) === 0, proxy: this.below(8) === 0 };
        layer.listen(app, proto, parseUri(`tcp://${uri}`).endpoint, options);
        break;
      }
      case 7:
        layer.unlisten(app, s, worker);
        break;
      case 8:
        layer.connect(
          app,
          this.below(2),
          parseUri(this.any(["tcp://10.0.0.9/80", "tcp://[2001:db8::9]:80"])).endpoint,
          { worker },
        );
        break;
      case 9: {
        const c = this.below(40);
        const request = h.tcp.requests[c];
        if (request !== undefined) layer.connected(0, c, request.context, this.any([0, 0, -2]));
        break;
      }
      case 10:
      case 11:
      case 16: {
        const l = this.any([...this.listeners(), -1]);
        if (l >= 0 && layer.localEndpoint(l)?.family === 4 && h.window.i32[layer.table.row(l) + 7] === 0)
          h.arrive(l, 1 + this.below(60000));
        break;
      }
      case 12:
        layer.moveSession(app, s, worker);
        break;
      case 13:
      case 17:
        this.news(s);
        break;
      case 14:
        if (this.below(10) === 0) layer.apply({ kind: "namespace", add: false, id: this.any(NAMESPACES) });
        else {
          const id = this.any(["one", "two", "three"]);
          layer.apply({
            kind: "namespace",
            add: true,
            id,
            ...this.any([{}, { interface: "if0" }, { interface: "if1" }, { table4: 1 }]),
          });
        }
        break;
      default:
        h.addresses.of0 = this.any([[0x0a000001], [0x0a000001, 0x0a000005], []]);
        layer.addressesChanged(0);
        if (this.below(30) === 0) {
          layer.setEnabled(false);
          layer.setEnabled(true);
        }
    }
    if (this.below(3) > 0) layer.deliver();
  }

  /** The transport or the application ends a session that has a connection. */
  news(s: number): void {
    const { layer } = this.h;
    if (!layer.table.isUsed(s) || layer.connectionOf(s) < 0 || ["listening", "connecting"].includes(this.h.state(s)))
      return;
    switch (this.below(7)) {
      case 0:
        return layer.closing(s);
      case 1:
        return layer.reset(s, -1);
      case 2:
        return layer.closed(s);
      case 3:
        return layer.deleted(s);
      case 4:
        return layer.received(s);
      case 5:
        return void layer.close(s);
      default:
        return void layer.terminate(s);
    }
  }

  /** Everything is detached, and the transports end what they still have. */
  end(): void {
    const { h } = this;
    h.tcp.failure = 0;
    for (const transport of [h.tcp, this.udp, this.ct])
      transport.onClose = (c) => h.layer.deleted(transport.session(c));
    for (const app of h.layer.applications.all()) if (app.isAttached) h.layer.detach(app.index);
    h.settle();
    for (const s of h.layer.table) if (h.layer.table.isUsed(s) && h.layer.connectionOf(s) >= 0) h.layer.deleted(s);
    h.settle();
  }
}

describe("at random", () => {
  test.each(Array.from({ length: ROUNDS }, (_, seed) => seed))("seed %i", (seed) => {
    const soak = new Soak(seed);
    const { h } = soak;
    for (let i = 0; i < STEPS; i++) soak.step();
    soak.end();
    expect([...h.layer.table].map((s) => h.state(s))).toEqual([]);
    expect(h.layer.applications.all().map(({ name, sessionCount }) => [name, sessionCount])).toEqual([]);
    expect(h.lookup.counts()).toEqual({ established4: 0, established6: 0, halfOpen4: 0, halfOpen6: 0, listeners: 0 });
    expect(h.lookup.counts().listeners).toBe(0);
    expect([h.fifos.stats().activeFifos, h.fifos.inUse()]).toEqual([0, 0]);
    for (const error of h.errors) expect(error).toMatchObject({ message: "careless" });
    // All rows can be had again.
    const { index } = h.app("last");
    h.addresses.of0 = [0x0a000001];
    const l = h.listen(index, "tcp://0.0.0.0/80");
    expect(l).toBeGreaterThanOrEqual(0);
  });
});
