// Makes OCSP responses (RFC 6960 4.2.1) that nobody has signed: who staples them does not verify them.
import { X509Certificate } from "node:crypto";

const OID = 6;
const OCTETS = 4;
const SEQUENCE = 0x30;
const GENERALIZED_TIME = 0x18;
const SHA1 = der(SEQUENCE, der(OID, Uint8Array.of(0x2b, 14, 3, 2, 26)));
const ECDSA_SHA256 = der(SEQUENCE, der(OID, Uint8Array.of(0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2)));
const BASIC = der(OID, Uint8Array.of(0x2b, 6, 1, 5, 5, 7, 48, 1, 1));
const HASH = der(OCTETS, new Uint8Array(20));

/** @param {number} tag @param {Uint8Array[]} parts @returns {Uint8Array} */
function der(tag, ...parts) {
  const bytes = Buffer.concat(parts);
  const [high, low] = [bytes.length >> 8, bytes.length & 0xff];
  const length = high > 0 ? [0x82, high, low] : low > 127 ? [0x81, low] : [low];
  return Buffer.concat([Uint8Array.of(tag, ...length), bytes]);
}

/** @param {Date} date */
function time(date) {
  const digits = date.toISOString().replaceAll(/[-:T]|\.\d+/g, "");
  return der(GENERALIZED_TIME, Buffer.from(digits));
}

/**
 * A response, in DER, that a certificate (PEM) is good.
 *
 * @param {Uint8Array} certificate
 * @param {{ next?: Date, status?: number, padding?: number }} [options] when the next one is due; 0: success; bytes of its signature
 * @returns {Uint8Array}
 */
export function ocspResponse(certificate, { next, status = 0, padding = 8 } = {}) {
  const serial = Buffer.from(`00${new X509Certificate(certificate).serialNumber}`, "hex");
  const integer = serial[1] > 127 ? serial : serial.subarray(1);
  const id = der(SEQUENCE, SHA1, HASH, HASH, der(2, integer));
  const due = next === undefined ? [] : [der(0xa0, time(next))];
  const single = der(SEQUENCE, id, Uint8Array.of(0x80, 0), time(new Date(0)), ...due);
  const data = der(SEQUENCE, der(0xa2, HASH), time(new Date(0)), der(SEQUENCE, single));
  const basic = der(SEQUENCE, data, ECDSA_SHA256, der(3, new Uint8Array(padding)));
  return Uint8Array.from(
    der(SEQUENCE, der(10, Uint8Array.of(status)), der(0xa0, der(SEQUENCE, BASIC, der(OCTETS, basic)))),
  );
}
