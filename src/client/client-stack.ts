import { threadId } from "node:worker_threads";
import type { AppCallbacks } from "../app/callbacks.js";
import type { FlowHookHandle, OnFlow } from "../app/flow-hook.js";
import type { AttachPoint } from "../node/attach-point.js";
import { createNet } from "../node/net/index.js";
import { createTls } from "../node/tls/index.js";
import type { NamespaceHandle } from "../node/namespace-scope.js";
import type { ApplicationOptions } from "../session/application.js";
import { attach, type ClientApp } from "./client-app.js";
import type { ClientOptions } from "./client-options.js";

/** A stack in another process, as seen from one of its namespaces. */
export interface RemoteStack extends NamespaceHandle {
  attach(options: ApplicationOptions, callbacks: AppCallbacks): Promise<ClientApp>;
}

/**
 * A stack in another process with what `createStack` has beside the engine: `attach`, `net` and `tls`, shaped like node:net and node:tls, and `onFlow`. Nothing
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
  const onFlow = async (hook: OnFlow): Promise<FlowHookHandle> => {
    const app = await point.attach({ name: "flow-hook" }, {});
    try {
      const handle = await app.onFlow(hook);
      return {
        answer: (token, decision) => handle.answer(token, decision),
        async close() {
          await handle.close();
          if (app.workers.length > 0) await app.detach();
        },
      };
    } catch (error) {
      await app.detach();
      throw error;
    }
  };
  return { ...point, net: createNet(point), tls: createTls(point), onFlow };
}
