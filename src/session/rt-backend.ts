/** What can decide on flows that have no connection (VPP's rt-backend engines); one of them is on, or none. */
export const RT_BACKENDS = ["none", "rule-table", "sdl"] as const;

/** One of them. */
export type RtBackendName = (typeof RT_BACKENDS)[number];

/** Nothing is said of the flow, or it is allowed: listeners come next. */
export const FLOW_PASS = -1;
/** The flow is filtered: no answer. */
export const FLOW_DROP = -2;
/** The flow is for an application that does not listen: nobody is there. */
export const FLOW_NOBODY = -3;

/**
 * An engine behind {@link SessionLookup}: decides on a flow of a session table (a FIB index, or a namespace's local table)
 * for which no connection was found. The answer is one of the FLOW_ constants, or the session of the listener that the
 * flow is for. `ports` is local port << 16 | remote port. Asked per packet: no allocation, no exception.
 */
export interface RtBackend {
  /** Addresses are the flow's as seen from this host. */
  decide4(table: number, proto: number, lcl: number, rmt: number, ports: number): number;
  /** As {@link decide4}; addresses as big-endian words. */
  decide6(
    table: number,
    proto: number,
    l0: number,
    l1: number,
    l2: number,
    l3: number,
    r0: number,
    r1: number,
    r2: number,
    r3: number,
    ports: number,
  ): number;
}
