import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FrameRing } from "../../src/device/frame-ring.js";
import { GeneratorDevice } from "../../src/device/generator-device.js";
import { NullDevice } from "../../src/device/null-device.js";
import { wire, type WireDevice, type WireOptions } from "../../src/device/wire-device.js";
import {
  F_CHECKSUM_PARTIAL,
  F_L4_CHECKSUM_OK,
  GSO_TCP4,
  M_DATA,
  M_FLAGS,
  M_GSO,
  M_L4,
  M_LEN,
  PacketPool,
} from "../../src/graph/packet-pool.js";
import { MemoryWindow } from "../../src/mem/window.js";

function makePool(small = 64, large = 4): PacketPool {
  return new PacketPool(MemoryWindow.plain(1 << 20), { small, large, poison: true });
}

function put(pool: PacketPool, bytes: Uint8Array): number {
  const b = pool.allocFor(bytes.length);
  const { u8, i32 } = pool.window;
  const m = pool.meta + (b << 4);
  u8.set(bytes, i32[m + M_DATA]);
  i32[m + M_LEN] = bytes.length;
  return b;
}

function bytesOf(pool: PacketPool, b: number): Uint8Array {
  const { u8, i32 } = pool.window;
  const m = pool.meta + (b << 4);
  return u8.slice(i32[m + M_DATA], i32[m + M_DATA] + i32[m + M_LEN]);
}

interface Ends {
  readonly a: WireDevice;
  readonly b: WireDevice;
  readonly poolA: PacketPool;
  readonly poolB: PacketPool;
}

function setUp(options?: WireOptions, poolB = makePool()): Ends {
  const [a, b] = wire(options);
  const poolA = makePool();
  a.attach(poolA);
  b.attach(poolB);
  return { a, b, poolA, poolB };
}

function frame(length: number, first: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (first + i) & 255);
}

function receive({ b, poolB }: Ends, max = 256): Uint8Array[] {
  const buffers = new Int32Array(256);
  const n = b.rx(buffers, max);
  return Array.from({ length: n }, (_, i) => {
    const bytes = bytesOf(poolB, buffers[i]);
    poolB.free(buffers[i]);
    return bytes;
  });
}

describe("wire", () => {
  it("brings frames to the other end, in order, both ways", () => {
    const ends = setUp();
    const { a, b, poolA, poolB } = ends;
    expect(a.tx(Int32Array.of(put(poolA, frame(60, 1)), put(poolA, frame(1514, 2))), 2)).toBe(2);
    expect(receive(ends, 1)).toEqual([frame(60, 1)]);
    expect(receive(ends)).toEqual([frame(1514, 2)]);
    b.tx(Int32Array.of(put(poolB, frame(77, 3))), 1);
    const buffers = new Int32Array(4);
    expect(a.rx(buffers, 4)).toBe(1);
    expect(bytesOf(poolA, buffers[0])).toEqual(frame(77, 3));
    expect(a.rx(buffers, 4)).toBe(0);
    expect([...a.mac, ...b.mac]).toEqual([2, 0x57, 0, 0, 0, 1, 2, 0x57, 0, 0, 0, 2]);
  });

  it("gathers tails, and takes partial checksums and superframes along", () => {
    const ends = setUp();
    const { a, poolA, poolB } = ends;
    const b = put(poolA, frame(54, 0));
    const m = poolA.meta + (b << 4);
    const { i32 } = poolA.window;
    i32[m + M_FLAGS] = F_CHECKSUM_PARTIAL;
    i32[m + M_L4] = i32[m + M_DATA] + 34;
    i32[m + M_GSO] = 1448 | (GSO_TCP4 << 16);
    for (const first of [100, 200]) {
      const span = poolA.window.reserve("span", 5000);
      poolA.window.u8.set(frame(5000, first), span);
      poolA.addTail(b, span, 5000);
    }
    a.tx(Int32Array.of(b), 1);
    const buffers = new Int32Array(1);
    ends.b.rx(buffers, 1);
    const n = poolB.meta + (buffers[0] << 4);
    expect(bytesOf(poolB, buffers[0])).toEqual(
      Uint8Array.of(...frame(54, 0), ...frame(5000, 100), ...frame(5000, 200)),
    );
    const to = poolB.window.i32;
    expect(to[n + M_FLAGS]).toBe(F_CHECKSUM_PARTIAL | F_L4_CHECKSUM_OK);
    expect(to[n + M_L4] - to[n + M_DATA]).toBe(34);
    expect(to[n + M_GSO]).toBe(1448 | (GSO_TCP4 << 16));
  });

  it("loses frames beyond the MTU, but not superframes", () => {
    const ends = setUp({ mtu: 100 });
    const { a, poolA } = ends;
    expect(a.tx(Int32Array.of(put(poolA, frame(119, 1)), put(poolA, frame(118, 2))), 2)).toBe(2);
    expect(receive(ends)).toEqual([frame(118, 2)]);
    expect(a.counters).toEqual({ frames: 1, full: 0, tooLong: 1 });
    const b = put(poolA, frame(3000, 3));
    poolA.window.i32[poolA.meta + (b << 4) + M_GSO] = 60 | (GSO_TCP4 << 16);
    a.tx(Int32Array.of(b), 1);
    expect(receive(ends)).toEqual([frame(3000, 3)]);
  });

  it("takes no more than its limits of frames and of bytes", () => {
    const ends = setUp({ frames: 3 });
    const { a, poolA } = ends;
    const burst = Int32Array.from({ length: 5 }, (_, i) => put(poolA, frame(60, i)));
    expect(a.tx(burst, 5)).toBe(3);
    expect(a.counters.full).toBe(2);
    expect(receive(ends).length).toBe(3);
    const narrow = setUp({ bytes: 2000 });
    const two = [put(narrow.poolA, frame(1514, 1)), put(narrow.poolA, frame(1514, 2))];
    expect(narrow.a.tx(Int32Array.from(two), 2)).toBe(1);
    expect(receive(narrow).length).toBe(1);
    expect(narrow.a.tx(Int32Array.from(two), 1)).toBe(1);
  });

  it("keeps frames while the receiver has no buffer", () => {
    const ends = setUp({}, makePool(1, 0));
    const { a, poolA, poolB } = ends;
    a.tx(Int32Array.of(put(poolA, frame(60, 1)), put(poolA, frame(60, 2))), 2);
    const buffers = new Int32Array(2);
    expect(ends.b.rx(buffers, 2)).toBe(1);
    expect(poolB.exhausted).toBe(1);
    poolB.free(buffers[0]);
    expect(receive(ends)).toEqual([frame(60, 2)]);
  });

  it("wakes the other end when its first frame comes", () => {
    const ends = setUp();
    let woken = 0;
    ends.b.onReadable = () => woken++;
    const b = put(ends.poolA, frame(60, 1));
    ends.a.tx(Int32Array.of(b, b), 2);
    ends.a.tx(Int32Array.of(b), 1);
    expect(woken).toBe(1);
    receive(ends);
    ends.a.tx(Int32Array.of(b), 1);
    expect(woken).toBe(2);
  });

  it("a closed end sends and receives nothing", () => {
    const ends = setUp();
    const b = put(ends.poolA, frame(60, 1));
    ends.a.tx(Int32Array.of(b), 1);
    ends.b.close();
    expect(receive(ends)).toEqual([]);
    ends.a.close();
    expect(ends.a.tx(Int32Array.of(b), 1)).toBe(0);
  });

  it("does nothing before it is attached", () => {
    const [a] = wire();
    expect(a.rx(new Int32Array(1), 1)).toBe(0);
    expect(a.tx(Int32Array.of(0), 1)).toBe(0);
  });

  it.each([{ mtu: 67 }, { mtu: 65536 }, { mtu: 1.5 }, { frames: 0 }, { bytes: 1000 }])("refuses %o", (options) => {
    expect(() => wire(options)).toThrow(RangeError);
  });
});

interface Held {
  readonly bytes: Uint8Array;
  readonly words: readonly number[];
}

const NONE: Held = { bytes: new Uint8Array(0), words: [] };

it("a frame ring is a bounded queue", () => {
  const lengths = fc.array(fc.integer({ min: 0, max: 60 }), { maxLength: 200 });
  fc.assert(
    fc.property(lengths, (list) => {
      const ring = new FrameRing(5, 100);
      const model: Held[] = [];
      for (const [i, length] of list.entries()) {
        // 0 takes a frame out.
        if (length > 0) {
          const held = model.reduce((sum, { bytes }) => sum + bytes.length, 0);
          const at = ring.push(length, i, i + 1, i + 2);
          // It may be full, or no piece may be long enough: never while a piece of 60 must be free.
          if (at < 0 && model.length < 5 && held + length <= 40) throw new Error("refused though there is room");
          if (at >= 0) {
            ring.bytes.set(frame(length, i), at);
            model.push({ bytes: frame(length, i), words: [i, i + 1, i + 2] });
          }
        } else if (model.length > 0) {
          model.shift();
          ring.pop();
        }
        const oldest = model[0] ?? NONE;
        const bytes = ring.count > 0 ? ring.bytes.slice(ring.start, ring.start + ring.length) : NONE.bytes;
        const words = ring.count > 0 ? [ring.flags, ring.l4, ring.gso] : NONE.words;
        expect({ bytes, words }).toEqual(oldest);
        expect(ring.count).toBe(model.length);
      }
    }),
    { numRuns: 300, seed: 3 },
  );
});

it("a null device takes and counts everything", () => {
  const pool = makePool();
  const device = new NullDevice(Uint8Array.of(2, 0, 0, 0, 0, 1));
  const b = put(pool, frame(60, 1));
  pool.addTail(b, 64, 40);
  expect(device.tx(Int32Array.of(b), 1)).toBe(0);
  device.attach(pool);
  expect(device.tx(Int32Array.of(b), 1)).toBe(1);
  expect([device.packets, device.bytes, device.rx()]).toEqual([1, 100, 0]);
  device.close();
  expect(device.tx(Int32Array.of(b), 1)).toBe(0);
});

it("a generator receives its frames in turn, as many as it has credit for", () => {
  const pool = makePool(8, 0);
  const device = new GeneratorDevice({ mac: new Uint8Array(6), frames: [frame(60, 1), frame(61, 2)], burst: 2 });
  const buffers = new Int32Array(256);
  device.credit = 5;
  expect(device.rx(buffers, 256)).toBe(0);
  device.attach(pool);
  const seen: Uint8Array[] = [];
  for (let n = device.rx(buffers, 256); n > 0; n = device.rx(buffers, 256)) {
    expect(n).toBeLessThanOrEqual(2);
    for (let i = 0; i < n; i++) seen.push(bytesOf(pool, buffers[i]));
  }
  expect(seen).toEqual([frame(60, 1), frame(61, 2), frame(60, 1), frame(61, 2), frame(60, 1)]);
  device.credit = 100;
  device.rx(buffers, 256);
  expect(device.rx(buffers, 256)).toBe(1);
  expect(device.credit).toBe(97);
  expect([device.tx(buffers, 3), device.txPackets]).toEqual([3, 3]);
  device.close();
  expect(device.rx(buffers, 256)).toBe(0);
  expect(() => new GeneratorDevice({ mac: new Uint8Array(6), frames: [] })).toThrow(RangeError);
});
