import { dirname, join } from "node:path";
import { readFileSync } from "node:fs";
import { DEFAULT_SESSION_CONFIG } from "../session/session-config.js";
import { DEFAULT_LIMITS } from "../stack.js";
import { type AttachConfig, DEFAULT_ATTACH_CONFIG } from "./attach-config.js";
import { attachDirectory } from "./attach-path.js";
import { parseMetricsListen } from "./metrics/metrics-listen.js";
import { DEFAULT_TCP_CONFIG } from "../transport/tcp/config.js";
import { DEFAULT_TLS_CONFIG } from "../transport/tls/config.js";
import { DEFAULT_UDP_CONFIG } from "../transport/udp/config.js";
import { checkConfig, type ConfigSource } from "./config-check.js";
import { ConfigError, formatPath } from "./config-error.js";
import { configSchema } from "./config-schema.js";
import { defaultListen } from "./default-listen.js";
import type {
  AppConfig,
  InterfaceConfig,
  LimitsConfig,
  ResolvedApp,
  ResolvedConfig,
  ResolvedInterface,
  RouteConfig,
  ResolvedRoute,
  StackConfig,
} from "./config-types.js";

const DEFAULTS: Required<LimitsConfig> = {
  ...DEFAULT_LIMITS,
  appSegmentBytes: 256 << 20,
  neighbors: 1024,
  adjacencies: 4096,
};

/** Checks a configuration and fills in its defaults. Rejects with {@link ConfigError}, which names the key at fault. */
export async function resolveConfig(value: unknown, source: ConfigSource = "program"): Promise<ResolvedConfig> {
  checkEmpty(value);
  const schema = configSchema(await import("zod"));
  const result = schema.safeParse(value);
  if (!result.success) throw issueError(result.error.issues[0], value);
  // The schema says so; its own type would be as long as StackConfig again.
  const config = result.data as StackConfig;
  checkConfig(config, source);
  return fillIn(config);
}

/** `interfaces` is the one thing a configuration must have. */
function checkEmpty(value: unknown): void {
  if (value === undefined || value === null) throw new ConfigError("configuration", "empty");
  if (typeof value !== "object" || Array.isArray(value)) return;
  if (Object.keys(value).length === 0) throw new ConfigError("configuration", "empty");
  const interfaces: unknown = Reflect.get(value, "interfaces");
  if (interfaces === undefined || interfaces === null) throw new ConfigError("interfaces", "is missing");
  if (Array.isArray(interfaces) && interfaces.length === 0) throw new ConfigError("interfaces", "empty");
}

interface Issue {
  readonly code?: string | undefined;
  readonly path: readonly PropertyKey[];
  readonly message: string;
  readonly keys?: readonly string[];
  readonly expected?: string;
}

function issueError(issue: Issue | undefined, value: unknown): ConfigError {
  if (issue === undefined) return new ConfigError("configuration", "invalid");
  if (issue.code === "unrecognized_keys") {
    return new ConfigError(formatPath([...issue.path, issue.keys?.[0] ?? "?"]), "unknown key");
  }
  if (issue.code === "invalid_type") {
    const what = issue.expected === "array" ? "a list" : "a set of keys";
    const found = issue.path.reduce<unknown>(
      (at, key) => (typeof at === "object" && at !== null ? Reflect.get(at, key) : undefined),
      value,
    );
    return new ConfigError(formatPath(issue.path), found === undefined ? "is missing" : `not ${what}`);
  }
  return new ConfigError(formatPath(issue.path), issue.message);
}

function fillIn(config: StackConfig): ResolvedConfig {
  return {
    interfaces: config.interfaces.map(fillInterface),
    routes: (config.routes ?? []).map(fillRoute),
    namespaces: config.namespaces ?? [],
    rules: config.rules ?? [],
    sdl: config.sdl ?? [],
    apps: (config.apps ?? []).map(fillApp),
    cliSocket: config.cli?.socket,
    attach: config.attach === undefined ? undefined : fillAttach(config),
    metrics: config.metrics === undefined ? undefined : parseMetricsListen(config.metrics.listen),
    evtCollector: config.evtCollector?.to,
    tcp: { ...DEFAULT_TCP_CONFIG, ...defined(config.tcp) },
    udp: { ...DEFAULT_UDP_CONFIG, ...defined(config.udp) },
    tls: { ...DEFAULT_TLS_CONFIG, ...defined(config.tls) },
    session: { ...DEFAULT_SESSION_CONFIG, ...defined(config.session) },
    ip: { forward4: false, forward6: false, hopLimit: 64, ...defined(config.ip) },
    limits: { ...DEFAULTS, ...defined(config.limits) },
  };
}

/** Without the keys that are there but undefined, which would hide a default. */
function defined<T extends object>(value: T | undefined): { [K in keyof T]?: NonNullable<T[K]> } {
  return Object.fromEntries(Object.entries(value ?? {}).filter(([, each]) => each !== undefined)) as {
    [K in keyof T]?: NonNullable<T[K]>;
  };
}

function fillInterface(each: InterfaceConfig): ResolvedInterface {
  const { name, kind = "tap", device, netns, mtu, mac, addresses = [], host, offloads, mode = "normal" } = each;
  return {
    name,
    kind,
    device,
    netns,
    mtu,
    mac: mac === undefined ? undefined : Uint8Array.from(mac.split(":"), (byte) => Number.parseInt(byte, 16)),
    addresses,
    host: { addresses: host?.addresses ?? [], routes: host?.routes ?? [] },
    offloads: { checksum: offloads?.checksum ?? true, gso: (offloads?.gso ?? true) && (offloads?.checksum ?? true) },
    mode,
    spoofing: each.spoofing ?? false,
    table: each.table ?? 0,
  };
}

function fillRoute({ prefix, via, interface: name, table = 0 }: RouteConfig): ResolvedRoute {
  return { prefix, via, interface: name, table };
}

function fillAttach({ attach, cli }: StackConfig): AttachConfig {
  const directory = cli?.socket === undefined ? attachDirectory() : join(dirname(cli.socket), "attach");
  return { directory, ...DEFAULT_ATTACH_CONFIG, ...defined(attach) };
}

function fillApp({ kind, namespace, listen, root, tls, to, allow }: AppConfig): ResolvedApp {
  return { kind, namespace, listen: listen ?? defaultListen(kind, to), root, tls, to, allow };
}

/** Reads a YAML (or JSON) text. Throws {@link ConfigError} that names `where` and the line. */
export async function parseConfigText(text: string, where: string): Promise<unknown> {
  const { parseDocument } = await import("yaml");
  const document = parseDocument(text, { prettyErrors: false, uniqueKeys: true });
  const [error] = document.errors;
  if (error !== undefined) {
    const line = text.slice(0, error.pos[0]).split("\n").length;
    throw new ConfigError(where, `line ${line}: ${error.message.split("\n")[0]}`);
  }
  try {
    return document.toJS({ maxAliasCount: 100 });
  } catch (cause) {
    throw new ConfigError(where, cause instanceof Error ? cause.message : String(cause));
  }
}

/** Reads a configuration file, unchecked. One that cannot be read is a ConfigError too. */
export async function parseConfigFile(path: string): Promise<unknown> {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    const reason = error instanceof Error && "code" in error ? String(error.code) : String(error);
    throw new ConfigError(path, `cannot be read (${reason})`);
  }
  return parseConfigText(text, path);
}

/** Reads a configuration file and checks it, as {@link resolveConfig}. */
export async function readConfigFile(path: string): Promise<StackConfig> {
  const value = await parseConfigFile(path);
  await resolveConfig(value, "file");
  return value as StackConfig;
}
