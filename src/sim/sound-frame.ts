import { checksumFold, checksumPseudo4, checksumPseudo6 } from "../wire/checksum.js";
import { PROTOCOL_TCP } from "../wire/ip4.js";
import { frameView, tcpOfFrame } from "./tcp-frame.js";

/**
 * Whether a frame of which a bit was flipped is still a sound TCP segment: IPv6 has header fields that no checksum
 * covers, so the receiver may take it.
 */
export function isSoundSegment(frame: Uint8Array): boolean {
  const segment = tcpOfFrame(frame);
  if (segment === undefined) return false;
  const dv = frameView(frame);
  const { at, ipAt, isIp6, dataAt, dataLen } = segment;
  const end = dataAt + dataLen;
  if (!isIp6 && sumOf(dv, ipAt, at, 0) !== 0xffff) return false;
  return sumOf(dv, at, end, (isIp6 ? checksumPseudo6 : checksumPseudo4)(dv, ipAt, PROTOCOL_TCP, end - at)) === 0xffff;
}

/** The one's complement sum of bytes [at, end) and `sum`: byte by byte, because a frame lies anywhere. */
function sumOf(dv: DataView, at: number, end: number, sum: number): number {
  let total = sum;
  for (let i = at; i < end; i += 2) total += i + 1 < end ? dv.getUint16(i) : dv.getUint8(i) << 8;
  return checksumFold(total);
}
