import { parseAddress } from "../ip/address.js";
import { SessionError } from "../session/session-errors.js";
import { endpointOf } from "../session/uri.js";
import type { Endpoint } from "../transport/transport.js";
import { addressText, type RoundAppPlan, type RoundHost, type RoundPlan } from "./round.js";
import { RoundApp, type RoundContext } from "./round-app.js";
import type { RoundTraffic } from "./round-traffic.js";

/** How often a round looks whether its connects have ended, microseconds. */
const WATCH_US = 500_000;
/** Connects of one round at most: their numbers follow from that of the round. */
export const MAX_ROUND_CONNECTS = 16;

/** A host of another make: no application is attached there, but it connects, and takes what is connected to it. */
export interface ForeignHost {
  /** As text. */
  readonly addresses: readonly string[];
  /** Connects, and ends the client's end of the traffic when that is over. */
  connect(traffic: RoundTraffic, remote: Endpoint): void;
}

/** Plays one round: does what its plan says at its times, and at the end detaches what is still attached. */
export class Round {
  readonly number: number;
  /** All its applications are detached. */
  isOver = false;
  readonly #context: RoundContext;
  readonly #hosts: readonly (RoundHost | ForeignHost)[];
  readonly #plan: RoundPlan;
  /** Those that could attach. */
  readonly #apps: (RoundApp | undefined)[] = [];
  readonly #traffic: RoundTraffic[];
  #startUs = 0;

  constructor(context: RoundContext, hosts: readonly (RoundHost | ForeignHost)[], number: number, plan: RoundPlan) {
    this.#context = context;
    this.#hosts = hosts;
    this.number = number;
    this.#plan = plan;
    this.#traffic = plan.connects.map((each, i) => context.traffic.add(number * MAX_ROUND_CONNECTS + i, each));
  }

  /** Begins. */
  start(): void {
    const { apps, listens, breaks } = this.#plan;
    this.#startUs = this.#context.nowUs();
    for (const [i, plan] of apps.entries()) this.#apps.push(this.#attach(plan, `round ${this.number} app ${i}`));
    for (const listen of listens) this.#apps[listen.app]?.listen(listen);
    for (const traffic of this.#traffic) this.#context.after(traffic.plan.atUs, () => this.#connect(traffic));
    for (const each of breaks) {
      this.#context.after(each.atUs, () => {
        if (!this.isOver) this.#apps[each.app]?.break(each);
      });
    }
    this.#watch();
  }

  #attach(plan: RoundAppPlan, name: string): RoundApp | undefined {
    const { namespace } = plan;
    const host = this.#hosts[plan.host];
    if (!("attach" in host) || host.hasVanished) return undefined;
    // As a change if it is there already: that of another round, for which its old secret serves no more.
    if (namespace !== undefined) host.stack.host.sessions.apply({ kind: "namespace", add: true, ...namespace });
    try {
      const app = new RoundApp(this.#context, host, name, plan);
      if (!plan.knowsSecret) this.#context.fail("secret", `${name} attached with a wrong secret`);
      return app;
    } catch (error) {
      if (error instanceof SessionError) return undefined;
      throw error;
    }
  }

  #connect(traffic: RoundTraffic): void {
    const { app, family, address, host, port } = traffic.plan;
    const from = this.#hosts[this.#plan.apps[app].host];
    const remote = endpointOf(parseAddress(addressText(this.#hosts[host].addresses, family, address)), port);
    if (this.isOver) return this.#drop(traffic);
    if (!("attach" in from)) return from.connect(traffic, remote);
    const own = this.#apps[app];
    if (own?.isAttached === true) own.connect(traffic, remote);
    else this.#drop(traffic);
  }

  /** There is nobody to connect. */
  #drop({ pair, flow }: RoundTraffic): void {
    if (pair?.client.isEnded === false) pair.client.detach();
    flow?.end();
  }

  readonly #watch = (): void => {
    if (this.isOver) return;
    const isIdle = this.#traffic.every(({ pair, flow }) => (pair === undefined ? flow?.isEnded : pair.client.isEnded));
    const isLate = this.#context.nowUs() - this.#startUs >= this.#plan.endUs;
    if (isIdle || isLate) this.end();
    else this.#context.after(WATCH_US, this.#watch);
  };

  /** Detaches what is still attached. */
  end(): void {
    this.isOver = true;
    for (const app of this.#apps) app?.detach();
    for (const traffic of this.#traffic) this.#drop(traffic);
  }

  /** A host is gone. */
  vanish(host: RoundHost): void {
    for (const [i, app] of this.#apps.entries()) if (this.#hosts[this.#plan.apps[i].host] === host) app?.vanish();
  }
}
