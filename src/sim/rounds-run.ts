import { type Census, censusChange } from "./census.js";
import type { SimHost } from "./host.js";
import { hostCensus } from "./leftovers.js";
import { checkPair, isCompleted, recordOf } from "./pair.js";
import { Pattern } from "./pattern.js";
import { RESIDENT_PORT, ROUND_NAMESPACES, type RoundAppPlan, type RoundPlan } from "./round.js";
import { RoundApp, type RoundContext } from "./round-app.js";
import { Round } from "./round-run.js";
import { TrafficTable } from "./round-traffic.js";
import type { Simulation } from "./simulation.js";
import type { ConnectionRecord, Fail, Play } from "./workload.js";

/** Rounds that begin together and overlap. */
export const WAVE_ROUNDS = 12;
/** How often it is looked whether a wave has left nothing, microseconds. */
const SETTLE_US = 1_000_000;
/** How long that may take: longer than every timeout of a stack. */
const MAX_SETTLE_US = 900_000_000;
/** When an end gives up whose peer is gone without a word; longer than user timeouts, which must come first. */
const PATIENCE_US = 150_000_000;

/** The application that each host has all the time. */
const RESIDENT: Omit<RoundAppPlan, "host"> = {
  knowsSecret: true,
  scope: ["global", "local"],
  workers: 0,
  rxFifoBytes: 16_384,
  txFifoBytes: 16_384,
};

/** All rounds of a run, in waves: after each, all that the hosts hold must be what it was before the first. */
export class Rounds implements Play {
  readonly #sim: Simulation;
  readonly #hosts: readonly SimHost[];
  readonly #fail: Fail;
  readonly #context: RoundContext;
  readonly #rounds: readonly Round[];
  readonly #plans: readonly RoundPlan[];
  readonly #residents: readonly RoundApp[];
  readonly #before: ReadonlyMap<SimHost, Census>;
  readonly #startUs: number;
  #wave: readonly Round[] = [];
  #begun = 0;
  #isDone = false;

  /** Rounds `first`, `first` + 1 and so on, between two hosts; `seed` and a connection's number choose its bytes. */
  constructor(
    sim: Simulation,
    hosts: readonly SimHost[],
    seed: number,
    first: number,
    plans: readonly RoundPlan[],
    fail: Fail,
  ) {
    this.#sim = sim;
    this.#hosts = hosts;
    this.#fail = fail;
    this.#plans = plans;
    this.#startUs = sim.nowUs();
    const context = {
      pattern: new Pattern(),
      fail,
      nowUs: () => sim.nowUs() - this.#startUs,
      after: (delayUs: number, action: () => void) => sim.after(delayUs, action),
      ended: () => {},
    };
    this.#context = { ...context, traffic: new TrafficTable(context, seed) };
    this.#residents = hosts.map((host, i) => this.#resident(host, i === 0 ? 0 : 1));
    this.#before = new Map(hosts.map((host) => [host, hostCensus(host)]));
    this.#rounds = plans.map((plan, i) => new Round(this.#context, hosts, first + i, plan));
    this.#nextWave();
  }

  #resident(host: SimHost, index: 0 | 1): RoundApp {
    const resident = new RoundApp(this.#context, host, "resident", { ...RESIDENT, host: index });
    for (const protocol of ["tcp", "udp"] as const) {
      for (const family of [4, 6] as const) {
        const where = { family, address: "any", port: RESIDENT_PORT } as const;
        resident.listen({ app: 0, worker: 0, protocol, backlog: 16, isConnected: false, isProxy: false, ...where });
      }
    }
    return resident;
  }

  #nextWave(): void {
    this.#wave = this.#rounds.slice(this.#begun, this.#begun + WAVE_ROUNDS);
    this.#isDone = this.#wave.length === 0;
    if (this.#isDone) return;
    for (const [i, round] of this.#wave.entries()) {
      this.#sim.after(this.#plans[this.#begun + i].startUs, () => round.start());
    }
    this.#begun += this.#wave.length;
    this.#sim.after(SETTLE_US, () => this.#watch(-1));
  }

  /** Waits until the wave is over, then until all is as it was before. */
  #watch(overUs: number): void {
    const nowUs = this.#context.nowUs();
    let sinceUs = overUs;
    if (sinceUs < 0 && this.#wave.every(({ isOver }) => isOver)) {
      this.#deleteNamespaces();
      sinceUs = nowUs;
    }
    if (sinceUs >= 0) {
      const change = this.#change();
      if (change === "") return this.#nextWave();
      if (nowUs - sinceUs > MAX_SETTLE_US) return this.#fail("nothing-left", `after a wave: ${change}`);
      this.#giveUp(nowUs);
    }
    this.#sim.after(SETTLE_US, () => this.#watch(sinceUs));
  }

  #deleteNamespaces(): void {
    for (const { stack } of this.#living) {
      for (const id of ROUND_NAMESPACES) stack.host.sessions.apply({ kind: "namespace", add: false, id });
    }
  }

  get #living(): SimHost[] {
    return this.#hosts.filter(({ hasVanished }) => !hasVanished);
  }

  /** What the hosts hold more, or less, than before the first wave. */
  #change(): string {
    const changes = this.#living.map((host) => {
      // What a stack leaves to its next turn goes by the next look.
      host.wake();
      return { name: host.name, change: censusChange(hostCensus(host), this.#before.get(host)) };
    });
    return changes
      .filter(({ change }) => change !== "")
      .map(({ name, change }) => `${name}: ${change}`)
      .join("; ");
  }

  /** Ends that wait for a peer whose last word was lost: TCP without keepalive does so for ever. */
  #giveUp(nowUs: number): void {
    for (const { client, server } of this.#context.traffic.pairs) {
      for (const end of [client, server]) {
        end.watch();
        if (nowUs - end.progressUs > PATIENCE_US) end.abort("gave-up");
      }
    }
  }

  /** Whether all waves are over, and left nothing. */
  get isDone(): boolean {
    return this.#isDone;
  }

  /** Rounds of the wave that are not over, and ends that are open. */
  get open(): string[] {
    const rounds = this.#wave.filter(({ isOver }) => !isOver).map(({ number }) => `round ${number}`);
    const ends = this.#context.traffic.pairs.flatMap(({ client, server, hasServer }) =>
      [client, server].filter(({ isEnded }, i) => !isEnded && (i === 0 || hasServer)),
    );
    return [...rounds, ...ends.map(({ name }) => name)];
  }

  /** What became of each stream. */
  get records(): ConnectionRecord[] {
    return this.#context.traffic.pairs.map(recordOf);
  }

  /** Streams of which both ends read all that the other wrote, and closed in order. */
  get completed(): number {
    return this.#context.traffic.pairs.filter(isCompleted).length;
  }

  /** What the host did ends. */
  vanish(host: SimHost): void {
    for (const round of this.#rounds) round.vanish(host);
    this.#residents[this.#hosts.indexOf(host)]?.vanish();
  }

  /** Detaches what the hosts have all the time. */
  detach(): void {
    for (const resident of this.#residents) resident.detach();
  }

  /** Checks that the ends' outcomes go together. */
  checkOutcomes(): void {
    for (const pair of this.#context.traffic.pairs) checkPair(pair, this.#fail);
  }
}
