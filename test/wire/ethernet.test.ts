import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  ETH_OK,
  ETH_TAG_TRUNCATED,
  ETH_TOO_MANY_TAGS,
  ETH_TOO_SHORT,
  ETHERTYPE_IP4,
  ETHERTYPE_QINQ,
  ETHERTYPE_VLAN,
  ethCheck,
  ethDstHi,
  ethDstLo,
  ethEmit,
  ethEmitTag,
  ethHeaderLen,
  ethIsTag,
  ethOuterType,
  ethPriority,
  ethSrcHi,
  ethSrcLo,
  ethTagControl,
  ethType,
  ethVlanId,
  macIsBroadcast,
  macIsGroup,
} from "../../src/wire/ethernet.js";
import { guarded, hex, mutations, truncated, type Views, views, word16, word32 } from "./guard.js";

const plainType = word16.filter((type) => !ethIsTag(type));

function readEthernet({ dv }: Views, off: number, len: number): number[] {
  const status = ethCheck(dv, off, len);
  if (status !== ETH_OK) return [status];
  const headerLen = ethHeaderLen(dv, off);
  const fields = [headerLen, ethType(dv, off, headerLen), ethOuterType(dv, off)];
  const macs = [ethDstHi(dv, off), ethDstLo(dv, off), ethSrcHi(dv, off), ethSrcLo(dv, off)];
  const tags = headerLen > 14 ? [ethTagControl(dv, off, 0)] : [];
  return [status, ...fields, ...macs, ...tags, ...(headerLen > 18 ? [ethTagControl(dv, off, 1)] : [])];
}

describe("ethernet", () => {
  it("reads back what it wrote, with no, one and two tags", () => {
    fc.assert(
      fc.property(word16, word32, word16, word32, plainType, word16, word16, (dh, dl, sh, sl, type, outer, inner) => {
        const { dv } = views(64);
        expect(ethEmit(dv, 2, dh, dl, sh, sl, type)).toBe(14);
        const macs = [dh, dl, sh, sl];
        expect(readEthernet({ dv } as Views, 2, 14)).toEqual([ETH_OK, 14, type, type, ...macs]);
        ethEmitTag(dv, 2 + 12, ETHERTYPE_VLAN, inner, type);
        expect(readEthernet({ dv } as Views, 2, 18)).toEqual([ETH_OK, 18, type, ETHERTYPE_VLAN, ...macs, inner]);
        ethEmitTag(dv, 2 + 12, ETHERTYPE_QINQ, outer, ETHERTYPE_VLAN);
        ethEmitTag(dv, 2 + 16, ETHERTYPE_VLAN, inner, type);
        expect(readEthernet({ dv } as Views, 2, 22)).toEqual([ETH_OK, 22, type, ETHERTYPE_QINQ, ...macs, outer, inner]);
      }),
    );
  });

  it("splits tag control information", () => {
    expect(ethVlanId(0xb123)).toBe(0x123);
    expect(ethPriority(0xb123)).toBe(5);
  });

  it("names what is wrong at every length", () => {
    const plain = hex("ffffffffffff 020000000001 0800");
    const tagged = hex("ffffffffffff 020000000001 8100 0005 0800");
    const double = hex("ffffffffffff 020000000001 88a8 0005 8100 0006 0800");
    const triple = hex("ffffffffffff 020000000001 88a8 0005 8100 0006 8100 0007 0800");
    const statuses = (p: Uint8Array) => truncated(p, readEthernet).map((answer) => answer[0]);
    expect(statuses(plain)).toEqual([...Array<number>(14).fill(ETH_TOO_SHORT), ETH_OK]);
    const cut = (n: number) => [...Array<number>(14).fill(ETH_TOO_SHORT), ...Array<number>(n).fill(ETH_TAG_TRUNCATED)];
    expect(statuses(tagged)).toEqual([...cut(4), ETH_OK]);
    expect(statuses(double)).toEqual([...cut(8), ETH_OK]);
    expect(statuses(triple)).toEqual([...cut(8), ...Array<number>(5).fill(ETH_TOO_MANY_TAGS)]);
  });

  it("reads nothing outside a mutated frame", () => {
    const frame = hex("ffffffffffff 020000000001 88a8 0005 8100 0006 0800 45");
    fc.assert(fc.property(mutations(frame), (packet) => guarded(packet, readEthernet).length > 0));
  });

  it("knows group and broadcast addresses", () => {
    expect(macIsGroup(0x0100)).toBe(true);
    expect(macIsGroup(0x3333)).toBe(true);
    expect(macIsGroup(0x0200)).toBe(false);
    expect(macIsBroadcast(0xffff, -1)).toBe(true);
    expect(macIsBroadcast(0xffff, -2)).toBe(false);
    expect(macIsBroadcast(0x3333, -1)).toBe(false);
    expect(ethIsTag(ETHERTYPE_IP4)).toBe(false);
  });
});
