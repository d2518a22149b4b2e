import type { AttachPoint } from "./attach-point.js";
import type { AppStack } from "./apps/app-host.js";
import type { FlowHookHandle, OnFlow } from "../app/flow-hook.js";
import { createNet } from "./net/index.js";

/** A part of a stack: one of its application namespaces. */
export interface NamespaceHandle extends AppStack {
  /**
   * Asks `onFlow`, once each, about new flows from outside: TCP's SYNs before they are answered, and the first datagrams of
   * UDP. Rejects with SessionError: INVALID_NS, WRONG_NS_SECRET, OWNER (the namespace has a hook), NOSUPPORT (from another
   * process, and the configuration does not allow it: `attach.flowHooks`), ALLOC.
   */
  onFlow(onFlow: OnFlow): Promise<FlowHookHandle>;
}

/** A stack as seen from one of its application namespaces: whoever attaches here attaches there. */
export function namespaceScope(stack: AttachPoint, namespace: string, secret: string | number): AppStack {
  const within: AttachPoint = {
    attach: (options, callbacks) =>
      stack.attach({ ...options, name: `${options.name}@${namespace}`, namespace, secret }, callbacks),
  };
  return { ...within, net: createNet(within) };
}
