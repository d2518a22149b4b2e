import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { wire } from "../../src/device/wire-device.js";
import { parseConfigFile, parseConfigText, readConfigFile, resolveConfig } from "../../src/host/config.js";
import { ConfigError } from "../../src/host/config-error.js";
import { DEFAULT_SESSION_CONFIG } from "../../src/session/session-config.js";
import { DEFAULT_TCP_CONFIG } from "../../src/transport/tcp/config.js";

const TAP = { name: "tap0", addresses: ["198.18.0.2/24"] };

async function errorOf(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(
    () => new Error("nothing was wrong"),
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(ConfigError);
  return (error as ConfigError).message;
}

/** A configuration of one TAP with these keys, and the rest beside it. */
function tap(keys: object, rest: object = {}): object {
  return { interfaces: [{ ...TAP, ...keys }], ...rest };
}

const RULE = { proto: "tcp", remote: "9.0.0.0/8", action: "drop" };

/** Lines about TLS. */
function wrongTls(): (readonly [line: string, config: unknown])[] {
  const store = (tls: object): object => tap({}, { tls });
  const pair = { name: "site", certificate: "site.crt", key: "site.key" };
  const http = (tls: object, listen: readonly string[] = ["tls://0.0.0.0/443"]): object =>
    tap({}, { tls: { certificates: [pair] }, apps: [{ kind: "http", listen, tls }] });
  const noName = "not a name of 1 to 64 characters, not digits alone";
  return [
    ["tls.certificates: not a list", store({ certificates: pair })],
    ["tls.certificates[0].key: is missing", store({ certificates: [{ ...pair, key: undefined }] })],
    ['tls.certificates[0].certificate: not a path: ""', store({ certificates: [{ ...pair, certificate: "" }] })],
    [`tls.certificates[0].name: ${noName}: "17"`, store({ certificates: [{ ...pair, name: "17" }] })],
    [`tls.certificates[0].name: ${noName}: "a b"`, store({ certificates: [{ ...pair, name: "a b" }] })],
    ["tls.certificates[0].crl: unknown key", store({ certificates: [{ ...pair, crl: "x" }] })],
    [
      'tls.certificates[1].name: the name of tls.certificates[0] already: "site"',
      store({ certificates: [pair, pair], trust: [{ name: "site", certificates: "ca.crt" }] }),
    ],
    ["tls.trust[0].certificates: is missing", store({ trust: [{ name: "ours" }] })],
    [
      'tls.profiles[0].minVersion: not "1.2" or "1.3", in quotes: 1.2',
      store({ profiles: [{ name: "modern", minVersion: 1.2 }] }),
    ],
    [
      "tls.profiles[0].ciphers: not a text of at most 511 characters: 7",
      store({ profiles: [{ name: "modern", ciphers: 7 }] }),
    ],
    ['apps[0].tls.certificate: no such certificate: "other"', http({ certificate: "other" })],
    ['apps[0].tls.trust: no such trust: "site"', http({ certificate: "site", trust: "site" })],
    ['apps[0].tls.profile: no such profile: "site"', http({ profile: "site" })],
    ['apps[0].tls.verify: not one of none, request, require, report: "maybe"', http({ verify: "maybe" })],
    ['apps[0].tls.alpn[0]: not a name of 1 to 255 characters: ""', http({ alpn: [""] })],
    ["apps[0].tls: it listens on no tls URI", http({ certificate: "site" }, ["tcp://0.0.0.0/80"])],
    ["apps[0].tls: kind echo has no TLS of its own", tap({}, { apps: [{ kind: "echo", tls: {} }] })],
    ["apps[0].tls.pair: unknown key", http({ pair: 1 })],
  ];
}

/** Lines about proxies. */
function wrongProxies(): (readonly [line: string, config: unknown])[] {
  const proxy = (keys: object, session: object = { anyProxy: true }): object =>
    tap({}, { session, apps: [{ kind: "proxy", ...keys }] });
  const noWay = "not direct, a tcp or udp URI with a port, or socks5://[USER:PASSWORD@]HOST:PORT";
  const nobody = "needs session.anyProxy, or a namespace with an interface";
  const bad = ["", "Direct", "tcp://0.0.0.0/80", "tcp://198.18.0.9/0", "tls://198.18.0.9/443", "socks5://198.18.0.9"];
  bad.push("socks5://:1080", "socks5://user@h:1080", "socks5://h:99999", "socks5://h:1080/x", "socks5://%zz:a@h:1080");
  const places = ["198.18.0.9/33", "198.18.0.9:0", "198.18.0.9:65536", "host:80", "[198.18.0.9]:80", "1.2:80", ""];
  return [
    ["apps[0].to: is missing", proxy({})],
    ...bad.map((to) => [`apps[0].to: ${noWay}: ${JSON.stringify(to)}`, proxy({ to })] as const),
    ["apps[0].to: kind echo leads nowhere", tap({}, { apps: [{ kind: "echo", to: "direct" }] })],
    ["apps[0].allow: kind echo leads nowhere", tap({}, { apps: [{ kind: "echo", allow: [] }] })],
    ["apps[0].allow: not a list", proxy({ to: "direct", allow: "198.18.0.9" })],
    ...places.map(
      (place) =>
        [
          `apps[0].allow[1]: not an address or prefix, with or without a port: ${JSON.stringify(place)}`,
          proxy({ to: "direct", allow: ["198.18.0.9", place] }),
        ] as const,
    ),
    [`apps[0]: ${nobody}: "tcp://0.0.0.0/0"`, proxy({ to: "direct" }, {})],
    [
      `apps[0].listen[1]: ${nobody}: "tcp://[::]:0"`,
      proxy({ to: "direct", listen: ["tcp://[::1]:0", "tcp://[::]:0"] }, {}),
    ],
    [
      'apps[0].listen[0]: udp does not go on to there: "udp://0.0.0.0/53"',
      proxy({ to: "tcp://198.18.0.9/53", listen: ["udp://0.0.0.0/53"] }),
    ],
    [
      'apps[0].listen[0]: tls does not go on to there: "tls://0.0.0.0/443"',
      proxy({ to: "direct", listen: ["tls://0.0.0.0/443"] }),
    ],
  ];
}

/** Lines about the source deny list. */
function wrongDenyLists(): (readonly [line: string, config: unknown])[] {
  const session = { rtBackend: "sdl" };
  const entry = (keys: object): object => tap({}, { session, sdl: [{ remote: "9.0.0.0/8", ...keys }] });
  return [
    ['sdl: needs session.rtBackend: "sdl"', tap({}, { sdl: [{ remote: "9.0.0.0/8" }] })],
    [
      'sdl: needs session.rtBackend: "sdl"',
      tap({}, { session: { rtBackend: "rule-table" }, sdl: [{ remote: "::/8" }] }),
    ],
    ["sdl: not a list", tap({}, { session, sdl: "9.0.0.0/8" })],
    ["sdl[0].remote: is missing", tap({}, { session, sdl: [{}] })],
    ['sdl[0].remote: not an address prefix: "9.0.0.1"', entry({ remote: "9.0.0.1" })],
    ['sdl[0].remote: everything: "0.0.0.0/0"', entry({ remote: "0.0.0.0/0" })],
    ['sdl[0].namespace: no such namespace: "red"', entry({ namespace: "red" })],
    ['sdl[0].action: not one of drop, allow: "reject"', entry({ action: "reject" })],
    ['sdl[0].tag: not a text of 1 to 64 characters: ""', entry({ tag: "" })],
    ["sdl[0].local: unknown key", entry({ local: "::/0" })],
    ["session.maxSdlPrefixes: not a whole number from 1 to 4194304: 0", tap({}, { session: { maxSdlPrefixes: 0 } })],
    ["session.autoSdl: not true or false: 1", tap({}, { session: { ...session, autoSdl: 1 } })],
    ['session.autoSdl: needs session.rtBackend: "sdl"', tap({}, { session: { autoSdl: true } })],
    [
      "session.autoSdlThreshold: not a whole number from 1 to 1000000: 0",
      tap({}, { session: { ...session, autoSdlThreshold: 0 } }),
    ],
    [
      "session.autoSdlRemoveTimeoutS: not a whole number from 1 to 86400: 86401",
      tap({}, { session: { ...session, autoSdlRemoveTimeoutS: 86_401 } }),
    ],
    [
      "session.maxAutoSdlPeers: not a whole number from 1 to 1048576: 0",
      tap({}, { session: { ...session, maxAutoSdlPeers: 0 } }),
    ],
  ];
}

/** Lines about session rules. */
function wrongRules(): (readonly [line: string, config: unknown])[] {
  const session = { rtBackend: "rule-table" };
  const rule = (keys: object): object => tap({}, { session, rules: [{ ...RULE, ...keys }] });
  return [
    ['rules: need session.rtBackend: "rule-table"', tap({}, { rules: [RULE] })],
    ['rules: need session.rtBackend: "rule-table"', tap({}, { session: { rtBackend: "none" }, rules: [RULE] })],
    ['session.rtBackend: not one of none, rule-table, sdl: "rules"', tap({}, { session: { rtBackend: "rules" } })],
    ["session.maxRules: not a whole number from 1 to 1048576: 0", tap({}, { session: { maxRules: 0 } })],
    ["session.maxRuleMasks: not a whole number from 1 to 1024: 1025", tap({}, { session: { maxRuleMasks: 1025 } })],
    ["rules: not a list", tap({}, { session, rules: RULE })],
    ["rules[0].proto: is missing", tap({}, { session, rules: [{}] })],
    ['rules[0].proto: not one of tcp, udp: "tls"', rule({ proto: "tls" })],
    ['rules[0].namespace: no such namespace: "red"', rule({ namespace: "red" })],
    ['rules[0].scope: not one of global, local, both: "all"', rule({ scope: "all" })],
    ["rules[0].scope: not one of global, local, both: 1", rule({ scope: 1 })],
    ['rules[0].local: not an address prefix: "10.0.0.1"', rule({ local: "10.0.0.1" })],
    ["rules[0].localPort: not a whole number from 0 to 65535: 65536", rule({ localPort: 65_536 })],
    ['rules[0].remote: not an address prefix: "9.0.0.0/33"', rule({ remote: "9.0.0.0/33" })],
    ['rules[0].remote: not of the family of ::/0: "9.0.0.0/8"', rule({ local: "::/0" })],
    ['rules[0].remotePort: not a whole number from 0 to 65535: "80"', rule({ remotePort: "80" })],
    ["rules[0]: neither local nor remote", tap({}, { session, rules: [{ proto: "tcp", action: "allow" }] })],
    ["rules[0].action: is missing", rule({ action: undefined })],
    ['rules[0].action: not drop, allow or { application: NAME or INDEX }: "reject"', rule({ action: "reject" })],
    [
      'rules[0].action: not drop, allow or { application: NAME or INDEX }: {"app":"web"}',
      rule({ action: { app: "web" } }),
    ],
    ['rules[0].tag: not a text of 1 to 64 characters: ""', rule({ tag: "" })],
    ["rules[0].priority: unknown key", rule({ priority: 1 })],
  ];
}

const WRONG: readonly (readonly [line: string, config: unknown])[] = [
  ["configuration: empty", undefined],
  ["configuration: empty", null],
  ["configuration: empty", {}],
  ["interfaces: is missing", { tcp: {} }],
  ["interfaces: empty", { interfaces: [] }],
  ["configuration: not a set of keys", "tap0"],
  ["configuration: not a set of keys", []],
  ["interfaces: not a list", { interfaces: { name: "tap0" } }],
  ["interfaces[1]: not a set of keys", { interfaces: [TAP, 7] }],
  ["interface: unknown key", { interfaces: [TAP], interface: [] }],
  ["interfaces[0].adresses: unknown key", tap({ adresses: [] })],
  ["interfaces[0].name: is missing", { interfaces: [{}] }],
  ['interfaces[0].name: not an interface name of 1 to 15 characters: ""', tap({ name: "" })],
  ['interfaces[0].name: not an interface name of 1 to 15 characters: "a/b"', tap({ name: "a/b" })],
  ['interfaces[0].name: not an interface name of 1 to 15 characters: ".."', tap({ name: ".." })],
  [
    'interfaces[0].name: not an interface name of 1 to 15 characters: "sixteen-letters!"',
    tap({ name: "sixteen-letters!" }),
  ],
  ['interfaces[0].kind: not one of tap, af-packet, wire: "vlan"', tap({ kind: "vlan" })],
  ['interfaces[0].kind: not supported yet: "raw-ip"', tap({ kind: "raw-ip" })],
  ['interfaces[0].kind: not supported yet: "pcap"', tap({ kind: "pcap" })],
  ["interfaces[0].device: is missing", tap({ kind: "wire" })],
  ["interfaces[0].device: not a device", tap({ kind: "wire", device: { rx: 1 } })],
  ["interfaces[0].device: not for kind tap", tap({ device: wire()[0] })],
  ["interfaces[0].netns: a wire is in no network namespace", tap({ kind: "wire", device: wire()[0], netns: "x" })],
  ['interfaces[0].netns: not a network namespace name: "../x"', tap({ netns: "../x" })],
  ['interfaces[0].netns: not a network namespace name: ".."', tap({ netns: ".." })],
  ["interfaces[0].netns: not a network namespace name: null", tap({ netns: null })],
  ["interfaces[0].mtu: not a whole number from 68 to 65521: 67", tap({ mtu: 67 })],
  ["interfaces[0].mtu: not a whole number from 68 to 65521: 65522", tap({ mtu: 65_522 })],
  ["interfaces[0].mtu: not a whole number from 68 to 65521: 1500.5", tap({ mtu: 1500.5 })],
  ['interfaces[0].mtu: not a whole number from 68 to 65521: "1500"', tap({ mtu: "1500" })],
  ["interfaces[0].mtu: not a whole number from 68 to 65521: NaN", tap({ mtu: Number.NaN })],
  ["interfaces[0].mtu: IPv6 needs 1280 or more: 1279", tap({ mtu: 1279, addresses: ["2001:db8::2/64"] })],
  ['interfaces[0].mac: not a unicast hardware address: "01:00:5e:00:00:01"', tap({ mac: "01:00:5e:00:00:01" })],
  ['interfaces[0].mac: not a unicast hardware address: "02:00:5e"', tap({ mac: "02:00:5e" })],
  ["interfaces[0].addresses: not a list", tap({ addresses: "10.0.0.1/8" })],
  [
    'interfaces[0].addresses[1]: not an address prefix: "10.0.0.300/8"',
    tap({ addresses: ["10.0.0.2/8", "10.0.0.300/8"] }),
  ],
  ['interfaces[0].addresses[0]: not an address prefix: "10.0.0.1"', tap({ addresses: ["10.0.0.1"] })],
  ['interfaces[0].addresses[0]: not an address prefix: "10.0.0.1/33"', tap({ addresses: ["10.0.0.1/33"] })],
  ['interfaces[0].addresses[0]: not an address prefix: "10.1/16"', tap({ addresses: ["10.1/16"] })],
  ['interfaces[0].addresses[0]: not an address prefix: "010.0.0.1/8"', tap({ addresses: ["010.0.0.1/8"] })],
  ['interfaces[0].addresses[0]: not an address prefix: "2001:db8::1/129"', tap({ addresses: ["2001:db8::1/129"] })],
  ["interfaces[0].addresses[0]: not an address prefix: 7", tap({ addresses: [7] })],
  ['interfaces[0].addresses[0]: not an interface\'s address: "224.0.0.1/24"', tap({ addresses: ["224.0.0.1/24"] })],
  ['interfaces[0].addresses[0]: not an interface\'s address: "::/64"', tap({ addresses: ["::/64"] })],
  ['interfaces[0].addresses[0]: a subnet, not a host\'s address: "10.0.0.0/24"', tap({ addresses: ["10.0.0.0/24"] })],
  [
    'interfaces[0].addresses[0]: a subnet, not a host\'s address: "10.0.0.255/24"',
    tap({ addresses: ["10.0.0.255/24"] }),
  ],
  [
    "interfaces[1].addresses[0]: the same as interfaces[0].addresses[0]: 198.18.0.2",
    { interfaces: [TAP, { ...TAP, name: "tap1" }] },
  ],
  ['interfaces[1].name: the name of interfaces[0] already: "tap0"', { interfaces: [TAP, { name: "tap0" }] }],
  ["interfaces[0].host: kind af-packet has no kernel end", tap({ kind: "af-packet", host: {} })],
  [
    'interfaces[0].host.addresses[0]: not an address prefix: "198.18.0.1"',
    tap({ host: { addresses: ["198.18.0.1"] } }),
  ],
  [
    "interfaces[0].host.addresses[0]: the same as interfaces[0].addresses[0]: 198.18.0.2",
    tap({ host: { addresses: ["198.18.0.2/24"] } }),
  ],
  [
    'interfaces[0].host.routes[0].via: not an address: "gw"',
    tap({ host: { routes: [{ prefix: "0.0.0.0/0", via: "gw" }] } }),
  ],
  ['interfaces[0].offloads.gso: not true or false: "yes"', tap({ offloads: { gso: "yes" } })],
  ["interfaces[0].offloads.tso: unknown key", tap({ offloads: { tso: true } })],
  ['interfaces[0].mode: not one of normal, promiscuous: "open"', tap({ mode: "open" })],
  ['interfaces[0].spoofing: not true or false: "yes"', tap({ spoofing: "yes" })],
  ["interfaces[0].table: not a whole number from 0 to 2147483647: -1", tap({ table: -1 })],
  ["routes[0].prefix: is missing", tap({}, { routes: [{}] })],
  ["routes[0]: neither via nor interface", tap({}, { routes: [{ prefix: "0.0.0.0/0" }] })],
  [
    'routes[0].via: not an address: "198.18.0.300"',
    tap({}, { routes: [{ prefix: "0.0.0.0/0", via: "198.18.0.300" }] }),
  ],
  [
    'routes[0].via: not of the family of ::/0: "198.18.0.1"',
    tap({}, { routes: [{ prefix: "::/0", via: "198.18.0.1" }] }),
  ],
  [
    'routes[0].interface: no such interface: "tap9"',
    tap({}, { routes: [{ prefix: "10.0.0.0/8", interface: "tap9" }] }),
  ],
  ["namespaces[0].id: is missing", tap({}, { namespaces: [{}] })],
  ['namespaces[0].id: not a name of 1 to 64 characters: "a b"', tap({}, { namespaces: [{ id: "a b" }] })],
  ["namespaces[0].secret: not a text or a whole number from 0", tap({}, { namespaces: [{ id: "a", secret: -1 }] })],
  ["namespaces[0].netns: unknown key", tap({}, { namespaces: [{ id: "a", netns: "x" }] })],
  ['namespaces[1].id: the id of namespaces[0] already: "a"', tap({}, { namespaces: [{ id: "a" }, { id: "a" }] })],
  [
    'namespaces[0].id: always there; its secret is session.secret: "default"',
    tap({}, { namespaces: [{ id: "default" }] }),
  ],
  ['namespaces[0].interface: no such interface: "tap9"', tap({}, { namespaces: [{ id: "a", interface: "tap9" }] })],
  ["namespaces[0].table4: no interface has this table: 7", tap({}, { namespaces: [{ id: "a", table4: 7 }] })],
  ...wrongRules(),
  ...wrongDenyLists(),
  ...wrongProxies(),
  ['apps[0].namespace: no such namespace: "red"', tap({}, { apps: [{ kind: "echo", namespace: "red" }] })],
  ["attach.directory: not a path: 7", tap({}, { attach: { directory: 7 } })],
  ["attach.mode: not a whole number from 0 to 511: 4096", tap({}, { attach: { mode: 4096 } })],
  ["attach.uids[1]: not a whole number from 0 to 4294967294: -1", tap({}, { attach: { uids: [0, -1] } })],
  ["attach.flowHooks: not a list", tap({}, { attach: { flowHooks: "default" } })],
  ["attach.flowHooks[0]: not a name of 1 to 64 characters: 7", tap({}, { attach: { flowHooks: [7] } })],
  ['session.flowDefault: not one of accept, reset, drop: "later"', tap({}, { session: { flowDefault: "later" } })],
  ["attach.host: unknown key", tap({}, { attach: { host: "x" } })],
  ["apps[0].kind: is missing", tap({}, { apps: [{}] })],
  [
    'apps[0].kind: not one of echo, discard, chargen, http, iperf3, check, proxy: "ftp"',
    tap({}, { apps: [{ kind: "ftp" }] }),
  ],
  ["apps[0].listen: empty", tap({}, { apps: [{ kind: "echo", listen: [] }] })],
  ["apps[0].root: kind echo has no files", tap({}, { apps: [{ kind: "echo", root: "." }] })],
  [
    'apps[0].listen[0]: not a URI: "tcp://0.0.0.0/99999": bad port "99999"',
    tap({}, { apps: [{ kind: "http", listen: ["tcp://0.0.0.0/99999"] }] }),
  ],
  [
    'apps[0].listen[1]: not a URI: "ftp://0.0.0.0/21": unknown protocol "ftp"',
    tap({}, { apps: [{ kind: "http", listen: ["tcp://0.0.0.0/80", "ftp://0.0.0.0/21"] }] }),
  ],
  ['engine.driver: not supported yet: "worker"', tap({}, { engine: { driver: "worker" } })],
  ["engine.workers: not a whole number from 0 to 0: 2", tap({}, { engine: { workers: 2 } })],
  ["cli.socket: not a path: 7", tap({}, { cli: { socket: 7 } })],
  // In decimal: what 0o660 is meant to be.
  ["cli.mode: not a whole number from 0 to 511: 660", tap({}, { cli: { mode: 660 } })],
  ['cli.mode: not a whole number from 0 to 511: "0660"', tap({}, { cli: { mode: "0660" } })],
  ['cli.group: not a whole number from 0 to 4294967294: "adm"', tap({}, { cli: { group: "adm" } })],
  ["tcp.rtoMin: unknown key", tap({}, { tcp: { rtoMin: 200 } })],
  ["tcp.rtoMinMs: not a whole number from 1 to 60000: 0", tap({}, { tcp: { rtoMinMs: 0 } })],
  ["tcp.rtoMinMs: more than rtoMaxMs: 500 > 400", tap({}, { tcp: { rtoMinMs: 500, rtoMaxMs: 400 } })],
  ['tcp.congestionControl: not supported yet: "bbr"', tap({}, { tcp: { congestionControl: "bbr" } })],
  [
    "session.minSrcPort: more than maxSrcPort: 5000 > 4000",
    tap({}, { session: { minSrcPort: 5000, maxSrcPort: 4000 } }),
  ],
  ["limits.fifoBytes: not a whole number from 1048576 to 1073741824: 1", tap({}, { limits: { fifoBytes: 1 } })],
  ["tls.handshakeMs: not a whole number from 100 to 600000: 5", tap({}, { tls: { handshakeMs: 5 } })],
  ["tls.recordBytes: not a whole number from 64 to 16384: 16385", tap({}, { tls: { recordBytes: 16_385 } })],
  ["tls.tickets: unknown key", tap({}, { tls: { tickets: true } })],
  ...wrongTls(),
  ["ip.hopLimit: not a whole number from 1 to 255: 256", tap({}, { ip: { hopLimit: 256 } })],
];

describe("configuration", () => {
  it.each(WRONG)("%s", async (line, config) => {
    expect(await errorOf(resolveConfig(config))).toBe(line);
  });

  it("names a value that is hard to print", async () => {
    const circle: unknown[] = [];
    circle.push(circle);
    for (const value of [circle, 1n, Symbol("x"), () => 1, "x".repeat(500)]) {
      const message = await errorOf(resolveConfig(tap({ mtu: value })));
      expect(message).toMatch(/^interfaces\[0\]\.mtu: not a whole number/);
      expect(message.length).toBeLessThan(200);
    }
  });

  it("fills in the defaults", async () => {
    const config = await resolveConfig({
      interfaces: [{ name: "tap0" }],
      apps: [{ kind: "echo" }, { kind: "http" }],
      tcp: { timeWaitMs: 0 },
      session: { backlog: undefined },
    });
    expect(config.interfaces[0]).toEqual({
      name: "tap0",
      kind: "tap",
      device: undefined,
      netns: undefined,
      mtu: undefined,
      mac: undefined,
      addresses: [],
      host: { addresses: [], routes: [] },
      offloads: { checksum: true, gso: true },
      mode: "normal",
      spoofing: false,
      table: 0,
    });
    expect(config.apps.map(({ listen }) => listen)).toEqual([
      ["tcp://0.0.0.0/7", "tcp://[::]:7", "udp://0.0.0.0/7", "udp://[::]:7"],
      ["tcp://0.0.0.0/80", "tcp://[::]:80"],
    ]);
    expect(config.tcp).toEqual({ ...DEFAULT_TCP_CONFIG, timeWaitMs: 0 });
    expect(config.session).toEqual(DEFAULT_SESSION_CONFIG);
    expect(config.limits.smallPackets).toBe(8192);
  });

  it("says where proxies listen, by where they lead", async () => {
    const listensOf = async (to: string): Promise<unknown> => {
      const allow = ["198.18.0.9", "198.18.0.0/24:80", "2001:db8::/32", "[2001:db8::9]:53", "::1"];
      const config = await resolveConfig(
        tap({}, { session: { anyProxy: true }, apps: [{ kind: "proxy", to, allow }] }),
      );
      return config.apps[0].listen;
    };
    const tcp = ["tcp://0.0.0.0/0", "tcp://[::]:0"];
    const udp = ["udp://0.0.0.0/0", "udp://[::]:0"];
    expect(await listensOf("direct")).toEqual([...tcp, ...udp]);
    expect(await listensOf("socks5://user:pass%20word@proxy.example:1080")).toEqual([...tcp, ...udp]);
    expect(await listensOf("tcp://198.18.0.9/80")).toEqual(tcp);
    expect(await listensOf("udp://[2001:db8::9]:53")).toEqual(udp);
  });

  it("keeps a device as it is, and reads a hardware address", async () => {
    const [device] = wire();
    const config = await resolveConfig({
      interfaces: [
        { name: "w0", kind: "wire", device, offloads: { checksum: false } },
        { name: "t0", mac: "02:0a:00:00:00:ff" },
      ],
    });
    expect(config.interfaces[0].device).toBe(device);
    expect(config.interfaces[0].offloads).toEqual({ checksum: false, gso: false });
    expect(config.interfaces[1].mac).toEqual(Uint8Array.of(2, 10, 0, 0, 0, 255));
  });
});

describe("configuration file", () => {
  it("takes the whole form of the documentation", async () => {
    const text = `
engine: { driver: inline, workers: 0 }
interfaces:
  - name: tap0
    kind: tap
    netns: weft-demo
    mtu: 1500
    addresses: [198.18.0.2/24, "2001:db8:18::2/64"]
    host: { addresses: [198.18.0.1/24, "2001:db8:18::1/64"] }
    offloads: { checksum: true, gso: true }
    mode: normal
    table: 0
routes: [ { prefix: 0.0.0.0/0, via: 198.18.0.1, interface: tap0, table: 0 } ]
tls:
  certificates: [ { name: site, certificate: site.crt, key: site.key } ]
  trust: [ { name: ours, certificates: ca.crt, crl: ca.crl } ]
  profiles: [ { name: modern, minVersion: "1.3", maxVersion: "1.3", ciphers: ALL, suites: TLS_AES_128_GCM_SHA256, groups: X25519 } ]
apps:
  - kind: http
    listen: [ "tcp://0.0.0.0/80", "tcp://[::]:80", "tls://0.0.0.0/443" ]
    root: ./public
    tls: { certificate: site, trust: ours, profile: modern, verify: require, alpn: [ h2 ] }
cli: { socket: /run/weft/one.sock }
tcp: { synRcvdTimeoutMs: 1000 }
`;
    const config = await resolveConfig(await parseConfigText(text, "weft.yaml"), "file");
    expect(config.interfaces[0].netns).toBe("weft-demo");
    expect(config.routes).toEqual([{ prefix: "0.0.0.0/0", via: "198.18.0.1", interface: "tap0", table: 0 }]);
    expect(config.cliSocket).toBe("/run/weft/one.sock");
    expect(config.tcp.synRcvdTimeoutMs).toBe(1000);
  });

  it("says where the text is no YAML", async () => {
    expect(await errorOf(parseConfigText("a: 1\nb: [1, 2\n", "x.yaml"))).toMatch(/^x\.yaml: line [23]: /);
    expect(await errorOf(parseConfigText("a: 1\na: 2\n", "x.yaml"))).toBe("x.yaml: line 2: Map keys must be unique");
    const bomb = `a: &a [1]\n${"bcdefgh".replace(/./g, (c) => `${c}: &${c} [*a,*a,*a,*a,*a,*a,*a,*a,*a]\n`)}`
      .replace("c: &c [*a", "c: &c [*b,*b,*b,*b,*b,*b")
      .concat("z: [", "*c,".repeat(200), "*c]\n");
    expect(await errorOf(parseConfigText(bomb, "x.yaml"))).toMatch(/^x\.yaml: /);
  });

  it("refuses an empty file, one that is not there, and a wire", async () => {
    const directory = mkdtempSync(join(tmpdir(), "weft-config-"));
    try {
      const path = join(directory, "weft.yaml");
      writeFileSync(path, "# nothing\n");
      expect(await errorOf(readConfigFile(path))).toBe("configuration: empty");
      expect(await errorOf(readConfigFile(join(directory, "no.yaml")))).toMatch(/no\.yaml: cannot be read \(ENOENT\)$/);
      writeFileSync(path, "interfaces: [{ name: w0, kind: wire }]\n");
      expect(await errorOf(readConfigFile(path))).toBe(
        'interfaces[0].kind: only for programs, which pass a device: "wire"',
      );
      expect((await resolveConfig(await parseConfigFile(path), "replay")).interfaces[0].kind).toBe("wire");
      writeFileSync(path, '{"interfaces": [{"name": "tap0", "addresses": ["198.18.0.2/24"]}]}');
      expect((await readConfigFile(path)).interfaces[0].name).toBe("tap0");
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});
