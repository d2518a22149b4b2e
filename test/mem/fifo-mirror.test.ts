import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { FifoMirrors, MIRROR_BROKEN } from "../../src/mem/fifo-mirror.js";
import { M_POSITION, M_RX_EVENT, MIRROR_BYTES } from "../../src/mem/fifo-mirror-layout.js";
import { RemoteRxFifo, RemoteSegment, RemoteTxFifo } from "../../src/mem/fifo-remote.js";
import { FifoTable } from "../../src/mem/fifo-table.js";
import { SeededRandom } from "../../src/random/seeded.js";
import { MemoryWindow } from "../../src/mem/window.js";

const KIB = 1024;
const SEGMENT_OFFSET = 64 * KIB;

/** A stack with a segment that is shared, and the mirrors of a client; both sides in one window. */
function setUp(segmentBytes = 256 * KIB, pairs = 4) {
  const window = MemoryWindow.plain(8 << 20);
  const areaBytes = SEGMENT_OFFSET + segmentBytes;
  const base = window.reserve("area", areaBytes, 4096);
  const mirrorsAt = window.reserve("mirrors", 2 * pairs * MIRROR_BYTES);
  const fifos = new FifoTable(window, base, areaBytes, { maxFifos: 16, ownBytes: SEGMENT_OFFSET, maxSegments: 4 });
  const mirrors = new FifoMirrors(window, fifos);
  const segment = mirrors.addSegment(SEGMENT_OFFSET, segmentBytes);
  const remote = new RemoteSegment(window, base + SEGMENT_OFFSET, segmentBytes);
  const openRx = (n: number, cap: number, position = 0) => {
    const f = fifos.allocFifo(cap, segment);
    fifos.initPositions(f, position);
    mirrors.openRx(f, mirrorsAt + 2 * n * MIRROR_BYTES);
    return { f, reader: new RemoteRxFifo(window, mirrorsAt + 2 * n * MIRROR_BYTES, remote) };
  };
  const openTx = (n: number, cap: number, position = 0) => {
    const f = fifos.allocFifo(cap, segment);
    fifos.initPositions(f, position);
    mirrors.openTx(f, mirrorsAt + (2 * n + 1) * MIRROR_BYTES);
    return { f, writer: new RemoteTxFifo(window, mirrorsAt + (2 * n + 1) * MIRROR_BYTES, remote) };
  };
  return { window, fifos, mirrors, segment, remote, openRx, openTx };
}

const bytesFrom = (from: number, length: number, seed: number): Uint8Array =>
  Uint8Array.from({ length }, (_, i) => (Math.imul(from + i, 0x9e3779b1) ^ Math.imul(seed + 1, 0x85ebca6b)) >>> 24);

function differsAt(got: Uint8Array, wanted: Uint8Array): number {
  return got.findIndex((byte, i) => byte !== wanted[i]);
}

describe("rx: the client reads", () => {
  test("one event covers a burst, until the client has looked", () => {
    const { fifos, mirrors, window, openRx } = setUp();
    const { f, reader } = openRx(0, 10_000);
    expect(mirrors.publishRx(f)).toBe(0);
    fifos.write(f, bytesFrom(0, 3000, 0), 0, 3000);
    expect([mirrors.publishRx(f), mirrors.publishRx(f)]).toEqual([1, 0]);
    fifos.write(f, bytesFrom(3000, 10, 0), 0, 10);
    expect(mirrors.publishRx(f)).toBe(0);
    reader.takeEvent();
    expect(reader.readableBytes).toBe(3010);
    const got = new Uint8Array(4000);
    expect(reader.read(window, got, 0, 4000)).toBe(3010);
    expect(differsAt(got.subarray(0, 3010), bytesFrom(0, 3010, 0))).toBe(-1);
    fifos.write(f, bytesFrom(3010, 10, 0), 0, 10);
    expect(mirrors.publishRx(f)).toBe(1);
  });

  test("what the client has read is given back, and the last chunk with it", () => {
    const { fifos, mirrors, window, openRx } = setUp();
    const { f, reader } = openRx(0, 100_000);
    fifos.write(f, new Uint8Array(50_000), 0, 50_000);
    mirrors.publishRx(f);
    expect(reader.read(window, new Uint8Array(20_000), 0, 20_000)).toBe(20_000);
    expect([mirrors.acceptHead(f), mirrors.taken]).toEqual([0, 0]);
    reader.publish();
    expect([mirrors.acceptHead(f), mirrors.taken]).toEqual([0, 20_000]);
    expect(reader.drop(30_000)).toBe(30_000);
    reader.publish();
    expect([mirrors.acceptHead(f), mirrors.taken, fifos.ownedBytes(f)]).toEqual([0, 30_000, 0]);
    expect(fifos.validate(f)).toBeUndefined();
  });

  test("while less than half is free the stack is told of reads, once", () => {
    const { fifos, mirrors, openRx } = setUp();
    const { f, reader } = openRx(0, 10_000);
    fifos.write(f, new Uint8Array(4000), 0, 4000);
    mirrors.publishRx(f);
    reader.drop(1000);
    expect(reader.publish()).toBe(false);
    fifos.write(f, new Uint8Array(6000), 0, 6000);
    mirrors.publishRx(f);
    reader.drop(2000);
    expect(reader.publish()).toBe(false);
    reader.drop(2000);
    expect([reader.publish(), reader.publish()]).toEqual([true, false]);
    expect([mirrors.acceptHead(f), mirrors.taken]).toEqual([0, 4000]);
  });

  test("a head that cannot be is refused, and moves nothing", () => {
    const { fifos, mirrors, window, openRx } = setUp();
    const { f } = openRx(0, 10_000);
    fifos.write(f, new Uint8Array(4000), 0, 4000);
    mirrors.publishRx(f);
    const mirror = window.i32[(f >> 2) + 20] >> 2;
    for (const lie of [4001, -1, 0x7fff_ffff, -0x8000_0000]) {
      window.i32[mirror + M_POSITION] = lie;
      expect([mirrors.acceptHead(f), mirrors.publishRx(f)]).toEqual([MIRROR_BROKEN, MIRROR_BROKEN]);
      expect(fifos.maxDequeue(f)).toBe(4000);
    }
    window.i32[mirror + M_RX_EVENT] = 77;
    window.i32[mirror + M_POSITION] = 4000;
    expect(mirrors.acceptHead(f)).toBe(0);
  });

  test("a reset leaves what the client may be reading in place", () => {
    const { fifos, mirrors, window, openRx } = setUp();
    const { f, reader } = openRx(0, 10_000);
    fifos.write(f, bytesFrom(0, 4000, 0), 0, 4000);
    mirrors.publishRx(f);
    fifos.discard(f);
    const mirror = window.i32[(f >> 2) + 20];
    const got = new Uint8Array(4000);
    expect(reader.read(window, got, 0, 4000)).toBe(4000);
    expect(differsAt(got, bytesFrom(0, 4000, 0))).toBe(-1);
    // Its owner frees it: it goes when the client has let go of it.
    expect([fifos.freeFifo(f), fifos.isFifo(f), mirrors.close(f, mirror)]).toEqual([false, true, true]);
    expect([fifos.freeFifo(f), fifos.isFifo(f), fifos.inUse()]).toEqual([true, false, 0]);
  });
});

describe("tx: the client writes", () => {
  test("into room that was lent; the more it writes the more it is lent", () => {
    const { fifos, mirrors, window, openTx } = setUp(2 << 20);
    const { f, writer } = openTx(0, 100_000);
    expect(writer.writableBytes).toBe(4096);
    let sent = 0;
    const lent: number[] = [];
    for (let i = 0; i < 4; i++) {
      lent.push(writer.writableBytes);
      const n = writer.write(window, bytesFrom(sent, 100_000, 1), 0, 100_000);
      expect(n).toBe(lent[i]);
      expect([writer.publish(), writer.publish()]).toEqual([true, false]);
      expect([mirrors.acceptTail(f), mirrors.taken]).toEqual([0, n]);
      sent += n;
    }
    expect(lent.slice(0, 3)).toEqual([4096, 16_384, 65_536]);
    expect(sent).toBe(100_000);
    expect([writer.writableBytes, writer.queuedBytes]).toEqual([0, 100_000]);
    const got = new Uint8Array(100_000);
    expect(fifos.read(f, got, 0, 100_000)).toBe(100_000);
    expect(fifos.validate(f)).toBeUndefined();
  });

  test("no more is lent than leaves room for others", () => {
    const { fifos, mirrors, segment, window, openTx } = setUp(256 * KIB);
    const { f, writer } = openTx(0, 1 << 20);
    for (let i = 0; i < 20; i++) {
      writer.write(window, new Uint8Array(100_000), 0, 100_000);
      writer.publish();
      mirrors.acceptTail(f);
      fifos.dropAll(f);
      mirrors.publishTx(f);
      expect(writer.writableBytes).toBeLessThanOrEqual(32 * KIB);
    }
    expect(fifos.pool(segment)?.bytesInUse).toBeLessThanOrEqual(128 * KIB);
  });

  test("memory of what was sent is lent to its writer again before anybody else can take it", () => {
    const { fifos, mirrors, window, segment, openTx } = setUp(64 * KIB);
    const { f, writer } = openTx(0, 1 << 20);
    const hog = fifos.allocFifo(1 << 20, segment);
    writer.write(window, new Uint8Array(4096), 0, 4096);
    writer.publish();
    // All the rest is another's, and whatever becomes free.
    const take = (): number => fifos.write(hog, new Uint8Array(1 << 20), 0, 1 << 20);
    expect(take()).toBeGreaterThan(0);
    mirrors.acceptTail(f);
    expect(writer.writableBytes).toBe(0);
    for (let i = 0; i < 5; i++) {
      fifos.drop(f, fifos.maxDequeue(f));
      expect(take()).toBe(0);
      mirrors.publishTx(f);
      expect(writer.write(window, new Uint8Array(5000), 0, 5000)).toBe(4096);
      writer.publish();
      mirrors.acceptTail(f);
    }
    expect(fifos.validate(f)).toBeUndefined();
  });

  test("a writer without room hears of it once there is some", () => {
    const { fifos, mirrors, window, openTx } = setUp();
    const { f, writer } = openTx(0, 4000);
    expect(writer.write(window, new Uint8Array(5000), 0, 5000)).toBe(4000);
    writer.publish();
    expect(writer.wantRoom(2000)).toBe(false);
    expect(mirrors.acceptTail(f)).toBe(0);
    fifos.drop(f, 1000);
    expect(mirrors.publishTx(f)).toBe(0);
    fifos.drop(f, 1000);
    expect([mirrors.publishTx(f), mirrors.publishTx(f)]).toEqual([1, 0]);
    expect(writer.wantRoom(2000)).toBe(true);
    expect(writer.writableBytes).toBe(2000);
  });

  test("a tail beyond what was lent is refused, and moves nothing", () => {
    const { fifos, mirrors, window, openTx } = setUp();
    const { f } = openTx(0, 100_000);
    const mirror = window.i32[(f >> 2) + 21] >> 2;
    for (const lie of [4097, -1, 0x7fff_ffff, -0x8000_0000]) {
      window.i32[mirror + M_POSITION] = lie;
      expect(mirrors.acceptTail(f)).toBe(MIRROR_BROKEN);
      expect(fifos.maxDequeue(f)).toBe(0);
    }
    expect(fifos.validate(f)).toBeUndefined();
    mirrors.close(f, 4 * mirror);
    fifos.freeFifo(f);
    expect(fifos.inUse()).toBe(0);
  });
});

test("a segment can be taken away when its last fifo is gone", () => {
  const { fifos, mirrors, window, segment, openRx } = setUp();
  const { f } = openRx(0, 1000);
  expect(mirrors.delSegment(segment)).toBe(false);
  mirrors.close(f, window.i32[(f >> 2) + 20]);
  fifos.freeFifo(f);
  expect([mirrors.delSegment(segment), mirrors.delSegment(segment)]).toEqual([true, false]);
});

/** Kind of step, number of the pair, bytes. */
type Step = [kind: number, pair: number, bytes: number];

/** Several pairs of fifos in one small segment, stack and client taking turns at random: chunks are used again and again. */
function exchange(steps: Step[], start: number): void {
  const { window, fifos, mirrors, segment, openRx, openTx } = setUp(96 * KIB, 3);
  const pairs = [0, 1, 2].map((n) => ({
    ...openRx(n, 9000 + 7000 * n, start),
    tx: openTx(n, 5000 + 9000 * n, start),
    rxIn: 0,
    rxOut: 0,
    txIn: 0,
    txOut: 0,
    n,
  }));
  const got = new Uint8Array(1 << 15);
  for (const [kind, which, bytes] of steps) {
    const p = pairs[which];
    switch (kind) {
      case 0:
        p.rxIn += fifos.write(p.f, bytesFrom(p.rxIn, bytes, p.n), 0, bytes);
        break;
      case 1:
        if (mirrors.publishRx(p.f) < 0) throw new Error("refused");
        break;
      case 2: {
        const n = p.reader.read(window, got, 0, bytes);
        if (differsAt(got.subarray(0, n), bytesFrom(p.rxOut, n, p.n)) >= 0) throw new Error(`rx ${p.n} differs`);
        p.rxOut += n;
        if (bytes % 3 > 0) p.reader.publish();
        break;
      }
      case 3:
        if (mirrors.acceptHead(p.f) < 0) throw new Error("refused");
        break;
      case 4:
        p.txIn += p.tx.writer.write(window, bytesFrom(p.txIn, bytes, p.n + 8), 0, bytes);
        if (bytes % 3 > 0) p.tx.writer.publish();
        break;
      case 5:
        if (mirrors.acceptTail(p.tx.f) < 0) throw new Error("refused");
        break;
      case 6: {
        const n = fifos.read(p.tx.f, got, 0, bytes);
        if (differsAt(got.subarray(0, n), bytesFrom(p.txOut, n, p.n + 8)) >= 0) throw new Error(`tx ${p.n} differs`);
        p.txOut += n;
        break;
      }
      default:
        mirrors.publishTx(p.tx.f);
    }
  }
  // Everything comes through at last.
  for (let round = 0; round < 200; round++) {
    for (const p of pairs) {
      mirrors.publishRx(p.f);
      p.rxOut += p.reader.read(window, got, 0, got.length);
      p.reader.publish();
      mirrors.acceptHead(p.f);
      p.tx.writer.publish();
      mirrors.acceptTail(p.tx.f);
      p.txOut += fifos.read(p.tx.f, got, 0, got.length);
    }
  }
  for (const p of pairs) {
    expect([p.rxOut, p.txOut]).toEqual([p.rxIn, p.txIn]);
    expect([fifos.validate(p.f), fifos.validate(p.tx.f)]).toEqual([undefined, undefined]);
    fifos.freeFifo(p.f);
    fifos.freeFifo(p.tx.f);
    expect(mirrors.close(p.f, window.i32[(p.f >> 2) + 20])).toBe(true);
    expect(mirrors.close(p.tx.f, window.i32[(p.tx.f >> 2) + 21])).toBe(true);
    fifos.freeFifo(p.f);
    fifos.freeFifo(p.tx.f);
  }
  expect([fifos.inUse(), fifos.pool(segment)?.validate()]).toEqual([0, undefined]);
}

const step: fc.Arbitrary<Step> = fc.tuple(fc.nat(7), fc.nat(2), fc.nat(6000));

test("whoever comes when: every byte arrives, in order, from wherever positions begin", () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 20, maxLength: 300 }), fc.integer(), (steps, start) =>
      exchange(steps, start),
    ),
    { seed: 4711, numRuns: 150 },
  );
}, 60_000);

test("a client that scribbles over its mirrors and its segment is refused or gets nonsense; nothing throws or hangs", () => {
  const random = new SeededRandom(5);
  const { window, fifos, mirrors, segment, remote, openRx, openTx } = setUp(96 * KIB, 2);
  const { f, reader } = openRx(0, 20_000);
  const { f: tx, writer } = openTx(0, 20_000);
  const bytes = new Uint8Array(5000);
  const outside = window.u8.slice(0, remote.base);
  for (let i = 0; i < 20_000; i++) {
    // One of the two mirrors, or the first descriptors and chunks of the segment.
    const mirror = window.i32[random.nextBelow(2) === 0 ? (f >> 2) + 20 : (tx >> 2) + 21];
    const at = random.nextBelow(3) > 0 ? mirror + 4 * random.nextBelow(32) : remote.base + 4 * random.nextBelow(400);
    window.i32[at >> 2] = random.nextBelow(4) === 0 ? random.nextInt32() : random.nextBelow(100_000);
    fifos.write(f, bytes, 0, random.nextBelow(5000));
    mirrors.publishRx(f);
    reader.read(window, bytes, 0, random.nextBelow(5000));
    reader.publish();
    mirrors.acceptHead(f);
    writer.write(window, bytes, 0, random.nextBelow(5000));
    writer.publish();
    mirrors.acceptTail(tx);
    fifos.drop(tx, random.nextBelow(5000));
    mirrors.publishTx(tx);
    if (fifos.validate(f) !== undefined || fifos.validate(tx) !== undefined) throw new Error("a fifo is spoilt");
  }
  expect(fifos.pool(segment)?.validate()).toBeUndefined();
  expect(differsAt(window.u8.slice(0, 64), outside.subarray(0, 64))).toBe(-1);
});
