import { describe, expect, test } from "vitest";
import { FifoTable } from "../../src/mem/fifo-table.js";
import { MemoryWindow } from "../../src/mem/window.js";

// The cases of VPP's `test svm fifo` that are not in fifo-ooo.test.ts (fifo1 to fifo7, large, grow, make_rcv_wnd_zero),
// by its names. Traces for replay, forks and prepared fifos have no counterpart: fifos take chunks when bytes come.

const MIB = 1 << 20;

function segmentOf(bytes: number, maxFifos = 16, window = MemoryWindow.plain(bytes + 4 * MIB)): FifoTable {
  return new FifoTable(window, window.reserve("segment", bytes, 4096), bytes, { maxFifos });
}

const pattern = (length: number, seed = 0): Uint8Array =>
  Uint8Array.from({ length }, (_, i) => (Math.imul(i + seed, 0x9e3779b1) >>> 24) & 0xff);

function readAll(segment: FifoTable, f: number, length: number): Uint8Array {
  const out = new Uint8Array(length);
  expect(segment.read(f, out, 0, length)).toBe(length);
  return out;
}

describe("fifo", () => {
  test("shrink: a smaller size holds once what is over it was read", () => {
    const segment = segmentOf(MIB);
    const f = segment.allocFifo(65536);
    const bytes = pattern(40_000);
    expect(segment.write(f, bytes, 0, bytes.length)).toBe(40_000);
    segment.setCapBytes(f, 16_384);
    expect([segment.maxEnqueue(f), segment.write(f, bytes, 0, 1)]).toEqual([0, 0]);
    expect(readAll(segment, f, 30_000)).toEqual(bytes.subarray(0, 30_000));
    expect(segment.maxEnqueue(f)).toBe(6384);
    expect(segment.write(f, bytes, 0, 40_000)).toBe(6384);
    expect(readAll(segment, f, 16_384)).toEqual(
      Uint8Array.from([...bytes.subarray(30_000), ...bytes.subarray(0, 6384)]),
    );
    expect([segment.ownedBytes(f), segment.inUse(), segment.validate(f)]).toEqual([0, 0, undefined]);
  });

  test("indirect: bytes written in place, chunk by chunk, are what is read", () => {
    const window = MemoryWindow.plain(4 * MIB);
    const segment = segmentOf(MIB, 16, window);
    const { u8 } = window;
    const f = segment.allocFifo(65536);
    const bytes = pattern(50_000, 7);
    const spans = new Int32Array(32);
    for (let done = 0; done < bytes.length; ) {
      const count = segment.reserve(f, Math.min(9000, bytes.length - done), spans, 16);
      let filled = 0;
      for (let i = 0; i < count; i++) {
        const length = spans[2 * i + 1];
        u8.set(bytes.subarray(done + filled, done + filled + length), spans[2 * i]);
        filled += length;
      }
      expect(segment.commit(f, filled)).toBe(filled);
      done += filled;
    }
    expect(readAll(segment, f, bytes.length)).toEqual(bytes);
    expect(segment.inUse()).toBe(0);
  });
});

describe("segment", () => {
  test("hello_world", () => {
    const segment = segmentOf(MIB);
    const f = segment.allocFifo(4096);
    const text = Uint8Array.from("Hello, world!", (char) => char.charCodeAt(0));
    expect(segment.write(f, text, 0, text.length)).toBe(13);
    expect(String.fromCharCode(...readAll(segment, f, 13))).toBe("Hello, world!");
  });

  test("mempig: fifos until the segment is full, all freed, and as many again", () => {
    const segment = segmentOf(MIB, 64);
    const pig = (): number[] => {
      const fifos: number[] = [];
      for (;;) {
        const f = segment.allocFifo(65_536);
        if (f === 0) break;
        fifos.push(f);
      }
      return fifos;
    };
    const first = pig();
    expect(first.length).toBe(64);
    const bytes = pattern(65_536);
    const filled = first.map((f) => segment.write(f, bytes, 0, bytes.length));
    expect(filled[0]).toBe(65_536);
    expect(filled.at(-1)).toBe(0);
    for (const f of first) segment.freeFifo(f);
    expect([segment.inUse(), segment.stats().activeFifos]).toEqual([0, 0]);
    const again = pig();
    expect(again.map((f) => segment.write(f, bytes, 0, bytes.length)).reduce((a, b) => a + b)).toBe(
      filled.reduce((a, b) => a + b),
    );
    for (const f of again) segment.freeFifo(f);
    expect(segment.inUse()).toBe(0);
  });

  test("fifo_grow: a larger size is taken up chunk by chunk, and given back", () => {
    const segment = segmentOf(8 * MIB);
    const f = segment.allocFifo(4096);
    const bytes = pattern(MIB);
    expect(segment.write(f, bytes, 0, MIB)).toBe(4096);
    segment.setCapBytes(f, MIB);
    expect(segment.write(f, bytes, 4096, MIB)).toBe(MIB - 4096);
    expect(readAll(segment, f, MIB)).toEqual(bytes);
    expect(segment.inUse()).toBe(0);
  });

  test("over_max_chunk: a fifo larger than the largest chunk of 4 MiB", () => {
    const segment = segmentOf(32 * MIB);
    const f = segment.allocFifo(9 * MIB);
    const bytes = pattern(9 * MIB);
    expect(segment.write(f, bytes, 0, bytes.length)).toBe(9 * MIB);
    const out = new Uint8Array(9 * MIB);
    expect(segment.read(f, out, 0, out.length)).toBe(9 * MIB);
    expect(Buffer.compare(out, bytes)).toBe(0);
    expect(segment.inUse()).toBe(0);
  });
});
