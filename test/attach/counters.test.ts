import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { ClientCounters, MethodResult } from "../../src/client/index.js";
import { lacks } from "../needs.js";
import type { Program } from "../support/program.js";
import { STACK4 } from "../support/weft.js";
import { AttachHost, until } from "./host.js";

const SCOPE = ["local", "global"];
const URI = `tcp://${STACK4}/1000`;

/** What a program has counted itself. */
async function countersOf(program: Program): Promise<ClientCounters> {
  const before = program.stdout.match(/^counters /gm)?.length ?? 0;
  process.kill(program.pid, "SIGUSR2");
  await program.waitForLines("counters ", before + 1);
  const [last = "null"] = program.stdout.match(/(?<=^counters ).*$/gm)?.slice(-1) ?? [];
  const counters: ClientCounters = JSON.parse(last);
  return counters;
}

describe.skipIf(lacks("netns", "tun", "ip"))("counters of applications in other processes", () => {
  let host: AttachHost;
  beforeAll(async () => {
    host = await AttachHost.start();
  });
  afterEach(() => host.endPrograms());
  afterAll(() => host.end());

  /** What the stack has counted of the client in that process. */
  const clientOf = async ({ pid }: Program): Promise<ClientCounters> => {
    const apps: MethodResult<"app.list"> = JSON.parse(await host.cli("show app --json"));
    const client = apps.flatMap(({ clients }) => clients).find((each) => each.pid === pid);
    const { sessions = -1, readBytes = -1, writtenBytes = -1 } = client ?? {};
    return { sessions, readBytes, writtenBytes };
  };

  test("show app, show session and show segment-manager say what the clients say", async () => {
    const server = await host.serve({ mode: "echo", uris: [URI], scope: SCOPE });
    const client = host.connect({ scope: SCOPE, uri: URI, bytes: 1_000_000, sessions: 3, stays: true });
    const kernel = host.kernel(1000, "echo", 500_000, 2);
    await client.waitFor(/(?:^done 1000000$[^]*){3}/m);
    await kernel.finished;
    // Only the listener is left, and nothing is under way.
    await until("sessions are forgotten", async () => (await countersOf(server)).sessions === 1);
    await until("sessions are forgotten", async () => (await countersOf(client)).sessions === 0);
    const wanted = await Promise.all([server, client].map(countersOf));
    expect(wanted).toEqual([
      { sessions: 1, readBytes: 4_000_000, writtenBytes: 4_000_000 },
      { sessions: 0, readBytes: 3_000_000, writtenBytes: 3_000_000 },
    ]);
    expect([await clientOf(server), await clientOf(client)]).toEqual(wanted);
    const sessions: MethodResult<"session.list"> = JSON.parse(await host.cli("show session --json"));
    expect(sessions.map(({ app }) => app)).toEqual(["server"]);
    const memory: MethodResult<"statistics.segments"> = JSON.parse(await host.cli("show segment-manager --json"));
    const all = memory.managers.flatMap(({ segments }) => segments);
    const sum = (key: "fifos" | "bytesInUse" | "capacityBytes"): number =>
      all.reduce((total, each) => total + each[key], 0);
    expect([sum("fifos"), sum("bytesInUse"), sum("capacityBytes")]).toEqual([
      memory.fifos,
      memory.bytesInUse,
      memory.capacityBytes,
    ]);
    expect(memory.managers.map(({ workers }) => workers.length)).toEqual([0, 1, 1, 2]);
  });

  test("in the middle of transfers they are between what the clients said before and say after", async () => {
    await host.serve({ mode: "echo", uris: [URI], scope: SCOPE });
    const client = host.connect({ scope: SCOPE, uri: URI, bytes: 1e10, sessions: 4 });
    await client.waitForLines("connected ", 4);
    await until("bytes come back", async () => (await countersOf(client)).readBytes > 0);
    for (let i = 0; i < 5; i++) {
      const before = await countersOf(client);
      const now = await clientOf(client);
      const after = await countersOf(client);
      expect(now.sessions).toBe(4);
      for (const key of ["readBytes", "writtenBytes"] as const) {
        expect(now[key]).toBeGreaterThanOrEqual(before[key]);
        expect(now[key]).toBeLessThanOrEqual(after[key]);
      }
      const memory: MethodResult<"statistics.segments"> = JSON.parse(await host.cli("show segment-manager --json"));
      expect(memory.managers.find(({ workers }) => workers.length === 2)?.segments[0]?.fifos).toBe(8);
    }
  });
});
