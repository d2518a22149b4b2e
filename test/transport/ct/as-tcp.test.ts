import { expect, test } from "vitest";
import type { App } from "../../../src/app/app.js";
import { AppServer } from "../../../src/app/attach.js";
import type { AppCallbacks } from "../../../src/app/callbacks.js";
import type { Session } from "../../../src/app/session.js";
import { wire } from "../../../src/device/wire-device.js";
import { MemoryWindow } from "../../../src/mem/window.js";
import { SeededRandom } from "../../../src/random/seeded.js";
import type { AppScope } from "../../../src/session/application.js";
import { SMALL_LIMITS, Stack } from "../../../src/stack.js";
import { ManualClock } from "../../../src/time/manual-clock.js";
import { bytes, readText } from "./one-stack.js";

const STEPS: Readonly<Record<string, (session: Session) => unknown>> = {
  write: (session) => session.write(bytes("abc")),
  read: (session) => readText(session),
  halfClose: (session) => session.halfClose(),
  close: (session) => session.close(),
  reset: (session) => session.reset(),
};

/** Who does what, one after the other. */
type Script = readonly (readonly [end: number, step: string])[];

/** Two applications, on one stack or on two; they do nothing by themselves. */
class Pair {
  readonly clock = new ManualClock(1_000_000);
  readonly stacks: Stack[];
  readonly ends: Session[] = [];
  readonly heard: string[][] = [[], []];
  readonly #servers: AppServer[];
  readonly #uri: string;
  readonly #scope: readonly AppScope[];

  constructor(isCutThrough: boolean) {
    const devices = isCutThrough ? [wire()[0]] : wire();
    this.stacks = devices.map((device, i) => {
      const stack = new Stack({
        window: MemoryWindow.plain(32 << 20),
        clock: this.clock,
        random: new SeededRandom(i + 1),
        hooks: {
          wake() {},
          reportError(error) {
            throw error;
          },
        },
        limits: SMALL_LIMITS,
        session: { maxSessions: 1024 },
        tcp: { maxConnections: 1024, timeWaitMs: 20 },
        udp: { maxConnections: 16 },
      });
      stack.addInterface("wire0", device, { addresses: [`10.0.0.${i + 1}/24`] });
      return stack;
    });
    this.#servers = this.stacks.map((stack) => new AppServer(stack.host.sessions));
    this.#uri = isCutThrough ? "tcp://127.0.0.1/80" : "tcp://10.0.0.2/80";
    this.#scope = [isCutThrough ? "local" : "global"];
  }

  #callbacks(end: number): AppCallbacks {
    const note = (text: string): void => void this.heard[end].push(text);
    return {
      accept: (session) => void (this.ends[1] = session),
      disconnect: () => note("disconnect"),
      reset: (_session, error) => note(`reset ${error.code}`),
      transportClosed: () => note("transportClosed"),
      cleanup: (_session, phase) => note(`cleanup ${phase}`),
      rx: () => note("rx"),
      tx: () => note("tx"),
    };
  }

  /** The server listens. Returns the client. */
  async open(): Promise<App> {
    const options = { scope: this.#scope, rxFifoBytes: 4096, txFifoBytes: 4096 };
    const server = await (this.#servers.at(-1) as AppServer).attach({ ...options, name: "s" }, this.#callbacks(1));
    await server.listen(this.#uri);
    return this.#servers[0].attach({ ...options, name: "c" }, this.#callbacks(0));
  }

  pass(ms: number): void {
    for (let t = 0; t < ms; t++) {
      for (let i = 0; i < 3; i++) for (const { engine } of this.stacks) engine.turn();
      this.clock.advanceUs(1000);
    }
  }

  /** Runs a script on a new pair of sessions, each step when the one before has taken effect. Returns what happened. */
  async run(client: App, script: Script): Promise<unknown[]> {
    const connecting = client.connect(this.#uri);
    this.pass(3);
    this.ends[0] = await connecting;
    const results: unknown[] = [];
    for (const [end, step] of script) {
      results.push(`${end} ${step} ${String(STEPS[step](this.ends[end]))}`);
      this.pass(3);
      // Cleanup of a transport that has no TIME_WAIT comes sooner.
      results.push(this.heard.map((each) => each.filter((text) => !text.startsWith("cleanup")).join(",")));
    }
    for (const each of this.ends) {
      each.close();
      this.pass(30);
    }
    results.push(this.heard.map((each) => each.splice(0).join(",")));
    results.push(this.ends.map(({ state }) => state));
    return results;
  }
}

/** The scripts that go otherwise than over TCP, with both outcomes. */
async function differences(scripts: Iterable<Script>): Promise<string[]> {
  const pairs = [new Pair(true), new Pair(false)];
  const clients = await Promise.all(pairs.map((pair) => pair.open()));
  const found: string[] = [];
  for (const script of scripts) {
    const [ours, tcp] = [await pairs[0].run(clients[0], script), await pairs[1].run(clients[1], script)];
    if (JSON.stringify(ours) !== JSON.stringify(tcp)) {
      found.push(`${script.join(" ")}\n ct  ${JSON.stringify(ours)}\n tcp ${JSON.stringify(tcp)}`);
    }
  }
  return found;
}

const MOVES = [0, 1].flatMap((end) => Object.keys(STEPS).map((step) => [end, step] as const));

test("every script of three steps goes as over TCP, step by step", async () => {
  const scripts = MOVES.flatMap((first) =>
    MOVES.flatMap((second) => MOVES.map((third): Script => [first, second, third])),
  );
  expect(await differences(scripts)).toEqual([]);
});

test("so do longer ones", async () => {
  const random = new SeededRandom(3);
  const scripts = Array.from(
    { length: 300 },
    (): Script => Array.from({ length: 4 + random.nextBelow(6) }, () => MOVES[random.nextBelow(MOVES.length)]),
  );
  expect(await differences(scripts)).toEqual([]);
});
