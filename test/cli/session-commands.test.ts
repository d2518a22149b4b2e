import { beforeEach, describe, expect, it } from "vitest";
import { formatPrefix } from "../../src/ip/address.js";
import { Pair } from "./pair.js";

let pair: Pair;
beforeEach(async () => {
  pair = new Pair();
  await pair.connect();
});

/** Why a command is refused, without the command's name, which stands before it. */
async function refused(line: string): Promise<string> {
  const { ok, text } = await pair.cli.run(line);
  expect(ok).toBe(false);
  const [name, ...reason] = text.split(": ");
  expect(line.startsWith(name)).toBe(true);
  return reason.join(": ");
}

const json = async (line: string): Promise<unknown> => JSON.parse(await pair.ok(line));

describe("show session", () => {
  it("filters by its ends, its range and its name", async () => {
    const shown = async (filter: string): Promise<unknown[]> => {
      const rows = (await json(`show session ${filter} --json`)) as { session: string }[];
      return rows.map(({ session }) => session);
    };
    expect(await shown("")).toEqual(["0:0.1", "0:1.1"]);
    expect(await shown("lcl 198.18.0.2:80")).toEqual(["0:1.1"]);
    expect(await shown("lcl 198.18.0.2:81")).toEqual([]);
    expect(await shown("rmt 198.18.0.1")).toEqual(["0:1.1"]);
    expect(await shown("ep 198.18.0.1")).toEqual(["0:1.1"]);
    expect(await shown("ep [2001:db8::1]:80")).toEqual([]);
    expect(await shown("lcl ::")).toEqual([]);
    expect(await shown("lcl 0.0.0.0:80")).toEqual(["0:0.1"]);
    expect(await shown("range 1")).toEqual(["0:1.1"]);
    expect(await shown("range 0 0")).toEqual(["0:0.1"]);
    expect(await shown("thread 0 index 1")).toEqual(["0:1.1"]);
    expect(await shown("listeners tcp")).toEqual(["0:0.1"]);
    expect(await shown("app 0 state ready proto tcp")).toEqual(["0:1.1"]);
    expect(await shown("0:1.1")).toEqual(["0:1.1"]);
    expect(await pair.ok("show session 0:1")).toMatch(/snd_una/);
  });

  it("tells machines everything", async () => {
    expect(await json("show session state ready --json")).toEqual([
      {
        session: "0:1.1",
        proto: "tcp",
        state: "ready",
        app: "web",
        worker: 0,
        local: "198.18.0.2:80",
        remote: expect.stringMatching(/^198\.18\.0\.1:\d+$/),
        rxBytes: 1000,
        txBytes: 0,
      },
    ]);
  });

  it("lists protocols and states", async () => {
    expect((await pair.ok("show session protos")).split("\n").slice(0, 2)).toEqual(["tcp", "udp"]);
    expect((await pair.ok("show session states")).split("\n").length).toBe(12);
  });

  it.each([
    ["verbos", 'unknown argument "verbos"'],
    ["verbose 3", "verbose: not a whole number from 0 to 2"],
    ["proto ftp", 'no transport "ftp"'],
    ["listeners", "proto is missing"],
    ["state asleep", 'no state "asleep"'],
    ["thread 3", "no thread 3"],
    ["range 5 2", 'range: not a whole number from 5 to 255: "2"'],
    ["range x", 'range: not a whole number from 0 to 255: "x"'],
    ["lcl 10.0.0.300", 'lcl: not ADDRESS[:PORT]: "10.0.0.300"'],
    ["rmt 10.0.0.1:99999", 'rmt: not ADDRESS[:PORT]: "10.0.0.1:99999"'],
    ["ep", "ep is missing"],
    ["0:9", "no session 0:9"],
    ["0:1.7", "no session 0:1.7"],
    ["tree", 'not supported: "tree"'],
    ["elog", 'not supported: "elog"'],
  ])("%s: %s", async (words, message) => {
    expect(await refused(`show session ${words}`)).toContain(message);
  });
});

describe("show session, of the layer", () => {
  it("lists transports and what waits", async () => {
    expect(await pair.ok("show session transport")).toMatch(/^tcp +0 +2 +256$/m);
    expect(await json("show session transport --json")).toContainEqual({
      proto: "udp",
      number: 1,
      connections: 0,
      limit: 64,
    });
    expect(await json("show session events --json")).toEqual({ sessions: 0, transmit: 0 });
    pair.isLinked = false;
    pair.a.host.sessions.closing(1);
    expect(await pair.ok("show session events")).toMatch(/^sessions with events +1$/m);
  });

  it("prints more sessions than it does by itself when it is forced to", async () => {
    for (let port = 1; port <= 3; port++) {
      pair.a.host.sessions.listen(0, 0, { family: 4, address: new Int32Array(4), port });
    }
    expect((await pair.ok("show session verbose max 2")).split("\n").at(-1)).toBe("3 more: max N shows them");
    expect((await pair.ok("show session verbose max 2 force-print")).split("\n").length).toBe(6);
  });
});

describe("app evt-collector", () => {
  it("chooses applications and listeners, and shows them with the collectors", async () => {
    const told: string[] = [];
    const collector = pair.a.host.sessions.attach(
      { name: "collector" },
      { sessionStats: ({ local }) => void told.push(local) },
    );
    expect(await json("show app evt-collector --json")).toEqual({
      collectAll: false,
      collectors: [{ app: collector, name: "collector", collected: 0, dropped: 0, queued: 0 }],
      apps: [],
    });
    await pair.ok("app evt-collector app 0");
    expect(await pair.ok("show app evt-collector app 0")).toMatch(/^ *0 +web +all$/m);
    await pair.ok("app evt-collector add app 0 listener 0");
    expect(await pair.ok("show app evt-collector app 0 listeners-filter")).toMatch(/^ *0 +web +0$/m);
    await pair.ok("clear session 1");
    pair.settle();
    expect(told).toEqual(["198.18.0.2:80"]);
    expect(await pair.ok("show app evt-collector")).toMatch(/^ *1 +collector +1 +0 +0$/m);
    await pair.ok("app evt-collector del app 0 listener 0");
    expect(await json("show app evt-collector --json")).toMatchObject({ apps: [] });
    await pair.ok("app evt-collector add app 0");
    await pair.ok("app evt-collector del app 0");
    expect(await json("show app evt-collector --json")).toMatchObject({ apps: [] });
  });

  it.each([
    ["", "app is missing"],
    ["app", "app is missing"],
    ["app 9", "no app 9"],
    ["app 0 listener 1", "no listener 1 of app 0"],
    ["del app 0 listener 0", "the filter does not have listener 0"],
    ["app 0 lister 0", 'unknown argument "lister"'],
    ["enable", 'not supported: "enable": a collector is an application that attaches as one'],
  ])("%s: %s", async (words, message) => {
    expect(await refused(`app evt-collector ${words}`)).toContain(message);
  });
});

describe("clear session", () => {
  it("takes VPP's words too, and names the bad one", async () => {
    expect(await refused("clear session thread 1 session 1")).toBe("no thread 1");
    expect(await refused("clear session thread 0 sesion 1")).toBe('unknown argument "sesion"');
    expect(await refused("clear session 99")).toBe("no session 99");
    expect(await pair.ok("clear session thread 0 session 1")).toBe("1 sessions ended");
  });
});

describe("session lookup, stats, enable and disable", () => {
  it("count entries, or list those of a table", async () => {
    expect(await json("show session lookup --json")).toEqual({
      established4: 1,
      established6: 0,
      halfOpen4: 0,
      halfOpen6: 0,
      listeners: 1,
    });
    expect(await pair.ok("show session lookup")).toMatch(/^listeners +1$/m);
    expect((await pair.ok("show session lookup table 0")).split("\n").length).toBe(3);
    expect((await pair.ok("show session lookup table 1")).split("\n").length).toBe(1);
    expect(await refused("show session lookup tabel 1")).toBe('unknown argument "tabel"');
  });

  it("disable ends everything", async () => {
    expect(await refused("session disable now")).toBe('unknown argument "now"');
    expect(await refused("session enable rt-backend tree")).toBe(
      'rt-backend: not one of none, rule-table, sdl: "tree"',
    );
    expect(await refused("session enable rt-backend")).toBe("rt-backend is missing");
    expect(await refused("session disable rt-backend none")).toBe('unknown argument "rt-backend"');
    await pair.ok("session disable");
    pair.run(100_000);
    expect(await pair.ok("show session")).toBe("0 sessions of 256");
    expect(pair.a.host.sessions.attach({ name: "x" }, {})).toBe(-10);
    expect(await json("show session stats --json")).toMatchObject({ NOSUPPORT: 1 });
    await pair.ok("session enable");
    expect(pair.a.host.sessions.attach({ name: "x" }, {})).toBe(0);
  });
});

describe("show app", () => {
  it("lists what serves and what connects", async () => {
    expect(await pair.ok("show app server")).toMatch(/^Connection +App +Wrk\n\[tcp\] 0\.0\.0\.0:80->\* +web +0$/);
    expect(await pair.ok("show app 0 server verbose")).toMatch(/0:0\.1 +0$/);
    expect(await pair.ok("show app client")).toBe("Connection  App  Wrk");
    expect(await pair.ok("show app verbose")).toMatch(/^scope +global$/m);
    expect(await json("show app 0 --json")).toMatchObject([{ name: "web", scope: ["global"], workers: [0] }]);
    expect(await json("show app client --json")).toEqual([]);
  });

  it.each([
    ["7", "no app 7"],
    ["web", 'unknown argument "web"'],
    ["0 servers", 'unknown argument "servers"'],
    ["mq", 'not supported: "mq"'],
  ])("%s: %s", async (words, message) => {
    expect(await refused(`show app ${words}`)).toBe(message);
  });
});

describe("app ns", () => {
  it("add, change, show, del", async () => {
    await pair.ok("app ns add id blue secret 1234 if w0");
    await pair.ok("app ns add id red ip6-fib-id 0");
    expect(await pair.ok("show app ns")).toMatch(/^ +1 +yes +w0 +0 +0 +0 +blue$/m);
    expect(await pair.ok("show app ns id red")).toMatch(/^ +2 +no +- +- +0 +0 +red$/m);
    expect(await pair.ok("show app ns")).not.toContain("1234");
    expect(await json("show app ns id blue --json")).toEqual([
      { index: 1, secret: "yes", interface: "w0", "ip4-table": 0, "ip6-table": 0, apps: 0, id: "blue" },
    ]);
    const { sessions } = pair.a.host;
    expect(sessions.attach({ name: "x", namespace: "blue" }, {})).toBe(-38);
    expect(sessions.attach({ name: "x", namespace: "blue", secret: 1234 }, {})).toBe(1);
    await pair.ok("app ns del id blue");
    expect(sessions.detach(1)).toBe(-13);
    expect(await pair.ok("show app ns")).not.toContain("blue");
  });

  it.each([
    ["add", "id is missing"],
    ["add id x iff w0", 'unknown argument "iff"'],
    ["add id x if w9", "no resolving interface (NOINTF)"],
    ["add id x sw_if_index 9", "no interface 9"],
    ["add id x ip4-fib-id 9", "no route (NOROUTE)"],
    ["del", "id is missing"],
    ["del id nobody", "invalid namespace (INVALID_NS)"],
    ["del id default", "invalid value (INVALID)"],
    ["del blue", 'unknown argument "blue"'],
  ])("%s: %s", async (words, message) => {
    expect(await refused(`app ns ${words}`)).toBe(message);
  });

  it("keeps its interface in its table", async () => {
    await pair.ok("set interface ip address del w0 198.18.0.2/24");
    const own = pair.a.host.ip.fib.addresses.of(0, 6).slice();
    for (const { address, length } of own) {
      await pair.ok(`set interface ip address del w0 ${formatPrefix({ address, length })}`);
    }
    pair.a.apply({ kind: "table", table: 7, add: true });
    await pair.ok("app ns add id blue if w0");
    expect((await pair.cli.run("set interface table w0 7")).text).toBe("interface w0 is in use by namespace blue");
    await pair.ok("app ns del id blue");
    await pair.ok("set interface table w0 7");
  });

  it("keeps the table that it uses", async () => {
    const { fib } = pair.a.host.ip;
    fib.apply({ kind: "table", table: 7, add: true });
    await pair.ok("app ns add id blue ip4-fib-id 7");
    const remove = (): void => fib.apply({ kind: "table", table: 7, add: false });
    expect(remove).toThrow("table 7 is in use by namespace blue");
    await pair.ok("app ns del id blue");
    remove();
  });
});

describe("tcp src-address", () => {
  it("takes a range of the host's own addresses", async () => {
    await pair.ok("set interface ip address w0 198.18.0.3/24");
    await pair.ok("tcp src-address 198.18.0.2 - 198.18.0.3");
    expect(await refused("tcp src-address 198.18.0.2")).toContain("IPINUSE");
    await pair.ok("tcp src-address 198.18.0.2 - 198.18.0.3 del");
    expect(await refused("tcp src-address 198.18.0.9")).toContain("NOIP");
    expect(await refused("tcp src-address 198.18.0.2 - ::1")).toContain("families");
    expect(await refused("tcp src-address 198.18.0.2 fib 1")).toBe('unknown argument "fib"');
  });
});
