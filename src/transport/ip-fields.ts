import { SESSION_E_INVALID } from "../session/session-errors.js";
import { C_IP_FIELDS } from "./transport.js";

/** ECN bits of the traffic class: the transport's, not the application's (RFC 9293 SHLD-22). */
const ECN_BITS = 3;

/** The attributes that every connection row keeps in C_IP_FIELDS. */
export type IpAttribute = "dscp" | "hopLimit";

/** An attribute of the row at word `r`. */
export function ipAttribute(i32: Int32Array, r: number, name: IpAttribute): number {
  return name === "dscp" ? (i32[r + C_IP_FIELDS] & 0xff) >> 2 : i32[r + C_IP_FIELDS] >> 8;
}

/** Sets an attribute of the row at word `r`: DSCP 0 to 63, hop limit 1 to 255. Returns 0 or INVALID. */
export function setIpAttribute(i32: Int32Array, r: number, name: IpAttribute, value: number): number {
  const [least, most] = name === "dscp" ? [0, 63] : [1, 255];
  if (!Number.isInteger(value) || value < least || value > most) return SESSION_E_INVALID;
  const fields = i32[r + C_IP_FIELDS];
  i32[r + C_IP_FIELDS] =
    name === "dscp" ? (fields & (0xff00 | ECN_BITS)) | (value << 2) : (fields & 0xff) | (value << 8);
  return 0;
}
