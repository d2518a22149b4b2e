import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach } from "vitest";
import type { AppCallbacks } from "../../src/app/callbacks.js";
import type { Answer, Session } from "../../src/app/session.js";
import { attach, type ClientApp } from "../../src/client/client-app.js";
import type { ClientOptions } from "../../src/client/client-options.js";
import { fdsAreBack, openFds, until } from "../host/sockets.js";
import { type FakeOptions, FakeStack } from "./fake-stack.js";

export { until } from "../host/sockets.js";

/** The fake stack of a test, at a path of its own, and the applications that attached to it. All are gone afterwards. */
export interface Fixture {
  readonly path: string;
  readonly stack: FakeStack;
  /** What callbacks threw, and what was reported beside. */
  readonly errors: unknown[];
  /** Another stack at the same path, after the one there was. */
  restart(options?: FakeOptions): FakeStack;
  attach(callbacks?: AppCallbacks, options?: Partial<ClientOptions>): Promise<ClientApp>;
}

/** Makes it before each test, and looks for descriptors that are left over after each. */
export function fixture(): Fixture {
  let directory = "";
  let fdsBefore = 0;
  let stack: FakeStack | undefined;
  let apps: ClientApp[] = [];
  const errors: unknown[] = [];
  const restart = (options: FakeOptions = {}): FakeStack => {
    stack?.close();
    stack = new FakeStack(join(directory, "socket"), options);
    return stack;
  };
  beforeEach(() => {
    fdsBefore = openFds();
    directory = mkdtempSync(join(tmpdir(), "weft-client-"));
    apps = [];
    errors.length = 0;
  });
  afterEach(async () => {
    for (const app of apps) await app.detach().catch(() => undefined);
    stack?.close();
    stack = undefined;
    rmSync(directory, { recursive: true, force: true });
    await fdsAreBack(fdsBefore);
  });
  return {
    get path() {
      return join(directory, "socket");
    },
    get stack() {
      return stack ?? restart();
    },
    errors,
    restart,
    async attach(callbacks, options = {}) {
      stack ??= restart();
      const onError = (error: unknown): void => void errors.push(error);
      const app = await attach({ name: "app", socket: join(directory, "socket"), onError, ...options }, callbacks);
      apps.push(app);
      return app;
    },
  };
}

/** Bytes of which any stretch tells where it is from. */
export function pattern(length: number, seed = 0): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = (Math.imul(i + seed, 0x9e3779b1) >>> 24) ^ (i >> 13);
  return bytes;
}

/** Whether these bytes are the first of the pattern. */
export function isPattern(bytes: Uint8Array): boolean {
  const wanted = pattern(bytes.length);
  return bytes.every((byte, i) => byte === wanted[i]);
}

/** All that a session has to read. */
export function readAll(session: Session): Uint8Array {
  const bytes = new Uint8Array(session.readableBytes);
  session.read(bytes);
  return bytes;
}

/** Callbacks that note what is heard of sessions, by name. */
export function noting(heard: string[], more: AppCallbacks = {}): AppCallbacks {
  return {
    accept: () => void heard.push("accept"),
    connected: (_session, error) => void heard.push(error === undefined ? "connected" : `failed ${error.sessionError}`),
    disconnect: () => void heard.push("disconnect"),
    reset: (session, error) => void heard.push(`reset ${error.code} ${session.state}`),
    transportClosed: () => void heard.push("transportClosed"),
    cleanup: (_session, phase) => void heard.push(`cleanup ${phase}`),
    listened: (listener) => void heard.push(`listened ${listener.uri}`),
    unlistened: (listener) => void heard.push(`unlistened ${listener.uri}`),
    lost: (error) => void heard.push(`lost ${error.code}`),
    reattached: () => void heard.push("reattached"),
    detached: () => void heard.push("detached"),
    ...more,
  };
}

/** Lets both sides do what they have to do: several turns of the event loop. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 12; i++) await new Promise((resolve) => setImmediate(resolve));
}

/** What has been or will be answered. */
export async function all<T>(answers: readonly Answer<T>[]): Promise<T[]> {
  const values: T[] = [];
  for (const answer of answers) values.push(await answer);
  return values;
}

/** The value once it is there. */
export async function eventually<T>(value: () => T | undefined): Promise<T> {
  let found = value();
  await until(() => (found ??= value()) !== undefined);
  return found as T;
}
