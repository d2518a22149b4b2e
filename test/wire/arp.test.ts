import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  ARP_BAD_HARDWARE,
  ARP_BAD_OPCODE,
  ARP_BAD_PROTOCOL,
  ARP_OK,
  ARP_REPLY,
  ARP_TOO_SHORT,
  arpCheck,
  arpEmit,
  arpOpcode,
  arpSenderHi,
  arpSenderIp,
  arpSenderLo,
  arpTargetHi,
  arpTargetIp,
  arpTargetLo,
} from "../../src/wire/arp.js";
import { guarded, hex, mutations, truncated, type Views, views, word16, word32 } from "./guard.js";

function readArp({ dv }: Views, off: number, len: number): number[] {
  const status = arpCheck(dv, off, len);
  if (status !== ARP_OK) return [status];
  const sender = [arpSenderHi(dv, off), arpSenderLo(dv, off), arpSenderIp(dv, off)];
  return [status, arpOpcode(dv, off), ...sender, arpTargetHi(dv, off), arpTargetLo(dv, off), arpTargetIp(dv, off)];
}

describe("arp", () => {
  it("reads back what it wrote over old bytes", () => {
    const opcode = fc.integer({ min: 1, max: 2 });
    fc.assert(
      fc.property(opcode, word16, word32, word32, word16, word32, word32, (op, sh, sl, si, th, tl, ti) => {
        const window = views(64, 0xdb);
        expect(arpEmit(window.dv, 6, op, sh, sl, si, th, tl, ti)).toBe(28);
        expect(readArp(window, 6, 28)).toEqual([ARP_OK, op, sh, sl, si, th, tl, ti]);
      }),
    );
  });

  it("writes the bytes of RFC 826", () => {
    const { dv, u8 } = views(28, 0xdb);
    arpEmit(dv, 0, ARP_REPLY, 0x0200, 0x0000_0001, 0xc612_0001 | 0, 0x0200, 0x0000_0002, 0xc612_0002 | 0);
    expect(u8).toEqual(hex("0001 0800 06 04 0002 020000000001 c6120001 020000000002 c6120002"));
  });

  it("refuses what is not a request or reply for IPv4 over Ethernet, and every truncation", () => {
    const good = hex("0001 0800 06 04 0001 020000000001 c6120001 000000000000 c6120002");
    const answers = truncated(good, readArp).map((answer) => answer[0]);
    expect(answers).toEqual([...Array<number>(28).fill(ARP_TOO_SHORT), ARP_OK]);
    const changed = (at: number, value: number) => {
      const packet = good.slice();
      packet[at] = value;
      return guarded(packet, readArp)[0];
    };
    expect(changed(1, 6)).toBe(ARP_BAD_HARDWARE);
    expect(changed(4, 8)).toBe(ARP_BAD_HARDWARE);
    expect(changed(2, 0x86)).toBe(ARP_BAD_PROTOCOL);
    expect(changed(5, 16)).toBe(ARP_BAD_PROTOCOL);
    expect(changed(7, 3)).toBe(ARP_BAD_OPCODE);
    expect(changed(6, 1)).toBe(ARP_BAD_OPCODE);
  });

  it("reads nothing outside a mutated message", () => {
    const good = hex("0001 0800 06 04 0001 020000000001 c6120001 000000000000 c6120002");
    fc.assert(fc.property(mutations(good), (packet) => guarded(packet, readArp).length > 0));
  });
});
