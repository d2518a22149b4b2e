import {
  DGRAM_HEADER_BYTES,
  DGRAM_IS_IP4,
  DGRAM_LOCAL_IP,
  DGRAM_LOCAL_PORT,
  DGRAM_REMOTE_IP,
  DGRAM_REMOTE_PORT,
} from "../mem/fifo-datagram.js";

/** Who sent the datagram that was read last, and what was sent. One object, written again by each read. */
export interface DatagramInfo {
  isIp6: boolean;
  /** Big-endian words; IPv4 uses the first. */
  readonly remote: Int32Array;
  remotePort: number;
  readonly local: Int32Array;
  localPort: number;
  /** Bytes of the whole datagram, also when the reader's array was shorter. */
  length: number;
}

/** Info of no datagram. */
export function noDatagram(): DatagramInfo {
  return { isIp6: false, remote: new Int32Array(4), remotePort: 0, local: new Int32Array(4), localPort: 0, length: 0 };
}

/** Reads the addresses of a datagram's header at byte `at` of `dv` into `info`, but for its length. */
export function readDatagramHeader(dv: DataView, at: number, info: DatagramInfo): void {
  info.isIp6 = dv.getUint8(at + DGRAM_IS_IP4) === 0;
  const skip = info.isIp6 ? 0 : 12;
  for (let i = 0; i < 4; i++) {
    info.remote[i] = skip > 0 && i > 0 ? 0 : dv.getInt32(at + DGRAM_REMOTE_IP + skip + 4 * i);
    info.local[i] = skip > 0 && i > 0 ? 0 : dv.getInt32(at + DGRAM_LOCAL_IP + skip + 4 * i);
  }
  info.remotePort = dv.getUint16(at + DGRAM_REMOTE_PORT);
  info.localPort = dv.getUint16(at + DGRAM_LOCAL_PORT);
}

/** Writes the addresses of a datagram to send into its header at byte `at` of `dv`: what is not given is left to the stack. */
export function writeDatagramHeader(
  dv: DataView,
  at: number,
  isIp6: boolean,
  remote: Int32Array | undefined,
  remotePort: number,
  local: Int32Array | undefined,
): void {
  for (let i = DGRAM_REMOTE_IP; i < DGRAM_HEADER_BYTES; i += 4) dv.setInt32(at + i, 0);
  const skip = isIp6 ? 0 : 12;
  for (let i = 0; i < (isIp6 ? 4 : 1); i++) {
    if (remote !== undefined) dv.setInt32(at + DGRAM_REMOTE_IP + skip + 4 * i, remote[i]);
    if (local !== undefined) dv.setInt32(at + DGRAM_LOCAL_IP + skip + 4 * i, local[i]);
  }
  dv.setUint16(at + DGRAM_REMOTE_PORT, remotePort);
  dv.setUint8(at + DGRAM_IS_IP4, isIp6 ? 0 : 1);
}
