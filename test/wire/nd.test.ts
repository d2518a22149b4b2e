import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ip6Emit } from "../../src/wire/ip6.js";
import {
  ND_BAD_CODE,
  ND_BAD_DESTINATION,
  ND_BAD_HOP_LIMIT,
  ND_BAD_OPTION,
  ND_BAD_SOURCE,
  ND_BAD_TARGET,
  ND_NOT_ND,
  ND_OK,
  ND_TOO_SHORT,
  ndCheck,
  ndCurHopLimit,
  ndDestination,
  ndEmitAdvertisement,
  ndEmitRedirect,
  ndEmitRouterAdvertisement,
  ndEmitRouterSolicitation,
  ndEmitSolicitation,
  ndFixedLen,
  ndFlags,
  ndReachableTimeMs,
  ndRetransTimerMs,
  ndRouterFlags,
  ndRouterLifetimeS,
  ndTarget,
} from "../../src/wire/nd.js";
import {
  ND_HAS_MTU,
  ND_HAS_PREFIX,
  ND_HAS_RDNSS,
  ND_HAS_REDIRECTED,
  ND_HAS_SOURCE_LINK,
  ND_HAS_TARGET_LINK,
  ND_OPT_MTU,
  ND_OPT_PREFIX_AT,
  ND_OPT_PREFIX_COUNT,
  ND_OPT_PRESENT,
  ND_OPT_RDNSS_AT,
  ND_OPT_REDIRECTED_AT,
  ND_OPT_SOURCE_HI,
  ND_OPT_SOURCE_LO,
  ND_OPT_TARGET_HI,
  ND_OPT_TARGET_LO,
  ND_OPT_WORDS,
  ndEmitLink,
  ndEmitMtu,
  ndEmitPrefix,
  ndParseOptions,
  ndPrefixFlags,
  ndPrefixLen,
  ndPrefixPreferredS,
  ndPrefixValidS,
  ndPrefixWord,
} from "../../src/wire/nd-options.js";
import { address6, byte, guarded, hex, mutations, type Views, views, word16, word32 } from "./guard.js";

const UNSPECIFIED = hex("00000000000000000000000000000000");
const GLOBAL = hex("20010db8000000000000000000000001");
const LINK_LOCAL = hex("fe800000000000000000000000000001");
const SOLICITED = hex("ff0200000000000000000001ff000002");
const ALL_NODES = hex("ff020000000000000000000000000001");
const WORDS = [0, 1, 2, 3];

/** An IPv6 packet with this ICMPv6 message: [type, rest of the header's bytes 4..8], body, options. */
function packet(src: Uint8Array, dst: Uint8Array, message: number[], hops = 255): number[] {
  const { dv, u8 } = views(40);
  ip6Emit(dv, 0, 0, 0, message.length, 58, hops);
  u8.set(src, 8);
  u8.set(dst, 24);
  return [...u8, ...message];
}

/** Checks the message behind the fixed header; answers the status and the options that are there. */
function check({ dv, u8 }: Views, off: number, len: number): number[] {
  if (len < 48) return [-1];
  const out = new Int32Array(ND_OPT_WORDS).fill(0x5a5a);
  const status = ndCheck(dv, u8, off, off + 40, len - 40, out);
  if (status !== ND_OK) return [status];
  return [status, ...known(out, off)];
}

/** The words of a result that count, offsets made relative. */
function known(out: Int32Array, off: number): number[] {
  const has = out[ND_OPT_PRESENT];
  const words = [has, out[ND_OPT_PREFIX_COUNT]];
  if ((has & ND_HAS_SOURCE_LINK) !== 0) words.push(out[ND_OPT_SOURCE_HI], out[ND_OPT_SOURCE_LO]);
  if ((has & ND_HAS_TARGET_LINK) !== 0) words.push(out[ND_OPT_TARGET_HI], out[ND_OPT_TARGET_LO]);
  if ((has & ND_HAS_MTU) !== 0) words.push(out[ND_OPT_MTU]);
  if ((has & ND_HAS_REDIRECTED) !== 0) words.push(out[ND_OPT_REDIRECTED_AT] - off);
  if ((has & ND_HAS_RDNSS) !== 0) words.push(out[ND_OPT_RDNSS_AT] - off);
  for (let i = 0; i < Math.min(out[ND_OPT_PREFIX_COUNT], 8); i++) words.push(out[ND_OPT_PREFIX_AT + i] - off);
  return words;
}

const status = (bytes: number[]) => guarded(bytes, check)[0];
const head = (type: number, flags = 0, code = 0) => [type, code, 0, 0, flags, 0, 0, 0];
const SOURCE_LINK = [1, 1, 2, 0, 0, 0, 0, 9];
const TARGET_LINK = [2, 1, 2, 0, 0, 0, 0, 9];
const ns = (target: Uint8Array, options: number[] = []) => [...head(135), ...target, ...options];
const na = (target: Uint8Array, flags: number, options: number[] = []) => [...head(136, flags), ...target, ...options];
const ra = (options: number[] = []) => [...head(134), 0, 0, 0, 0, 0, 0, 0, 0, ...options];
const redirect = (target: Uint8Array, dst: Uint8Array) => [...head(137), ...target, ...dst];

describe("ndCheck", () => {
  it("accepts valid messages of the five kinds", () => {
    expect(status(packet(GLOBAL, SOLICITED, ns(GLOBAL, SOURCE_LINK)))).toBe(ND_OK);
    expect(status(packet(UNSPECIFIED, SOLICITED, ns(GLOBAL)))).toBe(ND_OK);
    expect(status(packet(GLOBAL, GLOBAL, na(GLOBAL, 0x60, TARGET_LINK)))).toBe(ND_OK);
    expect(status(packet(GLOBAL, ALL_NODES, na(GLOBAL, 0x20)))).toBe(ND_OK);
    expect(status(packet(UNSPECIFIED, ALL_NODES, head(133)))).toBe(ND_OK);
    expect(status(packet(LINK_LOCAL, ALL_NODES, ra(SOURCE_LINK)))).toBe(ND_OK);
    expect(status(packet(LINK_LOCAL, GLOBAL, redirect(LINK_LOCAL, GLOBAL)))).toBe(ND_OK);
    expect(status(packet(LINK_LOCAL, GLOBAL, redirect(GLOBAL, GLOBAL)))).toBe(ND_OK);
  });

  it("refuses what RFC 4861 6.1, 7.1 and 8.1 refuse", () => {
    expect(status(packet(GLOBAL, SOLICITED, ns(GLOBAL), 254))).toBe(ND_BAD_HOP_LIMIT);
    expect(status(packet(GLOBAL, SOLICITED, [...head(135, 0, 1), ...GLOBAL]))).toBe(ND_BAD_CODE);
    expect(status(packet(GLOBAL, SOLICITED, ns(SOLICITED)))).toBe(ND_BAD_TARGET);
    expect(status(packet(UNSPECIFIED, GLOBAL, ns(GLOBAL)))).toBe(ND_BAD_DESTINATION);
    expect(status(packet(UNSPECIFIED, SOLICITED, ns(GLOBAL, SOURCE_LINK)))).toBe(ND_BAD_SOURCE);
    expect(status(packet(GLOBAL, GLOBAL, na(ALL_NODES, 0x60)))).toBe(ND_BAD_TARGET);
    expect(status(packet(GLOBAL, ALL_NODES, na(GLOBAL, 0x60)))).toBe(ND_BAD_DESTINATION);
    expect(status(packet(UNSPECIFIED, ALL_NODES, [...head(133), ...SOURCE_LINK]))).toBe(ND_BAD_SOURCE);
    expect(status(packet(GLOBAL, ALL_NODES, ra()))).toBe(ND_BAD_SOURCE);
    expect(status(packet(GLOBAL, GLOBAL, redirect(LINK_LOCAL, GLOBAL)))).toBe(ND_BAD_SOURCE);
    expect(status(packet(LINK_LOCAL, GLOBAL, redirect(LINK_LOCAL, ALL_NODES)))).toBe(ND_BAD_DESTINATION);
    expect(status(packet(LINK_LOCAL, GLOBAL, redirect(SOLICITED, GLOBAL)))).toBe(ND_BAD_TARGET);
    expect(status(packet(GLOBAL, GLOBAL, head(128)))).toBe(ND_NOT_ND);
  });

  it("refuses every truncation of each message", () => {
    const messages = [head(133), ra(), ns(GLOBAL), na(GLOBAL, 0), redirect(LINK_LOCAL, GLOBAL)];
    for (const message of messages) {
      const full = packet(LINK_LOCAL, GLOBAL, [...message, ...TARGET_LINK]);
      for (let len = 48; len < full.length; len++) {
        const fixed = 40 + ndFixedLen(message[0]);
        const expected = len < fixed ? ND_TOO_SHORT : len === fixed ? ND_OK : ND_BAD_OPTION;
        expect([message[0], len, status(full.slice(0, len))]).toEqual([message[0], len, expected]);
      }
      expect(status(full)).toBe(ND_OK);
    }
  });

  it("refuses the message for an option of length 0 or past the end, and skips unknown ones", () => {
    const withOptions = (options: number[]) => status(packet(GLOBAL, SOLICITED, ns(GLOBAL, options)));
    expect(withOptions([1, 0, 2, 0, 0, 0, 0, 9])).toBe(ND_BAD_OPTION);
    expect(withOptions([1, 2, 2, 0, 0, 0, 0, 9])).toBe(ND_BAD_OPTION);
    expect(withOptions([...SOURCE_LINK, 1])).toBe(ND_BAD_OPTION);
    expect(withOptions([200, 1, 0, 0, 0, 0, 0, 0, ...SOURCE_LINK])).toBe(ND_OK);
    expect(guarded(packet(GLOBAL, SOLICITED, ns(GLOBAL, [200, 1, 0, 0, 0, 0, 0, 0, ...SOURCE_LINK])), check)).toEqual([
      ND_OK,
      ND_HAS_SOURCE_LINK,
      0,
      0x0200,
      9,
    ]);
  });

  it("reads nothing outside a mutated message", () => {
    const options = [...SOURCE_LINK, 5, 1, 0, 0, 0, 0, 5, 220, 3, 4, 64, 192, ...Array<number>(28).fill(1)];
    const full = packet(LINK_LOCAL, ALL_NODES, ra(options));
    fc.assert(fc.property(mutations(full), (bytes) => guarded(bytes, check).length > 0));
  });
});

describe("nd messages", () => {
  it("read back as written", () => {
    const ms = word32;
    fc.assert(
      fc.property(address6, address6, byte, byte, word16, ms, ms, (target, other, flags, hops, lifetime, ms1, ms2) => {
        const { dv, u8 } = views(128, 0xdb);
        const head8 = () => Array.from(u8.slice(4, 8));
        const targetOf = () => WORDS.map((i) => ndTarget(dv, 4, i));
        expect([ndEmitSolicitation(dv, 4, ...target), ...head8(), ...targetOf()]).toEqual([
          24,
          135,
          0,
          0,
          0,
          ...target,
        ]);
        expect(u8.slice(8, 12)).toEqual(hex("00000000"));
        expect([ndEmitAdvertisement(dv, 4, flags, ...target), ...head8()]).toEqual([24, 136, 0, 0, 0]);
        expect([ndFlags(dv, 4), ...targetOf()]).toEqual([flags, ...target]);
        expect([ndEmitRouterSolicitation(dv, 4), ...head8()]).toEqual([8, 133, 0, 0, 0]);
        expect([ndEmitRouterAdvertisement(dv, 4, hops, flags, lifetime, ms1, ms2), ...head8()]).toEqual([
          16, 134, 0, 0, 0,
        ]);
        const fields = [ndCurHopLimit(dv, 4), ndRouterFlags(dv, 4), ndRouterLifetimeS(dv, 4)];
        expect([...fields, ndReachableTimeMs(dv, 4), ndRetransTimerMs(dv, 4)]).toEqual([
          hops,
          flags,
          lifetime,
          ms1,
          ms2,
        ]);
        WORDS.forEach((i) => dv.setInt32(64 + 4 * i, target[i]));
        WORDS.forEach((i) => dv.setInt32(80 + 4 * i, other[i]));
        expect([ndEmitRedirect(dv, u8, 4, 64, 80), ...head8()]).toEqual([40, 137, 0, 0, 0]);
        expect([...targetOf(), ...WORDS.map((i) => ndDestination(dv, 4, i))]).toEqual([...target, ...other]);
      }),
    );
  });
});

describe("nd options", () => {
  it("read back as written", () => {
    fc.assert(
      fc.property(
        word16,
        word32,
        word32,
        byte,
        byte,
        word32,
        word32,
        address6,
        (hi, lo, mtu, len, flags, v, p, prefix) => {
          const { dv, u8 } = views(64, 0xdb);
          const out = new Int32Array(ND_OPT_WORDS);
          let end = 4;
          end += ndEmitLink(dv, end, 2, hi, lo);
          end += ndEmitMtu(dv, end, mtu);
          end += ndEmitPrefix(dv, end, len, flags, v, p);
          WORDS.forEach((i) => dv.setInt32(end - 16 + 4 * i, prefix[i]));
          expect(ndParseOptions(dv, u8, 4, end, out)).toBe(0);
          expect(known(out, 0)).toEqual([ND_HAS_TARGET_LINK | ND_HAS_MTU | ND_HAS_PREFIX, 1, hi, lo, mtu, 20]);
          expect([
            ndPrefixLen(dv, 20),
            ndPrefixFlags(dv, 20),
            ndPrefixValidS(dv, 20),
            ndPrefixPreferredS(dv, 20),
          ]).toEqual([len, flags, v, p]);
          expect(WORDS.map((i) => ndPrefixWord(dv, 20, i))).toEqual(prefix);
        },
      ),
    );
  });

  it("keep eight prefixes and count the others", () => {
    const { dv, u8 } = views(32 * 11);
    for (let i = 0; i < 10; i++) ndEmitPrefix(dv, 32 + 32 * i, 64, 0xc0, i, i);
    const out = new Int32Array(ND_OPT_WORDS + 1);
    expect(ndParseOptions(dv, u8, 32, 32 * 11, out)).toBe(0);
    expect(known(out, 0)).toEqual([ND_HAS_PREFIX, 10, 32, 64, 96, 128, 160, 192, 224, 256]);
    expect(out[ND_OPT_WORDS]).toBe(0);
  });

  it("skip known kinds of a wrong length, and find a redirected header and DNS servers", () => {
    const parse = ({ dv, u8 }: Views, off: number, len: number) => {
      const out = new Int32Array(ND_OPT_WORDS);
      return [ndParseOptions(dv, u8, off, off + len, out), ...known(out, off)];
    };
    const zeros = (n: number) => Array<number>(n).fill(0);
    const wrong = [1, 2, ...zeros(14), 3, 1, ...zeros(6), 5, 2, ...zeros(14), 25, 2, ...zeros(14), 25, 1, ...zeros(6)];
    expect(guarded(wrong, parse)).toEqual([0, 0, 0]);
    const right = [4, 1, ...zeros(6), 25, 3, ...zeros(22), 25, 3, ...zeros(22)];
    expect(guarded(right, parse)).toEqual([0, ND_HAS_REDIRECTED | ND_HAS_RDNSS, 0, 0, 8]);
  });
});
