import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { IP6_OK, ip6Check, ip6Emit } from "../../src/wire/ip6.js";
import {
  IP6_EXT_BAD_OPTION,
  IP6_EXT_COUNT,
  IP6_EXT_FIRST_INCOMPLETE,
  IP6_EXT_FRAGMENT_AT,
  IP6_EXT_FRAGMENT_NAMED_AT,
  IP6_EXT_L4,
  IP6_EXT_MISPLACED,
  IP6_EXT_OK,
  IP6_EXT_OPTION_DROP,
  IP6_EXT_OPTION_PROBLEM,
  IP6_EXT_POINTER,
  IP6_EXT_PROTOCOL,
  IP6_EXT_PROTOCOL_NAMED_AT,
  IP6_EXT_ROUTING_PROBLEM,
  IP6_EXT_TOO_MANY,
  IP6_EXT_TRUNCATED,
  IP6_EXT_WORDS,
  ip6EmitFragment,
  ip6ExtProblemCode,
  ip6ExtWalk,
  ip6FragmentId,
  ip6FragmentOffset,
  ip6IsFragment,
  ip6MoreFragments,
} from "../../src/wire/ip6-ext.js";
import { byte, guarded, mutations, type Views, views, word32 } from "./guard.js";

const [HBH, TCP, UDP, ROUTING, FRAGMENT, AH, NONE, DST] = [0, 6, 17, 43, 44, 51, 59, 60];

interface Answer {
  readonly status: number;
  readonly protocol: number;
  readonly l4: number;
  readonly fragment: number;
  readonly named: number;
  readonly count: number;
  readonly pointer: number;
  readonly protocolNamed: number;
}

/** Walks, with offsets from the packet's start; fields that an error leaves undefined are 0. */
function walk({ dv, u8 }: Views, off: number, len: number): Answer | number {
  if (ip6Check(dv, off, len) !== IP6_OK) return -1;
  const out = new Int32Array(IP6_EXT_WORDS + 1).fill(0x5a5a);
  const status = ip6ExtWalk(dv, u8, off, out);
  expect(out[IP6_EXT_WORDS]).toBe(0x5a5a);
  const good = status === IP6_EXT_OK;
  const from = (field: number) => (out[field] === 0 ? 0 : out[field] - off);
  return {
    status,
    protocol: good ? out[IP6_EXT_PROTOCOL] : 0,
    l4: good ? from(IP6_EXT_L4) : 0,
    fragment: from(IP6_EXT_FRAGMENT_AT),
    named: from(IP6_EXT_FRAGMENT_NAMED_AT),
    count: out[IP6_EXT_COUNT],
    pointer: out[IP6_EXT_POINTER],
    protocolNamed: good ? out[IP6_EXT_PROTOCOL_NAMED_AT] : 0,
  };
}

/** A packet whose fixed header names `next` and whose payload is `payload`. */
function packet(next: number, payload: number[], dstFirst = 0x20): number[] {
  const { dv, u8 } = views(40);
  ip6Emit(dv, 0, 0, 0, payload.length, next, 64);
  u8[24] = dstFirst;
  return [...u8, ...payload];
}

/** An extension header of 8 bytes per unit with these option bytes, the rest padding. */
function options(next: number, bytes: number[] = []): number[] {
  const total = Math.ceil((bytes.length + 2) / 8) * 8;
  return [next, total / 8 - 1, ...bytes, ...Array<number>(total - 2 - bytes.length).fill(0)];
}

function status(bytes: number[]): number {
  const answer = guarded(bytes, walk);
  return typeof answer === "number" ? answer : answer.status;
}

function pointer(bytes: number[]): number {
  const answer = guarded(bytes, walk);
  return typeof answer === "number" ? answer : answer.pointer;
}

const tcp = Array<number>(20).fill(9);
const fragment = (next: number, field: number) => [next, 0, field >> 8, field & 255, 1, 2, 3, 4];

describe("ip6ExtWalk", () => {
  it("finds the upper layer without and behind extension headers", () => {
    expect(guarded(packet(TCP, tcp), walk)).toMatchObject({ status: 0, protocol: TCP, l4: 40, count: 0 });
    const chain = [
      ...options(ROUTING, [5, 2, 0, 0]),
      DST,
      1,
      ...Array<number>(14).fill(0),
      ...options(AH, [1, 4, 0, 0, 0, 0]),
      UDP,
      1,
      ...Array<number>(10).fill(0),
      ...Array<number>(8).fill(7),
    ];
    expect(guarded(packet(HBH, chain), walk)).toEqual({
      status: IP6_EXT_OK,
      protocol: UDP,
      l4: 40 + 8 + 16 + 8 + 12,
      fragment: 0,
      named: 0,
      count: 4,
      pointer: 64,
      protocolNamed: 72,
    });
  });

  it("ends at no-next-header and at a protocol it does not know, whose place it tells", () => {
    expect(guarded(packet(NONE, [1, 2, 3]), walk)).toMatchObject({ status: 0, protocol: NONE, l4: 40 });
    expect(guarded(packet(DST, options(253)), walk)).toMatchObject({ protocol: 253, protocolNamed: 40 });
    expect(guarded(packet(253, []), walk)).toMatchObject({ protocol: 253, protocolNamed: 6 });
  });

  it("finds fragment headers: atomic, first, later", () => {
    const at = (next: number, field: number, rest: number[]) =>
      guarded(packet(DST, [...options(FRAGMENT), ...fragment(next, field), ...rest]), walk);
    const expected = { fragment: 48, named: 40, count: 2 };
    expect(at(TCP, 0, tcp)).toMatchObject({ ...expected, status: 0, protocol: TCP, l4: 56 });
    expect(at(TCP, 1, tcp)).toMatchObject({ ...expected, status: 0, protocol: TCP, l4: 56 });
    // A later fragment: what follows is data even when its header names an extension header.
    expect(at(DST, 8, [1, 255, 1])).toMatchObject({ ...expected, status: 0, protocol: DST, l4: 56 });
  });

  it("wants the whole header chain in a first fragment (RFC 7112)", () => {
    const first = (next: number, rest: number[]) => status(packet(FRAGMENT, [...fragment(next, 1), ...rest]));
    expect(first(TCP, tcp.slice(1))).toBe(IP6_EXT_FIRST_INCOMPLETE);
    expect(first(TCP, tcp)).toBe(IP6_EXT_OK);
    expect(first(UDP, [1, 2, 3])).toBe(IP6_EXT_FIRST_INCOMPLETE);
    expect(first(DST, [])).toBe(IP6_EXT_FIRST_INCOMPLETE);
    expect(first(DST, options(UDP))).toBe(IP6_EXT_FIRST_INCOMPLETE);
    expect(first(DST, [UDP, 9, 0, 0, 0, 0, 0, 0])).toBe(IP6_EXT_FIRST_INCOMPLETE);
    expect(pointer(packet(FRAGMENT, [...fragment(DST, 1), UDP, 9, 0, 0, 0, 0, 0, 0]))).toBe(0);
    // An atomic fragment is not one of several.
    expect(status(packet(FRAGMENT, fragment(TCP, 0)))).toBe(IP6_EXT_OK);
    // Options behind a fragment header are judged after reassembly.
    expect(first(DST, [...options(TCP, [0xc1, 0]), ...tcp])).toBe(IP6_EXT_OK);
    expect(status(packet(FRAGMENT, [...fragment(DST, 0), ...options(TCP, [0xc1, 0])]))).toBe(IP6_EXT_OPTION_PROBLEM);
  });

  it("allows hop-by-hop options in the first place only", () => {
    const late = packet(DST, [...options(HBH), ...options(TCP), ...tcp]);
    expect(status(late)).toBe(IP6_EXT_MISPLACED);
    expect(pointer(late)).toBe(40);
  });

  it("stops after eight headers", () => {
    const chain = (n: number) => [
      ...Array.from({ length: n }, (_, i) => options(i === n - 1 ? TCP : DST)).flat(),
      ...tcp,
    ];
    expect(status(packet(DST, chain(8)))).toBe(IP6_EXT_OK);
    expect(status(packet(DST, chain(9)))).toBe(IP6_EXT_TOO_MANY);
  });

  it("refuses a routing header with segments left, of any type, and points at the type", () => {
    for (const type of [0, 2, 4, 200]) {
      expect(status(packet(ROUTING, options(TCP, [type, 0])))).toBe(IP6_EXT_OK);
      const left = packet(DST, [...options(ROUTING), ...options(TCP, [type, 1])]);
      expect(status(left)).toBe(IP6_EXT_ROUTING_PROBLEM);
      expect(pointer(left)).toBe(40 + 8 + 2);
    }
  });

  it("acts on unknown options by their two highest bits (RFC 8200 4.2)", () => {
    for (const header of [HBH, DST]) {
      const act = (kind: number, dstFirst: number) => status(packet(header, options(TCP, [1, 0, kind, 0]), dstFirst));
      expect([0x1e, 0x5e, 0x9e, 0xde].map((kind) => act(kind, 0x20))).toEqual([
        IP6_EXT_OK,
        IP6_EXT_OPTION_DROP,
        IP6_EXT_OPTION_PROBLEM,
        IP6_EXT_OPTION_PROBLEM,
      ]);
      expect([0x1e, 0x5e, 0x9e, 0xde].map((kind) => act(kind, 0xff))).toEqual([
        IP6_EXT_OK,
        IP6_EXT_OPTION_DROP,
        IP6_EXT_OPTION_PROBLEM,
        IP6_EXT_OPTION_DROP,
      ]);
      expect(pointer(packet(header, options(TCP, [1, 0, 0x9e, 0])))).toBe(44);
    }
  });

  it("bounds padding and options, and refuses options past their header", () => {
    const dst = (bytes: number[]) => status(packet(DST, options(TCP, bytes)));
    expect(dst([1, 4, 0, 0, 0, 0])).toBe(IP6_EXT_OK);
    expect(dst([1, 5, 0, 0, 0, 0, 0])).toBe(IP6_EXT_BAD_OPTION);
    expect(dst([0, 0, 0, 0, 0, 0])).toBe(IP6_EXT_OK);
    expect(dst([0, 0, 0, 0, 0, 0, 0, 0])).toBe(IP6_EXT_BAD_OPTION);
    expect(dst([1, 3, 0, 0, 0, 0x1e, 0, 1, 3, 0, 0, 0, 0x1e, 0])).toBe(IP6_EXT_OK);
    expect(dst([5, 2, 0, 0, 1, 1])).toBe(IP6_EXT_BAD_OPTION);
    expect(dst([0, 0, 0, 0, 0, 5])).toBe(IP6_EXT_BAD_OPTION);
    const many = (n: number) => Array.from({ length: n }, () => [0x1e, 0]).flat();
    expect(dst(many(7))).toBe(IP6_EXT_OK);
    expect(dst([...many(8), 1, 4, 0, 0, 0, 0])).toBe(IP6_EXT_OK);
    expect(dst(many(11))).toBe(IP6_EXT_BAD_OPTION);
  });

  it("says truncated wherever the packet ends inside its headers", () => {
    const chain = [...options(DST, [5, 2, 0, 0]), ...options(TCP, [1, 12, ...Array<number>(12).fill(0)])];
    chain[8 + 2] = 0x1e;
    for (let len = 0; len <= chain.length; len++) {
      const expected = len < chain.length ? IP6_EXT_TRUNCATED : IP6_EXT_OK;
      expect([len, status(packet(HBH, chain.slice(0, len)))]).toEqual([len, expected]);
    }
  });

  it("reads nothing outside any packet and always ends", () => {
    const good = packet(HBH, [
      ...options(ROUTING, [5, 2, 0, 0]),
      FRAGMENT,
      1,
      ...Array<number>(14).fill(0),
      ...fragment(DST, 1),
      ...options(TCP),
      ...tcp,
    ]);
    const kinds = fc.constantFrom(HBH, ROUTING, FRAGMENT, AH, DST, TCP, NONE);
    const chains = fc.tuple(kinds, fc.array(fc.oneof(kinds, byte, fc.constantFrom(0, 1)), { maxLength: 90 }));
    fc.assert(
      fc.property(
        fc.oneof(
          mutations(good),
          chains.map(([next, bytes]) => packet(next, bytes)),
        ),
        (bytes) => {
          const answer = guarded(bytes, walk);
          if (typeof answer === "number" || answer.status !== IP6_EXT_OK) return;
          expect(answer.l4).toBeGreaterThanOrEqual(40);
          expect(answer.l4).toBeLessThanOrEqual(bytes.length);
          expect(answer.fragment === 0 || answer.fragment + 8 <= bytes.length).toBe(true);
        },
      ),
      { numRuns: 1000 },
    );
  });

  it("maps its errors to Parameter Problem codes", () => {
    const codes = [
      [IP6_EXT_ROUTING_PROBLEM, 0],
      [IP6_EXT_MISPLACED, 1],
      [IP6_EXT_OPTION_PROBLEM, 2],
      [IP6_EXT_FIRST_INCOMPLETE, 3],
      [IP6_EXT_OPTION_DROP, -1],
      [IP6_EXT_TRUNCATED, -1],
      [IP6_EXT_TOO_MANY, -1],
      [IP6_EXT_BAD_OPTION, -1],
    ];
    for (const [error, code] of codes) expect(ip6ExtProblemCode(error)).toBe(code);
  });
});

it("a fragment header reads back as written", () => {
  fc.assert(
    fc.property(byte, fc.nat(0x1fff), fc.boolean(), word32, (next, eighths, more, id) => {
      const { dv, u8 } = views(16, 0xdb);
      expect(ip6EmitFragment(dv, 2, next, eighths * 8, more, id)).toBe(8);
      expect([u8[2], u8[3], ip6FragmentOffset(dv, 2), ip6MoreFragments(dv, 2), ip6FragmentId(dv, 2)]).toEqual([
        next,
        0,
        eighths * 8,
        more,
        id,
      ]);
      expect(ip6IsFragment(dv, 2)).toBe(more || eighths > 0);
    }),
  );
});
