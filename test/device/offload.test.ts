import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { completeChecksum } from "../../src/device/checksum.js";
import { MAX_SEGMENTS, Segmenter } from "../../src/device/segment.js";
import {
  F_CHECKSUM_PARTIAL,
  GSO_TCP4,
  GSO_TCP6,
  GSO_UDP,
  M_DATA,
  M_FLAGS,
  M_GSO,
  M_L3,
  M_L4,
  M_LEN,
  M_TX_IF,
  PacketPool,
} from "../../src/graph/packet-pool.js";
import { MemoryWindow } from "../../src/mem/window.js";
import { checksumsHold, headerBytes, l4At, makeFrame, type Sample } from "./packets.js";

function makePool(small = 128, large = 2): PacketPool {
  return new PacketPool(MemoryWindow.plain(2 << 20), { small, large, poison: true });
}

/** Puts a frame into a buffer: `head` bytes of it, the rest as tail spans cut at `cuts`. */
function put(pool: PacketPool, frame: Uint8Array, sample: Sample, head = frame.length, cuts: number[] = []): number {
  const { u8, i32 } = pool.window;
  const b = pool.allocFor(head);
  const m = pool.meta + (b << 4);
  u8.set(frame.subarray(0, head), i32[m + M_DATA]);
  i32[m + M_LEN] = head;
  i32[m + M_FLAGS] = F_CHECKSUM_PARTIAL;
  i32[m + M_L3] = i32[m + M_DATA] + 14;
  i32[m + M_L4] = i32[m + M_DATA] + l4At(sample.isIp6);
  i32[m + M_TX_IF] = 3;
  const ends = [...cuts, frame.length];
  for (let i = 0, from = head; i < ends.length; i++) {
    if (ends[i] <= from) continue;
    const span = pool.window.reserve("span", ends[i] - from + 3, 4) + (i & 3);
    u8.set(frame.subarray(from, ends[i]), span);
    pool.addTail(b, span, ends[i] - from);
    from = ends[i];
  }
  return b;
}

function bytesIn(pool: PacketPool, b: number): Uint8Array {
  const at = pool.window.reserve("copy", pool.length(b));
  return pool.window.u8.slice(at, at + pool.gather(b, at));
}

const samples = fc.record({
  isIp6: fc.boolean(),
  isTcp: fc.boolean(),
  optionBytes: fc.constantFrom(0, 12, 40),
  payload: fc.uint8Array({ minLength: 1, maxLength: 5000 }),
  flags: fc.constantFrom(0x10, 0x18, 0x19, 0x90, 0x99),
  seq: fc.integer(),
  id: fc.nat(0xffff),
});

describe("completeChecksum", () => {
  it("makes the checksum right over heads and tails cut anywhere", () => {
    fc.assert(
      fc.property(samples, fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 3 }), (sample, cuts) => {
        const pool = makePool();
        const frame = makeFrame({ ...sample, payload: sample.payload.subarray(0, 1400) });
        const headers = headerBytes(sample);
        const at = cuts.map((cut) => headers + Math.floor(cut * (frame.length - headers))).sort((a, b) => a - b);
        const b = put(pool, frame, sample, at[0] ?? frame.length, at.slice(1));
        expect(completeChecksum(pool, b)).toBe(true);
        expect(pool.window.i32[pool.meta + (b << 4) + M_FLAGS]).toBe(0);
        const done = bytesIn(pool, b);
        if (!sample.isIp6) done.set([0, 0], 24);
        expect(sample.isIp6 ? checksumsHold(done) : checksumsHold(withIp4Checksum(done))).toBe(true);
      }),
      { numRuns: 200, seed: 1 },
    );
  });

  it("sends a UDP checksum that comes out as 0 as all ones", () => {
    const sum = (payload: Uint8Array): number => {
      const sample = { isIp6: false, isTcp: false, optionBytes: 0, payload, flags: 0, seq: 0, id: 0 };
      const pool = makePool(4, 0);
      const b = put(pool, makeFrame(sample), sample);
      completeChecksum(pool, b);
      return new DataView(bytesIn(pool, b).buffer).getUint16(40);
    };
    // A word more in the payload is a word less in the checksum.
    const field = sum(new Uint8Array(2));
    expect(field).not.toBe(0xffff);
    expect(sum(Uint8Array.of(field >> 8, field & 255))).toBe(0xffff);
  });

  it("refuses packets without the header they name, unchanged", () => {
    const sample: Sample = {
      isIp6: false,
      isTcp: true,
      optionBytes: 0,
      payload: new Uint8Array(8),
      flags: 0,
      seq: 0,
      id: 0,
    };
    const pool = makePool();
    const frame = makeFrame(sample);
    for (const spoil of [
      (m: number) => (pool.window.i32[m + M_L4] += 4),
      (m: number) => (pool.window.i32[m + M_L4] -= 30),
      (m: number) => (pool.window.i32[m + M_LEN] = 40),
      (m: number) => (pool.window.i32[m + M_LEN] = 48),
      (m: number) => (pool.window.u8[pool.window.i32[m + M_DATA] + 23] = 1),
    ]) {
      const b = put(pool, frame, sample);
      const m = pool.meta + (b << 4);
      spoil(m);
      expect(completeChecksum(pool, b)).toBe(false);
      expect(pool.window.i32[m + M_FLAGS]).toBe(F_CHECKSUM_PARTIAL);
    }
  });

  it("finds the transport header behind IPv6 extension headers", () => {
    const sample: Sample = {
      isIp6: true,
      isTcp: false,
      optionBytes: 0,
      payload: new Uint8Array(9),
      flags: 0,
      seq: 0,
      id: 0,
    };
    const frame = makeFrame(sample);
    const extended = new Uint8Array(frame.length + 16);
    extended.set(frame.subarray(0, 54));
    extended.set(frame.subarray(54), 70);
    extended[20] = 60;
    extended.set([17, 1], 54);
    const pool = makePool();
    const b = put(pool, extended, sample);
    pool.window.i32[pool.meta + (b << 4) + M_L4] += 16;
    expect(completeChecksum(pool, b)).toBe(true);
  });
});

/** What segments of one superframe differ in. */
function fields(bytes: Uint8Array): Record<string, number> {
  const dv = new DataView(bytes.buffer);
  const isIp6 = dv.getUint16(12) === 0x86dd;
  const l4 = l4At(isIp6);
  const network = isIp6
    ? { length: dv.getUint16(18) + 54, id: 0 }
    : { length: dv.getUint16(16) + 14, id: dv.getUint16(18) };
  if (bytes[isIp6 ? 20 : 23] === 17) return { bytes: bytes.length, ...network, udp: dv.getUint16(l4 + 4) + l4 };
  return { bytes: bytes.length, ...network, seq: dv.getInt32(l4 + 4), flags: bytes[l4 + 13] };
}

function expectedFields(sample: Sample, i: number, count: number, size: number): Record<string, number> {
  const { isIp6, isTcp, payload } = sample;
  const bytes = headerBytes(sample) + (i < count - 1 ? size : payload.length - i * size);
  const network = { length: bytes, id: isIp6 ? 0 : (sample.id + i) & 0xffff };
  if (!isTcp) return { bytes, ...network, udp: bytes };
  // RFC 3168 6.1.2: CWR on the first segment only; FIN and PSH belong to the last byte.
  const flags = (i === count - 1 ? sample.flags : sample.flags & ~0x09) & (i === 0 ? 0xff : ~0x80);
  return { bytes, ...network, seq: (sample.seq + i * size) | 0, flags };
}

function withIp4Checksum(frame: Uint8Array): Uint8Array {
  let sum = 0;
  for (let i = 14; i < 34; i += 2) sum += (frame[i] << 8) | frame[i + 1];
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  frame.set([(~sum >>> 8) & 255, ~sum & 255], 24);
  return frame;
}

describe("Segmenter", () => {
  it("cuts into frames whose payloads joined are the superframe's, each correct on its own", () => {
    fc.assert(
      fc.property(samples, fc.integer({ min: 100, max: 1460 }), fc.boolean(), (sample, size, inTails) => {
        const pool = makePool();
        const frame = makeFrame(sample);
        const headers = headerBytes(sample);
        const middle = headers + ((frame.length - headers) >> 1);
        const b = put(
          pool,
          frame,
          sample,
          inTails ? Math.min(headers + 7, frame.length) : frame.length,
          inTails ? [middle] : [],
        );
        const m = pool.meta + (b << 4);
        const kind = sample.isTcp ? (sample.isIp6 ? GSO_TCP6 : GSO_TCP4) : GSO_UDP;
        pool.window.i32[m + M_GSO] = size | (kind << 16);
        const segmenter = new Segmenter(pool);
        const count = segmenter.begin(b, true);
        expect(count).toBe(Math.ceil(sample.payload.length / size));
        const joined: number[] = [];
        for (let i = 0; i < count; i++) {
          const segment = segmenter.next();
          const n = pool.meta + (segment << 4);
          const { i32 } = pool.window;
          const bytes = bytesIn(pool, segment);
          expect(checksumsHold(bytes)).toBe(true);
          expect([i32[n + M_GSO], i32[n + M_FLAGS], i32[n + M_TX_IF]]).toEqual([0, 0, 3]);
          expect(i32[n + M_L4] - i32[n + M_DATA]).toBe(l4At(sample.isIp6));
          expect(i32[n + M_L3] - i32[n + M_DATA]).toBe(14);
          expect(fields(bytes)).toEqual(expectedFields(sample, i, count, size));
          joined.push(...bytes.subarray(headers));
          pool.free(segment);
        }
        expect(Uint8Array.from(joined)).toEqual(sample.payload);
        pool.free(b);
        expect(pool.inUse()).toEqual([]);
      }),
      { numRuns: 150, seed: 2 },
    );
  });

  const TCP: Sample = {
    isIp6: false,
    isTcp: true,
    optionBytes: 0,
    payload: new Uint8Array(3000),
    flags: 0x10,
    seq: 0,
    id: 0,
  };

  it("leaves checksums partial for devices that complete them", () => {
    const pool = makePool();
    const b = put(pool, makeFrame(TCP), TCP);
    pool.window.i32[pool.meta + (b << 4) + M_GSO] = 1000 | (GSO_TCP4 << 16);
    const segmenter = new Segmenter(pool);
    expect(segmenter.begin(b, false)).toBe(3);
    const segment = segmenter.next();
    expect(pool.window.i32[pool.meta + (segment << 4) + M_FLAGS]).toBe(F_CHECKSUM_PARTIAL);
    completeChecksum(pool, segment);
    expect(checksumsHold(bytesIn(pool, segment))).toBe(true);
  });

  it("leaves an IPv4 datagram without checksum without one", () => {
    const udp = { ...TCP, isTcp: false };
    const pool = makePool();
    const frame = makeFrame(udp);
    frame.set([0, 0], 40);
    const b = put(pool, frame, udp);
    const m = pool.meta + (b << 4);
    pool.window.i32[m + M_GSO] = 1000 | (GSO_UDP << 16);
    pool.window.i32[m + M_FLAGS] = 0;
    const segmenter = new Segmenter(pool);
    segmenter.begin(b, true);
    expect(bytesIn(pool, segmenter.next()).slice(40, 42)).toEqual(new Uint8Array(2));
  });

  it("makes one segment of what is not longer than one, even without payload", () => {
    const pool = makePool();
    const empty = { ...TCP, payload: new Uint8Array(0) };
    const b = put(pool, makeFrame(empty), empty);
    pool.window.i32[pool.meta + (b << 4) + M_GSO] = 1000 | (GSO_TCP4 << 16);
    const segmenter = new Segmenter(pool);
    expect(segmenter.begin(b, true)).toBe(1);
    expect(bytesIn(pool, segmenter.next()).length).toBe(54);
  });

  it("refuses superframes without the headers they name, with gsoSize 0, or cut too fine", () => {
    const pool = makePool();
    const segmenter = new Segmenter(pool);
    const refused: [string, number, (m: number, data: number) => void][] = [
      ["no size", GSO_TCP4 << 16, () => {}],
      ["other protocol", 1000 | (GSO_UDP << 16), () => {}],
      ["transport header elsewhere", 1000 | (GSO_TCP4 << 16), (m) => (pool.window.i32[m + M_L4] += 4)],
      ["short head", 1000 | (GSO_TCP4 << 16), (m) => (pool.window.i32[m + M_LEN] = 50)],
      [
        "options past the head",
        1000 | (GSO_TCP4 << 16),
        (m, data) => {
          pool.window.u8[data + 46] = 0xf0;
          pool.window.i32[m + M_LEN] = 60;
        },
      ],
      ["TCP header of 16 bytes", 1000 | (GSO_TCP4 << 16), (_m, data) => (pool.window.u8[data + 46] = 0x40)],
      ["one byte each", 1 | (GSO_TCP4 << 16), () => {}],
    ];
    const answers = refused.map(([what, gso, spoil]) => {
      const b = put(pool, makeFrame(TCP), TCP);
      const m = pool.meta + (b << 4);
      pool.window.i32[m + M_GSO] = gso;
      spoil(m, pool.window.i32[m + M_DATA]);
      const answer = segmenter.begin(b, true);
      pool.free(b);
      return `${what}: ${answer}`;
    });
    expect(answers).toEqual(refused.map(([what]) => `${what}: -1`));
    expect(TCP.payload.length).toBeGreaterThan(MAX_SEGMENTS);
  });

  it("says when the pool is exhausted", () => {
    const pool = makePool(1, 1);
    const b = put(pool, makeFrame(TCP), TCP);
    pool.window.i32[pool.meta + (b << 4) + M_GSO] = 1000 | (GSO_TCP4 << 16);
    const segmenter = new Segmenter(pool);
    expect(segmenter.begin(b, true)).toBe(3);
    expect(segmenter.next()).toBeGreaterThanOrEqual(0);
    expect(segmenter.next()).toBe(-1);
  });
});
