import type { AttachPoint } from "./attach-point.js";
import type { AppStack } from "./apps/app-host.js";
import { createNet } from "./net/index.js";
import { createTls, type Tls } from "./tls/index.js";

/** A part of a stack: one of its application namespaces. */
export interface NamespaceHandle extends AppStack {
  readonly tls: Tls;
}

/**
 * A stack as seen from one of its application namespaces, but for its flow hook: whoever attaches here attaches there.
 */
export function namespaceScope(
  stack: AttachPoint,
  namespace: string,
  secret: string | number,
): Omit<NamespaceHandle, "onFlow"> {
  const within: AttachPoint = {
    attach: (options, callbacks) =>
      stack.attach({ ...options, name: `${options.name}@${namespace}`, namespace, secret }, callbacks),
  };
  return { ...within, net: createNet(within), tls: createTls(within) };
}
