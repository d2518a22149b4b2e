import type * as Zod from "zod";
import { FLOW_VERDICTS } from "../session/flow-record.js";
import { RT_BACKENDS } from "../session/rt-backend.js";
import { RULE_PROTOS, RULE_SCOPES } from "../session/rule-record.js";
import { MAX_AUTO_SDL_THRESHOLD, MAX_AUTO_SDL_TIMEOUT_S, SDL_ACTIONS } from "../session/sdl-record.js";
import {
  actionLeaf,
  addressLeaf,
  allowedLeaf,
  alpnLeaf,
  booleanLeaf,
  collectorLeaf,
  cryptoNameLeaf,
  interfaceNameLeaf,
  intLeaf,
  type Leaf,
  macLeaf,
  metricsListenLeaf,
  nameLeaf,
  netnsLeaf,
  pathLeaf,
  prefixLeaf,
  proxyToLeaf,
  secretLeaf,
  tagLeaf,
  textLeaf,
  tlsVersionLeaf,
  uriLeaf,
  wordLeaf,
} from "./config-leaf.js";
import { MAX_PROFILE_TEXT } from "../transport/tls/crypto-store.js";
import { APP_KINDS, INTERFACE_KINDS, type StackConfig } from "./config-types.js";

import { type TlsStoreConfig, VERIFY_WORDS } from "./tls-config.js";

/** What of zod the schema is made with: zod is loaded only when there is something to check. */
export type ZodModule = typeof Zod;

const MAX_ROWS = 1 << 20;
const DAY_MS = 86_400_000;

const TCP_LEAVES: Readonly<Record<keyof NonNullable<StackConfig["tcp"]>, Leaf>> = {
  maxConnections: intLeaf(1, MAX_ROWS),
  maxSentRanges: intLeaf(16, 1 << 24),
  mtuBytes: intLeaf(576, 65_535),
  initialCwndSegments: intLeaf(1, 64),
  rtoInitialMs: intLeaf(10, 60_000),
  rtoMinMs: intLeaf(1, 60_000),
  rtoMaxMs: intLeaf(100, 600_000),
  userTimeoutMs: intLeaf(100, DAY_MS),
  connectTimeoutMs: intLeaf(100, DAY_MS),
  synRcvdTimeoutMs: intLeaf(100, DAY_MS),
  timeWaitMs: intLeaf(0, 240_000),
  finWait2Ms: intLeaf(100, DAY_MS),
  closingTimeoutMs: intLeaf(100, DAY_MS),
  challengeAcksPerSecond: intLeaf(0, 1_000_000),
  windowScale: booleanLeaf,
  timestamps: booleanLeaf,
  synCookies: booleanLeaf,
  sack: booleanLeaf,
  rack: booleanLeaf,
  pacing: booleanLeaf,
  delayedAckMs: intLeaf(0, 499),
  quickAcks: intLeaf(0, 64),
  noDelay: booleanLeaf,
  keepaliveMs: intLeaf(100, DAY_MS),
  keepaliveIntervalMs: intLeaf(100, DAY_MS),
  keepaliveProbes: intLeaf(1, 127),
  maxGsoBytes: intLeaf(536, 65_000),
  congestionControl: wordLeaf(["newreno", "cubic"], ["bbr"]),
};

const SESSION_LEAVES: Readonly<Record<keyof NonNullable<StackConfig["session"]>, Leaf>> = {
  maxSessions: intLeaf(1, MAX_ROWS),
  maxListeners: intLeaf(1, 65_536),
  maxApplications: intLeaf(1, 65_536),
  maxAppWorkers: intLeaf(1, 65_536),
  maxNamespaces: intLeaf(1, 65_536),
  backlog: intLeaf(0, MAX_ROWS),
  minSrcPort: intLeaf(1, 65_535),
  maxSrcPort: intLeaf(1, 65_535),
  anyProxy: booleanLeaf,
  rtBackend: wordLeaf(RT_BACKENDS),
  maxRules: intLeaf(1, MAX_ROWS),
  maxRuleMasks: intLeaf(1, 1024),
  maxSdlPrefixes: intLeaf(1, 4 * MAX_ROWS),
  autoSdl: booleanLeaf,
  autoSdlThreshold: intLeaf(1, MAX_AUTO_SDL_THRESHOLD),
  autoSdlRemoveTimeoutS: intLeaf(1, MAX_AUTO_SDL_TIMEOUT_S),
  maxAutoSdlPeers: intLeaf(1, MAX_ROWS),
  maxUndecidedFlows: intLeaf(1, 65_536),
  maxDecidedFlows: intLeaf(1, 65_536),
  flowDecisionMs: intLeaf(1, 60_000),
  flowDefault: wordLeaf(FLOW_VERDICTS),
  collectAll: booleanLeaf,
  rxFifoBytes: intLeaf(1024, 64 << 20),
  txFifoBytes: intLeaf(1024, 64 << 20),
  secret: textLeaf(256),
};

const UDP_LEAVES: Readonly<Record<keyof NonNullable<StackConfig["udp"]>, Leaf>> = {
  maxConnections: intLeaf(1, MAX_ROWS),
  hopLimit: intLeaf(1, 255),
};

const TLS_LEAVES: Readonly<Record<Exclude<keyof NonNullable<StackConfig["tls"]>, keyof TlsStoreConfig>, Leaf>> = {
  maxConnections: intLeaf(1, MAX_ROWS),
  maxHandshakes: intLeaf(1, MAX_ROWS),
  handshakeMs: intLeaf(100, 600_000),
  fifoBytes: intLeaf(32_768, 64 << 20),
  startRecordBytes: intLeaf(64, 16_384),
  startBytes: intLeaf(0, 1 << 30),
  recordBytes: intLeaf(64, 16_384),
  ticketKeyMs: intLeaf(0, 604_800_000),
  keylog: pathLeaf,
};

/** Largest number of a user or group. */
const MAX_ID = 0xffff_fffe;

const LIMITS_LEAVES: Readonly<Record<keyof NonNullable<StackConfig["limits"]>, Leaf>> = {
  smallPackets: intLeaf(256, 262_144),
  largePackets: intLeaf(16, 8192),
  ringPackets: intLeaf(0, 65_536),
  fifoBytes: intLeaf(1 << 20, 1 << 30),
  appSegmentBytes: intLeaf(0, 1 << 30),
  neighbors: intLeaf(16, 65_536),
  poison: booleanLeaf,
  adjacencies: intLeaf(64, MAX_ROWS),
};

const IP_LEAVES: Readonly<Record<keyof NonNullable<StackConfig["ip"]>, Leaf>> = {
  forward4: booleanLeaf,
  forward6: booleanLeaf,
  hopLimit: intLeaf(1, 255),
};

function deviceLeaf(value: unknown): string | undefined {
  const isDevice =
    typeof value === "object" &&
    value !== null &&
    ["attach", "rx", "tx", "close"].every((name) => typeof Reflect.get(value, name) === "function");
  return isDevice ? undefined : "not a device";
}

/** The schema of a configuration. Its output is what came in: {@link StackConfig}; defaults are filled in elsewhere. */
export function configSchema(z: ZodModule): Zod.ZodType {
  const leaf = (check: Leaf): Zod.ZodType =>
    z.any().check((context) => {
      const message = context.value === undefined ? "is missing" : check(context.value);
      if (message !== undefined) context.issues.push({ code: "custom", message, input: context.value });
    });
  const maybe = (check: Leaf): Zod.ZodType => leaf(check).optional();
  const list = (element: Zod.ZodType): Zod.ZodType => z.array(element).optional();
  const maybeAll = (leaves: Readonly<Record<string, Leaf>>): Record<string, Zod.ZodType> =>
    Object.fromEntries(Object.entries(leaves).map(([key, check]) => [key, maybe(check)]));
  const section = (leaves: Readonly<Record<string, Leaf>>): Zod.ZodType => z.strictObject(maybeAll(leaves)).optional();

  const kernelRoute = z.strictObject({ prefix: leaf(prefixLeaf(false)), via: maybe(addressLeaf) });
  const hostEnd = z.strictObject({ addresses: list(leaf(prefixLeaf(true))), routes: list(kernelRoute) });
  const networkInterface = z.strictObject({
    name: leaf(interfaceNameLeaf),
    kind: maybe(wordLeaf(INTERFACE_KINDS, ["raw-ip", "pcap"])),
    device: maybe(deviceLeaf),
    netns: maybe(netnsLeaf),
    mtu: maybe(intLeaf(68, 65_521)),
    mac: maybe(macLeaf),
    addresses: list(leaf(prefixLeaf(true))),
    host: hostEnd.optional(),
    offloads: section({ checksum: booleanLeaf, gso: booleanLeaf }),
    mode: maybe(wordLeaf(["normal", "promiscuous"])),
    spoofing: maybe(booleanLeaf),
    table: maybe(intLeaf(0, 0x7fff_ffff)),
  });
  const route = z.strictObject({
    prefix: leaf(prefixLeaf(false)),
    via: maybe(addressLeaf),
    interface: maybe(interfaceNameLeaf),
    table: maybe(intLeaf(0, 0x7fff_ffff)),
  });
  const namespace = z.strictObject({
    id: leaf(nameLeaf(64)),
    secret: maybe(secretLeaf),
    interface: maybe(interfaceNameLeaf),
    table4: maybe(intLeaf(0, 0x7fff_ffff)),
    table6: maybe(intLeaf(0, 0x7fff_ffff)),
  });
  const rule = z.strictObject({
    namespace: maybe(nameLeaf(64)),
    scope: maybe(wordLeaf(RULE_SCOPES)),
    proto: leaf(wordLeaf(RULE_PROTOS)),
    local: maybe(prefixLeaf(false)),
    localPort: maybe(intLeaf(0, 65_535)),
    remote: maybe(prefixLeaf(false)),
    remotePort: maybe(intLeaf(0, 65_535)),
    action: leaf(actionLeaf),
    tag: maybe(tagLeaf),
  });
  const sdl = z.strictObject({
    namespace: maybe(nameLeaf(64)),
    remote: leaf(prefixLeaf(false)),
    action: maybe(wordLeaf(SDL_ACTIONS)),
    tag: maybe(tagLeaf),
  });
  const app = z.strictObject({
    kind: leaf(wordLeaf(APP_KINDS)),
    namespace: maybe(nameLeaf(64)),
    listen: list(leaf(uriLeaf)),
    root: maybe(pathLeaf),
    tls: z
      .strictObject({
        certificate: maybe(cryptoNameLeaf),
        trust: maybe(cryptoNameLeaf),
        profile: maybe(cryptoNameLeaf),
        verify: maybe(wordLeaf(VERIFY_WORDS)),
        alpn: list(leaf(alpnLeaf)),
      })
      .optional(),
    to: maybe(proxyToLeaf),
    allow: list(leaf(allowedLeaf)),
  });
  return z.strictObject({
    engine: section({ driver: wordLeaf(["inline"], ["worker"]), workers: intLeaf(0, 0) }),
    interfaces: list(networkInterface),
    routes: list(route),
    namespaces: list(namespace),
    rules: list(rule),
    sdl: list(sdl),
    apps: list(app),
    cli: section({ socket: pathLeaf, mode: intLeaf(0, 0o777), group: intLeaf(0, MAX_ID) }),
    attach: z
      .strictObject({
        directory: maybe(pathLeaf),
        mode: maybe(intLeaf(0, 0o777)),
        uids: list(leaf(intLeaf(0, MAX_ID))),
        gids: list(leaf(intLeaf(0, MAX_ID))),
        attemptsPerSecond: maybe(intLeaf(1, 1_000_000)),
        maxWorkers: maybe(intLeaf(1, 1024)),
        maxSessions: maybe(intLeaf(1, 1 << 20)),
        maxMemoryBytes: maybe(intLeaf(1 << 20, 1 << 30)),
        flowHooks: list(leaf(nameLeaf(64))),
        evtCollectors: list(leaf(nameLeaf(64))),
      })
      .optional(),
    metrics: z.strictObject({ listen: leaf(metricsListenLeaf) }).optional(),
    evtCollector: z.strictObject({ to: leaf(collectorLeaf) }).optional(),
    tcp: section(TCP_LEAVES),
    udp: section(UDP_LEAVES),
    tls: z
      .strictObject({
        ...maybeAll(TLS_LEAVES),
        certificates: list(
          z.strictObject({ name: leaf(cryptoNameLeaf), certificate: leaf(pathLeaf), key: leaf(pathLeaf) }),
        ),
        trust: list(z.strictObject({ name: leaf(cryptoNameLeaf), certificates: leaf(pathLeaf), crl: maybe(pathLeaf) })),
        profiles: list(
          z.strictObject({
            name: leaf(cryptoNameLeaf),
            minVersion: maybe(tlsVersionLeaf),
            maxVersion: maybe(tlsVersionLeaf),
            ciphers: maybe(textLeaf(MAX_PROFILE_TEXT)),
            suites: maybe(textLeaf(MAX_PROFILE_TEXT)),
            groups: maybe(textLeaf(MAX_PROFILE_TEXT)),
          }),
        ),
      })
      .optional(),
    session: section(SESSION_LEAVES),
    ip: section(IP_LEAVES),
    limits: section(LIMITS_LEAVES),
  });
}
