import type { App } from "../../src/app/app.js";
import { AppServer } from "../../src/app/attach.js";
import type { AppCallbacks } from "../../src/app/callbacks.js";
import { type FlowHookHandle, type OnFlow, setFlowHook } from "../../src/app/flow-hook.js";
import { wire } from "../../src/device/wire-device.js";
import { NativeWindow } from "../../src/host/native-window.js";
import { opensslEngine } from "../../src/host/openssl-engine.js";
import { SystemClock } from "../../src/host/system-clock.js";
import { MemoryWindow } from "../../src/mem/window.js";
import type { AppStack } from "../../src/node/apps/index.js";
import { createNet, type Net } from "../../src/node/net/index.js";
import { createTls, type Tls } from "../../src/node/tls/index.js";
import { SeededRandom } from "../../src/random/seeded.js";
import type { ApplicationOptions } from "../../src/session/application.js";
import type { SessionConfig } from "../../src/session/session-config.js";
import { SMALL_LIMITS, Stack, type StackLimits } from "../../src/stack.js";
import type { CryptoStore } from "../../src/transport/tls/crypto-store.js";

/** A host of a {@link stackPair}. */
export class PairedHost implements AppStack {
  readonly address4: string;
  readonly address6: string;
  readonly core: Stack;
  readonly net: Net;
  readonly tls: Tls;
  /** What callbacks threw. */
  readonly errors: unknown[] = [];
  readonly #apps: AppServer;

  constructor(n: number, wake: () => void, options: PairOptions) {
    this.address4 = `198.18.0.${n}`;
    this.address6 = `2001:db8:18::${n}`;
    const bytes = options.windowBytes ?? 48 << 20;
    const native = options.tls === true ? new NativeWindow({ bytes, hugePages: false }) : undefined;
    this.core = new Stack({
      window: native?.window ?? MemoryWindow.plain(bytes),
      clock: new SystemClock(),
      random: new SeededRandom(n),
      hooks: { wake, reportError: (error) => this.errors.push(error) },
      limits: { ...SMALL_LIMITS, fifoBytes: 16 << 20, largePackets: 64, ...options.limits },
      ...(options.session === undefined ? {} : { session: options.session }),
      ...(native === undefined ? {} : { tls: { engine: opensslEngine(native) } }),
    });
    this.#apps = new AppServer(this.core.host.sessions);
    this.net = createNet(this);
    this.tls = createTls(this);
  }

  attach(options: ApplicationOptions, callbacks: AppCallbacks): Promise<App> {
    return this.#apps.attach(options, callbacks);
  }

  async onFlow(onFlow: OnFlow): Promise<FlowHookHandle> {
    return setFlowHook(this.core.host.sessions, "default", "", onFlow);
  }

  /** Certificates and trust of tls://. */
  get cryptoStore(): CryptoStore {
    const { tls } = this.core.host;
    if (tls === undefined) throw new Error("a pair without TLS");
    return tls.store;
  }

  /** Sessions there are, listeners counted. */
  get sessionCount(): number {
    let count = 0;
    const { table } = this.core.host.sessions;
    for (let s = 0; s < table.capacity; s++) if (table.isUsed(s)) count++;
    return count;
  }
}

/** What both hosts of a pair are like. */
export interface PairOptions {
  readonly windowBytes?: number;
  /** With TLS. Default false. */
  readonly tls?: boolean;
  readonly limits?: Partial<StackLimits>;
  readonly session?: Partial<SessionConfig>;
}

/** Two hosts in this process on one wire in memory, each with a real clock. */
export interface StackPair {
  readonly a: PairedHost;
  readonly b: PairedHost;
  /** Ends both; nothing keeps the process alive afterwards. */
  close(): Promise<void>;
}

/** Makes two hosts, 198.18.0.1 and 198.18.0.2, and lets them run when there is something to do. */
export function stackPair(options: PairOptions = {}): StackPair {
  let isAwake = false;
  let isClosed = false;
  let timer: NodeJS.Timeout | undefined;
  const wake = (): void => {
    if (isAwake || isClosed) return;
    isAwake = true;
    setImmediate(run);
  };
  const hosts = [new PairedHost(1, wake, options), new PairedHost(2, wake, options)] as const;
  const ends = wire();
  for (const [i, { core, address4, address6 }] of hosts.entries()) {
    core.addInterface("wire0", ends[i], { addresses: [`${address4}/24`, `${address6}/64`] });
    ends[i].onReadable = wake;
  }
  function run(): void {
    if (isClosed) return;
    isAwake = false;
    clearTimeout(timer);
    let moved = 0;
    for (let i = 0; i < 16; i++) for (const { core } of hosts) moved += core.engine.turn();
    const ticks = hosts.map(({ core }) => core.engine.nextExpiry()).filter((each) => each >= 0);
    if (moved > 0 || ticks.includes(0)) wake();
    else if (ticks.length > 0) timer = setTimeout(wake, Math.ceil(Math.min(...ticks) / 10));
  }
  return {
    a: hosts[0],
    b: hosts[1],
    async close() {
      for (const { net, tls } of hosts) {
        await net.close();
        await tls.close();
      }
      isClosed = true;
      clearTimeout(timer);
      for (const { core } of hosts) core.close();
    },
  };
}

/** Waits until something holds; fails after a while. */
export async function eventually(holds: () => boolean, what: string, limitMs = 3000): Promise<void> {
  const untilMs = performance.now() + limitMs;
  while (!holds()) {
    if (performance.now() > untilMs) throw new Error(`not within ${limitMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
