import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  IP4_BAD_CHECKSUM,
  IP4_BAD_IHL,
  IP4_BAD_LENGTH,
  IP4_BAD_VERSION,
  IP4_DF,
  IP4_MF,
  IP4_OK,
  IP4_TOO_SHORT,
  ip4Check,
  ip4CheckHeader,
  ip4DecrementTtl,
  ip4DontFragment,
  ip4Dst,
  ip4Emit,
  ip4EmitChecksum,
  ip4FragmentField,
  ip4FragmentOffset,
  ip4HeaderLen,
  ip4HeaderSum,
  ip4Id,
  ip4IsFragment,
  ip4MoreFragments,
  ip4OptionLen,
  ip4OptionsFault,
  ip4Protocol,
  ip4Src,
  ip4Tos,
  ip4TotalLen,
  ip4Ttl,
} from "../../src/wire/ip4.js";
import { byte, guarded, hex, mutations, place, truncated, type Views, views, word16, word32 } from "./guard.js";

function read({ dv, u8 }: Views, off: number, len: number): number[] {
  const status = ip4Check(dv, off, len);
  if (status !== IP4_OK) return [status];
  const lengths = [ip4HeaderLen(dv, off), ip4Tos(dv, off), ip4TotalLen(dv, off)];
  const fragment = [ip4Id(dv, off), ip4FragmentField(dv, off)];
  const rest = [ip4Ttl(dv, off), ip4Protocol(dv, off), ip4Src(dv, off), ip4Dst(dv, off)];
  return [status, ...lengths, ...fragment, ...rest, ip4OptionsFault(u8, off)];
}

/** A header with options and three bytes of payload, its checksum right. */
function withOptions(options: number[]): Uint8Array {
  const headerLen = 20 + options.length;
  const { dv, u8 } = views(headerLen + 4);
  ip4Emit(dv, 0, 0, headerLen + 3, 7, 0, 64, 17, 0x0a00_0001, 0x0a00_0002);
  dv.setUint8(0, 0x40 | (headerLen >> 2));
  u8.set(options, 20);
  ip4EmitChecksum(dv, 0);
  return u8.slice(0, headerLen + 3);
}

describe("ip4 header", () => {
  it("accepts and writes a header known from elsewhere", () => {
    const known = hex("4500 0073 0000 4000 4011 b861 c0a8 0001 c0a8 00c7");
    const window = views(256);
    window.u8.set(known, 100);
    expect(ip4Check(window.dv, 100, 115)).toBe(IP4_OK);
    ip4Emit(window.dv, 20, 0, 0x73, 0, IP4_DF, 64, 17, 0xc0a8_0001 | 0, 0xc0a8_00c7 | 0);
    expect(window.u8.slice(20, 40)).toEqual(known);
  });

  it("reads back what it wrote over old bytes", () => {
    const len = fc.integer({ min: 20, max: 0xffff });
    fc.assert(
      fc.property(
        fc.tuple(byte, len, word16, word16, byte, byte),
        word32,
        word32,
        ([tos, total, id, field, ttl, protocol], src, dst) => {
          const window = views(64, 0xdb);
          expect(ip4Emit(window.dv, 2, tos, total, id, field, ttl, protocol, src, dst)).toBe(20);
          expect(read(window, 2, total)).toEqual([IP4_OK, 20, tos, total, id, field, ttl, protocol, src, dst, -1]);
        },
      ),
    );
  });

  it("splits flags and fragment offset", () => {
    fc.assert(
      fc.property(fc.boolean(), fc.boolean(), fc.nat(0x1fff), (df, mf, eighths) => {
        const { dv } = views(20);
        const field = (df ? IP4_DF : 0) | (mf ? IP4_MF : 0) | eighths;
        ip4Emit(dv, 0, 0, 20, 1, field, 64, 6, 1, 2);
        expect(ip4DontFragment(dv, 0)).toBe(df);
        expect(ip4MoreFragments(dv, 0)).toBe(mf);
        expect(ip4FragmentOffset(dv, 0)).toBe(eighths * 8);
        expect(ip4IsFragment(dv, 0)).toBe(mf || eighths > 0);
      }),
    );
  });

  it("is too short, then of bad length, until all is there", () => {
    const answers = truncated(withOptions([1, 1, 1, 0]), read).map((answer) => answer[0]);
    expect(answers.slice(0, 20)).toEqual(Array<number>(20).fill(IP4_TOO_SHORT));
    expect(answers.slice(20, 24)).toEqual(Array<number>(4).fill(IP4_BAD_IHL));
    expect(answers.slice(24)).toEqual([IP4_BAD_LENGTH, IP4_BAD_LENGTH, IP4_BAD_LENGTH, IP4_OK]);
  });

  it("names each lie", () => {
    const good = withOptions([]);
    const changed = (at: number, value: number) => {
      const packet = good.slice();
      packet[at] = value;
      return guarded(packet, read)[0];
    };
    expect(changed(0, 0x55)).toBe(IP4_BAD_VERSION);
    expect(changed(0, 0x44)).toBe(IP4_BAD_IHL);
    expect(changed(0, 0x46)).toBe(IP4_BAD_IHL);
    expect(changed(3, 19)).toBe(IP4_BAD_LENGTH);
    expect(changed(3, 24)).toBe(IP4_BAD_LENGTH);
    expect(changed(8, 63)).toBe(IP4_BAD_CHECKSUM);
    const window = place(good);
    window.u8[64 + 8] = 63;
    expect(ip4CheckHeader(window.dv, 64, good.length)).toBe(IP4_OK);
  });

  it("accepts link padding behind the total length", () => {
    const padded = [...withOptions([]), ...Array<number>(23).fill(0)];
    expect(guarded(padded, read)[0]).toBe(IP4_OK);
  });

  it("reads nothing outside a mutated packet", () => {
    const packet = withOptions([7, 7, 4, 1, 2, 3, 4, 0]);
    const anyBytes = fc.array(byte, { maxLength: 80 });
    fc.assert(fc.property(fc.oneof(mutations(packet), anyBytes), (bytes) => guarded(bytes, read).length > 0));
    const noSum = ({ dv, u8 }: Views, off: number, len: number) =>
      ip4CheckHeader(dv, off, len) === IP4_OK ? ip4OptionsFault(u8, off) : -2;
    fc.assert(fc.property(mutations(packet), (bytes) => guarded(bytes, noSum) >= -2));
  });

  it("lowers the time to live and keeps the checksum right", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 255 }), byte, word16, word32, word32, (ttl, protocol, id, src, dst) => {
        const { dv } = views(20);
        ip4Emit(dv, 0, 0, 20, id, 0, ttl, protocol, src, dst);
        ip4DecrementTtl(dv, 0);
        expect(ip4Ttl(dv, 0)).toBe(ttl - 1);
        expect(ip4Protocol(dv, 0)).toBe(protocol);
        expect(ip4HeaderSum(dv, 0)).toBe(0);
      }),
    );
  });
});

describe("ip4 options", () => {
  /** Offsets and kinds of the options met, and how the walk ended. */
  function walk({ u8 }: Views, off: number, len: number): number[] {
    const met: number[] = [];
    let at = off;
    let n = ip4OptionLen(u8, at, off + len);
    for (; n > 0; n = ip4OptionLen(u8, at, off + len)) {
      met.push(at - off, u8[at]);
      at += n;
    }
    return [...met, n];
  }

  it("visits each option and stops at the end of the list", () => {
    expect(guarded([1, 148, 4, 0, 0, 7, 3, 4, 0, 99], walk)).toEqual([0, 1, 1, 148, 5, 7, 0]);
    expect(guarded([1, 1, 1, 1], walk)).toEqual([0, 1, 1, 1, 2, 1, 3, 1, 0]);
  });

  it.each([
    ["length 0", [7, 0, 1, 1]],
    ["length 1", [7, 1, 1, 1]],
    ["past the end", [7, 5, 1, 1]],
    ["no length", [7]],
  ])("refuses %s", (_, list) => {
    expect(guarded(list, walk)).toEqual([-1]);
  });

  it("are malformed without making the packet bad, and are found", () => {
    expect(guarded(withOptions([1, 7, 0, 1]), read)).toEqual([
      IP4_OK,
      24,
      0,
      27,
      7,
      0,
      64,
      17,
      0x0a00_0001,
      0x0a00_0002,
      21,
    ]);
  });

  it("ends on any bytes within as many steps as there are bytes", () => {
    fc.assert(
      fc.property(fc.array(byte, { maxLength: 40 }), (list) => {
        expect(guarded(list, walk).length).toBeLessThanOrEqual(2 * list.length + 1);
      }),
    );
  });
});
