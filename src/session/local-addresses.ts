import type { SessionErrorValue } from "./session-errors.js";

/** An interface as a namespace sees it. */
export interface InterfaceView {
  readonly ifIndex: number;
  readonly fib4: number;
  readonly fib6: number;
}

/** What the session layer needs to know of the host's addresses. Control plane. */
export interface LocalAddresses {
  /** Whether packets to the address are for this host. `address` has four words. */
  isLocal(fib: number, family: 4 | 6, address: Int32Array): boolean;
  /**
   * Whether a session may have an address as its own that is not this host's: a host's address, and an interface of the
   * table, or interface `ifIndex` unless it is below 0, is spoofing.
   */
  maySpoof(fib: number, family: 4 | 6, ifIndex: number, address: Int32Array): boolean;
  /** Writes the address that packets to `remote` come from to `out` (four words). Returns 0 or a negative session error. */
  sourceFor(fib: number, family: 4 | 6, remote: Int32Array, out: Int32Array): SessionErrorValue;
  /** Whether packets to the address are for every host of a link. `address` has four words. */
  isBroadcast(fib: number, family: 4 | 6, address: Int32Array): boolean;
  /** The interface of that name; undefined when there is none. */
  interfaceOf(name: string): InterfaceView | undefined;
  /** The interface's name, for listings. */
  interfaceName(ifIndex: number): string;
  /** The addresses of an interface, four words each. */
  addressesOf(ifIndex: number, family: 4 | 6): readonly Int32Array[];
  /** Whether an interface has the address (four words; of IPv4 the first counts). Asked for each new flow: no allocation. */
  hasAddress(ifIndex: number, family: 4 | 6, address: Int32Array): boolean;
  /** The interface's own address that suits `remote` best (RFC 6724 5); undefined when it has none of the family. */
  sourceOn(ifIndex: number, family: 4 | 6, remote: Int32Array): Int32Array | undefined;
  /** FIB index of a table by its number; -1 when there is no such table. */
  fibOf(family: 4 | 6, table: number): number;
}
