import fc from "fast-check";
import { expect, test } from "vitest";
import type { FifoOffset } from "../../src/mem/fifo-layout.js";
import { type Bench, bench, bytesAt, differs, FifoModel, fill, spanBytes } from "./fifo-model.js";

type Op = [kind: number, fifo: number, a: number, b: number];
interface Pair {
  f: FifoOffset;
  m: FifoModel;
}

const KINDS = 14;
const op = fc.tuple(fc.nat(KINDS - 1), fc.nat(2), fc.nat(9000), fc.nat(9000));
const PERFIFO = 6;

function step(b: Bench, p: Pair, [kind, , x, y]: Op, seed: number): void {
  const { segment, window, src, dst } = b;
  const { f, m } = p;
  const out = new Int32Array(64);
  const len = x % 3 === 0 ? x % 40 : x;
  fill(b, 9001, seed);
  switch (kind) {
    case 0:
    case 1:
      expect(segment.enqueue(f, src, len)).toBe(m.enqueue(bytesAt(window, src, len)));
      break;
    case 2:
      expect(segment.write(f, window.u8.slice(src, src + len + 3), 2, len)).toBe(
        m.enqueue(bytesAt(window, src + 2, len)),
      );
      break;
    case 3:
    case 4: {
      // Mostly near the tail, so that intervals meet.
      const offset = y % 2 === 0 ? y % 200 : y;
      const n = len % 300;
      expect(segment.enqueueOoo(f, offset, src, n)).toBe(m.enqueueOoo(offset, bytesAt(window, src, n)));
      if (n > 0 && m.ahead.has(offset) && segment.oooNewest(f, out, 1) === 1 && offset + n <= m.room) {
        const run = m.intervals().find(([start, l]) => start <= offset && offset < start + l);
        const refused = !(m.ahead.get(offset) === window.u8[src]);
        if (!refused) expect([out[0], out[1]]).toEqual(run);
      }
      break;
    }
    case 5:
    case 6: {
      const want = m.dequeue(len);
      expect(segment.dequeue(f, dst, len)).toBe(want.length);
      expect(bytesAt(window, dst, want.length)).toEqual(want);
      break;
    }
    case 7: {
      const want = m.dequeue(len);
      const into = new Uint8Array(len + 5);
      expect(segment.read(f, into, 4, len)).toBe(want.length);
      expect(Array.from(into.subarray(4, 4 + want.length))).toEqual(want);
      expect(into[4 + want.length]).toBe(0);
      break;
    }
    case 8:
      expect(segment.drop(f, len)).toBe(m.dequeue(len).length);
      break;
    case 9: {
      const want = m.peek(y, len);
      expect(segment.peek(f, y, dst, len)).toBe(want.length);
      expect(bytesAt(window, dst, want.length)).toEqual(want);
      const into = new Uint8Array(len);
      expect(segment.peekInto(f, y, into, 0, len)).toBe(want.length);
      expect(Array.from(into.subarray(0, want.length))).toEqual(want);
      break;
    }
    case 10: {
      const max = 1 + (x % 4);
      const n = segment.spans(f, y, len, out, max, 2);
      expect(n).toBeLessThanOrEqual(max);
      const want = m.peek(y, len);
      const seen = spanBytes(window, out, n, 2);
      expect(seen).toEqual(want.slice(0, seen.length));
      if (n < max) expect(seen.length).toBe(want.length);
      break;
    }
    case 11: {
      const n = segment.reserve(f, len, out, 8);
      let at = src;
      let lent = 0;
      for (let i = 0; i < n; i++) {
        window.u8.copyWithin(out[2 * i], at, at + out[2 * i + 1]);
        at += out[2 * i + 1];
        lent += out[2 * i + 1];
      }
      // Writing in place rewrites the intervals below, as an enqueue does.
      for (const d of m.ahead.keys()) if (d < lent) m.ahead.set(d, window.u8[src + d]);
      const take = y % 3 === 0 ? lent : y % (lent + 1);
      expect(segment.commit(f, take)).toBe(m.enqueue(bytesAt(window, src, take)));
      break;
    }
    case 12:
      if (y % 4 === 0) {
        segment.oooClear(f);
        m.ahead.clear();
      } else {
        m.cap = 1 + x;
        segment.setCapBytes(f, 1 + x);
      }
      break;
    default: {
      out.set([src, x % 700, src + 1000, 0, src + 2000, y % 3000]);
      const bytes = [...bytesAt(window, src, x % 700), ...bytesAt(window, src + 2000, y % 3000)];
      const fits = bytes.length <= m.room;
      expect(segment.enqueueSpans(f, out, 0, 3)).toBe(fits ? m.enqueue(bytes) : 0);
    }
  }
}

function run(ops: Op[], positions: number[]): void {
  const b = bench(1 << 20, { maxFifos: 3, maxOooPerFifo: PERFIFO });
  const pairs: Pair[] = positions.map((position) => {
    const f = b.segment.allocFifo(8000);
    expect(b.segment.initPositions(f, position)).toBe(true);
    return { f, m: new FifoModel(8000, PERFIFO) };
  });
  for (let i = 0; i < ops.length; i++) {
    step(b, pairs[ops[i][1]], ops[i], i);
    for (const p of pairs) expect(differs(b, p.f, p.m)).toBeUndefined();
  }
  expect(b.segment.pool(0)?.validate()).toBeUndefined();
  for (const p of pairs) b.segment.freeFifo(p.f);
  expect(b.segment.inUse()).toBe(0);
  expect(b.segment.stats()).toMatchObject({
    activeFifos: 0,
    oooIntervals: 0,
    chunksInUse: 0,
    badFrees: 0,
    failures: 0,
  });
  b.segment.pool(0)?.coalesce();
  expect(b.segment.pool(0)?.validate()).toBeUndefined();
}

test("three fifos of one segment do what three models do", () => {
  fc.assert(
    fc.property(fc.array(op, { minLength: 1, maxLength: 60 }), (ops) => run(ops, [0, 1 << 20, -5])),
    { seed: 20240501, numRuns: 80 },
  );
}, 60_000);

test("the same across the wrap of the free-running positions", () => {
  fc.assert(
    fc.property(fc.array(op, { minLength: 10, maxLength: 60 }), fc.nat(6000), (ops, back) =>
      run(ops, [(0x7fffffff - back) | 0, -back | 0, 0x7fffffff]),
    ),
    { seed: 7, numRuns: 80 },
  );
}, 60_000);

function exhaustStep(b: Bench, { f, m }: Pair, [kind, , x, y]: Op): void {
  const { segment } = b;
  if (kind < 9) {
    const n = segment.enqueue(f, b.src, x);
    expect(n).toBeLessThanOrEqual(x);
    m.enqueue(bytesAt(b.window, b.src, n));
    if (n < x) expect(segment.inUse()).toBe(segment.stats().capacityBytes);
  } else if (kind < 11) {
    // Stored ahead of the tail and forgotten: must leave nothing behind, taken or not.
    segment.enqueueOoo(f, y, b.src, x);
    segment.oooClear(f);
  } else {
    expect(segment.dequeue(f, b.dst, x)).toBe(m.dequeue(x).length);
  }
}

function exhaust(ops: Op[]): void {
  const b = bench(40 << 10, { maxFifos: 3, keepBytes: 0 });
  const { segment } = b;
  const pairs: Pair[] = [0, 1, 2].map(() => ({ f: segment.allocFifo(1 << 20), m: new FifoModel(1 << 20) }));
  for (let i = 0; i < ops.length; i++) {
    fill(b, 9001, i);
    exhaustStep(b, pairs[ops[i][1]], ops[i]);
    for (const p of pairs) expect(differs(b, p.f, p.m)).toBeUndefined();
    expect(segment.pool(0)?.validate()).toBeUndefined();
  }
  for (const { f, m } of pairs) {
    expect(segment.dropAll(f)).toBe(m.readable.length);
    expect(segment.ownedBytes(f)).toBe(0);
  }
  expect(segment.inUse()).toBe(0);
}

test("exhaustion: whatever fits is kept in order, and all memory comes back", () => {
  fc.assert(
    fc.property(fc.array(op, { minLength: 20, maxLength: 120 }), (ops) => exhaust(ops)),
    { seed: 99, numRuns: 30 },
  );
}, 60_000);
