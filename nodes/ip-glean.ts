import { NO_TRACE, type NodeForm } from "../src/graph/node.js";
import type { Host } from "./host.js";
import { discoverErrors, discoverNext, discoverProcess } from "./ip-discover-neighbor.js";

/** ip4-glean: packets for a host in a connected subnet that has no entry of its own in the FIB. */
export const ip4Glean: NodeForm<Host> = {
  name: "ip4-glean",
  next: discoverNext(true),
  errors: discoverErrors,
  trace: NO_TRACE,
  process: (host) => discoverProcess(host, true, true),
};

/** ip6-glean: the twin of ip4-glean. */
export const ip6Glean: NodeForm<Host> = {
  name: "ip6-glean",
  next: discoverNext(false),
  errors: discoverErrors,
  trace: NO_TRACE,
  process: (host) => discoverProcess(host, false, true),
};
