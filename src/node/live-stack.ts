import type { Host } from "../../nodes/host.js";
import type { App } from "../app/app.js";
import { AppServer } from "../app/attach.js";
import type { AppCallbacks } from "../app/callbacks.js";
import { setFlowHook } from "../app/flow-hook.js";
import { applySessionConfig } from "../host/apply-session-config.js";
import { resolveConfig } from "../host/config.js";
import type { ResolvedConfig, ResolvedInterface, StackConfig } from "../host/config-types.js";
import type { AttachConfig } from "../host/attach-config.js";
import { AttachServer } from "../host/attach-server.js";
import { InlineDriver } from "../host/inline-driver.js";
import { MetricsServer } from "../host/metrics/metrics-server.js";
import { makeDevice } from "../host/make-device.js";
import { NativeWindow } from "../host/native-window.js";
import { NetworkNamespace } from "../host/netns.js";
import type { PollableDevice } from "../host/poller.js";
import { keylogFile } from "../host/keylog-file.js";
import { appTlsOptions, loadTlsStore } from "../host/load-tls-store.js";
import { opensslEngine } from "../host/openssl-engine.js";
import { SystemClock } from "../host/system-clock.js";
import { SystemRandom } from "../host/system-random.js";
import { MemoryWindow } from "../mem/window.js";
import type { ApplicationOptions } from "../session/application.js";
import { DEFAULT_NAMESPACE } from "../session/app-namespace.js";
import { Stack } from "../stack.js";
import type { CryptoStore } from "../transport/tls/crypto-store.js";
import { type AppHandle, startApp } from "./apps/index.js";
import { type EvtCollectorHandle, startEvtCollector } from "./apps/evt-collector.js";
import { type NamespaceHandle, namespaceScope } from "./namespace-scope.js";
import { createNet, type Net } from "./net/index.js";
import { createTls, type Tls } from "./tls/index.js";

/** Address space for one stack with kernel devices; memory is taken region by region. */
const NATIVE_WINDOW_BYTES = 2 ** 31;
/** Window of a stack that has only wires, beside its fifos and packets. */
const PLAIN_EXTRA_BYTES = 64 << 20;
/** Turns that closing may take to say goodbye to peers. */
const CLOSING_TURNS = 64;

/** Runs one CLI command on a stack and returns its text. */
export type RunCommand = (stack: LiveStack, command: string) => Promise<string>;

/** What {@link openStack} may be told beside the configuration. */
export interface OpenOptions {
  /** Hears of errors that applications' callbacks threw. Default: prints them, as Node prints uncaught ones. */
  readonly onError?: (error: unknown) => void;
}

/** A running host: devices, engine, applications and the Node-shaped faces. Made by `createStack`. */
export class LiveStack {
  /** The parts of the stack, for who looks inside. */
  readonly host: Host;
  /** Shaped like node:net. */
  readonly net: Net;
  /** Shaped like node:tls. */
  readonly tls: Tls;
  readonly config: ResolvedConfig;
  readonly #core: Stack;
  readonly #apps: AppServer;
  readonly #driver: InlineDriver<Host>;
  readonly #namespaces: readonly NetworkNamespace[];
  readonly #runCommand: RunCommand;
  readonly #scopes = new Map<string, NamespaceHandle>();
  #demoApps: AppHandle[] = [];
  #attach: AttachServer | undefined;
  #collector: EvtCollectorHandle | undefined;
  #metrics: MetricsServer | undefined;
  #closing: Promise<void> | undefined = undefined;

  /** Made by {@link openStack}. */
  constructor(
    core: Stack,
    driver: InlineDriver<Host>,
    config: ResolvedConfig,
    namespaces: readonly NetworkNamespace[],
    runCommand: RunCommand,
  ) {
    this.#core = core;
    this.host = core.host;
    this.config = config;
    this.#driver = driver;
    this.#namespaces = namespaces;
    this.#runCommand = runCommand;
    this.#apps = new AppServer(core.host.sessions);
    const { secret } = config.session;
    const own = secret === "" ? undefined : namespaceScope(this, DEFAULT_NAMESPACE, secret);
    this.net = own?.net ?? createNet(this);
    this.tls = own?.tls ?? createTls(this);
  }

  /** Attaches an application of this process. Rejects with SessionError: INVALID, INVALID_NS, WRONG_NS_SECRET, …. */
  attach(options: ApplicationOptions, callbacks: AppCallbacks): Promise<App> {
    return this.#apps.attach(options, callbacks);
  }

  /** One of the stack's application namespaces, by its id; who uses it must know its secret. Default: the default one. */
  namespace(id: string = DEFAULT_NAMESPACE, secret: string | number = ""): NamespaceHandle {
    return {
      ...namespaceScope(this, id, secret),
      onFlow: async (onFlow) => setFlowHook(this.host.sessions, id, secret, onFlow),
    };
  }

  /** Certificates, trust and profiles of tls://. Undefined: all interfaces are wires, and there is no TLS. */
  get cryptoStore(): CryptoStore | undefined {
    return this.host.tls?.store;
  }

  /** Runs a CLI command (`show interface`) and returns its text, the same as on the CLI socket. */
  cli(command: string): Promise<string> {
    return this.#runCommand(this, command);
  }

  /** Asks for a turn of the engine: after a change made from outside, e.g. a route. */
  wake(): void {
    this.#driver.wake();
  }

  /** Lets the process end although the stack is up. */
  unref(): void {
    this.#driver.unref();
  }

  /** Lets applications of other processes attach. Throws an Error with `code` when a socket cannot be opened. */
  openAttach(config: AttachConfig, native: NativeWindow): void {
    const hooks = { wake: () => this.wake(), log: (line: string) => console.error(`weft: ${line}`) };
    const server = new AttachServer(this.host.sessions, native, new SystemRandom(), config, hooks);
    this.#attach = server;
    this.host.engine.addTimed(server.apps);
    this.#driver.maySleep = () => server.apps.arm();
  }

  /** Serves the counters, if the configuration says where. Rejects when it cannot listen there. */
  async openMetrics(): Promise<void> {
    const { metrics } = this.config;
    if (metrics !== undefined) this.#metrics = await MetricsServer.open(this.host, metrics);
  }

  /** Where the counters are served, with the port that was free for port 0; undefined: nowhere. */
  get metricsAddress(): string | undefined {
    return this.#metrics?.address;
  }

  /** Starts the configured collector and demo applications. Rejects when one cannot listen, write or connect. */
  async startApps(): Promise<void> {
    const { evtCollector } = this.config;
    if (evtCollector !== undefined) {
      this.#collector = await startEvtCollector(this.#within(DEFAULT_NAMESPACE), evtCollector);
    }
    for (const app of this.config.apps) {
      const options = { ...app, tls: appTlsOptions(this.cryptoStore, app.tls) };
      this.#demoApps.push(await startApp(this.#within(app.namespace ?? DEFAULT_NAMESPACE), options));
    }
  }

  /** What the demo applications of a namespace attach to. */
  #within(namespace: string): NamespaceHandle {
    const { secret: defaultSecret } = this.config.session;
    const isDefault = namespace === DEFAULT_NAMESPACE;
    let within = this.#scopes.get(namespace);
    if (within === undefined) {
      const known = this.config.namespaces.find(({ id }) => id === namespace);
      const secret = isDefault ? defaultSecret : (known?.secret ?? "");
      within = this.namespace(namespace, secret);
      // Without `@default` in their names.
      if (isDefault && secret === "")
        within = { ...within, attach: this.attach.bind(this), net: this.net, tls: this.tls };
      this.#scopes.set(namespace, within);
    }
    return within;
  }

  /**
   * Ends everything: applications, sessions (their peers are told), devices, namespaces that were made, memory. Nothing
   * keeps the process alive afterwards. Can be called twice.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  #sayGoodbye(): void {
    for (let turns = 0; turns < CLOSING_TURNS && this.#core.engine.turn() > 0; turns++);
  }

  async #close(): Promise<void> {
    await this.#metrics?.close();
    for (const app of this.#demoApps) await app.close();
    this.#demoApps = [];
    for (const { net, tls } of [...this.#scopes.values(), this]) {
      await net.close();
      await tls.close();
    }
    this.#attach?.close();
    const { sessions } = this.host;
    const collectors = new Set(sessions.collectors.all.map(({ worker }) => worker.app));
    const others = sessions.applications.all().filter((app) => !collectors.has(app));
    // TLS goes after those whose last words it has to encrypt.
    const [below, above] = [true, false].map((isTls) =>
      others.filter(({ index }) => isTlsItself(this.host, index) === isTls),
    );
    for (const apps of [above, below]) {
      for (const app of apps) sessions.detach(app.index);
      this.#sayGoodbye();
    }
    // Last, so that they hear of the others' sessions.
    await this.#collector?.close();
    for (const app of collectors) if (app.isAttached) sessions.detach(app.index);
    this.#sayGoodbye();
    this.#driver.close();
    this.#core.close();
    for (const namespace of this.#namespaces) namespace.release();
  }
}

/**
 * Makes a stack from a configuration. Rejects with ConfigError, naming the key at fault, or with the system's refusal
 * (`code` EPERM, EBUSY, …), naming the interface; then nothing is left behind.
 */
export async function openStack(
  configuration: StackConfig | ResolvedConfig,
  runCommand: RunCommand,
  options: OpenOptions = {},
): Promise<LiveStack> {
  const config = await resolveConfig(configuration);
  const reportError = options.onError ?? ((error: unknown) => console.error(error));
  const namespaces: NetworkNamespace[] = [];
  const native =
    config.attach !== undefined || config.interfaces.some(({ kind }) => kind !== "wire")
      ? new NativeWindow({ bytes: NATIVE_WINDOW_BYTES })
      : undefined;
  let stack: LiveStack | undefined;
  let core: Stack | undefined;
  try {
    core = makeCore(config, native, () => stack?.wake(), reportError);
    const driver = new InlineDriver(core.engine);
    stack = new LiveStack(core, driver, config, namespaces, runCommand);
    loadTlsStore(core.host.tls?.store, config.tls);
    if (config.tls.keylog !== undefined) core.host.tls?.logKeys(keylogFile(config.tls.keylog));
    for (const each of config.interfaces) addInterface(core, driver, each, native, namespaces);
    for (const route of config.routes) addRoute(core, route);
    applySessionConfig(core, config);
    native?.touch();
    if (config.attach !== undefined && native !== undefined) stack.openAttach(config.attach, native);
    await stack.openMetrics();
    await stack.startApps();
    return stack;
  } catch (error) {
    if (stack !== undefined) await stack.close();
    else core?.close();
    throw error;
  }
}

function makeCore(
  config: ResolvedConfig,
  native: NativeWindow | undefined,
  wake: () => void,
  reportError: (error: unknown) => void,
): Stack {
  const { limits } = config;
  const plainBytes =
    limits.fifoBytes +
    limits.appSegmentBytes +
    limits.smallPackets * 2112 +
    limits.largePackets * 66_112 +
    PLAIN_EXTRA_BYTES;
  return new Stack({
    window: native?.window ?? MemoryWindow.plain(Math.ceil(plainBytes / 4) * 4),
    clock: new SystemClock(),
    random: new SystemRandom(),
    hooks: { wake, reportError },
    limits,
    ip: { ...config.ip, maxAdjacencies: limits.adjacencies },
    neighbours: { limit: limits.neighbors },
    session: config.session,
    tcp: config.tcp,
    udp: config.udp,
    ...(native === undefined ? {} : { tls: { engine: opensslEngine(native), config: config.tls } }),
  });
}

function addInterface(
  core: Stack,
  driver: InlineDriver<Host>,
  config: ResolvedInterface,
  native: NativeWindow | undefined,
  namespaces: NetworkNamespace[],
): void {
  if (config.kind === "tap" && config.netns !== undefined && !namespaces.some(({ name }) => name === config.netns)) {
    namespaces.push(new NetworkNamespace(config.netns));
  }
  const device = makeDevice(config, native);
  try {
    const { addresses, table, spoofing } = config;
    const promiscuous = config.mode === "promiscuous";
    const mtu = config.mtu === undefined ? {} : { mtu: config.mtu };
    core.addInterface(config.name, device, { ...mtu, addresses, table, promiscuous, spoofing });
  } catch (error) {
    device.close();
    throw error;
  }
  if (isPollable(device)) driver.add(device);
  else if ("onReadable" in device) device.onReadable = () => driver.wake();
}

function isTlsItself({ tls, dtls }: Host, app: number): boolean {
  return tls?.owns(app) === true || dtls?.owns(app) === true;
}

function isPollable(device: object): device is PollableDevice {
  return "fd" in device;
}

function addRoute(core: Stack, route: ResolvedConfig["routes"][number]): void {
  const { prefix, table, via } = route;
  const ifIndex = route.interface === undefined ? undefined : core.host.interfaces.byName(route.interface)?.index;
  const path = { ...(via === undefined ? {} : { via }), ...(ifIndex === undefined ? {} : { interface: ifIndex }) };
  core.apply({ kind: "route", table, prefix, add: true, paths: [path] });
}
