/** What applications in other processes may do that concerns others; each a list of namespaces, by id. */
export interface ClientRights {
  /** Decide on new flows. */
  readonly flowHooks: readonly string[];
  /** Hear of sessions that ended. */
  readonly evtCollectors: readonly string[];
}
