import { decideFlows } from "./flow-decider.js";
import { drawCase, plansOf, roundsOf } from "./draw-case.js";
import { Invariants } from "./invariants.js";
import { leftovers } from "./leftovers.js";
import type { FrameEvent } from "./link.js";
import { scenarioNamed } from "./scenarios/index.js";
import type { SimCase } from "./sim-case.js";
import { Rounds } from "./rounds-run.js";
import type { ConnectionRecord, Play } from "./workload.js";
import { Workload } from "./workload-run.js";
import { CASE_FIFO_BYTES, World } from "./world.js";

/** A backstop: all connections of a case have ended by then, microseconds. */
const RUN_US = 7_200_000_000;
/** How long winding up may take: longer than every timeout of a stack. */
const WIND_UP_US = 900_000_000;
/** What a timeout may be late by: the clock's skew, a tick, an exchange. */
const SLACK_US = 10_000_000;

/** An invariant that did not hold. */
export interface Failure {
  readonly invariant: string;
  readonly text: string;
  /** Since the run began, microseconds. */
  readonly atUs: number;
}

/** What a run of one case came to: equal for equal cases. */
export interface RunResult {
  readonly scenario: string;
  readonly seed: number;
  /** Over all frames: see {@link Simulation.hash}. */
  readonly hash: string;
  readonly connections: number;
  /** Connections of which both ends read all and closed in order. */
  readonly completed: number;
  readonly frames: number;
  /** How long it took, microseconds of virtual time. */
  readonly virtualUs: number;
  readonly records: readonly ConnectionRecord[];
  readonly failure?: Failure;
}

/** What may be hung on a run. Neither changes it, unless `prepare` means to. */
export interface RunHooks {
  /** Called with the network before anything runs: for tests that put a fault in. */
  readonly prepare?: (world: World) => void;
  /** Each frame and its fate: for captures. */
  readonly onFrame?: (event: FrameEvent) => void;
}

/** Runs a case of a scenario, drawn from the seed. Throws RangeError when there is no such scenario. */
export function runScenario(scenario: string, seed: number, hooks: RunHooks = {}): RunResult {
  return runCase(drawCase(scenario, seed), hooks);
}

/** Runs a case until its connections have ended and everything is wound up, or an invariant is broken. */
export function runCase(of: SimCase, hooks: RunHooks = {}): RunResult {
  return new CaseRun(of, hooks).run();
}

class CaseRun {
  readonly #of: SimCase;
  readonly #hooks: RunHooks;
  readonly #world: World;
  readonly #startUs: number;
  #played: Play | undefined;
  #failure: Failure | undefined;

  constructor(of: SimCase, hooks: RunHooks) {
    this.#of = of;
    this.#hooks = hooks;
    this.#world = new World(of);
    this.#startUs = this.#world.sim.nowUs();
  }

  run(): RunResult {
    const { sim } = this.#world;
    try {
      this.#start();
      this.#play();
      this.#windUp();
    } catch (error) {
      // An assertion of the stack or of the simulator: a failure of this seed like any other.
      this.#fail("no-exception", error instanceof Error ? `${error.message}` : String(error));
    }
    const result = this.#result();
    sim.close();
    return result;
  }

  readonly #fail = (invariant: string, text: string): void => {
    this.#failure ??= { invariant, text, atUs: this.#world.sim.nowUs() - this.#startUs };
  };

  #start(): void {
    const { sim } = this.#world;
    const { mtu, limits } = this.#of;
    const fifoBytes = (limits.fifoBytes ?? CASE_FIFO_BYTES) + (limits.appSegmentBytes ?? 0);
    this.#hooks.prepare?.(this.#world);
    const invariants = new Invariants(sim, { fifoBytes, mtu }, this.#fail);
    const { onFrame } = this.#hooks;
    sim.onInstant = invariants.onInstant;
    sim.onFrame = (event) => {
      invariants.onFrame(event);
      onFrame?.(event);
    };
    if (this.#of.flowHook === true) decideFlows(sim, this.#world.server, this.#of.seed);
    const play = this.#rounds() ?? this.#workload();
    this.#played = play;
    this.#world.schedule((host) => play.vanish(host));
  }

  #rounds(): Rounds | undefined {
    const { sim, server, clients } = this.#world;
    const plans = roundsOf(this.#of);
    if (plans === undefined) return undefined;
    return new Rounds(sim, [server, clients[0]], this.#of.seed, this.#of.first, plans, this.#fail);
  }

  #workload(): Workload {
    const { seed, first, backlog, tcp } = this.#of;
    const timeouts = {
      connectUs: 1000 * ((tcp.connectTimeoutMs ?? 0) + (tcp.rtoMaxMs ?? 0)) + SLACK_US,
      patienceUs: 2000 * ((tcp.userTimeoutMs ?? 0) + (tcp.rtoMaxMs ?? 0)) + SLACK_US,
      backlog,
    };
    return new Workload(this.#world, timeouts, seed, first, plansOf(this.#of), this.#fail);
  }

  /** Until every connection has ended. */
  #play(): void {
    const { sim } = this.#world;
    const play = this.#played as Play;
    const isDone = sim.runSync({
      untilUs: this.#startUs + RUN_US,
      isDone: () => this.#failure !== undefined || play.isDone,
    });
    if (!isDone) this.#fail("ends-in-time", `not ended: ${play.open.slice(0, 5).join(", ")}`);
    if (this.#failure === undefined) play.checkOutcomes();
    const workload = scenarioNamed(this.#of.workload);
    if ("check" in workload) workload.check?.(play.records, this.#of, this.#fail);
  }

  /** Closes what is open and waits for what lives on: then nothing may be left. */
  #windUp(): void {
    if (this.#failure !== undefined) return;
    const { sim } = this.#world;
    this.#world.heal();
    this.#played?.detach();
    const isDone = (): boolean => this.#failure !== undefined || this.#leftovers() === "";
    if (sim.runSync({ untilUs: sim.nowUs() + WIND_UP_US, isDone })) return;
    // A row that ended in a host's last turn is free at its next one.
    for (const host of this.#world.living) host.wake();
    if (!sim.runSync({ untilUs: sim.nowUs(), isDone })) this.#fail("nothing-left", this.#leftovers());
  }

  #leftovers(): string {
    return this.#world.living
      .map((host) => ({ name: host.name, left: leftovers(host) }))
      .filter(({ left }) => left !== "")
      .map(({ name, left }) => `${name}: ${left}`)
      .join("; ");
  }

  #result(): RunResult {
    const { sim } = this.#world;
    const records = this.#played?.records ?? [];
    return {
      scenario: this.#of.scenario,
      seed: this.#of.seed,
      hash: sim.hash(),
      connections: records.length,
      completed: this.#played?.completed ?? 0,
      frames: sim.frames,
      virtualUs: sim.nowUs() - this.#startUs,
      records,
      ...(this.#failure !== undefined && { failure: this.#failure }),
    };
  }
}
