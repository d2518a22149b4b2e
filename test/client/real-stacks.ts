import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach } from "vitest";
import type { AppCallbacks } from "../../src/app/callbacks.js";
import { attach, type ClientApp } from "../../src/client/client-app.js";
import type { ClientOptions } from "../../src/client/client-options.js";
import { createStack } from "../../src/index.js";
import { wire } from "../../src/device/wire-device.js";
import type { LiveStack } from "../../src/node/live-stack.js";
import { fdsAreBack, openFds } from "../host/sockets.js";

const LIMITS = { smallPackets: 4096, largePackets: 256, fifoBytes: 64 << 20, appSegmentBytes: 128 << 20 };

/** Two stacks on a wire, in this process: to the near one its applications attach by its sockets. */
export interface RealStacks {
  /** 198.18.0.1. */
  readonly near: LiveStack;
  /** 198.18.0.2. */
  readonly far: LiveStack;
  /** Where the near one's attach sockets are. */
  readonly directory: string;
  readonly errors: unknown[];
  attach(callbacks?: AppCallbacks, options?: Partial<ClientOptions>): Promise<ClientApp>;
  /** Ends the near stack, and makes it anew. */
  restart(): Promise<void>;
  /** Ends the near stack. */
  stop(): Promise<void>;
}

/** Makes them before each test; afterwards all is gone, and no descriptor is left over. `isTlsFar`: the far one has TLS, too. */
export function realStacks(isTlsFar = false): RealStacks {
  let directory = "";
  let near: LiveStack | undefined;
  let far: LiveStack | undefined;
  let ends = wire();
  let fdsBefore = 0;
  let apps: ClientApp[] = [];
  const errors: unknown[] = [];
  const onError = (error: unknown): void => void errors.push(error);
  const make = (i: 0 | 1): Promise<LiveStack> => {
    const addresses = [`198.18.0.${i + 1}/24`, `2001:db8:18::${i + 1}/64`];
    const interfaces = [{ name: "w0", kind: "wire" as const, device: ends[i], addresses }];
    // Tests attach more often than clients do.
    const attaching =
      i === 0
        ? { attach: { directory, attemptsPerSecond: 1000, flowHooks: ["default"], evtCollectors: ["default"] } }
        : isTlsFar
          ? { attach: { directory: join(directory, "far") } }
          : {};
    return createStack({ interfaces, limits: LIMITS, ...attaching }, { onError });
  };
  const stop = async (): Promise<void> => {
    for (const stack of [near, far]) await stack?.close();
    near = far = undefined;
  };
  const start = async (): Promise<void> => {
    ends = wire();
    near = await make(0);
    far = await make(1);
  };
  const need = (stack: LiveStack | undefined): LiveStack => {
    if (stack === undefined) throw new Error("the stack was stopped");
    return stack;
  };
  beforeEach(async () => {
    fdsBefore = openFds();
    directory = mkdtempSync(join(tmpdir(), "weft-client-"));
    apps = [];
    errors.length = 0;
    await start();
  });
  afterEach(async () => {
    for (const app of apps) await app.detach().catch(() => undefined);
    await stop();
    rmSync(directory, { recursive: true, force: true });
    await fdsAreBack(fdsBefore);
  });
  return {
    get near() {
      return need(near);
    },
    get far() {
      return need(far);
    },
    get directory() {
      return directory;
    },
    errors,
    async attach(callbacks, options = {}) {
      const app = await attach({ name: `app${apps.length}`, directory, onError, ...options }, callbacks);
      apps.push(app);
      return app;
    },
    async restart() {
      await stop();
      await start();
    },
    stop,
  };
}
