import { beforeEach, describe, expect, test } from "vitest";
import { resolveConfig } from "../../src/host/config.js";
import { AppServer } from "../../src/app/attach.js";
import { FLOW_DROP, FLOW_PASS } from "../../src/session/rt-backend.js";
import { RULE_SCOPES } from "../../src/session/rule-record.js";
import { SESSION_ERRORS } from "../../src/session/session-errors.js";
import { formatEndpoint, parseUri } from "../../src/session/uri.js";
import { F_CHECKSUM_PARTIAL, F_NO_CHECKSUM_OFFLOAD, M_FLAGS } from "../../src/graph/packet-pool.js";
import { established } from "../transport/tcp/scripted-peer.js";
import { Pair } from "../cli/pair.js";
import { SessionHarness } from "./fake-transport.js";

// Defects of VPP's session code, past and present, that this one does not have: one test each. Those of the attach socket
// belong where that is tested.

const nameOf = (value: number): string => (value < 0 ? SESSION_ERRORS[-value].name : `ok ${value}`);
const IF0 = 0x0a000001;

let h: SessionHarness;
beforeEach(() => {
  h = new SessionHarness();
});

describe("URIs", () => {
  test("one that begins with one read before is read for itself", () => {
    const texts = ["tcp://10.0.0.1/8", "tcp://10.0.0.1/80", "tcp://10.0.0.1/8080", "tcp://10.0.0.1/8"];
    expect(texts.map((uri) => parseUri(uri).endpoint.port)).toEqual([8, 80, 8080, 8]);
    expect(formatEndpoint(parseUri("tcp://10.0.0.11/8").endpoint)).toBe("10.0.0.11:8");
    expect(() => parseUri("tcp://10.0.0.1/8x")).toThrow("bad port");
  });

  test("what was parsed is the caller's own: changing it changes no other", () => {
    const first = parseUri("tcp://10.0.0.1/80").endpoint;
    first.address[0] = 0;
    expect(parseUri("tcp://10.0.0.1/80").endpoint.address[0]).toBe(IF0);
  });

  test.each(["quic", "sctp", "dtls", "tls"])(
    "%s without its transport is refused by name, listening and connecting",
    async (name) => {
      const app = await new AppServer(h.layer).attach({ name: "app" }, {});
      for (const call of [app.listen(`${name}://10.0.0.1/443`), app.connect(`${name}://10.0.0.9/443`)]) {
        await expect(call).rejects.toMatchObject({ sessionError: "NOSUPPORT", message: expect.stringContaining(name) });
      }
      expect(h.layer.table.used).toBe(0);
    },
  );
});

describe("attach", () => {
  test("one that fails, for whatever reason, leaves no application behind", () => {
    h = new SessionHarness({ maxApplications: 1, secret: "s" });
    const attempts = [{ name: "a" }, { name: "a", secret: "t" }, { name: "a", secret: "s", rxFifoBytes: -1 }];
    for (const options of attempts) expect(h.layer.attach(options, {})).toBeLessThan(0);
    expect(h.layer.applications.all()).toEqual([]);
    expect(h.layer.attach({ name: "a", secret: "s" }, {})).toBe(0);
  });

  test("the secret is asked for on every path: by an application, by the configuration's, with a worker's application", async () => {
    h.layer.apply({ kind: "namespace", add: true, id: "blue", secret: 5 });
    const server = new AppServer(h.layer);
    await expect(server.attach({ name: "a", namespace: "blue" }, {})).rejects.toMatchObject({
      sessionError: "WRONG_NS_SECRET",
    });
    expect(nameOf(h.layer.addWorker(0, {}))).toBe("NOAPP");
    // The configuration's applications get the secret from its namespaces section, and attach with it like all others.
    const config = await resolveConfig(
      {
        interfaces: [{ name: "t0" }],
        namespaces: [{ id: "blue", secret: 5 }],
        apps: [{ kind: "echo", namespace: "blue" }],
      },
      "file",
    );
    expect(config.apps[0].namespace).toBe("blue");
  });
});

describe("listeners", () => {
  test("unlisten looks in the application's own table, not in the default one", () => {
    h.layer.apply({ kind: "namespace", add: true, id: "one", table4: 1, table6: 1 });
    const inOne = h.app("a", {}, { namespace: "one" }).index;
    const inDefault = h.app("b").index;
    const s = h.listen(inOne, "tcp://0.0.0.0/80");
    const t = h.listen(inDefault, "tcp://0.0.0.0/80");
    expect(h.layer.unlisten(inOne, s)).toBe(0);
    expect([h.lookup.listener4(0, 0, IF0, 80), h.lookup.listener4(1, 0, IF0, 80)]).toEqual([t, -1]);
  });

  test("detach takes listeners out of the table that they are in", () => {
    h.layer.apply({ kind: "namespace", add: true, id: "one", table4: 1, table6: 2 });
    const { index } = h.app("a", {}, { namespace: "one" });
    h.listen(index, "tcp://0.0.0.0/80");
    h.listen(index, "tcp://[::]:80");
    h.layer.detach(index);
    expect(h.lookup.counts().listeners).toBe(0);
  });

  test("what the table holds for a proxy is its listening session, and accepts", () => {
    h.layer.apply({ kind: "namespace", add: true, id: "p", interface: "if0" });
    const { index, heard } = h.app("proxy", {}, { namespace: "p" });
    const s = h.layer.listen(index, 0, parseUri("tcp://0.0.0.0/0").endpoint, { proxy: true });
    const found = h.lookup.listener4(0, 0, IF0, 4242);
    expect(found).toBe(s);
    h.arrive(found);
    h.settle();
    expect(heard.at(-1)).toMatch(/^accept /);
  });
});

describe("rules", () => {
  const rule = { kind: "rule", add: true, proto: "tcp", remote: "9.0.0.0/8", action: "drop" } as const;
  beforeEach(() => {
    h = new SessionHarness({ rtBackend: "rule-table" });
  });

  test("scopes are the same for records, configuration and CLI, and nothing numbers them: each means its tables", async () => {
    const meant = { global: ["global"], local: ["local"], both: ["global", "local"] };
    expect(Object.keys(meant)).toEqual([...RULE_SCOPES]);
    for (const scope of RULE_SCOPES) {
      expect(h.layer.apply({ ...rule, scope })).toBe(0);
      expect([...h.layer.rules.list()].map((each) => each.scope)).toEqual(meant[scope]);
      expect(h.layer.apply({ ...rule, add: false, scope })).toBe(0);
      const config = { interfaces: [{ name: "t0" }], session: { rtBackend: "rule-table" } };
      const { rules } = await resolveConfig({
        ...config,
        rules: [{ proto: "tcp", remote: "::/0", action: "drop", scope }],
      });
      expect(rules[0].scope).toBe(scope);
      const { cli, a } = new Pair({ rtBackend: "rule-table" });
      const line = `session rule add scope ${scope} proto tcp 0.0.0.0/0 0 9.0.0.0/8 0 action drop`;
      expect(await cli.run(line)).toMatchObject({ ok: true });
      expect([...a.host.sessions.rules.list()].map((each) => each.scope)).toEqual(meant[scope]);
    }
    for (const scope of [0, 1, 2, 3, "all", "globallocal", null]) {
      expect(nameOf(h.layer.apply({ ...rule, scope: scope as "both" }))).toBe("INVALID");
    }
    expect(h.layer.rules.counts().rules).toBe(0);
  });

  test("a transport that has no rules is refused, not taken for TCP", () => {
    for (const proto of ["ct", "tls", "quic", "", 1, undefined]) {
      expect(nameOf(h.layer.apply({ ...rule, proto: proto as "tcp" }))).toBe("INVALID");
    }
  });

  test("the dump has the tag of each rule, of both families, where rows of both are the same", () => {
    for (const [remote, tag] of [
      ["9.0.0.0/8", "four"],
      ["2001:db8::/32", "six"],
      ["8.0.0.0/8", undefined],
      ["2001:db9::/32", "other six"],
    ] as const) {
      expect(h.layer.apply({ ...rule, remote, ...(tag === undefined ? {} : { tag }) })).toBe(0);
    }
    const tags = new Map([...h.layer.rules.list()].map(({ remote, tag }) => [remote, tag]));
    expect(tags).toEqual(
      new Map([
        ["8.0.0.0/8", undefined],
        ["9.0.0.0/8", "four"],
        ["2001:db9::/32", "other six"],
        ["2001:db8::/32", "six"],
      ]),
    );
  });

  test("which rule decides does not depend on the order in which they were added", () => {
    const rules = [
      { ...rule, local: "1.2.0.0/16", localPort: 1, remote: "5.6.0.0/16", remotePort: 4, action: "allow" },
      { ...rule, local: "1.2.3.0/24", localPort: 1, remote: "5.6.7.0/24", remotePort: 4, action: "allow" },
      { ...rule, local: "1.2.3.0/24", remote: "5.6.7.0/24", action: "drop" },
    ] as const;
    for (const order of [rules, rules.toReversed()]) {
      h = new SessionHarness({ rtBackend: "rule-table" });
      for (const each of order) h.layer.apply(each);
      const decide = (ports: number): number => h.lookup.decide4(0, 0, 0x01020304, 0x05060708, ports);
      expect([decide((1 << 16) | 4), decide((2 << 16) | 4)]).toEqual([FLOW_PASS, FLOW_DROP]);
    }
  });

  test("an action of a local rule is an application, not the number of some session", () => {
    h.add("ct", 2);
    h.app("first");
    const { index } = h.app("second", {}, { scope: ["local"] });
    const s = h.listen(index, "tcp://127.0.0.1/80");
    expect(s).not.toBe(index);
    h.layer.apply({ ...rule, scope: "local", action: { application: index } });
    expect(h.lookup.decideTo(-2, 0, parseUri("tcp://9.9.9.9/1").endpoint)).toBe(s);
  });
});

describe("lookup", () => {
  test("a local proxy is found for UDP as for TCP: only its port is a wildcard", () => {
    h.add("ct", 2);
    const { index } = h.app("proxy", {}, { scope: ["local"] });
    const { localTable } = h.layer.namespaces.find("") ?? { localTable: 0 };
    const at = parseUri("udp://0.0.0.0/0").endpoint;
    const s = h.layer.listen(index, 0, at, { proxy: true });
    h.lookup.addListener(localTable, 1, at, 77);
    const target = parseUri("udp://10.1.1.1/53").endpoint;
    expect([0, 1, 3].map((proto) => h.lookup.localListener(localTable, proto, target))).toEqual([s, 77, -1]);
  });

  test("IPv6 keys are IPv6 keys: a listener of one family is not the other's", () => {
    const { index } = h.app();
    const s = h.listen(index, "tcp://[::]:80");
    expect([h.lookup.listener6(0, 0, 0, 0, 0, 9, 80), h.lookup.listener4(0, 0, 0, 80)]).toEqual([s, -1]);
  });
});

describe("attributes", () => {
  test("checksum offload is on when it is asked for, and off when it is not: tcp_set_attribute has FLAGS the wrong way round", () => {
    const [peer, host] = established({ offloads: { checksum: true, tso: true, uso: true } });
    const flags: number[] = [];
    const { meta } = host.stack.host.pool;
    const { tx } = host.device;
    host.device.tx = (buffers, count) => {
      for (let i = 0; i < count; i++) flags.push(host.core.window.i32[meta + (buffers[i] << 4) + M_FLAGS]);
      return tx.call(host.device, buffers, count);
    };
    const sent = (offload: number): number[] => {
      expect(host.session.setAttribute("checksumOffload", offload)).toBe(0);
      peer.send({ flags: "PA", data: 1 }).expect({ flags: "A" });
      return flags.splice(0).map((each) => each & (F_CHECKSUM_PARTIAL | F_NO_CHECKSUM_OFFLOAD));
    };
    expect(sent(1)).toEqual([F_CHECKSUM_PARTIAL]);
    expect(sent(0)).toEqual([F_NO_CHECKSUM_OFFLOAD]);
    expect(sent(1)).toEqual([F_CHECKSUM_PARTIAL]);
  });
});
