import type { Endpoint } from "../transport/transport.js";
import type { AppNamespace } from "./app-namespace.js";
import type { LocalAddresses } from "./local-addresses.js";

/** FIB index of an application's packets of one family, -1 when its namespace does not have it. */
export function fibOfFamily({ fib4, fib6 }: AppNamespace, family: 4 | 6): number {
  return family === 6 ? fib6 : fib4;
}

/** Whether an address is one of a namespace: of its interface if it has one, else of any interface of its table. */
export function isAddressOf(
  addresses: LocalAddresses,
  namespace: AppNamespace,
  { family, address }: Pick<Endpoint, "family" | "address">,
): boolean {
  const { ifIndex } = namespace;
  const fib = fibOfFamily(namespace, family);
  if (fib < 0) return false;
  if (ifIndex < 0) return addresses.isLocal(fib, family, address);
  return addresses.hasAddress(ifIndex, family, address);
}

/** Whether a session of a namespace may have an address as its own: one of the namespace's, or one that may be spoofed. */
export function mayBeLocal(
  addresses: LocalAddresses,
  namespace: AppNamespace,
  end: Pick<Endpoint, "family" | "address">,
): boolean {
  const fib = fibOfFamily(namespace, end.family);
  if (fib < 0) return false;
  return isAddressOf(addresses, namespace, end) || addresses.maySpoof(fib, end.family, namespace.ifIndex, end.address);
}
