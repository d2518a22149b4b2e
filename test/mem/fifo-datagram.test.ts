import { describe, expect, test } from "vitest";
import {
  DGRAM_DATA_LENGTH,
  DGRAM_DATA_OFFSET,
  DGRAM_INTERFACE,
  DGRAM_HEADER_BYTES,
  DGRAM_IS_IP4,
  DGRAM_LOCAL_PORT,
  DGRAM_REMOTE_IP,
  DGRAM_REMOTE_PORT,
  dequeueDatagram,
  dropDatagram,
  enqueueDatagram,
  peekDatagram,
  readDatagram,
  writeDatagram,
} from "../../src/mem/fifo-datagram.js";
import { bench, bytesAt, fill } from "./fifo-model.js";

function setUp(capBytes = 65536, segmentBytes = 1 << 20) {
  const b = bench(segmentBytes);
  const header = b.window.reserve("header", 64);
  const got = b.window.reserve("header read", 64);
  const f = b.segment.allocFifo(capBytes);
  const { dv } = b.window;
  dv.setInt32(header + DGRAM_REMOTE_IP, 0x0a000001);
  dv.setUint16(header + DGRAM_REMOTE_PORT, 4242);
  dv.setUint16(header + DGRAM_LOCAL_PORT, 53);
  dv.setUint8(header + DGRAM_IS_IP4, 1);
  dv.setUint16(header + DGRAM_INTERFACE, 1400);
  fill(b, 4000, 3);
  const put = (from: number, len: number) =>
    enqueueDatagram(b.segment, b.window, f, header, Int32Array.of(0, 0, b.src + from, len), 2, 1);
  return { ...b, header, got, f, put };
}

describe("datagrams", () => {
  test("the header is a multiple of 4 and holds two endpoints", () => {
    expect(DGRAM_HEADER_BYTES % 4).toBe(0);
    expect(DGRAM_INTERFACE + 2).toBe(DGRAM_HEADER_BYTES);
  });

  test("go in with their header and come out one by one", () => {
    const { segment, window, f, put, got, dst, src } = setUp();
    for (const len of [0, 1, 700, 1472]) expect(put(len, len)).toBe(true);
    expect(segment.maxDequeue(f)).toBe(4 * DGRAM_HEADER_BYTES + 2173);
    for (const len of [0, 1, 700, 1472]) {
      expect(peekDatagram(segment, window, f, got)).toBe(len);
      expect(dequeueDatagram(segment, window, f, got, dst, 4000)).toBe(len);
      expect(bytesAt(window, dst, len)).toEqual(bytesAt(window, src + len, len));
      expect(window.dv.getInt32(got + DGRAM_REMOTE_IP)).toBe(0x0a000001);
      expect(window.dv.getUint16(got + DGRAM_LOCAL_PORT)).toBe(53);
      expect(window.dv.getUint16(got + DGRAM_INTERFACE)).toBe(1400);
      expect(window.i32[(got + DGRAM_DATA_LENGTH) >> 2]).toBe(len);
    }
    expect(peekDatagram(segment, window, f, got)).toBe(-1);
    expect(dequeueDatagram(segment, window, f, got, dst, 10)).toBe(-1);
    expect(segment.inUse()).toBe(0);
  });

  test("are gathered from a packet's spans", () => {
    const { segment, window, f, header, got, dst, src } = setUp();
    const spans = Int32Array.of(9, 9, 0, 0, src, 100, src + 300, 50, src + 900, 0, src + 1000, 7);
    expect(enqueueDatagram(segment, window, f, header, spans, 4, 4)).toBe(true);
    expect(spans[0]).toBe(9);
    expect(dequeueDatagram(segment, window, f, got, dst, 400)).toBe(157);
    const want = [...bytesAt(window, src, 100), ...bytesAt(window, src + 300, 50), ...bytesAt(window, src + 1000, 7)];
    expect(bytesAt(window, dst, 157)).toEqual(want);
  });

  test("all or nothing, for want of cap or of memory", () => {
    const { segment, f, put } = setUp(1000);
    expect(put(0, 949)).toBe(false);
    expect(segment.inUse()).toBe(0);
    expect(put(0, 948)).toBe(true);
    expect(put(0, 0)).toBe(false);
    expect(segment.maxDequeue(f)).toBe(1000);
    const small = setUp(65536, 64 << 10);
    // All memory but one chunk of 1 KiB is taken.
    const [spare, hog] = [small.segment.allocFifo(1024), small.segment.allocFifo(65536)];
    small.segment.enqueue(spare, small.src, 1024);
    small.segment.enqueue(hog, small.src, 65536);
    small.segment.dropAll(spare);
    expect(small.put(0, 1024 - DGRAM_HEADER_BYTES + 1)).toBe(false);
    expect(writeDatagram(small.segment, small.window, small.f, small.header, new Uint8Array(973), 0, 973)).toBe(false);
    expect(small.segment.ownedBytes(small.f)).toBe(0);
    expect(small.put(0, 1024 - DGRAM_HEADER_BYTES)).toBe(true);
  });

  test("what the reader has no room for is lost with its datagram", () => {
    const { segment, window, f, put, got, dst, src } = setUp();
    put(0, 100);
    put(500, 10);
    expect(dequeueDatagram(segment, window, f, got, dst, 30)).toBe(30);
    expect(window.i32[(got + DGRAM_DATA_LENGTH) >> 2]).toBe(100);
    expect(dequeueDatagram(segment, window, f, got, dst, 30)).toBe(10);
    expect(bytesAt(window, dst, 10)).toEqual(bytesAt(window, src + 500, 10));
  });

  test("or stays for the next call with keepRest", () => {
    const { segment, window, f, put, got, dst, src } = setUp();
    put(0, 100);
    put(500, 10);
    expect(dequeueDatagram(segment, window, f, got, dst, 30, true)).toBe(30);
    expect(peekDatagram(segment, window, f, got)).toBe(70);
    expect(window.i32[(got + DGRAM_DATA_OFFSET) >> 2]).toBe(30);
    const into = new Uint8Array(200);
    expect(readDatagram(segment, window, f, got, into, 1, 20, true)).toBe(20);
    expect(Array.from(into.subarray(1, 21))).toEqual(bytesAt(window, src + 30, 20));
    expect(dequeueDatagram(segment, window, f, got, dst, 0, true)).toBe(0);
    expect(dequeueDatagram(segment, window, f, got, dst, 200, true)).toBe(50);
    expect(bytesAt(window, dst, 50)).toEqual(bytesAt(window, src + 50, 50));
    expect(dequeueDatagram(segment, window, f, got, dst, 200, true)).toBe(10);
    expect(segment.maxDequeue(f)).toBe(0);
  });

  test("from and to an application's arrays", () => {
    const { segment, window, f, header, got } = setUp();
    const app = Uint8Array.from({ length: 2000 }, (_, i) => i * 7);
    expect(writeDatagram(segment, window, f, header, app, 3, 1500)).toBe(true);
    expect(writeDatagram(segment, window, f, header, app, 0, 0)).toBe(true);
    expect(writeDatagram(segment, window, f, header, app, 1000, 1001)).toBe(false);
    expect(writeDatagram(segment, window, f, header, app, -1, 5)).toBe(false);
    expect(writeDatagram(segment, window, f, header, app, 0, -5)).toBe(false);
    const into = new Uint8Array(2000);
    expect(readDatagram(segment, window, f, got, into, 5, 5000)).toBe(1500);
    expect(Array.from(into.subarray(5, 1505))).toEqual(Array.from(app.subarray(3, 1503)));
    expect(into[1505]).toBe(0);
    expect(readDatagram(segment, window, f, got, into, 0, 100)).toBe(0);
    expect(readDatagram(segment, window, f, got, into, 0, 100)).toBe(-1);
    expect(writeDatagram(segment, window, f, header, app, 0, 50)).toBe(true);
    expect(readDatagram(segment, window, f, got, new Uint8Array(10), 4, 100)).toBe(6);
    expect(segment.maxDequeue(f)).toBe(0);
  });

  test("can be dropped unread, or sent from their chunks", () => {
    const { segment, window, f, put, got, src } = setUp();
    put(0, 3000);
    put(100, 20);
    expect(peekDatagram(segment, window, f, got)).toBe(3000);
    const out = new Int32Array(8);
    expect(segment.spans(f, DGRAM_HEADER_BYTES, 3000, out, 4)).toBe(1);
    expect(bytesAt(window, out[0], 3000)).toEqual(bytesAt(window, src, 3000));
    dropDatagram(segment, window, f, got);
    expect(peekDatagram(segment, window, f, got)).toBe(20);
  });

  test("a header that lies empties the fifo", () => {
    for (const [length, offset] of [
      [-1, 0],
      [101, 0],
      [0x7fffffff, 0],
      [50, 51],
      [50, -1],
    ]) {
      const { segment, window, f, put, got, dst } = setUp();
      put(0, 100);
      window.i32[(got + DGRAM_DATA_LENGTH) >> 2] = length;
      window.i32[(got + DGRAM_DATA_OFFSET) >> 2] = offset;
      segment.overwriteHead(f, got, DGRAM_HEADER_BYTES);
      expect(dequeueDatagram(segment, window, f, got, dst, 4000)).toBe(-1);
      expect(segment.maxDequeue(f)).toBe(0);
      expect(segment.inUse()).toBe(0);
    }
    const { segment, window, f, got, src } = setUp();
    segment.enqueue(f, src, 47);
    expect(peekDatagram(segment, window, f, got)).toBe(-1);
    expect(segment.maxDequeue(f)).toBe(0);
  });
});
