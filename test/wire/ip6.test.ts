import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  IP6_BAD_LENGTH,
  IP6_BAD_VERSION,
  IP6_DST,
  IP6_OK,
  IP6_SRC,
  IP6_TOO_SHORT,
  ip6AddressEqual,
  ip6Check,
  ip6DecrementHopLimit,
  ip6Dst,
  ip6Emit,
  ip6EmitAddress,
  ip6FlowLabel,
  ip6HopLimit,
  ip6IsLinkLocal,
  ip6IsMulticast,
  ip6IsSolicitedNode,
  ip6IsUnspecified,
  ip6NextHeader,
  ip6PayloadLen,
  ip6Src,
  ip6TotalLen,
  ip6TrafficClass,
} from "../../src/wire/ip6.js";
import { address6, byte, guarded, hex, mutations, place, truncated, type Views, views, word16 } from "./guard.js";

const WORDS = [0, 1, 2, 3];

function read({ dv }: Views, off: number, len: number): number[] {
  const status = ip6Check(dv, off, len);
  if (status !== IP6_OK) return [status];
  const fields = [ip6TrafficClass(dv, off), ip6FlowLabel(dv, off), ip6PayloadLen(dv, off), ip6NextHeader(dv, off)];
  const addresses = [...WORDS.map((i) => ip6Src(dv, off, i)), ...WORDS.map((i) => ip6Dst(dv, off, i))];
  return [status, ...fields, ip6HopLimit(dv, off), ...addresses];
}

const PACKET = hex("6 1234567 0003 3b 40 20010db8000000000000000000000001 ff020000000000000000000000000001 abcdef");

describe("ip6 header", () => {
  it("reads back what it wrote over old bytes", () => {
    fc.assert(
      fc.property(
        byte,
        fc.nat(0xfffff),
        word16,
        byte,
        byte,
        address6,
        address6,
        (tc, flow, len, next, hops, src, dst) => {
          const window = views(64, 0xdb);
          expect(ip6Emit(window.dv, 2, tc, flow, len, next, hops)).toBe(40);
          ip6EmitAddress(window.dv, 2 + IP6_SRC, ...src);
          ip6EmitAddress(window.dv, 2 + IP6_DST, ...dst);
          expect(read(window, 2, 40 + len)).toEqual([IP6_OK, tc, flow, len, next, hops, ...src, ...dst]);
          expect(ip6TotalLen(window.dv, 2)).toBe(40 + len);
        },
      ),
    );
  });

  it("names what is wrong at every length", () => {
    const answers = truncated(PACKET, read).map((answer) => answer[0]);
    expect(answers).toEqual([
      ...Array<number>(40).fill(IP6_TOO_SHORT),
      IP6_BAD_LENGTH,
      IP6_BAD_LENGTH,
      IP6_BAD_LENGTH,
      IP6_OK,
    ]);
    const four = PACKET.slice();
    four[0] = 0x45;
    expect(guarded(four, read)).toEqual([IP6_BAD_VERSION]);
  });

  it("reads nothing outside a mutated packet", () => {
    fc.assert(fc.property(mutations(PACKET), (packet) => guarded(packet, read).length > 0));
  });

  it("lowers the hop limit alone", () => {
    const { dv, u8 } = place(PACKET);
    ip6DecrementHopLimit(dv, 64);
    const expected = PACKET.slice();
    expected[7] = 0x3f;
    expect(u8.slice(64, 64 + PACKET.length)).toEqual(expected);
  });
});

describe("ip6 address", () => {
  const at = (address: string, test: (dv: DataView, at: number) => boolean) => test(place(hex(address), 64).dv, 64);

  it("is classified by its prefix", () => {
    expect(at("ff020000000000000000000000000001", ip6IsMulticast)).toBe(true);
    expect(at("fe800000000000000000000000000001", ip6IsMulticast)).toBe(false);
    expect(at("fe800000000000000000000000000001", ip6IsLinkLocal)).toBe(true);
    expect(at("febf0000000000000000000000000001", ip6IsLinkLocal)).toBe(true);
    expect(at("fec00000000000000000000000000001", ip6IsLinkLocal)).toBe(false);
    expect(at("00000000000000000000000000000000", ip6IsUnspecified)).toBe(true);
    expect(at("00000000000000000000000000000001", ip6IsUnspecified)).toBe(false);
    expect(at("ff0200000000000000000001ff123456", ip6IsSolicitedNode)).toBe(true);
    expect(at("ff0200000000000000000001fe123456", ip6IsSolicitedNode)).toBe(false);
    expect(at("ff0500000000000000000001ff123456", ip6IsSolicitedNode)).toBe(false);
  });

  it("equals another when all four words do", () => {
    fc.assert(
      fc.property(address6, fc.nat(15), (words, changed) => {
        const { dv, u8 } = views(64);
        ip6EmitAddress(dv, 4, ...words);
        ip6EmitAddress(dv, 24, ...words);
        expect(ip6AddressEqual(dv, 4, 24)).toBe(true);
        u8[24 + changed] ^= 1;
        expect(ip6AddressEqual(dv, 4, 24)).toBe(false);
      }),
    );
  });
});
