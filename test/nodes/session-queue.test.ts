import { beforeEach, describe, expect, test } from "vitest";
import type { Frame } from "../../src/graph/frame.js";
import { M_CONN, M_LEN } from "../../src/graph/packet-pool.js";
import { C_FLAGS, CF_TX_QUEUED, type Endpoint, type Transport } from "../../src/transport/transport.js";
import { FakeTransport } from "../session/fake-transport.js";
import { UdpHarness } from "./session-harness.js";

const ANY: Endpoint = { family: 4, address: new Int32Array(4), port: 0 };
/** Bytes of a superframe. */
const SUPERFRAME = 64_000;
const SHARE = 32 << 10;

/** Connections that have so many packets of so many bytes to send, and record who sent what. */
class Senders extends FakeTransport implements Transport {
  readonly bytes: number[] = [];
  readonly order: number[] = [];
  readonly #h: UdpHarness;
  readonly #left: number[] = [];
  readonly #size: number[] = [];

  constructor(h: UdpHarness, capacity: number) {
    super(h.window, capacity);
    this.#h = h;
  }

  /** A connection that has `packets` to send. */
  add(packets: number, size: number): number {
    const c = this.open(ANY, ANY);
    this.#left[c] = packets;
    this.#size[c] = size;
    this.bytes[c] = 0;
    return c;
  }

  more(c: number, packets: number): void {
    this.#left[c] += packets;
    this.#h.sessions.wantTransmit(0, c);
  }

  override transmit(c = 0, frame?: Frame, budget = 0, bytes = 0): boolean {
    if (frame === undefined) return false;
    const { pool, window } = this.#h;
    let left = bytes;
    for (let n = 0; n < budget && left > 0 && this.#left[c] > 0; n++) {
      const b = pool.allocFor(100);
      const m = pool.meta + (b << 4);
      window.i32[m + M_LEN] = 0;
      window.i32[m + M_CONN] = c;
      pool.addTail(b, 0, this.#size[c]);
      frame.add(b, 0);
      this.order.push(c);
      this.#left[c]--;
      this.bytes[c] += this.#size[c];
      left -= this.#size[c];
    }
    return this.#left[c] > 0;
  }
}

let h: UdpHarness;
let senders: Senders;

beforeEach(() => {
  h = new UdpHarness({ small: 512 });
  senders = new Senders(h, 2048);
  h.sessions.register(senders);
});

/** Adds a connection that has just got something to send. */
function add(packets: number, size: number): number {
  const c = senders.add(packets, size);
  h.sessions.wantTransmit(0, c);
  return c;
}

const sum = (numbers: readonly number[]): number => numbers.reduce((all, each) => all + each, 0);

describe("session-queue", () => {
  test("who has a word to say and no data goes before data, and data that is new before data that had a turn", () => {
    const old = add(100_000, 1500);
    h.run(1);
    const fresh = add(1, 100);
    const word = senders.add(1, 50);
    h.sessions.wantControl(0, word);
    senders.order.length = 0;
    h.run(1);
    expect(senders.order.slice(0, 3)).toEqual([word, fresh, old]);
    const { turns_control, turns_new, turns_old = 0, descheduled } = h.counters("session-queue");
    expect([turns_control, turns_new, descheduled]).toEqual([1, 2, 2]);
    expect(turns_old).toBeGreaterThan(10);
  });

  test("a word to say brings no data with it that others wait for", () => {
    const word = senders.add(40, 50);
    h.sessions.wantControl(0, word);
    add(1, 100);
    h.run(1);
    expect(senders.order.slice(0, 4)).toEqual([0, 0, 1, 0]);
  });

  test("each has its share of bytes, whatever the size of its packets", () => {
    const sizes = [100, 1500, 9000, SUPERFRAME, 1500];
    for (const size of sizes) add(1_000_000, size);
    h.run(200);
    const [small, ...large] = senders.bytes;
    const mean = sum(large) / large.length;
    // A turn that the end of a frame cuts short is not made good.
    for (const bytes of large) expect(Math.abs(bytes - mean)).toBeLessThan(mean / 25);
    // 32 packets of 100 bytes are a turn, too.
    expect(small / 100).toBeGreaterThan((32 * mean) / SHARE / 1.04);
    expect(h.counters("session-queue").in_debt).toBeGreaterThan(0);
  });

  test("one that is alone sends until the dispatch is full", () => {
    const alone = add(1000, SUPERFRAME);
    h.run(1);
    expect(senders.bytes[alone]).toBe(Math.ceil((2 << 20) / SUPERFRAME) * SUPERFRAME);
    h.run(1);
    expect(senders.bytes[alone]).toBe(2 * Math.ceil((2 << 20) / SUPERFRAME) * SUPERFRAME);
  });

  test("a flood of new ones does not starve those who had a turn, nor does one of words", () => {
    const olds = [add(1_000_000, 1500), add(1_000_000, 1500)];
    h.run(1);
    const before = olds.map((c) => senders.bytes[c]);
    const fresh = Array.from({ length: 600 }, () => senders.add(0, 1500));
    const words = Array.from({ length: 600 }, () => senders.add(0, 50));
    const newBefore = sum(fresh.map((c) => senders.bytes[c]));
    for (let turn = 0; turn < 50; turn++) {
      for (const c of fresh) senders.more(c, 1);
      for (const c of words) {
        senders.more(c, 1);
        h.sessions.wantControl(0, c);
      }
      h.run(1);
    }
    const got = olds.map((c, i) => senders.bytes[c] - before[i]);
    // A turn each in every frame.
    expect(sum(got)).toBeGreaterThanOrEqual(50 * 2 * SHARE);
    expect(Math.abs(got[0] - got[1])).toBeLessThanOrEqual(2 * SHARE);
    expect(sum(fresh.map((c) => senders.bytes[c])) - newBefore).toBeGreaterThan(0);
    expect(sum(words.map((c) => senders.bytes[c]))).toBeGreaterThan(0);
  });

  test("one greedy and 999 polite: the polite get all that they ask for, in the same dispatches", () => {
    const greedy = add(1_000_000, SUPERFRAME);
    const polite = Array.from({ length: 999 }, () => senders.add(0, 1000));
    // A turn has at most four frames of 256 packets.
    for (let round = 0; round < 20; round++) {
      for (const c of polite) senders.more(c, 1);
      h.run(2);
    }
    for (const c of polite) expect(senders.bytes[c]).toBe(20 * 1000);
    expect(senders.bytes[greedy]).toBeGreaterThan(0);
  });

  test("a connection that is freed while it waits has no turn, and the rest do", () => {
    const gone = add(5, 100);
    const stays = add(5, 100);
    h.window.i32[senders.row(gone) + C_FLAGS] &= ~CF_TX_QUEUED;
    h.run(1);
    expect([senders.bytes[gone], senders.bytes[stays]]).toEqual([0, 500]);
    expect(h.sessions.transmitQueue.length).toBe(0);
  });

  test("a connection that asks again and sends nothing does not hold the dispatch", () => {
    const stuck = add(1, 100);
    senders.transmit = () => true;
    h.run(1);
    expect(h.sessions.transmitQueue.length).toBe(1);
    expect(h.counters("session-queue").postponed).toBe(1);
    expect(senders.bytes[stuck]).toBe(0);
  });
});
