import type { SessionAddress } from "../../../app/session.js";

/** The ends of a flow, as seen from the stack. */
export interface FlowEnds {
  readonly local: SessionAddress | undefined;
  readonly remote: SessionAddress | undefined;
}

/** Names a flow by its ends: who began it, then whom it is for. */
export function flowKey({ local, remote }: FlowEnds): string {
  return `${remote?.address} ${remote?.port} ${local?.address} ${local?.port}`;
}

/** `tcp 198.18.0.1:80`, IPv6 in brackets, for a line of the log. */
export function formatDestination(proto: string, { address, port, family }: SessionAddress): string {
  return `${proto} ${family === 6 ? `[${address}]` : address}:${port}`;
}
