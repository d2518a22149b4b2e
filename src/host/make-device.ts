import type { Device } from "../device/device.js";
import { type IpAddress, parseAddress, parsePrefix } from "../ip/address.js";
import type { AddressBytes, KernelRoute } from "./addon.js";
import type { KernelRouteConfig, ResolvedInterface } from "./config-types.js";
import type { NativeWindow } from "./native-window.js";
import { PacketRingDevice } from "./packet-ring-device.js";
import { TapDevice } from "./tap-device.js";

/**
 * Opens the device of a configured interface. Throws with one clear message, and leaves nothing behind, when the
 * system refuses. `native` is there whenever a kind of device needs it.
 */
export function makeDevice(config: ResolvedInterface, native: NativeWindow | undefined): Device {
  const { name, device, mtu, mac, offloads } = config;
  if (config.kind === "wire" || native === undefined) {
    if (device === undefined) throw new Error(`interface ${name}: kind wire needs a device`);
    return device;
  }
  const where = config.netns === undefined ? { name } : { name, netns: config.netns };
  const own = mac === undefined ? where : { ...where, mac };
  if (config.kind === "af-packet") return new PacketRingDevice(native, { ...own, offload: offloads.gso });
  const host = { addresses: config.host.addresses.map(prefixBytes), routes: config.host.routes.map(routeBytes) };
  return new TapDevice(native, { ...own, mtu: mtu ?? 1500, host, checksum: offloads.checksum, gso: offloads.gso });
}

/** An address in network order, as the kernel takes it. */
function addressBytes({ family, words }: IpAddress): Uint8Array {
  const bytes = new Uint8Array(family === 4 ? 4 : 16);
  const view = new DataView(bytes.buffer);
  for (let at = 0; at < bytes.length; at += 4) view.setInt32(at, words[at >> 2]);
  return bytes;
}

function prefixBytes(text: string): AddressBytes {
  const { address, length } = parsePrefix(text);
  return { bytes: addressBytes(address), prefix: length };
}

function routeBytes({ prefix, via }: KernelRouteConfig): KernelRoute {
  const route = prefixBytes(prefix);
  return via === undefined ? route : { ...route, via: addressBytes(parseAddress(via)) };
}
