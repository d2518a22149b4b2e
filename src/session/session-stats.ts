import type { SessionHandle } from "./session-handle.js";

// What event collectors are told of a session that has ended (VPP's application_eventing.h).

/** Of TCP, by the names of RFC 4898; times in milliseconds, counts modulo 2^32. README.md says which are VPP's. */
export const TCP_STATS = [
  "SegsIn",
  "DataSegsIn",
  "SegsOut",
  "DataSegsOut",
  "ThruOctetsReceived",
  "ThruOctetsAcked",
  "SegsRetrans",
  "OctetsRetrans",
  "FastRetran",
  "Timeouts",
  "DupAcksIn",
  "SACKsRcvd",
  "DSACKDups",
  "SpuriousDetected",
  "CurMSS",
  "SmoothedRTT",
  "RTTVar",
  "MinRTT",
] as const;

/** Of UDP, by the names of RFC 4113, with octets of payload; modulo 2^32. InErrors: found no room in the rx fifo. */
export const UDP_STATS = ["InDatagrams", "InOctets", "OutDatagrams", "OutOctets", "InErrors"] as const;

/**
 * Of cut-through, as of TCP: what the application wrote and the other end has read, and what the other end wrote. By a
 * reset octets that nobody has read are thrown away, and count.
 */
export const CT_STATS = ["ThruOctetsReceived", "ThruOctetsAcked"] as const;

/** Numbers by these names. */
export type StatsOf<N extends readonly string[]> = Readonly<Record<N[number], number>>;

/** What is told of a session of any transport. */
export interface EndedSession {
  /** The session's handle, which nothing has any more. */
  readonly session: SessionHandle;
  readonly app: string;
  readonly appIndex: number;
  /** Number of the application's worker that had it. */
  readonly worker: number;
  /** Index of the listening session that it came by, -1 when the application connected. */
  readonly listener: number;
  /** `address:port`. */
  readonly local: string;
  readonly remote: string;
  /** When it began and ended, milliseconds on the stack's clock; the time between counts modulo 2^32. */
  readonly startMs: number;
  readonly endMs: number;
  /** Who closed first (VPP close_reason): the application, or the transport, that is, the peer or a failure. */
  readonly closedBy: "app" | "transport";
  /** Name of the session error that ended it; undefined: it was closed. */
  readonly error: string | undefined;
}

/** What is told of a session, with the statistics of its transport. */
export type SessionStats = EndedSession &
  (
    | { readonly proto: "tcp"; readonly statistics: StatsOf<typeof TCP_STATS> }
    | { readonly proto: "udp"; readonly statistics: StatsOf<typeof UDP_STATS> }
    | { readonly proto: "ct"; readonly statistics: StatsOf<typeof CT_STATS> }
  );

/** Those of a transport's statistics that have these names; 0 for what it has not. */
export function pickStats<const N extends readonly string[]>(
  names: N,
  all: Readonly<Record<string, number>>,
): StatsOf<N> {
  return Object.fromEntries(names.map((name) => [name, all[name] ?? 0])) as StatsOf<N>;
}
