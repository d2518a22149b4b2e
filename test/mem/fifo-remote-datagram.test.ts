import { describe, expect, test } from "vitest";
import {
  DGRAM_DATA_LENGTH,
  DGRAM_HEADER_BYTES,
  peekDatagram,
  readDatagram,
  writeDatagram,
} from "../../src/mem/fifo-datagram.js";
import { FifoMirrors } from "../../src/mem/fifo-mirror.js";
import { MIRROR_BYTES } from "../../src/mem/fifo-mirror-layout.js";
import { RemoteRxFifo, RemoteSegment, RemoteTxFifo } from "../../src/mem/fifo-remote.js";
import { readRemoteDatagram, RemoteDatagramHeader, writeRemoteDatagram } from "../../src/mem/fifo-remote-datagram.js";
import { FifoTable } from "../../src/mem/fifo-table.js";
import { MemoryWindow } from "../../src/mem/window.js";

const CAP = 200_000;

/** An rx fifo and a tx fifo of a client, with both their ends. */
function setUp() {
  const window = MemoryWindow.plain(4 << 20);
  const base = window.reserve("area", 1 << 20, 4096);
  const mirrorsAt: number = window.reserve("mirrors", 2 * MIRROR_BYTES);
  const scratch = window.reserve("header", DGRAM_HEADER_BYTES);
  const fifos = new FifoTable(window, base, 1 << 20, { maxFifos: 4, ownBytes: 64 << 10, maxSegments: 2 });
  const mirrors = new FifoMirrors(window, fifos);
  const segment = mirrors.addSegment(64 << 10, 512 << 10);
  const remote = new RemoteSegment(window, base + (64 << 10), 512 << 10);
  const rx = fifos.allocFifo(CAP, segment);
  const tx = fifos.allocFifo(CAP, segment);
  mirrors.openRx(rx, mirrorsAt);
  mirrors.openTx(tx, mirrorsAt + MIRROR_BYTES);
  const reader = new RemoteRxFifo(window, mirrorsAt, remote);
  const writer = new RemoteTxFifo(window, mirrorsAt + MIRROR_BYTES, remote);
  return { window, fifos, mirrors, rx, tx, reader, writer, scratch, header: new RemoteDatagramHeader() };
}

const pattern = (length: number, seed: number): Uint8Array =>
  Uint8Array.from({ length }, (_, i) => (i * 7 + seed * 13) & 255);

describe("reading", () => {
  test("datagrams of all sizes come one by one, headers across chunks too", () => {
    const { window, fifos, mirrors, rx, reader, scratch, header } = setUp();
    const got = new Uint8Array(70_000);
    for (const [i, length] of [0, 1, 950, 3000, 65_507, 1023, 47].entries()) {
      const bytes = pattern(length, i);
      expect(writeDatagram(fifos, window, rx, scratch, bytes, 0, length)).toBe(true);
      mirrors.publishRx(rx);
      expect(readRemoteDatagram(window, reader, header, got, 0, got.length)).toBe(length);
      expect(got.subarray(0, length)).toEqual(bytes);
      expect(header.words[DGRAM_DATA_LENGTH >> 2]).toBe(length);
      reader.publish();
      expect(mirrors.acceptHead(rx)).toBe(0);
    }
    expect(readRemoteDatagram(window, reader, header, got, 0, got.length)).toBe(-1);
  });

  test("what the array does not take of a datagram is lost, and the next one comes whole", () => {
    const { window, fifos, mirrors, rx, reader, scratch, header } = setUp();
    for (const seed of [1, 2]) writeDatagram(fifos, window, rx, scratch, pattern(500, seed), 0, 500);
    mirrors.publishRx(rx);
    const got = new Uint8Array(600);
    expect(readRemoteDatagram(window, reader, header, got, 0, 3)).toBe(3);
    expect(readRemoteDatagram(window, reader, header, got, 100, 600)).toBe(500);
    expect(got.subarray(100)).toEqual(pattern(500, 2));
    expect(reader.readableBytes).toBe(0);
  });

  test.each([
    ["longer than what is there", 1000],
    ["less than nothing", -1],
  ])("a header whose length is %s empties the fifo", (_, length) => {
    const { window, fifos, mirrors, rx, reader, scratch, header } = setUp();
    window.i32.fill(0, scratch >> 2, (scratch + DGRAM_HEADER_BYTES) >> 2);
    window.i32[(scratch + DGRAM_DATA_LENGTH) >> 2] = length;
    fifos.enqueue(rx, scratch, DGRAM_HEADER_BYTES);
    mirrors.publishRx(rx);
    expect(readRemoteDatagram(window, reader, header, new Uint8Array(9), 0, 9)).toBe(-1);
    expect(reader.readableBytes).toBe(0);
  });
});

describe("writing", () => {
  test("all of a datagram or nothing", () => {
    const { window, fifos, mirrors, tx, writer, scratch, header } = setUp();
    const got = new Uint8Array(5000);
    expect(writeRemoteDatagram(window, writer, header, pattern(4045, 1), 0, 4045)).toBe(false);
    expect(writer.writableBytes).toBe(4096);
    expect(writeRemoteDatagram(window, writer, header, pattern(5000, 1), 900, 4044)).toBe(true);
    writer.publish();
    mirrors.acceptTail(tx);
    expect(readDatagram(fifos, window, tx, scratch, got, 0, 5000)).toBe(4044);
    expect(got.subarray(0, 4044)).toEqual(pattern(5000, 1).subarray(900, 4944));
  });

  test("a writer that asks is lent room for the longest, and told of it", () => {
    const { window, fifos, mirrors, tx, writer, scratch, header } = setUp();
    const bytes = pattern(65_527, 3);
    expect(writeRemoteDatagram(window, writer, header, bytes, 0, bytes.length)).toBe(false);
    expect(writer.wantRoom(bytes.length + DGRAM_HEADER_BYTES)).toBe(false);
    expect(writer.publish()).toBe(true);
    expect(mirrors.acceptTail(tx)).toBe(1);
    expect(writeRemoteDatagram(window, writer, header, bytes, 0, bytes.length)).toBe(true);
    writer.publish();
    mirrors.acceptTail(tx);
    expect(peekDatagram(fifos, window, tx, scratch)).toBe(65_527);
  });
});
