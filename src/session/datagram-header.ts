import {
  DGRAM_HAS_TRAFFIC_CLASS,
  DGRAM_HEADER_BYTES,
  DGRAM_INTERFACE,
  DGRAM_IS_IP4,
  DGRAM_LOCAL_IP,
  DGRAM_LOCAL_PORT,
  DGRAM_NO_INTERFACE,
  DGRAM_REMOTE_IP,
  DGRAM_REMOTE_PORT,
  DGRAM_TRAFFIC_CLASS,
} from "../mem/fifo-datagram.js";

/** Who sent the datagram that was read last, and what was sent. One object, written again by each read. */
export interface DatagramInfo {
  isIp6: boolean;
  /** Big-endian words; IPv4 uses the first. */
  readonly remote: Int32Array;
  remotePort: number;
  readonly local: Int32Array;
  localPort: number;
  /** Differentiated services code point and congestion notification that it came with (RFC 2474, RFC 3168). */
  dscp: number;
  ecn: number;
  /** Index of the interface that it came in on; -1: this host sent it itself. */
  ifIndex: number;
  /** Bytes of the whole datagram, also when the reader's array was shorter. */
  length: number;
}

/** `dscp` of a datagram to send: its session's. */
export const SESSION_DSCP = -1;
/** Largest DSCP. */
const MAX_DSCP = 63;

/** Whether a datagram may be sent with that DSCP. */
export function isDscp(dscp: number): boolean {
  return Number.isInteger(dscp) && dscp >= SESSION_DSCP && dscp <= MAX_DSCP;
}

/** Info of no datagram. */
export function noDatagram(): DatagramInfo {
  const [remote, local] = [new Int32Array(4), new Int32Array(4)];
  return { isIp6: false, remote, remotePort: 0, local, localPort: 0, dscp: 0, ecn: 0, ifIndex: -1, length: 0 };
}

/** Reads what a datagram's header says at byte `at` of `dv` into `info`, but for its length. */
export function readDatagramHeader(dv: DataView, at: number, info: DatagramInfo): void {
  info.isIp6 = dv.getUint8(at + DGRAM_IS_IP4) === 0;
  const skip = info.isIp6 ? 0 : 12;
  for (let i = 0; i < 4; i++) {
    info.remote[i] = skip > 0 && i > 0 ? 0 : dv.getInt32(at + DGRAM_REMOTE_IP + skip + 4 * i);
    info.local[i] = skip > 0 && i > 0 ? 0 : dv.getInt32(at + DGRAM_LOCAL_IP + skip + 4 * i);
  }
  info.remotePort = dv.getUint16(at + DGRAM_REMOTE_PORT);
  info.localPort = dv.getUint16(at + DGRAM_LOCAL_PORT);
  const trafficClass = dv.getUint8(at + DGRAM_TRAFFIC_CLASS);
  info.dscp = trafficClass >>> 2;
  info.ecn = trafficClass & 3;
  const ifIndex = dv.getUint16(at + DGRAM_INTERFACE);
  info.ifIndex = ifIndex === DGRAM_NO_INTERFACE ? -1 : ifIndex;
}

/**
 * Writes the addresses of a datagram to send, and its DSCP, into its header at byte `at` of `dv`: what is not given is left to
 * the stack.
 */
export function writeDatagramHeader(
  dv: DataView,
  at: number,
  isIp6: boolean,
  remote: Int32Array | undefined,
  remotePort: number,
  local: Int32Array | undefined,
  dscp: number,
): void {
  for (let i = DGRAM_REMOTE_IP; i < DGRAM_HEADER_BYTES; i += 4) dv.setInt32(at + i, 0);
  const skip = isIp6 ? 0 : 12;
  for (let i = 0; i < (isIp6 ? 4 : 1); i++) {
    if (remote !== undefined) dv.setInt32(at + DGRAM_REMOTE_IP + skip + 4 * i, remote[i]);
    if (local !== undefined) dv.setInt32(at + DGRAM_LOCAL_IP + skip + 4 * i, local[i]);
  }
  dv.setUint16(at + DGRAM_REMOTE_PORT, remotePort);
  dv.setUint8(at + DGRAM_IS_IP4, isIp6 ? 0 : 1);
  if (dscp < 0) return;
  dv.setUint8(at + DGRAM_TRAFFIC_CLASS, dscp << 2);
  dv.setUint8(at + DGRAM_HAS_TRAFFIC_CLASS, 1);
}
