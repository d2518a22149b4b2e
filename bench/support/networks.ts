import { loadAddon } from "../../src/host/addon.js";

const made = new Set<string>();
process.on("exit", () => {
  for (const name of made) removeNetns(name);
});

/** Makes a network namespace of this program; gone with it at the latest. */
export function makeNetns(role: string): string {
  const name = `weft-bench-${process.pid}-${role}`;
  loadAddon().ensureNetns(name);
  made.add(name);
  return name;
}

/** Removes a namespace made here. */
export function removeNetns(name: string): void {
  if (!made.delete(name)) return;
  loadAddon().deleteNetns(name);
}

/** Bytes of an IPv4 address. */
function bytesOf(address: string): Uint8Array {
  return Uint8Array.from(address.split("."), Number);
}

/** One end of a veth pair: its namespace, name and address (/24); none for an end that a stack takes over. */
export interface VethEnd {
  readonly netns: string;
  readonly name: string;
  readonly address?: string;
}

/** Makes a veth pair with the kernel's default offloads, both ends up. */
export function makeVeth(a: VethEnd, b: VethEnd): void {
  const addon = loadAddon();
  addon.createVethPair({ netns: a.netns, name: a.name, peerNetns: b.netns, peerName: b.name });
  for (const { netns, name, address } of [a, b]) {
    const addresses = address === undefined ? [] : [{ bytes: bytesOf(address), prefix: 24 }];
    addon.configureInterface({ netns, name, addresses });
  }
}

/** Why there can be no device benchmark here, or undefined when there can. */
export function lackOfDevices(): string | undefined {
  if (process.env["WEFT_NO_NETNS"] !== undefined) return "no network namespaces here";
  if (process.env["WEFT_NO_TUN"] !== undefined) return "no /dev/net/tun here";
  return undefined;
}
