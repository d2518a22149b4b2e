import type { SessionErrorValue } from "./session-errors.js";

/** What the session layer needs to know of the host's addresses. Control plane. */
export interface LocalAddresses {
  /** Whether packets to the address are for this host. `address` has four words. */
  isLocal(fib: number, family: 4 | 6, address: Int32Array): boolean;
  /** Writes the address that packets to `remote` come from to `out` (four words). Returns 0 or a negative session error. */
  sourceFor(fib: number, family: 4 | 6, remote: Int32Array, out: Int32Array): SessionErrorValue;
  /** Whether packets to the address are for every host of a link. `address` has four words. */
  isBroadcast(fib: number, family: 4 | 6, address: Int32Array): boolean;
}
