import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { TCP_OK, tcpCheck, tcpEmitHeader } from "../../src/wire/tcp.js";
import {
  TCP_HAS_FAST_OPEN,
  TCP_HAS_MSS,
  TCP_HAS_SACK,
  TCP_HAS_SACK_PERMITTED,
  TCP_HAS_TIMESTAMPS,
  TCP_HAS_WSCALE,
  TCP_OPT_COOKIE_AT,
  TCP_OPT_COOKIE_LEN,
  TCP_OPT_MALFORMED,
  TCP_OPT_MSS,
  TCP_OPT_OK,
  TCP_OPT_PRESENT,
  TCP_OPT_SACK,
  TCP_OPT_SACK_COUNT,
  TCP_OPT_TS_ECR,
  TCP_OPT_TS_VAL,
  TCP_OPT_WORDS,
  TCP_OPT_WSCALE,
  tcpEmitFastOpen,
  tcpEmitSack,
  tcpEmitSynOptions,
  tcpEmitTimestamps,
  tcpParseOptions,
  tcpSynOptionsLen,
} from "../../src/wire/tcp-options.js";
import { byte, guarded, hex, mutations, type Views, views, word16, word32 } from "./guard.js";

interface Options {
  readonly status: number;
  readonly mss?: number;
  readonly wscale?: number;
  readonly sackPermitted?: boolean;
  readonly timestamps?: readonly number[];
  readonly sack?: readonly number[];
  readonly cookie?: readonly number[];
}

/** The options of the segment, only those that are there. */
function parse({ dv, u8 }: Views, off: number, len: number): Options | number {
  const checked = tcpCheck(dv, off, len);
  if (checked !== TCP_OK) return checked;
  const out = new Int32Array(TCP_OPT_WORDS + 1).fill(0x5a5a);
  const status = tcpParseOptions(dv, u8, off, out);
  expect(out[TCP_OPT_WORDS]).toBe(0x5a5a);
  const has = (bit: number) => (out[TCP_OPT_PRESENT] & bit) !== 0;
  expect(out[TCP_OPT_SACK_COUNT] > 0).toBe(has(TCP_HAS_SACK));
  const cookieAt = out[TCP_OPT_COOKIE_AT];
  return {
    status,
    ...(has(TCP_HAS_MSS) && { mss: out[TCP_OPT_MSS] }),
    ...(has(TCP_HAS_WSCALE) && { wscale: out[TCP_OPT_WSCALE] }),
    ...(has(TCP_HAS_SACK_PERMITTED) && { sackPermitted: true }),
    ...(has(TCP_HAS_TIMESTAMPS) && { timestamps: [out[TCP_OPT_TS_VAL], out[TCP_OPT_TS_ECR]] }),
    ...(has(TCP_HAS_SACK) && { sack: Array.from(out.slice(TCP_OPT_SACK, TCP_OPT_SACK + 2 * out[TCP_OPT_SACK_COUNT])) }),
    ...(has(TCP_HAS_FAST_OPEN) && { cookie: Array.from(u8.slice(cookieAt, cookieAt + out[TCP_OPT_COOKIE_LEN])) }),
  };
}

/** A segment with these option bytes, padded with `pad` to a multiple of 4. */
function segment(options: ArrayLike<number>, pad = 0): number[] {
  const { dv, u8 } = views(60, pad);
  const headerLen = 20 + ((options.length + 3) & ~3);
  tcpEmitHeader(dv, 0, 1, 2, 3, 4, headerLen, 16, 5);
  u8.set(Array.from(options), 20);
  return Array.from(u8.slice(0, headerLen));
}

const optionsOf = (options: ArrayLike<number>) => guarded(segment(options), parse);

describe("tcpParseOptions", () => {
  it("reads the SYN of Linux and the data segment of everyone", () => {
    expect(optionsOf(hex("020405b4 0402080a 11223344 00000000 01030307"))).toEqual({
      status: TCP_OPT_OK,
      mss: 1460,
      wscale: 7,
      sackPermitted: true,
      timestamps: [0x1122_3344, 0],
    });
    expect(optionsOf(hex("0101080a ffffffff 80000000"))).toEqual({
      status: TCP_OPT_OK,
      timestamps: [-1, -0x8000_0000],
    });
    expect(optionsOf([])).toEqual({ status: TCP_OPT_OK });
  });

  it("reads timestamps in any other place alike", () => {
    for (const text of ["080a 00000005 00000006 0101", "01 080a 00000005 00000006 01", "080a 00000005 00000006 00ff"]) {
      expect(optionsOf(hex(text))).toEqual({ status: TCP_OPT_OK, timestamps: [5, 6] });
    }
  });

  it("reads one to four SACK blocks", () => {
    for (let count = 1; count <= 4; count++) {
      const edges = Array.from({ length: 8 * count }, (_, i) => i + 1);
      const sack = Array.from({ length: 2 * count }, (_, i) => 0x0102_0304 + i * 0x0404_0404);
      expect(optionsOf([1, 1, 5, 2 + 8 * count, ...edges])).toEqual({ status: TCP_OPT_OK, sack });
    }
  });

  it("recognises fast open cookies and requests", () => {
    expect(optionsOf([34, 2])).toEqual({ status: TCP_OPT_OK, cookie: [] });
    expect(optionsOf([34, 10, 1, 2, 3, 4, 5, 6, 7, 8])).toEqual({
      status: TCP_OPT_OK,
      cookie: [1, 2, 3, 4, 5, 6, 7, 8],
    });
    expect(optionsOf([34, 18, ...Array<number>(16).fill(9)])).toMatchObject({ cookie: Array<number>(16).fill(9) });
    for (const len of [3, 4, 5, 7, 19, 20]) {
      expect(optionsOf([34, len, ...Array<number>(len - 2).fill(9)])).toEqual({ status: TCP_OPT_OK });
    }
  });

  it("uses a window scale above 14 as 14", () => {
    expect(optionsOf([3, 3, 14])).toMatchObject({ wscale: 14 });
    expect(optionsOf([3, 3, 15])).toMatchObject({ wscale: 14 });
    expect(optionsOf([3, 3, 255])).toMatchObject({ wscale: 14 });
  });

  it("skips unknown kinds and known kinds of a wrong length", () => {
    expect(optionsOf([253, 4, 0, 0, 2, 4, 1, 2])).toEqual({ status: TCP_OPT_OK, mss: 0x0102 });
    expect(optionsOf([2, 3, 1, 3, 4, 1, 1, 4, 3, 9, 8, 3, 9, 5, 9, 0, 0, 0, 0, 0, 0, 0, 5, 2])).toEqual({ status: 0 });
    expect(optionsOf([2, 4, 1, 1, 2, 4, 2, 2])).toEqual({ status: TCP_OPT_OK, mss: 0x0202 });
  });

  it("stops at the end of the list", () => {
    expect(optionsOf([0, 2, 4, 5, 180])).toEqual({ status: TCP_OPT_OK });
    expect(optionsOf([1, 1, 0, 0])).toEqual({ status: TCP_OPT_OK });
  });

  it.each([
    ["length 0", [2, 4, 5, 180, 8, 0, 1, 1]],
    ["length 1", [2, 4, 5, 180, 8, 1, 1, 1]],
    ["past the end", [2, 4, 5, 180, 8, 10, 1, 1]],
    ["one past the end", [2, 4, 5, 180, 1, 1, 3, 3]],
    ["no room for a length", [2, 4, 5, 180, 1, 1, 1, 8]],
    ["unknown of length 0", [2, 4, 5, 180, 77, 0, 0, 0]],
    ["length 255", [2, 4, 5, 180, 5, 255, 0, 0]],
  ])("keeps what came before a malformed option: %s", (_, list) => {
    expect(optionsOf(list)).toEqual({ status: TCP_OPT_MALFORMED, mss: 1460 });
  });

  it("survives any list and reads nothing outside the header", () => {
    const kinds = fc.constantFrom(0, 1, 2, 3, 4, 5, 8, 10, 34);
    const list = fc.array(fc.oneof(kinds, byte), { maxLength: 40 });
    const good = segment(hex("020405b4 0402080a 11223344 00000000 01030307 0101050a 00000001 00000002"));
    fc.assert(
      fc.property(
        fc.oneof(
          list.map((bytes) => segment(bytes)),
          mutations(good),
        ),
        (bytes) => {
          const answer = guarded(bytes, parse);
          // Data behind the header is not taken for options.
          fc.pre(typeof answer !== "number");
          expect(guarded([...bytes, 5, 10, 8, 10], parse)).toEqual(answer);
        },
      ),
      { numRuns: 500 },
    );
  });
});

describe("emitted options", () => {
  it("of a SYN read back, for every choice of them", () => {
    const choice = fc.nat(0x1f).filter((bits) => (bits & TCP_HAS_SACK) === 0);
    fc.assert(
      fc.property(choice, word16, fc.nat(14), word32, word32, (present, mss, wscale, tsVal, tsEcr) => {
        const { dv, u8 } = views(64, 0xdb);
        const len = tcpEmitSynOptions(dv, 20, present, mss, wscale, tsVal, tsEcr);
        expect(len).toBe(tcpSynOptionsLen(present));
        expect(len % 4).toBe(0);
        expect(optionsOf(u8.slice(20, 20 + len))).toEqual({
          status: TCP_OPT_OK,
          ...((present & TCP_HAS_MSS) !== 0 && { mss }),
          ...((present & TCP_HAS_WSCALE) !== 0 && { wscale }),
          ...((present & TCP_HAS_SACK_PERMITTED) !== 0 && { sackPermitted: true }),
          ...((present & TCP_HAS_TIMESTAMPS) !== 0 && { timestamps: [tsVal, tsEcr] }),
        });
        expect(u8[20 + len]).toBe(0xdb);
      }),
    );
  });

  it("of a SYN with everything are those of Linux", () => {
    const { dv, u8 } = views(20);
    expect(tcpEmitSynOptions(dv, 0, 0x17, 1460, 7, 0x1122_3344, 0)).toBe(20);
    expect(u8).toEqual(hex("020405b4 0402080a 11223344 00000000 01030307"));
  });

  it("timestamps and SACK blocks read back", () => {
    const blocks = fc.array(fc.tuple(word32, word32), { minLength: 1, maxLength: 3 });
    fc.assert(
      fc.property(word32, word32, blocks, (tsVal, tsEcr, list) => {
        const { dv, u8 } = views(64, 0xdb);
        const edges = Int32Array.from([7, ...list.flat()]);
        const first = tcpEmitTimestamps(dv, 0, tsVal, tsEcr);
        const second = tcpEmitSack(dv, first, edges, 1, list.length);
        expect([first, second]).toEqual([12, 4 + 8 * list.length]);
        expect(optionsOf(u8.slice(0, first + second))).toEqual({
          status: TCP_OPT_OK,
          timestamps: [tsVal, tsEcr],
          sack: list.flat(),
        });
      }),
    );
  });

  it("a fast open cookie reads back, padded to 4 bytes", () => {
    for (const len of [0, 4, 6, 8, 16]) {
      const { dv, u8 } = views(64, 0xdb);
      const cookie = Array.from({ length: len }, (_, i) => i + 1);
      u8.set(cookie, 40);
      const written = tcpEmitFastOpen(dv, u8, 0, 40, len);
      expect(written).toBe((len + 2 + 3) & ~3);
      expect(optionsOf(u8.slice(0, written))).toEqual({ status: TCP_OPT_OK, cookie });
    }
  });
});
