// Address Resolution Protocol for IPv4 over Ethernet (RFC 826). Addresses as in ethernet.ts and ip4.ts.

/** Hardware type: 2 bytes. */
export const ARP_HARDWARE = 0;
/** Protocol type: 2 bytes. */
export const ARP_PROTOCOL = 2;
/** Bytes of a hardware address: 1 byte. */
export const ARP_HARDWARE_LEN = 4;
/** Bytes of a protocol address: 1 byte. */
export const ARP_PROTOCOL_LEN = 5;
/** Operation: 2 bytes. */
export const ARP_OPCODE = 6;
/** Sender hardware address: 6 bytes. */
export const ARP_SENDER_MAC = 8;
/** Sender protocol address: 4 bytes. */
export const ARP_SENDER_IP = 14;
/** Target hardware address: 6 bytes. */
export const ARP_TARGET_MAC = 18;
/** Target protocol address: 4 bytes. */
export const ARP_TARGET_IP = 24;
/** Bytes of a message. */
export const ARP_LEN = 28;

/** Who has this address? */
export const ARP_REQUEST = 1;
/** The answer. */
export const ARP_REPLY = 2;

/** A request or reply for IPv4 over Ethernet. */
export const ARP_OK = 0;
/** Shorter than a message. */
export const ARP_TOO_SHORT = 1;
/** Not Ethernet, or its addresses not 6 bytes. */
export const ARP_BAD_HARDWARE = 2;
/** Not IPv4, or its addresses not 4 bytes. */
export const ARP_BAD_PROTOCOL = 3;
/** Neither request nor reply. */
export const ARP_BAD_OPCODE = 4;

const ETHERNET_IP4 = 0x0001_0800;

/** Checks a message within [off, off + len): ARP_OK or an error. */
export function arpCheck(dv: DataView, off: number, len: number): number {
  if (len < ARP_LEN) return ARP_TOO_SHORT;
  const lengths = dv.getUint16(off + ARP_HARDWARE_LEN);
  if (dv.getInt32(off) !== ETHERNET_IP4 || lengths !== 0x0604) {
    return dv.getUint16(off + ARP_HARDWARE) !== 1 || lengths >>> 8 !== 6 ? ARP_BAD_HARDWARE : ARP_BAD_PROTOCOL;
  }
  const opcode = dv.getUint16(off + ARP_OPCODE);
  return opcode === ARP_REQUEST || opcode === ARP_REPLY ? ARP_OK : ARP_BAD_OPCODE;
}

/** Operation: {@link ARP_REQUEST} or {@link ARP_REPLY}. */
export function arpOpcode(dv: DataView, off: number): number {
  return dv.getUint16(off + ARP_OPCODE);
}

/** First two bytes of the sender's MAC address. */
export function arpSenderHi(dv: DataView, off: number): number {
  return dv.getUint16(off + ARP_SENDER_MAC);
}

/** Last four bytes of the sender's MAC address. */
export function arpSenderLo(dv: DataView, off: number): number {
  return dv.getInt32(off + ARP_SENDER_MAC + 2);
}

/** The sender's IPv4 address. */
export function arpSenderIp(dv: DataView, off: number): number {
  return dv.getInt32(off + ARP_SENDER_IP);
}

/** First two bytes of the target's MAC address. */
export function arpTargetHi(dv: DataView, off: number): number {
  return dv.getUint16(off + ARP_TARGET_MAC);
}

/** Last four bytes of the target's MAC address. */
export function arpTargetLo(dv: DataView, off: number): number {
  return dv.getInt32(off + ARP_TARGET_MAC + 2);
}

/** The target's IPv4 address. */
export function arpTargetIp(dv: DataView, off: number): number {
  return dv.getInt32(off + ARP_TARGET_IP);
}

/** Writes a message; returns its length. */
export function arpEmit(
  dv: DataView,
  off: number,
  opcode: number,
  senderHi: number,
  senderLo: number,
  senderIp: number,
  targetHi: number,
  targetLo: number,
  targetIp: number,
): number {
  dv.setInt32(off + ARP_HARDWARE, ETHERNET_IP4);
  dv.setUint16(off + ARP_HARDWARE_LEN, 0x0604);
  dv.setUint16(off + ARP_OPCODE, opcode);
  dv.setUint16(off + ARP_SENDER_MAC, senderHi);
  dv.setInt32(off + ARP_SENDER_MAC + 2, senderLo);
  dv.setInt32(off + ARP_SENDER_IP, senderIp);
  dv.setUint16(off + ARP_TARGET_MAC, targetHi);
  dv.setInt32(off + ARP_TARGET_MAC + 2, targetLo);
  dv.setInt32(off + ARP_TARGET_IP, targetIp);
  return ARP_LEN;
}
