import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { wire } from "../../src/device/wire-device.js";
import { parseMetricsListen } from "../../src/host/metrics/metrics-listen.js";
import { MAX_INTERFACE_SERIES, METRICS } from "../../src/host/metrics/metric-table.js";
import { MetricsServer } from "../../src/host/metrics/metrics-server.js";
import { makeMetrics } from "../../src/host/metrics/registry.js";
import { createStack } from "../../src/index.js";
import { Pair } from "../cli/pair.js";

/** The page of all metrics. */
function page(): string {
  const rows = METRICS.map(
    ({ name, type, labels, help }) => `| \`${name}\` | ${type} | ${labels.join(", ")} | ${help} |`,
  );
  return [
    "# Metrics",
    "",
    "`metrics: { listen: 127.0.0.1:9464 }` serves them for Prometheus, at `/metrics`. It listens on the kernel's sockets, an address and port or the",
    "path of a unix socket (its owner's alone), not on the stack's own: what watches a stack must answer when the stack's interfaces do not, and must",
    "not be among what it counts. There is no password: an address that others reach lets them read. Values are read when somebody asks, and cost",
    "nothing otherwise; a scrape walks the rows of sessions and TCP connections once. No label is chosen by peers or clients. Interfaces behind the",
    `first ${MAX_INTERFACE_SERIES} are summed as \`_others\`. Counters begin anew when a command clears them. Names and labels stay.`,
    "",
    "Generated from [metric-table.ts](metric-table.ts): a test compares this page with it, and `npx vitest run test/host/metrics.test.ts --update` writes it",
    "anew.",
    "",
    "| metric | type | labels | value |",
    "| --- | --- | --- | --- |",
    ...rows,
    "",
  ].join("\n");
}

/** The samples of an exposition: `name{label="value",…}` and number. Throws at a line that is none. */
function parse(text: string): Map<string, number> {
  const samples = new Map<string, number>();
  for (const line of text.split("\n")) {
    if (line === "" || line.startsWith("#")) continue;
    const [, key = "", value = ""] = /^([a-z_]+(?:\{(?:[a-z_]+="[^"]*",?)*\})?) (-?[0-9.e+]+)$/.exec(line) ?? [];
    if (key === "") throw new Error(`not a sample: ${line}`);
    samples.set(key, Number(value));
  }
  return samples;
}

describe("the text", () => {
  test("has what the stack counted, by stable names, read when it is asked for", async () => {
    const pair = new Pair();
    const metrics = await makeMetrics(pair.a.host);
    const before = parse(await metrics.read());
    expect(before.get('weft_sessions{proto="tcp",state="ready"}')).toBeUndefined();
    await pair.connect();
    pair.a.host.sessions.detach(77);
    const after = parse(await metrics.read());
    const { counters } = pair.a.host.interfaces.at(0) ?? { counters: undefined };
    expect(
      Object.fromEntries(
        [...after].filter(([key]) => /receive_bytes|errors_total.*NOAPP|ready|sessions_limit/.test(key)),
      ),
    ).toEqual({
      'weft_interface_receive_bytes_total{interface="w0"}': counters?.rxBytes,
      'weft_session_errors_total{error="NOAPP"}': 1,
      'weft_sessions{proto="tcp",state="ready"}': 1,
      weft_sessions_limit: 256,
    });
    expect(after.get('weft_tcp_connections{state="ESTABLISHED"}')).toBe(1);
    expect(after.get('weft_node_events_total{node="tcp4-established",symbol="enqueued",severity="info"}')).toBe(1);
    expect(after.get('weft_node_packets_total{node="tcp4-established"}')).toBeGreaterThan(0);
    expect(after.get("weft_fifo_used_bytes")).toBeGreaterThan(0);
    // Counters that were cleared begin anew, and are not added to what was read before.
    await pair.ok("clear session stats");
    expect(parse(await metrics.read()).get('weft_session_errors_total{error="NOAPP"}')).toBe(0);
  });

  test("every metric has a name in Prometheus' manner, once, and a text", async () => {
    const pair = new Pair();
    await pair.connect();
    expect(new Set(METRICS.map(({ name }) => name)).size).toBe(METRICS.length);
    for (const { name, type, labels, help, samples } of METRICS) {
      expect(name).toMatch(/^weft_[a-z0-9_]+$/);
      expect([name, name.endsWith("_total")]).toEqual([name, type === "counter"]);
      expect(help).toMatch(/^[A-Z]/);
      for (const [own, value] of samples(pair.a.host)) {
        expect(Object.keys(own).sort()).toEqual([...labels].sort());
        expect([name, Number.isFinite(value) && value >= 0]).toEqual([name, true]);
      }
    }
  });

  test("their names are on the page src/host/metrics/README.md (--update writes it)", async () => {
    await expect(page()).toMatchFileSnapshot("../../src/host/metrics/README.md");
  });

  test("the number of series does not grow with sessions, and has a limit of interfaces", async () => {
    const pair = new Pair();
    await pair.connect();
    const metrics = await makeMetrics(pair.a.host);
    const count = parse(await metrics.read()).size;
    const [app] = pair.a.host.sessions.applications.all();
    for (let port = 1000; port < 1020; port++) {
      pair.a.host.sessions.listen(app.index, 0, { family: 4, address: new Int32Array(4), port });
    }
    expect(parse(await metrics.read()).size).toBe(count);
    for (let i = 1; i < MAX_INTERFACE_SERIES + 5; i++) pair.a.addInterface(`x${i}`, wire()[0]);
    pair.a.host.interfaces.all()[MAX_INTERFACE_SERIES + 1].counters.txDrops = 7;
    const series = [...parse(await metrics.read())].filter(([key]) =>
      key.startsWith("weft_interface_transmit_drops_total"),
    );
    expect(series.length).toBe(MAX_INTERFACE_SERIES + 1);
    expect(series.at(-1)).toEqual(['weft_interface_transmit_drops_total{interface="_others"}', 7]);
  });
});

describe("the endpoint", () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "weft-metrics-"));
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  interface Answer {
    readonly status: number | undefined;
    readonly type: string | undefined;
    readonly text: string;
  }
  const ask = (socketPath: string, path = "/metrics", method = "GET"): Promise<Answer> =>
    new Promise((resolve, reject) => {
      const sent = request({ socketPath, path, method, agent: false }, (response) => {
        let text = "";
        response.setEncoding("utf8").on("data", (piece: string) => {
          text += piece;
        });
        response.on("end", () =>
          resolve({ status: response.statusCode, type: response.headers["content-type"], text }),
        );
      });
      sent.on("error", reject).end();
    });

  test("of a stack whose configuration says where: its owner's only, and gone with it", async () => {
    const path = join(directory, "metrics");
    const stack = await createStack({
      interfaces: [{ name: "w0", kind: "wire", device: wire()[0], addresses: ["198.18.0.1/24"] }],
      metrics: { listen: path },
    });
    try {
      expect(stack.metricsAddress).toBe(path);
      expect(statSync(path).mode & 0o777).toBe(0o600);
      const { status, type, text } = await ask(path);
      expect([status, type]).toEqual([200, "text/plain; version=0.0.4; charset=utf-8"]);
      expect(parse(text).get("weft_sessions_limit")).toBe(16_384);
      expect(await ask(path, "/metrics?name=x", "HEAD")).toMatchObject({ status: 200, text: "" });
      expect((await ask(path, "/")).status).toBe(404);
      expect((await ask(path, "/metrics", "POST")).status).toBe(405);
    } finally {
      await stack.close();
    }
    await expect(ask(path)).rejects.toThrow(/ENOENT|ECONNREFUSED/);
  });

  test("replaces the socket of a stack that died", async () => {
    const path = join(directory, "metrics");
    const program = `require("net").createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, "SIGKILL"))`;
    spawnSync(process.execPath, ["-e", program]);
    expect(existsSync(path)).toBe(true);
    const server = await MetricsServer.open(new Pair().a.host, { path });
    expect((await ask(path)).status).toBe(200);
    await server.close();
  });

  test("a place that is taken, or none, is an error of who makes the stack, and leaves nothing", async () => {
    const { host } = new Pair().a;
    const path = join(directory, "metrics");
    const first = await MetricsServer.open(host, { path });
    await expect(MetricsServer.open(host, { path })).rejects.toThrow("in use by another stack");
    await first.close();
    expect(existsSync(path)).toBe(false);
    const config = { interfaces: [{ name: "w0", kind: "wire", device: wire()[0] }] } as const;
    await expect(createStack({ ...config, metrics: { listen: "localhost:1" } })).rejects.toThrow("metrics.listen");
    await expect(
      createStack({ ...config, metrics: { listen: join(directory, "no/such/place") } }),
    ).rejects.toMatchObject({
      code: expect.stringMatching(/^E/),
    });
  });

  test.each([
    ["127.0.0.1:9464", { host: "127.0.0.1", port: 9464 }],
    ["[::1]:0", { host: "::1", port: 0 }],
    ["/run/weft/metrics", { path: "/run/weft/metrics" }],
    ["::1:80", undefined],
    ["[127.0.0.1]:80", undefined],
    ["127.0.0.1", undefined],
    ["127.0.0.1:65536", undefined],
    ["localhost:80", undefined],
    ["metrics", undefined],
  ])("%s", (text, expected) => {
    expect(parseMetricsListen(text)).toEqual(expected);
  });
});
