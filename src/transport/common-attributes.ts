import { SESSION_E_INVALID } from "../session/session-errors.js";
import { C_FLAGS, C_IP_FIELDS, CF_NO_CHECKSUM_OFFLOAD } from "./transport.js";

/** ECN bits of the traffic class: the transport's, not the application's (RFC 9293 SHLD-22). */
const ECN_BITS = 3;

/** The attributes that the common part of a connection row keeps: those of every transport with packets. */
export type CommonAttribute = "dscp" | "hopLimit" | "nextNode" | "checksumOffload";

/** Whether it is one of them. */
export function isCommonAttribute(name: string): name is CommonAttribute {
  return name === "dscp" || name === "hopLimit" || name === "nextNode" || name === "checksumOffload";
}

/** An attribute of the row at word `r`. */
export function commonAttribute(i32: Int32Array, r: number, name: CommonAttribute): number {
  const fields = i32[r + C_IP_FIELDS];
  switch (name) {
    case "dscp":
      return (fields & 0xff) >> 2;
    case "hopLimit":
      return (fields >>> 8) & 0xff;
    case "nextNode":
      return fields >>> 16;
    case "checksumOffload":
      return (i32[r + C_FLAGS] & CF_NO_CHECKSUM_OFFLOAD) !== 0 ? 0 : 1;
  }
}

/**
 * Sets an attribute of the row at word `r`: DSCP 0 to 63, hop limit 1 to 255, a next index below `nexts`, which the output
 * node of the row's family has, checksum offload 0 or 1. Returns 0 or INVALID.
 */
export function setCommonAttribute(
  i32: Int32Array,
  r: number,
  name: CommonAttribute,
  value: number,
  nexts: number,
): number {
  const least = name === "hopLimit" ? 1 : 0;
  const most = { dscp: 63, hopLimit: 255, nextNode: Math.min(nexts, 0x1_0000) - 1, checksumOffload: 1 }[name];
  if (!Number.isInteger(value) || value < least || value > most) return SESSION_E_INVALID;
  const fields = i32[r + C_IP_FIELDS];
  switch (name) {
    case "dscp":
      i32[r + C_IP_FIELDS] = (fields & ~(0xff & ~ECN_BITS)) | (value << 2);
      break;
    case "hopLimit":
      i32[r + C_IP_FIELDS] = (fields & ~0xff00) | (value << 8);
      break;
    case "nextNode":
      i32[r + C_IP_FIELDS] = (fields & 0xffff) | (value << 16);
      break;
    case "checksumOffload":
      if (value === 1) i32[r + C_FLAGS] &= ~CF_NO_CHECKSUM_OFFLOAD;
      else i32[r + C_FLAGS] |= CF_NO_CHECKSUM_OFFLOAD;
  }
  return 0;
}
