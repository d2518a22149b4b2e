import type { CaptureFrame } from "../device/capture.js";
import { formatAddress, type IpAddress, ip4Address, ip6Address, isLinkLocal6, isMulticast6 } from "../ip/address.js";
import { ETH_DST, ETH_HEADER_LEN } from "../wire/ethernet.js";
import { ip4Dst } from "../wire/ip4.js";
import { ip6Dst } from "../wire/ip6.js";
import { addressKey, frameView, ipOfFrame } from "./tcp-frame.js";

/** A host whose part a stack can play. */
export interface RecordedHost {
  /** Six bytes. */
  readonly mac: Uint8Array;
  /** As text, at most one of each family. */
  readonly addresses: readonly string[];
}

/**
 * The host that a capture's first unicast IP packet goes to, with the first address of each family that packets reach
 * it by: when nobody says whose part the stack is to play. Undefined when there is no such packet.
 */
export function firstRecordedHost(frames: readonly CaptureFrame[]): RecordedHost | undefined {
  let mac: Uint8Array | undefined;
  const addresses = new Map<number, string>();
  for (const { bytes } of frames) {
    if (bytes.length < ETH_HEADER_LEN || (bytes[ETH_DST] & 1) !== 0) continue;
    const ip = ipOfFrame(bytes);
    if (ip === undefined) continue;
    const destination = destinationOf(frameView(bytes), ip.at, ip.isIp6);
    if (destination === undefined) continue;
    mac ??= bytes.slice(ETH_DST, ETH_DST + 6);
    if (addressKey(bytes, ETH_DST, 6) !== addressKey(mac, 0, 6)) continue;
    if (!addresses.has(destination.family)) addresses.set(destination.family, formatAddress(destination));
    if (addresses.size === 2) break;
  }
  return mac === undefined ? undefined : { mac, addresses: [...addresses.values()] };
}

/** The destination, unless it is a group, a broadcast or of link scope. */
function destinationOf(dv: DataView, at: number, isIp6: boolean): IpAddress | undefined {
  if (!isIp6) {
    const word = ip4Dst(dv, at);
    const top = word >>> 24;
    return top === 0 || top === 127 || top >= 224 ? undefined : ip4Address(word);
  }
  const [w0, w1, w2, w3] = [0, 1, 2, 3].map((i) => ip6Dst(dv, at, i));
  const isUsual = !isMulticast6(w0) && !isLinkLocal6(w0) && w0 !== 0;
  return isUsual ? ip6Address(w0, w1, w2, w3) : undefined;
}
