import type { InterfaceIndex } from "../device/interface.js";
import { isLinkLocal6, maskWord, type Prefix } from "./address.js";
import type { InterfaceAddresses } from "./interface-address.js";

// What ARP and neighbor discovery ask about addresses, by bare words: their nodes run on what strangers send.

/** Whether the interface itself has the IPv4 address. */
export function ownsAddress4(addresses: InterfaceAddresses, ifIndex: InterfaceIndex, word: number): boolean {
  const list = addresses.of(ifIndex, 4);
  for (let i = 0; i < list.length; i++) if (list[i].address.words[0] === word) return true;
  return false;
}

/** Whether the IPv4 address is a host's in a subnet of the interface: neither its network nor its broadcast address. */
export function isOnLink4(addresses: InterfaceAddresses, ifIndex: InterfaceIndex, word: number): boolean {
  const list = addresses.of(ifIndex, 4);
  for (let i = 0; i < list.length; i++) {
    const { address, length } = list[i];
    const mask = maskWord(length, 0);
    if (((address.words[0] ^ word) & mask) !== 0) continue;
    // RFC 3021: the two addresses of a /31 are both hosts.
    return length >= 31 || ((word & ~mask) !== 0 && (word | mask) !== -1);
  }
  return false;
}

function covers6({ address, length }: Prefix, w0: number, w1: number, w2: number, w3: number): boolean {
  const { words } = address;
  return (
    ((words[0] ^ w0) & maskWord(length, 0)) === 0 &&
    ((words[1] ^ w1) & maskWord(length, 1)) === 0 &&
    ((words[2] ^ w2) & maskWord(length, 2)) === 0 &&
    ((words[3] ^ w3) & maskWord(length, 3)) === 0
  );
}

/** Whether the interface itself has the IPv6 address. */
export function ownsAddress6(
  addresses: InterfaceAddresses,
  ifIndex: InterfaceIndex,
  w0: number,
  w1: number,
  w2: number,
  w3: number,
): boolean {
  const list = addresses.of(ifIndex, 6);
  for (let i = 0; i < list.length; i++) {
    const { words } = list[i].address;
    if (words[3] === w3 && words[2] === w2 && words[1] === w1 && words[0] === w0) return true;
  }
  return false;
}

/** Whether the IPv6 address is link-local or in a subnet of the interface. */
export function isOnLink6(
  addresses: InterfaceAddresses,
  ifIndex: InterfaceIndex,
  w0: number,
  w1: number,
  w2: number,
  w3: number,
): boolean {
  if (isLinkLocal6(w0)) return true;
  const list = addresses.of(ifIndex, 6);
  for (let i = 0; i < list.length; i++) if (covers6(list[i], w0, w1, w2, w3)) return true;
  return false;
}
