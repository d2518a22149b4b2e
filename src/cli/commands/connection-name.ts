import type { MethodResult } from "../methods/method-table.js";

/** `[tcp] 198.18.0.2:80->198.18.0.1:40000`, as VPP writes connections. */
export function connectionName({ proto, local, remote }: MethodResult<"session.get">): string {
  return local === null ? `[${proto}] -` : `[${proto}] ${local}->${remote ?? "*"}`;
}
