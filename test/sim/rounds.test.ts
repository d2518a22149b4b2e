import { describe, expect, it } from "vitest";
import { drawCase, roundsOf } from "../../src/sim/draw-case.js";
import type { SimHost } from "../../src/sim/host.js";
import { runCase, type RunResult } from "../../src/sim/runner.js";
import type { SimCase } from "../../src/sim/sim-case.js";
import type { World } from "../../src/sim/world.js";
import { SESSION_E_WRONG_NS_SECRET, SESSION_ERRORS } from "../../src/session/session-errors.js";
import { S_HALF_OPENS } from "../../src/session/session-table.js";
import { TRANSPORT_UDP } from "../../src/transport/transport.js";
import { later } from "./injected.js";

/** Seeds whose rounds are played in each run of the tests; `weft sim rounds` plays others. */
const SEEDS = [1, 2, 3, 4, 5, 6];

/** Two waves over a link that loses nothing. */
const CALM: SimCase = { ...drawCase("rounds", 3), connections: 24, link: { delayUs: 1000 } };

/** Hosts of a case, with what they came to. */
function played(of: SimCase): { readonly result: RunResult; readonly hosts: readonly SimHost[] } {
  let hosts: readonly SimHost[] = [];
  const result = runCase(of, { prepare: ({ sim }) => (hosts = sim.hosts) });
  return { result, hosts };
}

describe("rounds", () => {
  const all = SEEDS.map((seed) => played(drawCase("rounds", seed)));

  it("leave the hosts as they were, whatever is broken off", () => {
    const failed = all.map(({ result }) => result).filter(({ failure }) => failure !== undefined);
    expect(failed.map(({ seed, failure }) => `${seed}: ${failure?.invariant}: ${failure?.text}`)).toEqual([]);
  });

  it("come to every kind of end, and meet every kind of refusal", () => {
    const records = all.flatMap(({ result }) => result.records);
    const outcomes = new Set(
      records.flatMap(({ client, server }) => [client.outcome, server?.outcome ?? client.outcome]),
    );
    const wanted = ["complete", "closed", "reset", "aborted", "cut", "failed", "detached"];
    expect(wanted.filter((each) => !outcomes.has(each as never))).toEqual([]);
    const refusals = new Set<string>();
    for (const { stack } of all.flatMap(({ hosts }) => hosts)) {
      stack.host.sessions.errorCounts.forEach((count, i) => count > 0 && refusals.add(SESSION_ERRORS[i].name));
    }
    const names = ["ALREADY_LISTENING", "WRONG_NS_SECRET", "NOIP", "NOROUTE", "SCOPE", "REFUSED", "TIMEDOUT", "ALLOC"];
    expect(names.filter((name) => !refusals.has(name))).toEqual([]);
    const whole = all.reduce((sum, { result }) => sum + result.completed, 0);
    expect(whole).toBeGreaterThan(records.length / 8);
  });

  it("do the same whichever others there are", () => {
    const whole = roundsOf(CALM);
    expect(roundsOf({ ...CALM, first: 3, connections: 2 })).toEqual(whole?.slice(3, 5));
  });
});

function word(host: SimHost, at: number, change: (value: number) => number): void {
  const { i32 } = host.stack.host.window;
  i32[at] = change(i32[at]);
}

/** One half-open connection too many of the first listener, which is there all the time. */
function countsOneMore({ server }: World): void {
  const { table } = server.stack.host.sessions;
  word(server, table.row([...table][0]) + S_HALF_OPENS, (count) => count + 1);
}

/** Any secret will do. */
function guesses({ sim }: World): void {
  for (const { stack } of sim.hosts) {
    const { sessions } = stack.host;
    const attach = sessions.attach.bind(sessions);
    sessions.attach = (options, callbacks) => {
      const index = attach(options, callbacks);
      const { secret } = sessions.namespaces.find(options.namespace ?? "") ?? {};
      return index === SESSION_E_WRONG_NS_SECRET && secret !== undefined
        ? attach({ ...options, secret }, callbacks)
        : index;
    };
  }
}

function reportsTwice({ sim }: World): void {
  for (const { errors } of sim.hosts) {
    const push = errors.push.bind(errors);
    errors.push = (...items) => push(...items, ...items);
  }
}

/** Datagrams of the application lose their last byte. */
function cutsDatagrams({ sim }: World): void {
  for (const { server } of sim.hosts) {
    const { io } = server.context;
    const write = io.writeDatagram.bind(io);
    io.writeDatagram = (s, src, from, len, ...to) => write(s, src, from, len - 1, ...to) + 1;
  }
}

const INJECTED: readonly (readonly [what: string, invariant: string, fault: (world: World) => void])[] = [
  ["a packet kept", "nothing-left", later(({ server }) => server.stack.host.pool.alloc())],
  ["a fifo kept", "nothing-left", later(({ server }) => server.stack.host.fifos.allocFifo(4096))],
  ["a session row kept", "nothing-left", later(({ server }) => server.stack.host.sessions.table.alloc())],
  [
    "a row of UDP kept",
    "nothing-left",
    later(({ server }) =>
      server.stack.host.transports[TRANSPORT_UDP]?.startListen(
        0,
        { family: 4, address: new Int32Array(4), port: 1 },
        0,
        0,
        0,
      ),
    ),
  ],
  [
    "a listener kept in the table",
    "nothing-left",
    later(({ server }) =>
      server.stack.host.lookup.addListener(0, 0, { family: 4, address: new Int32Array(4), port: 1 }, 0),
    ),
  ],
  ["a half-open connection counted twice", "nothing-left", later(countsOneMore)],
  ["an application that stays", "nothing-left", later(({ server }) => server.attach({ name: "stays" }, {}))],
  [
    "a namespace that stays",
    "nothing-left",
    later(({ server }) => server.stack.apply({ kind: "namespace", add: true, id: "stays" })),
  ],
  ["a session object kept", "nothing-left", later(({ server }) => server.server.objects.adopt(60))],
  ["a secret that is not asked for", "secret", guesses],
  ["an exception reported twice", "reported-once", reportsTwice],
  ["datagrams cut short", "unaltered", cutsDatagrams],
];

describe("what the rounds find", () => {
  it("is nothing where nothing is wrong", () => {
    expect(runCase(CALM).failure).toBeUndefined();
  });

  it.each(INJECTED)("%s: %s", (_, invariant, prepare) => {
    const { failure } = runCase(CALM, { prepare });
    expect(failure?.invariant).toBe(invariant);
  });
});
