import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ip4Emit } from "../../src/wire/ip4.js";
import { IP6_DST, IP6_SRC, ip6Emit, ip6EmitAddress } from "../../src/wire/ip6.js";
import {
  TCP_BAD_CHECKSUM,
  TCP_BAD_OFFSET,
  TCP_FLAG_FIN,
  TCP_FLAG_SYN,
  TCP_OK,
  TCP_TOO_SHORT,
  tcpAck,
  tcpCheck,
  tcpCheckSum4,
  tcpCheckSum6,
  tcpDstPort,
  tcpEmitChecksum4,
  tcpEmitChecksum6,
  tcpEmitHeader,
  tcpFlags,
  tcpHeaderLen,
  tcpSegmentLen,
  tcpSeq,
  tcpSrcPort,
  tcpUrgent,
  tcpWindow,
} from "../../src/wire/tcp.js";
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
const flags = fc.nat(0x1ff);
const ports = fc.tuple(word16, word16);

function read({ dv }: Views, off: number, len: number): number[] {
  const status = tcpCheck(dv, off, len);
  if (status !== TCP_OK) return [status];
  const fields = [tcpSrcPort(dv, off), tcpDstPort(dv, off), tcpSeq(dv, off), tcpAck(dv, off)];
  return [status, ...fields, tcpHeaderLen(dv, off), tcpFlags(dv, off), tcpWindow(dv, off), tcpUrgent(dv, off)];
}

describe("tcp header", () => {
  it("reads back what it wrote over old bytes", () => {
    const headerLen = fc.integer({ min: 5, max: 15 }).map((words) => words * 4);
    fc.assert(
      fc.property(ports, word32, word32, headerLen, flags, word16, ([src, dst], seq, ack, len, bits, window) => {
        const memory = views(64, 0xdb);
        expect(tcpEmitHeader(memory.dv, 2, src, dst, seq, ack, len, bits, window)).toBe(len);
        expect(read(memory, 2, len)).toEqual([TCP_OK, src, dst, seq, ack, len, bits, window, 0]);
        expect(memory.dv.getUint16(2 + 16)).toBe(0);
        expect(memory.u8[2 + 12] & 0x0e).toBe(0);
      }),
    );
  });

  it("computes checksums by the definition, over both families", () => {
    fc.assert(
      fc.property(word32, word32, ports, word32, body, address6, (src4, dst4, [src, dst], seq, bytes, src6) => {
        const { dv, u8, i32 } = views(80 + bytes.length, 0xdb);
        const len = 20 + bytes.length;
        const segment = () => Array.from(u8.slice(42, 42 + len));
        tcpEmitHeader(dv, 42, src, dst, seq, ~seq, 20, 24, 1000);
        u8.set(bytes, 62);
        ip4Emit(dv, 22, 0, 20 + len, 1, 0, 64, 6, src4, dst4);
        tcpEmitChecksum4(dv, u8, i32, 22, 42, len);
        expect(tcpCheckSum4(dv, u8, i32, 22, 42, len)).toBe(TCP_OK);
        expect(naiveSum([...u8.slice(34, 42), 0, 6, 0, len, ...segment()])).toBe(0xffff);
        u8[42 + 19] ^= 1;
        expect(tcpCheckSum4(dv, u8, i32, 22, 42, len)).toBe(TCP_BAD_CHECKSUM);
        u8[42 + 19] ^= 1;
        ip6Emit(dv, 2, 0, 0, len, 6, 64);
        ip6EmitAddress(dv, 2 + IP6_SRC, ...src6);
        ip6EmitAddress(dv, 2 + IP6_DST, 0x2001_0db8, 0, 0, 1);
        tcpEmitChecksum6(dv, u8, i32, 2, 42, len);
        expect(tcpCheckSum6(dv, u8, i32, 2, 42, len)).toBe(TCP_OK);
        expect(naiveSum([...u8.slice(10, 42), 0, 0, 0, len, 0, 0, 0, 6, ...segment()])).toBe(0xffff);
        u8[2 + IP6_SRC] ^= 1;
        expect(tcpCheckSum6(dv, u8, i32, 2, 42, len)).toBe(TCP_BAD_CHECKSUM);
      }),
    );
  });

  it("is refused at every truncation, and for a data offset that lies", () => {
    const segment = hex("0050 1f90 00000001 00000002 6018 2000 0000 0000 020405b4 616263");
    const statuses = truncated(segment, read).map((answer) => answer[0]);
    const expected = [
      ...Array<number>(20).fill(TCP_TOO_SHORT),
      ...Array<number>(4).fill(TCP_BAD_OFFSET),
      ...Array<number>(4).fill(TCP_OK),
    ];
    expect(statuses).toEqual(expected);
    for (const [offset, status] of [
      [0, TCP_BAD_OFFSET],
      [4, TCP_BAD_OFFSET],
      [5, TCP_OK],
      [6, TCP_OK],
      [7, TCP_BAD_OFFSET],
      [15, TCP_BAD_OFFSET],
    ]) {
      const packet = segment.slice();
      packet[12] = offset << 4;
      expect([offset, guarded(packet, read)[0]]).toEqual([offset, status]);
    }
    fc.assert(fc.property(mutations(segment), (bytes) => guarded(bytes, read).length > 0));
  });

  it("counts SYN and FIN in the sequence space", () => {
    expect(tcpSegmentLen(0, 7)).toBe(7);
    expect(tcpSegmentLen(TCP_FLAG_SYN, 0)).toBe(1);
    expect(tcpSegmentLen(TCP_FLAG_FIN, 7)).toBe(8);
    expect(tcpSegmentLen(0x1ff, 7)).toBe(9);
  });
});
