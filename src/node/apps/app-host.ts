import type { App } from "../../app/app.js";
import type { ListenOptions } from "../../app/app-worker.js";
import type { AppCallbacks } from "../../app/callbacks.js";
import type { FlowHookHandle, OnFlow } from "../../app/flow-hook.js";
import type { AppConfig } from "../../host/config-types.js";
import type { ApplicationOptions } from "../../session/application.js";
import type { AttachPoint } from "../attach-point.js";
import type { Net } from "../net/index.js";

/** What a demo application needs of a stack. */
export interface AppStack extends AttachPoint {
  readonly net: Net;
  /**
   * Asks `onFlow`, once each, about new flows from outside: TCP's SYNs before they are answered, and the first datagrams of
   * UDP. Rejects with SessionError: INVALID_NS, WRONG_NS_SECRET, OWNER (the namespace has a hook), NOSUPPORT (from another
   * process, and the configuration does not allow it: `attach.flowHooks`), ALLOC.
   */
  onFlow(onFlow: OnFlow): Promise<FlowHookHandle>;
}

/** A running demo application. */
export interface AppHandle {
  readonly kind: AppConfig["kind"];
  /** Where it listens, as URIs with their real ports. */
  readonly uris: readonly string[];
  /** Stops listening and ends its sessions. Can be called twice. */
  close(): Promise<void>;
}

/** Connections that one demo application takes at a time; more are refused. */
export const MAX_CONNECTIONS = 4096;

/**
 * Attaches an application and lets it listen on every URI; rejects, with nothing left attached, when one fails.
 * `stop` runs once, before it leaves the stack.
 */
export async function startNative(
  stack: AttachPoint,
  kind: AppHandle["kind"],
  listen: readonly string[],
  callbacks: AppCallbacks,
  options: Omit<ApplicationOptions, "name"> = {},
  stop: () => void = () => {},
): Promise<AppHandle> {
  return listenAs(await attachAs(stack, kind, callbacks, options), kind, listen, stop);
}

/**
 * Lets an attached application listen on every URI; rejects, with nothing left attached, when one fails. `stop` runs once,
 * before it leaves the stack.
 */
export async function listenAs(
  app: App,
  kind: AppHandle["kind"],
  listen: readonly string[],
  stop: () => void,
  optionsOf: (uri: string) => ListenOptions = () => ({}),
): Promise<AppHandle> {
  let isClosed = false;
  const close = async (): Promise<void> => {
    if (isClosed) return;
    isClosed = true;
    stop();
    // The stack may have detached it already, with its namespace.
    if (app.workers.length > 0) await app.detach();
  };
  try {
    const uris: string[] = [];
    for (const uri of listen) {
      const { local } = await app.listen(uri, optionsOf(uri));
      const protocol = uri.slice(0, uri.indexOf(":"));
      uris.push(local === undefined ? uri : formatUri(protocol, local.address, local.port));
    }
    return { kind, uris, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Applications of one kind may run more than once: the second is `echo-2`. */
export async function attachAs(
  stack: AttachPoint,
  kind: string,
  callbacks: AppCallbacks,
  options: Omit<ApplicationOptions, "name">,
): Promise<App> {
  for (let i = 1; ; i++) {
    try {
      return await stack.attach({ ...options, name: i === 1 ? kind : `${kind}-${i}` }, callbacks);
    } catch (error) {
      const isTaken = error instanceof Error && "sessionError" in error && error.sessionError === "APP_ATTACHED";
      if (!isTaken || i >= 64) throw error;
    }
  }
}

/** `tcp://198.18.0.2:80`, IPv6 in brackets. */
export function formatUri(protocol: string, address: string, port: number): string {
  return address.includes(":") ? `${protocol}://[${address}]:${port}` : `${protocol}://${address}:${port}`;
}
