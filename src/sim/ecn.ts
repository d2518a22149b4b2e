import { checksumUpdate16 } from "../wire/checksum.js";
import { IP4_CHECKSUM } from "../wire/ip4.js";
import { DecodedPacket } from "./decoded-packet.js";
import type { SimFrame } from "./sim-frame.js";

/** RFC 3168 5: congestion experienced. */
const CE = 3;
const NOT_ECT = 0;

/**
 * Marks the packet of a frame as having met congestion, its IPv4 checksum updated (RFC 3168 5, RFC 1624). False, with
 * nothing changed, when it is no IP packet of an ECN-capable transport.
 */
export function markCongestion(frame: SimFrame): boolean {
  const packet = new DecodedPacket(frame.bytes.subarray(0, frame.length));
  const { ecn, ipAt, family } = packet;
  if (family === 0 || ecn === NOT_ECT) return false;
  if (ecn === CE) return true;
  const { dv } = frame;
  const before = dv.getUint16(ipAt);
  if (family === 4) {
    const after = before | CE;
    dv.setUint16(ipAt, after);
    dv.setUint16(ipAt + IP4_CHECKSUM, checksumUpdate16(dv.getUint16(ipAt + IP4_CHECKSUM), before, after));
  } else {
    // The traffic class begins after the four bits of the version.
    dv.setUint16(ipAt, before | (CE << 4));
  }
  return true;
}
