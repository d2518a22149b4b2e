/** How applications of other processes may attach. */
export interface AttachConfig {
  /** Directory of the sockets, one for each namespace; `@name`: abstract names. */
  readonly directory: string;
  /** Permissions of the socket files. */
  readonly mode: number;
  /** Users and groups that may attach, beside root and the stack's own user. */
  readonly uids: readonly number[];
  readonly gids: readonly number[];
  /** Attempts to attach in a second, and lines about clients that were refused or let go of. */
  readonly attemptsPerSecond: number;
  /** Client workers at most. */
  readonly maxWorkers: number;
  /** Sessions of one client worker at most. */
  readonly maxSessions: number;
  /** Memory of one client's segments at most, bytes: none takes what all have in common (`limits.appSegmentBytes`). */
  readonly maxMemoryBytes: number;
  /** Namespaces whose applications in other processes may decide on new flows, by id. */
  readonly flowHooks: readonly string[];
  /** Namespaces whose applications in other processes may be event collectors, by id. */
  readonly evtCollectors: readonly string[];
}

/** The defaults, but for the directory. */
export const DEFAULT_ATTACH_CONFIG: Omit<AttachConfig, "directory"> = {
  mode: 0o600,
  uids: [],
  gids: [],
  attemptsPerSecond: 50,
  maxWorkers: 64,
  maxSessions: 65_536,
  maxMemoryBytes: 64 << 20,
  flowHooks: [],
  evtCollectors: [],
};
