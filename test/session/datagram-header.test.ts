import fc from "fast-check";
import { expect, test } from "vitest";
import {
  DGRAM_HAS_TRAFFIC_CLASS,
  DGRAM_HEADER_BYTES,
  DGRAM_LOCAL_PORT,
  DGRAM_TRAFFIC_CLASS,
} from "../../src/mem/fifo-datagram.js";
import { DatagramBatch } from "../../src/session/datagram-batch.js";
import { isDscp, noDatagram, readDatagramHeader, writeDatagramHeader } from "../../src/session/datagram-header.js";

const words = fc.tuple(fc.integer(), fc.integer(), fc.integer(), fc.integer());

test("what is written is read, and nothing of what was there before", () => {
  const bytes = fc.uint8Array({ minLength: DGRAM_HEADER_BYTES, maxLength: DGRAM_HEADER_BYTES });
  const given = {
    bytes,
    isIp6: fc.boolean(),
    remote: words,
    local: words,
    port: fc.nat(0xffff),
    dscp: fc.integer({ min: -1, max: 63 }),
  };
  fc.assert(
    fc.property(fc.record(given), ({ bytes, isIp6, remote, local, port, dscp }) => {
      const dv = new DataView(bytes.buffer, bytes.byteOffset);
      writeDatagramHeader(dv, 0, isIp6, Int32Array.from(remote), port, Int32Array.from(local), dscp);
      const info = noDatagram();
      readDatagramHeader(dv, 0, info);
      const seen = (all: readonly number[]): number[] => all.map((word, i) => (isIp6 || i === 0 ? word : 0));
      expect(info).toEqual({
        isIp6,
        remote: Int32Array.from(seen(remote)),
        remotePort: port,
        local: Int32Array.from(seen(local)),
        localPort: dv.getUint16(DGRAM_LOCAL_PORT),
        dscp: Math.max(dscp, 0),
        ecn: 0,
        ifIndex: 0,
        length: 0,
      });
      expect([dv.getUint16(DGRAM_LOCAL_PORT), dv.getUint8(DGRAM_HAS_TRAFFIC_CLASS)]).toEqual([0, dscp < 0 ? 0 : 1]);
      expect(dv.getUint8(DGRAM_TRAFFIC_CLASS) & 3).toBe(0);
    }),
  );
});

test("any bytes are read as numbers that can be", () => {
  const bytes = fc.uint8Array({ minLength: DGRAM_HEADER_BYTES, maxLength: DGRAM_HEADER_BYTES });
  fc.assert(
    fc.property(bytes, (header) => {
      const info = noDatagram();
      readDatagramHeader(new DataView(header.buffer, header.byteOffset), 0, info);
      const { dscp, ecn, ifIndex, remotePort, localPort } = info;
      expect([isDscp(dscp), ecn >= 0 && ecn < 4, ifIndex >= -1 && ifIndex < 0xffff]).toEqual([true, true, true]);
      expect(Math.max(remotePort, localPort)).toBeLessThanOrEqual(0xffff);
    }),
  );
});

test("a DSCP has six bits, or is the session's", () => {
  expect([-1, 0, 46, 63].map(isDscp)).toEqual([true, true, true, true]);
  expect([-2, 64, 0.5, Number.NaN, Number.POSITIVE_INFINITY].map(isDscp)).toEqual([false, false, false, false, false]);
});

test.each([
  [0, 10],
  [1025, 1],
  [1.5, 10],
  [2, -1],
  [1024, (1 << 16) + 1],
  [Number.NaN, 1],
])("a batch of %d of %d bytes cannot be", (capacity, slotBytes) => {
  expect(() => new DatagramBatch(capacity, slotBytes)).toThrow(RangeError);
});
