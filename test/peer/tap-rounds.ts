import { setTimeout as sleep } from "node:timers/promises";
import { AppServer } from "../../src/app/attach.js";
import type { AppCallbacks } from "../../src/app/callbacks.js";
import { LocalApp } from "../../src/app/local-app.js";
import { formatAddress } from "../../src/ip/address.js";
import type { LiveStack } from "../../src/node/live-stack.js";
import type { ApplicationOptions } from "../../src/session/application.js";
import { type Census, censusChange, censusOf } from "../../src/sim/census.js";
import { drawCase, roundsOf } from "../../src/sim/draw-case.js";
import { Pattern } from "../../src/sim/pattern.js";
import {
  RESIDENT_PORT,
  ROUND_NAMESPACES,
  type RoundConnect,
  type RoundHost,
  type RoundPlan,
} from "../../src/sim/round.js";
import { RoundApp, type RoundContext } from "../../src/sim/round-app.js";
import { type ForeignHost, Round } from "../../src/sim/round-run.js";
import { type RoundTraffic, TrafficTable } from "../../src/sim/round-traffic.js";
import type { EndPlan } from "../../src/sim/workload.js";
import type { EndContext, WorkloadEnd } from "../../src/sim/workload-end.js";
import type { Endpoint, SessionIndex } from "../../src/transport/transport.js";
import { KERNEL4, KERNEL6, STACK4, STACK6 } from "../support/weft.js";

/** Where rounds-peer.py is told what to do. */
const CONTROL_PORT = 4000;
/** Nobody listens there. */
const NOBODYS_PORT = 9;
/** Each connection with the kernel has a port of its own at its client, by which the kernel's side knows it. */
const FIRST_PORT = 10_000;
const PORTS = 50_000;
/** Plans are made for a simulated network: here their times are so many times shorter. */
const HASTE = 100;
/** Rounds at a time. */
const AT_ONCE = 12;
/** The first host of a plan is the stack, the second the kernel. */
const STACK = 0;
const KERNEL = 1;
/** How long everything may take to come back, milliseconds: an end of cut-through waits 30 s for the other. */
const SETTLE_MS = 40_000;

/** Longer than any timer of a connection on which nothing happens, milliseconds. */
const QUIET_MS = 500;

/** What the kernel's side says of a connection that is over. */
interface Report {
  readonly number: number;
  readonly received: number;
  readonly how: string;
}

/** The stack, as rounds see it. */
class StackHost implements RoundHost {
  readonly name = "stack";
  readonly stack: LiveStack;
  readonly addresses = [STACK4, STACK6];
  readonly errors: unknown[];
  readonly hasVanished = false;
  readonly server: AppServer;

  constructor(stack: LiveStack, errors: unknown[]) {
    this.stack = stack;
    this.errors = errors;
    this.server = new AppServer(stack.host.sessions);
  }

  attach(options: ApplicationOptions, callbacks: AppCallbacks): LocalApp {
    return new LocalApp(this.server.objects, options, callbacks);
  }
}

/** What is sent to whom, of which the kernel's side has to be told. */
class KernelTraffic extends TrafficTable {
  readonly #tell: (traffic: RoundTraffic) => void;

  constructor(context: EndContext, seed: number, tell: (traffic: RoundTraffic) => void) {
    super(context, seed);
    this.#tell = tell;
  }

  override bind(host: RoundHost, s: SessionIndex, traffic: RoundTraffic): void {
    super.bind(host, s, traffic);
    if (traffic.plan.host === KERNEL && traffic.pair !== undefined) this.#tell(traffic);
  }
}

/** Rounds of applications of a stack on a TAP with the kernel at its other end. */
export class TapRounds implements ForeignHost {
  readonly addresses = [KERNEL4, KERNEL6];
  /** What did not hold. */
  readonly failures: string[] = [];
  rounds = 0;
  /** Of all rounds that have settled: connects of streams, sessions that they opened on the stack, bytes that these read, datagrams that were answered. */
  readonly figures = { connections: 0, sessions: 0, bytes: 0, datagrams: 0 };
  readonly #seed: number;
  readonly #host: StackHost;
  readonly #context: RoundContext;
  readonly #control: ReturnType<LiveStack["net"]["connect"]>;
  /** With the kernel, by number. */
  readonly #open = new Map<number, RoundTraffic>();
  readonly #startMs = performance.now();
  #resident: RoundApp | undefined;
  #before: Census = {};
  #ports = 0;

  /** `errors` is what the stack reports. */
  constructor(stack: LiveStack, errors: unknown[], seed: number) {
    this.#seed = seed;
    this.#host = new StackHost(stack, errors);
    const context: EndContext = {
      pattern: new Pattern(),
      fail: (invariant, text) => void this.failures.push(`${invariant}: ${text}`),
      nowUs: () => Math.round((performance.now() - this.#startMs) * 1000 * HASTE),
      after: (delayUs, action) => void setTimeout(action, delayUs / 1000 / HASTE),
      ended: () => {},
    };
    const traffic = new KernelTraffic(context, seed, (each) => this.#tell(each, { accept: each.plan.fromPort }));
    this.#context = { ...context, traffic };
    this.#control = stack.net.connect(CONTROL_PORT, KERNEL4);
  }

  /** Opens the connection to the kernel's side, and attaches what is there all the time. Then counts what the stack holds. */
  async start(): Promise<void> {
    const control = this.#control;
    await new Promise((resolve, reject) => control.once("connect", resolve).once("error", reject));
    const hasNoise = new Promise((resolve) => control.once("data", resolve));
    let text = "";
    control.on("data", (chunk: Uint8Array) => {
      const lines = (text + Buffer.from(chunk).toString("latin1")).split("\n");
      text = lines.pop() ?? "";
      for (const line of lines) this.#over(JSON.parse(line) as Report);
    });
    this.#send({ noise: Buffer.from(this.#context.pattern.noise).toString("hex") });
    const fifos = { rxFifoBytes: 16_384, txFifoBytes: 16_384 };
    this.#resident = new RoundApp(this.#context, this.#host, "resident", {
      ...fifos,
      host: STACK,
      knowsSecret: true,
      scope: ["global", "local"],
      workers: 0,
    });
    for (const protocol of ["tcp", "udp"] as const) {
      for (const family of [4, 6] as const) {
        const where = { family, address: "any", port: RESIDENT_PORT } as const;
        this.#resident.listen({
          app: 0,
          worker: 0,
          protocol,
          backlog: 64,
          isConnected: false,
          isProxy: false,
          ...where,
        });
      }
    }
    await hasNoise;
    // By then all is acknowledged, and nothing is under way.
    await sleep(QUIET_MS);
    this.#before = this.census();
  }

  /** What the stack holds now. */
  census(): Census {
    return { ...censusOf(this.#host.stack.host), "session objects": this.#host.server.objects.count };
  }

  /** Plays rounds, some at a time, and waits until each has ended. */
  async play(rounds: number): Promise<void> {
    const of = { ...drawCase("rounds", this.#seed), first: this.rounds, connections: rounds };
    const plans = (roundsOf(of) ?? []).map((plan, i) => this.#adapted(plan, of.first + i));
    this.rounds += rounds;
    let next = 0;
    const player = async (): Promise<void> => {
      while (next < plans.length && this.failures.length === 0) {
        const i = next++;
        const round = new Round(this.#context, [this.#host, this], of.first + i, plans[i]);
        round.start();
        while (!round.isOver) await sleep(2);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, player));
  }

  /** Waits until all has come back, and returns what has not: "". */
  async settle(): Promise<string> {
    const { host } = this.#host.stack;
    for (const id of ROUND_NAMESPACES) host.sessions.apply({ kind: "namespace", add: false, id });
    const startMs = performance.now();
    for (;;) {
      await sleep(20);
      this.#host.stack.wake();
      const change = censusChange(this.census(), this.#before);
      const waitedMs = performance.now() - startMs;
      if (change === "" && this.#isKernelDone(waitedMs)) {
        this.#forget();
        return "";
      }
      if (waitedMs > SETTLE_MS) return change === "" ? `${this.#open.size} connections at the kernel` : change;
      // Who waits for a peer that vanished waits for ever.
      if (waitedMs > 1000) {
        for (const { client, server } of this.#context.traffic.pairs)
          for (const end of [client, server]) end.abort("gave-up");
      }
    }
  }

  /** Of what it connected the kernel's side says in any case what came of it; of what it never accepted it has nothing to say. */
  #isKernelDone(waitedMs: number): boolean {
    const open = [...this.#open.values()];
    return waitedMs > QUIET_MS ? !open.some(({ plan }) => plan.host === STACK) : open.length === 0;
  }

  /** Adds up what came of the rounds so far, and forgets it. */
  #forget(): void {
    const { traffic } = this.#context;
    for (const { client, server, startedUs } of traffic.pairs) {
      if (startedUs >= 0) this.figures.connections++;
      for (const end of [client, server]) {
        if (end.openedUs < 0) continue;
        this.figures.sessions++;
        this.figures.bytes += end.receivedBytes;
      }
    }
    for (const { answered } of traffic.flows) this.figures.datagrams += answered;
    traffic.clear();
    this.#open.clear();
  }

  /** Ends the connection to the kernel's side, whose program ends then. */
  end(): void {
    this.#resident?.detach();
    this.#control.end();
  }

  // ---- The kernel's side ----

  /** The kernel's side connects. */
  connect(traffic: RoundTraffic, remote: Endpoint): void {
    const { pair, flow, plan } = traffic;
    flow?.end();
    if (pair === undefined) return;
    pair.startedUs = this.#context.nowUs();
    const address = formatAddress({ family: remote.family, words: remote.address });
    this.#context.traffic.expect(formatClient(this.addresses, plan), traffic);
    this.#tell(traffic, { connect: [address, remote.port], from: plan.fromPort });
  }

  #tell(traffic: RoundTraffic, what: object): void {
    const { pair, plan } = traffic;
    if (pair === undefined || plan.ends === undefined) return;
    const isKernelClient = "connect" in what;
    const end = isKernelClient ? pair.client : pair.server;
    const kernel = kernelPlan(end.plan);
    // What it will have sent when it ends in order; otherwise it resets, or says nothing.
    end.sentBytes = kernel.bytes;
    end.isFinished = true;
    this.#open.set(pair.number, traffic);
    const [send, receive] = [0, 1].map((direction) => Pattern.key(this.#seed + pair.number, direction));
    const keys = isKernelClient ? { send, receive } : { send: receive, receive: send };
    this.#send({ number: pair.number, ...what, ...keys, ...kernel });
  }

  /** A connection is over at the kernel's side. */
  #over({ number, received, how }: Report): void {
    const { pair, plan } = this.#open.get(number) ?? {};
    this.#open.delete(number);
    if (pair === undefined || plan === undefined) return;
    const isKernelClient = plan.host === STACK;
    const [kernel, stack] = isKernelClient ? [pair.client, pair.server] : [pair.server, pair.client];
    kernel.receivedBytes = received;
    if (isKernelClient) kernel.detach();
    this.#check(stack, received, how);
  }

  /** Who heard the end of a stream must have had all of it. */
  #check(sender: WorkloadEnd, received: number, how: string): void {
    const { name, sentBytes, isFinished } = sender;
    const isWhole = received === sentBytes && isFinished;
    if (how === "timeout" || (how === "eof" ? !isWhole : received > sentBytes)) {
      this.failures.push(`${name} wrote ${sentBytes} bytes, the kernel had ${received}: ${how}`);
    }
  }

  #send(message: object): void {
    this.#control.write(`${JSON.stringify(message)}\n`);
  }

  /** The plan with the stack as first host and the kernel as second. */
  #adapted(drawn: RoundPlan, number: number): RoundPlan {
    const isSwapped = drawn.apps[0].host === KERNEL;
    const hostOf = (host: 0 | 1): 0 | 1 => (isSwapped ? (host === 0 ? 1 : 0) : host);
    // Of half of the rounds the far application is the kernel's, of the others it is one of the stack.
    const isFarOurs = number % 2 === 0;
    const apps = drawn.apps.map((app) => ({
      ...app,
      host: isFarOurs ? STACK : hostOf(app.host),
      ...(app.namespace?.interface !== undefined && { namespace: { ...app.namespace, interface: "tap0" } }),
    }));
    const connects = drawn.connects.map((each): RoundConnect => {
      const isFar = hostOf(drawn.apps[each.app].host) === KERNEL;
      const host = isFar && !isFarOurs ? STACK : isFar ? KERNEL : hostOf(each.host);
      const isCrossing = host !== apps[each.app].host;
      const port = host === STACK ? each.port : each.port === NOBODYS_PORT ? NOBODYS_PORT : RESIDENT_PORT;
      const fromPort = isCrossing || host === KERNEL ? FIRST_PORT + (this.#ports++ % PORTS) : each.fromPort;
      // Loopback and any address mean the kernel's own host there.
      const address = isCrossing && each.address !== "nobody" ? "own" : each.address;
      return { ...each, host, port, fromPort, address };
    });
    return { ...drawn, apps, connects };
  }
}

function formatClient(addresses: readonly string[], { family, fromPort }: RoundConnect): string {
  const own = addresses.find((each) => each.includes(":") === (family === 6)) ?? "";
  return family === 6 ? `[${own}]:${fromPort}` : `${own}:${fromPort}`;
}

/** What the kernel's side does of an end's plan. */
function kernelPlan({ steps, abortAfterUs }: EndPlan): { readonly bytes: number; readonly ending: string } {
  const kinds = new Set(steps.map(({ kind }) => kind));
  const bytes = steps.reduce((sum, step) => (step.kind === "send" ? sum + step.bytes : sum), 0);
  if (abortAfterUs >= 0 || kinds.has("reset")) return { bytes, ending: "reset" };
  if (kinds.has("half-close")) return { bytes, ending: "close" };
  if (kinds.has("await-end")) return { bytes, ending: "await" };
  return { bytes, ending: kinds.has("close") ? "early" : "vanish" };
}
