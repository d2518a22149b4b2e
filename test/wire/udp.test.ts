import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { IP4_OK, ip4Check, ip4Emit } from "../../src/wire/ip4.js";
import { IP6_DST, IP6_SRC, ip6Emit, ip6EmitAddress } from "../../src/wire/ip6.js";
import {
  UDP_BAD_CHECKSUM,
  UDP_BAD_LENGTH,
  UDP_NO_CHECKSUM,
  UDP_OK,
  UDP_TOO_SHORT,
  udpCheck,
  udpCheckSum4,
  udpCheckSum6,
  udpDstPort,
  udpEmit,
  udpEmitChecksum4,
  udpEmitChecksum6,
  udpLength,
  udpSrcPort,
} from "../../src/wire/udp.js";
import {
  address6,
  byte,
  guarded,
  hex,
  mutations,
  naiveSum,
  truncated,
  type Views,
  views,
  word16,
  word32,
} from "./guard.js";

const body = fc.array(byte, { maxLength: 60 });

/** A datagram over IPv4 (header at 2, datagram at 22). */
function over4(src: number, dst: number, srcPort: number, dstPort: number, bytes: number[]): Views {
  const window = views(48 + bytes.length, 0xdb);
  ip4Emit(window.dv, 2, 0, 28 + bytes.length, 1, 0, 64, 17, src, dst);
  udpEmit(window.dv, 22, srcPort, dstPort, 8 + bytes.length);
  window.u8.set(bytes, 30);
  udpEmitChecksum4(window.dv, window.u8, window.i32, 2, 22);
  return window;
}

describe("udp", () => {
  it("reads back what it wrote over IPv4, with a checksum by the definition", () => {
    fc.assert(
      fc.property(word32, word32, word16, word16, body, (src, dst, srcPort, dstPort, bytes) => {
        const { dv, u8, i32 } = over4(src, dst, srcPort, dstPort, bytes);
        const len = 8 + bytes.length;
        expect(udpCheck(dv, 22, len)).toBe(UDP_OK);
        expect([udpSrcPort(dv, 22), udpDstPort(dv, 22), udpLength(dv, 22)]).toEqual([srcPort, dstPort, len]);
        expect(udpCheckSum4(dv, u8, i32, 2, 22)).toBe(UDP_OK);
        const pseudo = [...u8.slice(14, 22), 0, 17, 0, len];
        expect(naiveSum([...pseudo, ...u8.slice(22, 22 + len)])).toBe(0xffff);
        expect(dv.getUint16(22 + 6)).not.toBe(0);
        for (const at of [2 + 12, 22, 22 + 5, ...(bytes.length > 0 ? [30] : [])]) {
          u8[at] ^= 4;
          expect(udpCheckSum4(dv, u8, i32, 2, 22)).toBe(UDP_BAD_CHECKSUM);
          u8[at] ^= 4;
        }
      }),
    );
  });

  it("reads back what it wrote over IPv6, where no checksum is an error", () => {
    fc.assert(
      fc.property(address6, address6, word16, word16, body, (src, dst, srcPort, dstPort, bytes) => {
        const { dv, u8, i32 } = views(64 + bytes.length, 0xdb);
        const len = 8 + bytes.length;
        ip6Emit(dv, 2, 0, 0, len, 17, 64);
        ip6EmitAddress(dv, 2 + IP6_SRC, ...src);
        ip6EmitAddress(dv, 2 + IP6_DST, ...dst);
        expect(udpEmit(dv, 42, srcPort, dstPort, len)).toBe(8);
        u8.set(bytes, 50);
        expect(udpCheckSum6(dv, u8, i32, 2, 42)).toBe(UDP_NO_CHECKSUM);
        expect(udpCheckSum4(dv, u8, i32, 2, 42)).toBe(UDP_OK);
        udpEmitChecksum6(dv, u8, i32, 2, 42);
        expect(udpCheckSum6(dv, u8, i32, 2, 42)).toBe(UDP_OK);
        const pseudo = [...u8.slice(10, 42), 0, 0, 0, len, 0, 0, 0, 17];
        expect(naiveSum([...pseudo, ...u8.slice(42, 42 + len)])).toBe(0xffff);
        u8[10] ^= 1;
        expect(udpCheckSum6(dv, u8, i32, 2, 42)).toBe(UDP_BAD_CHECKSUM);
      }),
    );
  });

  it("sends a computed checksum of 0 as 0xffff (RFC 768)", () => {
    const { dv } = over4(0, 0, 0xffff - 17 - 10 - 10, 0, [0, 0]);
    expect(dv.getUint16(22 + 6)).toBe(0xffff);
  });

  it("checks the length at every truncation, and cuts what is past it", () => {
    const check = ({ dv }: Views, off: number, len: number) => udpCheck(dv, off, len);
    const datagram = hex("1234 0035 000c 0000 61626364");
    const expected = [...Array<number>(8).fill(UDP_TOO_SHORT), ...Array<number>(4).fill(UDP_BAD_LENGTH), UDP_OK];
    expect(truncated(datagram, check)).toEqual(expected);
    expect(guarded(hex("1234 0035 0007 0000 61626364"), check)).toBe(UDP_BAD_LENGTH);
    expect(guarded(hex("1234 0035 0000 0000 61626364"), check)).toBe(UDP_BAD_LENGTH);
    expect(guarded(hex("1234 0035 0008 0000 61626364"), check)).toBe(UDP_OK);
  });

  it("reads nothing outside a mutated packet", () => {
    const { u8 } = over4(1, 2, 3, 4, [5, 6, 7]);
    const read = ({ dv, u8: bytes, i32 }: Views, off: number, len: number) => {
      if (ip4Check(dv, off, len) !== IP4_OK) return -1;
      const status = udpCheck(dv, off + 20, len - 20);
      return status === UDP_OK ? udpCheckSum4(dv, bytes, i32, off, off + 20) : status;
    };
    fc.assert(fc.property(mutations(u8.slice(2, 2 + 31)), (bytes) => guarded(bytes, read) >= -1));
    expect(guarded(u8.slice(2, 2 + 31), read)).toBe(UDP_OK);
  });
});
