import { threadId } from "node:worker_threads";
import type { AppCallbacks } from "../app/callbacks.js";
import type { AppStack } from "../node/apps/app-host.js";
import type { AttachPoint } from "../node/attach-point.js";
import { createNet } from "../node/net/index.js";
import type { ApplicationOptions } from "../session/application.js";
import { attach, type ClientApp } from "./client-app.js";
import type { ClientOptions } from "./client-options.js";

/** A stack in another process, as seen from one of its namespaces. */
export interface RemoteStack extends AppStack {
  attach(options: ApplicationOptions, callbacks: AppCallbacks): Promise<ClientApp>;
}

/**
 * A stack in another process with what `createStack` has beside the engine: `attach`, and `net`, shaped like node:net. Nothing
 * happens before one of them is used. Applications get `options.name` after their own, `NAME@…`, so that several processes can
 * run the same ones; default: the number of this process.
 */
export function remoteStack(options: Partial<ClientOptions> = {}): RemoteStack {
  const thread = threadId === 0 ? "" : `.${threadId}`;
  const { name: who = `${process.pid}${thread}`, ...common } = options;
  const point = {
    attach: (own: ApplicationOptions, callbacks: AppCallbacks) =>
      attach({ ...common, ...own, name: `${own.name}@${who}` }, callbacks),
  } satisfies AttachPoint;
  return { ...point, net: createNet(point) };
}
