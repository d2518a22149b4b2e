import type { FlowVerdict } from "./flow-record.js";
import type { RtBackendName } from "./rt-backend.js";

/** The session layer's settings; names and defaults as in the configuration's `session` section. */
export interface SessionConfig {
  /** Session rows: listeners, active opens under way, and sessions. */
  readonly maxSessions: number;
  readonly maxListeners: number;
  readonly maxApplications: number;
  /** Workers of one application. */
  readonly maxAppWorkers: number;
  /** Application namespaces, the default one counted. */
  readonly maxNamespaces: number;
  /** Half-open connections of a listener that names no backlog of its own. */
  readonly backlog: number;
  /** Range of the ports of sessions that name none (VPP min-src-port, max-src-port). */
  readonly minSrcPort: number;
  readonly maxSrcPort: number;
  /** Proxies may listen on every address and port; VPP has no such step in its lookup, so it is off. */
  readonly anyProxy: boolean;
  /** What decides on flows that have no connection (VPP's rt-backend). */
  readonly rtBackend: RtBackendName;
  /** Session rules of all tables together. */
  readonly maxRules: number;
  /** Distinct masks (prefix lengths, ports named or not) of the rules of one table, protocol and family. */
  readonly maxRuleMasks: number;
  /** Prefixes of the source deny lists of all tables together. */
  readonly maxSdlPrefixes: number;
  /** Peers that leave handshakes incomplete get into the source deny list by themselves. */
  readonly autoSdl: boolean;
  /** How many of them a peer leaves so, and within which time; after that time it is let in again (VPP's defaults). */
  readonly autoSdlThreshold: number;
  readonly autoSdlRemoveTimeoutS: number;
  /** Peers that are watched at once. */
  readonly maxAutoSdlPeers: number;
  /** Flows that wait for a hook's decision, of all namespaces together; further ones are decided by default. */
  readonly maxUndecidedFlows: number;
  /** Flows whose decision is remembered until nothing of them has come for 30 s. */
  readonly maxDecidedFlows: number;
  /** How long a hook may take; then the flow is decided by default. */
  readonly flowDecisionMs: number;
  /** What becomes of a flow about which a hook says nothing. */
  readonly flowDefault: FlowVerdict;
  /** Event collectors are told of the sessions of all applications, not only of those that ask for it. */
  readonly collectAll: boolean;
  /** Fifo sizes of applications that name none, bytes. */
  readonly rxFifoBytes: number;
  readonly txFifoBytes: number;
  /** Secret of the default namespace; empty: none is asked for. */
  readonly secret: string;
}

/** The defaults. */
export const DEFAULT_SESSION_CONFIG: SessionConfig = {
  maxSessions: 16_384,
  maxListeners: 1024,
  maxApplications: 256,
  maxAppWorkers: 64,
  maxNamespaces: 256,
  backlog: 1024,
  minSrcPort: 1024,
  maxSrcPort: 65535,
  anyProxy: false,
  rtBackend: "none",
  maxRules: 16_384,
  maxRuleMasks: 64,
  maxSdlPrefixes: 131_072,
  autoSdl: false,
  autoSdlThreshold: 5,
  autoSdlRemoveTimeoutS: 300,
  maxAutoSdlPeers: 16_384,
  maxUndecidedFlows: 1024,
  maxDecidedFlows: 4096,
  flowDecisionMs: 2000,
  flowDefault: "drop",
  collectAll: false,
  rxFifoBytes: 512 * 1024,
  txFifoBytes: 512 * 1024,
  secret: "",
};
