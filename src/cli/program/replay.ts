import { AppServer } from "../../app/attach.js";
import {
  type Capture,
  CaptureError,
  type CaptureFrame,
  captureTimeAfter,
  LINKTYPE_ETHERNET,
} from "../../device/capture.js";
import { ManualDriver } from "../../graph/manual-driver.js";
import { applySessionConfig } from "../../host/apply-session-config.js";
import { parseConfigFile, resolveConfig } from "../../host/config.js";
import { ConfigError } from "../../host/config-error.js";
import type { ResolvedConfig, StackConfig } from "../../host/config-types.js";
import { CaptureFile, readCaptureFile } from "../../host/pcap-file.js";
import { parsePrefix } from "../../ip/address.js";
import { MemoryWindow } from "../../mem/window.js";
import { type AppHandle, startApp } from "../../node/apps/index.js";
import { createNet } from "../../node/net/index.js";
import { SeededRandom } from "../../random/seeded.js";
import { firstRecordedHost } from "../../sim/recorded-host.js";
import { recordedMac, Replay } from "../../sim/replay.js";
import { Stack } from "../../stack.js";
import { ManualClock } from "../../time/manual-clock.js";
import { columns, pairs } from "../columns.js";
import { EXIT_FAILED, EXIT_OK } from "./failure.js";

/** The options of `weft replay`. */
export interface ReplayCommandOptions {
  readonly config?: string;
  readonly out?: string;
  readonly json?: boolean;
}

/** Applications that do all they do when the stack calls them; the others run on Node's own time. */
const VIRTUAL_APPS = ["echo", "discard", "chargen", "check"];
/** What a replay needs at most; the configuration may say otherwise. */
const REPLAY_LIMITS = { smallPackets: 2048, largePackets: 64, ringPackets: 0, fifoBytes: 64 << 20 };
const WINDOW_EXTRA_BYTES = 96 << 20;
const START_US = 1e9;
/** Whatever the replay shows, the next one shows it too. */
const SEED = 1;

/** What a replay counted: the same each time. */
interface ReplayReport {
  readonly frames: { captured: number; fed: number; recorded: number; held: number; forced: number; sent: number };
  readonly interface: Readonly<Record<string, number>>;
  readonly nodes: Readonly<Record<string, number>>;
  readonly errors: readonly { node: string; symbol: string; count: number }[];
}

/** `weft replay`: a capture through a stack, on a clock that the capture's times drive. */
export async function replay(path: string, options: ReplayCommandOptions): Promise<number> {
  const frames = readFrames(path);
  const value = options.config === undefined ? guessConfig(frames) : await parseConfigFile(options.config);
  const config = await resolveConfig(withLimits(value), "replay");
  const mac = hostMac(frames, config);
  const replaying = new Replay({ frames, mac, mtu: config.interfaces[0].mtu ?? 1500 });
  const { report, failures } = await play(replaying, config, frames.length);
  if (options.out !== undefined) writeSent(options.out, replaying, frames[0]);
  process.stdout.write(options.json === true ? `${JSON.stringify(report, undefined, 2)}\n` : `${format(report)}\n`);
  for (const error of failures) process.stderr.write(`weft: replay: ${String(error)}\n`);
  return failures.length === 0 ? EXIT_OK : EXIT_FAILED;
}

function readFrames(path: string): readonly CaptureFrame[] {
  let capture: Capture;
  try {
    capture = readCaptureFile(path);
  } catch (error) {
    if (error instanceof CaptureError) throw new Error(`${path}: ${error.message}`, { cause: error });
    throw error;
  }
  const { frames, interfaces } = capture;
  if (frames.length === 0) throw new Error(`${path}: no frame in it`);
  const other = frames.find(({ interfaceIndex }) => interfaces[interfaceIndex]?.linkType !== LINKTYPE_ETHERNET);
  if (other !== undefined) throw new Error(`${path}: frames that are not Ethernet`);
  return frames;
}

/** Without a configuration the stack plays the host that the first packet goes to, with every host on its link. */
function guessConfig(frames: readonly CaptureFrame[]): StackConfig {
  const host = firstRecordedHost(frames);
  if (host === undefined)
    throw new ConfigError("--config", "is missing, and no unicast IP packet tells whose part to play");
  const addresses = host.addresses.map((address) => `${address}/${address.includes(":") ? 64 : 24}`);
  const routes = host.addresses.map((address) => ({
    prefix: address.includes(":") ? "::/0" : "0.0.0.0/0",
    interface: "host0",
  }));
  return {
    interfaces: [{ name: "host0", kind: "wire", addresses }],
    routes,
    apps: [{ kind: "echo" }, { kind: "discard" }, { kind: "chargen" }],
  };
}

/** A capture needs less memory than a network. */
function withLimits(value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  const limits: unknown = Reflect.get(value, "limits") ?? {};
  return typeof limits === "object" ? { ...value, limits: { ...REPLAY_LIMITS, ...limits } } : value;
}

function hostMac(frames: readonly CaptureFrame[], { interfaces, apps }: ResolvedConfig): Uint8Array {
  if (interfaces.length > 1) throw new ConfigError("interfaces[1]", "a capture is that of one interface");
  for (const [i, { kind }] of apps.entries()) {
    if (VIRTUAL_APPS.includes(kind)) continue;
    throw new ConfigError(`apps[${i}].kind`, `not in a replay, it does not run on virtual time: "${kind}"`);
  }
  const [{ mac, addresses }] = interfaces;
  if (mac !== undefined) return mac;
  const bytes = addresses.map((text) => {
    const { family, words } = parsePrefix(text).address;
    const view = new DataView(new ArrayBuffer(family === 4 ? 4 : 16));
    for (let at = 0; at < view.byteLength; at += 4) view.setInt32(at, words[at >> 2]);
    return new Uint8Array(view.buffer);
  });
  const found = recordedMac(frames, bytes);
  if (found === undefined) throw new ConfigError("interfaces[0].mac", "is missing, and no frame goes to its addresses");
  return found;
}

async function play(
  replaying: Replay,
  config: ResolvedConfig,
  captured: number,
): Promise<{ report: ReplayReport; failures: unknown[] }> {
  const clock = new ManualClock(START_US);
  const failures: unknown[] = [];
  // Applications of a replay take the stack's own memory.
  const limits = { ...config.limits, appSegmentBytes: 0 };
  const bytes = limits.fifoBytes + limits.smallPackets * 2112 + limits.largePackets * 66_112 + WINDOW_EXTRA_BYTES;
  const stack = new Stack({
    window: MemoryWindow.plain(bytes & -4),
    clock,
    random: new SeededRandom(SEED),
    hooks: { wake: () => {}, reportError: (error) => failures.push(error) },
    limits,
    ip: { ...config.ip, maxAdjacencies: limits.adjacencies },
    neighbours: { limit: limits.neighbors },
    session: config.session,
    tcp: config.tcp,
    udp: config.udp,
  });
  const [{ name, addresses, mode, spoofing, table }] = config.interfaces;
  const promiscuous = mode === "promiscuous";
  const added = stack.addInterface(name, replaying.device, { addresses, table, promiscuous, spoofing });
  for (const { prefix, via, table: id } of config.routes) {
    const path = via === undefined ? { interface: added.index } : { via, interface: added.index };
    stack.apply({ kind: "route", table: id, prefix, add: true, paths: [path] });
  }
  applySessionConfig(stack, config);
  const apps = await startApps(stack, config);
  const driver = new ManualDriver(stack.engine, clock);
  replaying.run(clock, (untilUs) => driver.run(untilUs));
  const report = reportOf(stack, replaying, captured);
  for (const app of apps) await app.close();
  return { report, failures };
}

async function startApps(stack: Stack, config: ResolvedConfig): Promise<AppHandle[]> {
  const server = new AppServer(stack.host.sessions);
  const point = { attach: server.attach.bind(server) };
  const net = createNet(point);
  // Nothing in a replay decides on flows.
  const onFlow = async (): Promise<never> => {
    throw new Error("a replay has no flow hooks");
  };
  const apps: AppHandle[] = [];
  for (const { kind, listen } of config.apps) apps.push(await startApp({ ...point, net, onFlow }, { kind, listen }));
  return apps;
}

function reportOf({ host }: Stack, { counters, sent }: Replay, captured: number): ReplayReport {
  const { fed, recorded, held, forced } = counters;
  const busy = host.engine.runtime().filter(({ packets }) => packets > 0);
  return {
    frames: { captured, fed, recorded, held, forced, sent: sent.length },
    interface: { ...host.interfaces.all()[0].counters },
    nodes: Object.fromEntries(busy.map(({ name, packets }) => [name, packets])),
    errors: host.engine.errors().map(({ node, symbol, count }) => ({ node, symbol, count })),
  };
}

function format(report: ReplayReport): string {
  const errors = report.errors.map(({ count, node, symbol }) => [count, node, symbol]);
  const nodes = Object.entries(report.nodes).map(([name, packets]) => [packets, name]);
  return [
    pairs(Object.entries(report.frames).map(([name, count]) => [`frames ${name}`, count])),
    columns(["Packets", "Node"], nodes),
    columns(["Count", "Node", "Symbol"], errors),
  ].join("\n\n");
}

/** What the stack sent from the first frame on, at the capture's times. */
function writeSent(path: string, { sent }: Replay, first: CaptureFrame): void {
  const file = new CaptureFile(path, { format: "pcap", resolution: "ns" });
  try {
    for (const { timeUs, bytes } of sent) file.write({ ...captureTimeAfter(first, timeUs), bytes });
  } finally {
    file.close();
  }
}
