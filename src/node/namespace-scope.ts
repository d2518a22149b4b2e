import type { AttachPoint } from "./attach-point.js";
import type { AppStack } from "./apps/app-host.js";
import { createNet } from "./net/index.js";

/** A stack as seen from one of its application namespaces: whoever attaches here attaches there. */
export function namespaceScope(stack: AttachPoint, namespace: string, secret: string | number): AppStack {
  const within: AttachPoint = {
    attach: (options, callbacks) =>
      stack.attach({ ...options, name: `${options.name}@${namespace}`, namespace, secret }, callbacks),
  };
  return { ...within, net: createNet(within) };
}
