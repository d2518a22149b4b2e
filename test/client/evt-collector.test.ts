import { expect, test } from "vitest";
import type { SessionStats } from "../../src/session/session-stats.js";
import type { MethodResult } from "../../src/client/index.js";
import { attach } from "../../src/client/client-app.js";
import { realStacks } from "./real-stacks.js";
import { pattern, until } from "./support.js";

const it = realStacks();

test("a collector in another process hears of each session that ended, also after the stack was gone", async () => {
  const heard: SessionStats[] = [];
  let reattached = 0;
  await it.attach({ sessionStats: (stats) => void heard.push(stats), reattached: () => void reattached++ });
  for (let round = 1; round <= 2; round++) {
    const server = await it.near.attach(
      { name: "server", evtCollector: true },
      {
        accept: () => true,
        rx: (session) => void session.drop(1000),
        disconnect: (session) => void session.close(),
      },
    );
    await server.listen("tcp://198.18.0.1:80");
    const peer = await it.far.attach({ name: "peer" }, {});
    const sessions = await Promise.all([1, 2, 3].map(() => peer.connect("tcp://198.18.0.1:80")));
    for (const [i, session] of sessions.entries()) {
      session.write(pattern(100 * (i + 1)));
      session.close();
    }
    await until(() => heard.length === 3);
    const said = heard.map(({ app, proto, closedBy, statistics }) => {
      return [app, proto, closedBy, "ThruOctetsReceived" in statistics ? statistics.ThruOctetsReceived : -1].join(" ");
    });
    expect(said.sort()).toEqual([100, 200, 300].map((bytes) => `server tcp transport ${bytes}`));
    const list: MethodResult<"collector.list"> = JSON.parse(await it.near.cli("show app evt-collector --json"));
    expect(list.collectors).toEqual([expect.objectContaining({ collected: 3, dropped: 0, queued: 0 })]);
    heard.length = 0;
    if (round === 2) break;
    await it.restart();
    await until(() => reattached === 1);
  }
  expect(it.errors).toEqual([]);
});

test("without the configuration's leave attaching is refused, and nothing is left", async () => {
  await it.near.cli("app ns add id blue");
  const options = { name: "x", directory: it.directory, namespace: "blue" };
  await expect(attach(options, { sessionStats: () => undefined })).rejects.toMatchObject({ sessionError: "NOSUPPORT" });
  expect(await it.near.cli("show app")).not.toContain(" x ");
});
