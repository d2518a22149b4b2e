import type { SessionConfig } from "../session/session-config.js";
import type { StackLimits } from "../stack.js";
import type { TcpConfig } from "../transport/tcp/config.js";
import type { LinkOptions } from "./link-options.js";

/** What a link does, as far as it can be written to a file. */
export type CaseLink = Omit<LinkOptions, "loseIf" | "rewrite"> & {
  /** A middlebox that takes the options out of each SYN. */
  readonly stripOptions?: boolean | undefined;
};

/** Something that happens at a time, microseconds since the run began. */
export type CaseChange =
  | { readonly atUs: number; readonly kind: "partition" | "heal" }
  | { readonly atUs: number; readonly kind: "link"; readonly link: CaseLink }
  /** 0 is the server, 1 the first client. */
  | { readonly atUs: number; readonly kind: "vanish"; readonly host: number };

/** All that decides a run: two runs of equal cases are the same packets, byte for byte. It can be written as JSON. */
export interface SimCase {
  /** The scenario that was asked for. */
  readonly scenario: string;
  /** The scenario whose connections these are: another one when the first draws one. */
  readonly workload: string;
  readonly seed: number;
  readonly family: 4 | 6 | "both";
  /** Client hosts: one is on the other end of the server's link, several are behind a switch at its end. */
  readonly clients: number;
  /** Connections, or rounds, first to first + connections - 1 of the scenario. */
  readonly first: number;
  readonly connections: number;
  /** Bytes of each send and receive, in thousandths of the scenario's. */
  readonly sizePermille: number;
  /** The server's link. */
  readonly link: CaseLink;
  readonly changes: readonly CaseChange[];
  /** Parts per million that each host's clock is fast, the server's first; those that lack are right. */
  readonly skewPpm: readonly number[];
  /** How long a turn of each host takes, microseconds, likewise; those that lack take no time. */
  readonly turnUs: readonly number[];
  /** Largest IP packet of the hosts, bytes. */
  readonly mtu: number;
  readonly backlog: number;
  /** A hook decides on the flows to the server. */
  readonly flowHook?: boolean;
  readonly tcp: Partial<TcpConfig>;
  readonly session: Partial<SessionConfig>;
  readonly limits: Partial<StackLimits>;
}
