import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  ICMP4_BAD_CHECKSUM,
  ICMP4_BAD_QUOTE,
  ICMP4_ECHO_REQUEST,
  ICMP4_OK,
  ICMP4_TOO_SHORT,
  icmp4Check,
  icmp4CheckQuote,
  icmp4Code,
  icmp4Emit,
  icmp4EmitChecksum,
  icmp4Gateway,
  icmp4Id,
  icmp4IsError,
  icmp4MakeEchoReply,
  icmp4Mtu,
  icmp4Pointer,
  icmp4Seq,
  icmp4Type,
} from "../../src/wire/icmp4.js";
import {
  ICMP6_BAD_CHECKSUM,
  ICMP6_BAD_QUOTE,
  ICMP6_ECHO_REQUEST,
  ICMP6_OK,
  ICMP6_TOO_SHORT,
  icmp6Check,
  icmp6CheckQuote,
  icmp6Code,
  icmp6Emit,
  icmp6EmitChecksum,
  icmp6Id,
  icmp6IsError,
  icmp6MakeEchoReply,
  icmp6Mtu,
  icmp6Pointer,
  icmp6Seq,
  icmp6Type,
} from "../../src/wire/icmp6.js";
import { IP6_SRC, ip6Emit, ip6EmitAddress } from "../../src/wire/ip6.js";
import { address6, byte, guarded, mutations, naiveSum, truncated, type Views, views, word16, word32 } from "./guard.js";

const body = fc.array(byte, { maxLength: 60 });

/** An echo request with this body at offset 2 of fresh views. */
function echo4(id: number, seq: number, bytes: number[]): Views & { readonly len: number } {
  const window = views(16 + bytes.length, 0xdb);
  icmp4Emit(window.dv, 2, ICMP4_ECHO_REQUEST, 0, (id << 16) | seq);
  window.u8.set(bytes, 10);
  icmp4EmitChecksum(window.dv, window.u8, window.i32, 2, 8 + bytes.length);
  return { ...window, len: 8 + bytes.length };
}

describe("icmp4", () => {
  const read = ({ dv, u8, i32 }: Views, off: number, len: number): number[] => {
    const status = icmp4Check(u8, i32, off, len);
    if (status !== ICMP4_OK) return [status];
    const rest = [icmp4Id(dv, off), icmp4Seq(dv, off), icmp4Gateway(dv, off), icmp4Mtu(dv, off), icmp4Pointer(dv, off)];
    return [status, icmp4Type(dv, off), icmp4Code(dv, off), ...rest];
  };

  it("reads back what it wrote, with a checksum by the definition", () => {
    fc.assert(
      fc.property(byte, byte, word32, body, (type, code, rest, bytes) => {
        const window = views(16 + bytes.length, 0xdb);
        expect(icmp4Emit(window.dv, 2, type, code, rest)).toBe(8);
        window.u8.set(bytes, 10);
        icmp4EmitChecksum(window.dv, window.u8, window.i32, 2, 8 + bytes.length);
        const low = rest & 0xffff;
        const expected = [ICMP4_OK, type, code, rest >>> 16, low, rest, low, rest >>> 24];
        expect(read(window, 2, 8 + bytes.length)).toEqual(expected);
        expect(naiveSum(window.u8.slice(2, 10 + bytes.length))).toBe(0xffff);
      }),
    );
  });

  it("turns a request of zeros into a reply with a right checksum: 0xffff, not 0", () => {
    const { dv, u8, i32, len } = echo4(0, 0, [0, 0, 0]);
    icmp4MakeEchoReply(dv, 2);
    expect(icmp4Check(u8, i32, 2, len)).toBe(ICMP4_OK);
    expect(dv.getUint16(4)).toBe(0xffff);
  });

  it("turns a request into a reply with a right checksum", () => {
    fc.assert(
      fc.property(word16, word16, body, (id, seq, bytes) => {
        const { dv, u8, i32, len } = echo4(id, seq, bytes);
        icmp4MakeEchoReply(dv, 2);
        expect(icmp4Check(u8, i32, 2, len)).toBe(ICMP4_OK);
        expect([icmp4Type(dv, 2), icmp4Code(dv, 2), icmp4Id(dv, 2), icmp4Seq(dv, 2)]).toEqual([0, 0, id, seq]);
        expect(Array.from(u8.slice(10, 10 + bytes.length))).toEqual(bytes);
      }),
    );
  });

  it("refuses short and damaged messages", () => {
    const { u8, len } = echo4(1, 2, [3, 4, 5, 6]);
    const message = u8.slice(2, 2 + len);
    const answers = truncated(message, read).map((answer) => answer[0]);
    expect(answers.slice(0, 8)).toEqual(Array<number>(8).fill(ICMP4_TOO_SHORT));
    expect(answers[len]).toBe(ICMP4_OK);
    for (let bit = 0; bit < len * 8; bit++) {
      const damaged = message.slice();
      damaged[bit >> 3] ^= 1 << (bit & 7);
      expect(guarded(damaged, read)).toEqual([ICMP4_BAD_CHECKSUM]);
    }
    fc.assert(fc.property(mutations(message), (bytes) => guarded(bytes, read).length > 0));
  });

  it("checks the packet that an error quotes", () => {
    const check = ({ dv }: Views, off: number, len: number) => icmp4CheckQuote(dv, off, len);
    const quote = (first: number, len: number) => [
      ...Array<number>(8).fill(0),
      first,
      ...Array<number>(len - 1).fill(9),
    ];
    expect(guarded(quote(0x45, 28), check)).toBe(ICMP4_OK);
    expect(guarded(quote(0x45, 27), check)).toBe(ICMP4_TOO_SHORT);
    expect(guarded(quote(0x46, 31), check)).toBe(ICMP4_TOO_SHORT);
    expect(guarded(quote(0x46, 32), check)).toBe(ICMP4_OK);
    expect(guarded(quote(0x44, 40), check)).toBe(ICMP4_BAD_QUOTE);
    expect(guarded(quote(0x65, 40), check)).toBe(ICMP4_BAD_QUOTE);
    expect(truncated(quote(0x45, 28), check)).toEqual([...Array<number>(36).fill(ICMP4_TOO_SHORT), ICMP4_OK]);
  });

  it("knows its error messages", () => {
    const errors = Array.from({ length: 256 }, (_, type) => type).filter(icmp4IsError);
    expect(errors).toEqual([3, 4, 5, 11, 12]);
  });
});

/** A window with an IPv6 header at 0 and a message of `len` bytes written by `emit` at 40. */
function message6(src: [number, number, number, number], len: number, emit: (w: Views) => void): Views {
  const window = views(40 + len, 0xdb);
  ip6Emit(window.dv, 0, 0, 0, len, 58, 255);
  ip6EmitAddress(window.dv, IP6_SRC, ...src);
  ip6EmitAddress(window.dv, IP6_SRC + 16, 0x2001_0db8, 0, 0, 2);
  emit(window);
  icmp6EmitChecksum(window.dv, window.u8, window.i32, 0, 40, len);
  return window;
}

describe("icmp6", () => {
  const read = ({ dv, u8, i32 }: Views, off: number, len: number): number[] => {
    if (len < 40) return [-1];
    const status = icmp6Check(dv, u8, i32, off, off + 40, len - 40);
    const at = off + 40;
    if (status !== ICMP6_OK) return [status];
    const fields = [icmp6Type(dv, at), icmp6Code(dv, at), icmp6Id(dv, at), icmp6Seq(dv, at)];
    return [status, ...fields, icmp6Mtu(dv, at), icmp6Pointer(dv, at)];
  };

  it("reads back what it wrote, with a checksum over the pseudo header", () => {
    fc.assert(
      fc.property(byte, byte, word32, body, address6, (type, code, rest, bytes, src) => {
        const len = 8 + bytes.length;
        const window = message6(src, len, ({ dv, u8 }) => {
          expect(icmp6Emit(dv, 40, type, code, rest)).toBe(8);
          u8.set(bytes, 48);
        });
        expect(read(window, 0, 40 + len)).toEqual([ICMP6_OK, type, code, rest >>> 16, rest & 0xffff, rest, rest]);
        const pseudo = [...window.u8.slice(8, 40), 0, 0, 0, len, 0, 0, 0, 58];
        expect(naiveSum([...pseudo, ...window.u8.slice(40, 40 + len)])).toBe(0xffff);
      }),
    );
  });

  it("turns a request into a reply whose checksum holds with the addresses swapped", () => {
    fc.assert(
      fc.property(word16, word16, body, address6, (id, seq, bytes, src) => {
        const len = 8 + bytes.length;
        const { dv, u8, i32 } = message6(src, len, (w) => {
          icmp6Emit(w.dv, 40, ICMP6_ECHO_REQUEST, 0, (id << 16) | seq);
          w.u8.set(bytes, 48);
        });
        icmp6MakeEchoReply(dv, 40);
        const swapped = [...u8.slice(24, 40), ...u8.slice(8, 24)];
        u8.set(swapped, 8);
        expect(icmp6Check(dv, u8, i32, 0, 40, len)).toBe(ICMP6_OK);
        expect([icmp6Type(dv, 40), icmp6Id(dv, 40), icmp6Seq(dv, 40)]).toEqual([129, id, seq]);
      }),
    );
  });

  it("refuses short and damaged messages and reads nothing outside", () => {
    const { u8 } = message6([1, 2, 3, 4], 12, ({ dv }) => icmp6Emit(dv, 40, ICMP6_ECHO_REQUEST, 0, 77));
    const packet = u8.slice(0, 52);
    const answers = truncated(packet, read).map((answer) => answer[0]);
    expect(answers.slice(40, 48)).toEqual(Array<number>(8).fill(ICMP6_TOO_SHORT));
    expect(answers[52]).toBe(ICMP6_OK);
    for (let at = 8; at < 52; at++) {
      const damaged = packet.slice();
      damaged[at] ^= 0x10;
      expect(guarded(damaged, read)).toEqual([ICMP6_BAD_CHECKSUM]);
    }
    fc.assert(fc.property(mutations(packet), (bytes) => guarded(bytes, read).length > 0));
  });

  it("checks the packet that an error quotes", () => {
    const check = ({ dv }: Views, off: number, len: number) => icmp6CheckQuote(dv, off, len);
    const quote = [...Array<number>(8).fill(0), 0x60, ...Array<number>(47).fill(1)];
    expect(truncated(quote, check)).toEqual([...Array<number>(56).fill(ICMP6_TOO_SHORT), ICMP6_OK]);
    quote[8] = 0x45;
    expect(guarded(quote, check)).toBe(ICMP6_BAD_QUOTE);
  });

  it("knows its error messages by the highest bit", () => {
    expect([1, 2, 3, 4, 100, 127].every(icmp6IsError)).toBe(true);
    expect([128, 129, 135, 255].some(icmp6IsError)).toBe(false);
  });
});
