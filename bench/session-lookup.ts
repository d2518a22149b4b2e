// What does it cost to find the connection of a segment, with 1,000, 100,000 and 1,000,000 established ones: in vectors of
// 256 with the touch pass, as tcp-input does it, and one at a time? The keyed hash is part of it. Segments come in an order
// that no cache can guess.
import { NativeWindow } from "../src/host/native-window.js";
import { SystemClock } from "../src/host/system-clock.js";
import type { MemoryWindow } from "../src/mem/window.js";
import { SeededRandom } from "../src/random/seeded.js";
import { SessionLookup } from "../src/session/lookup.js";
import { TcpConnections } from "../src/transport/tcp/connection.js";
import { C_LCL, C_PORTS, C_RMT, TRANSPORT_TCP } from "../src/transport/transport.js";
import { protect } from "./support/protect.js";
import { printRatio, printValue } from "./support/report.js";
import { LISTENER_ADDRESS, LISTENER_PORT } from "./support/tcp-listener.js";

const SIZES = [1000, 100_000, 1_000_000] as const;
const VECTOR = 256;
/** Lookups of one measurement: a whole number of vectors. */
const LOOKUPS = 1024 * VECTOR;
const WARM_UP = 3;
const ROUNDS = 12;

/** Established connections in their table, and the keys of segments to them, in an order of their own. */
class Crowd {
  readonly count: number;
  readonly #lookup: SessionLookup;
  readonly #remotes: Int32Array;
  readonly #ports: Int32Array;
  readonly #hashes = new Int32Array(VECTOR);
  readonly #tags = new Int32Array(VECTOR);
  /** What the touch pass read: kept, so that the reads are made. */
  touched = 0;
  #at = 0;

  constructor(window: MemoryWindow, random: SeededRandom, count: number) {
    this.count = count;
    const connections = new TcpConnections(window, count);
    this.#lookup = new SessionLookup(window, random, { connections: count, halfOpens: 64, listeners: 16 });
    this.#lookup.registerRows(TRANSPORT_TCP, connections);
    this.#remotes = new Int32Array(count);
    this.#ports = new Int32Array(count);
    const order = Int32Array.from({ length: count }, (_, i) => i);
    for (let i = count - 1; i > 0; i--) {
      const j = random.nextBelow(i + 1);
      [order[i], order[j]] = [order[j], order[i]];
    }
    const { i32 } = window;
    for (let i = 0; i < count; i++) {
      const c = connections.alloc();
      const r = connections.row(c);
      i32[r + C_LCL] = LISTENER_ADDRESS;
      i32[r + C_RMT] = 0x0a00_0000 + (i >> 4);
      i32[r + C_PORTS] = (LISTENER_PORT << 16) | (1024 + (i & 15));
      if (!this.#lookup.addEstablished(TRANSPORT_TCP, c)) throw new Error("the table is full");
      this.#remotes[order[i]] = i32[r + C_RMT];
      this.#ports[order[i]] = i32[r + C_PORTS];
    }
  }

  /** Finds the next 256 as tcp-input does. Returns how many were found. */
  vector(): number {
    const lookup = this.#lookup;
    const remotes = this.#remotes;
    const ports = this.#ports;
    const hashes = this.#hashes;
    const tags = this.#tags;
    if (this.#at + VECTOR > this.count) this.#at = 0;
    const first = this.#at;
    this.#at = first + VECTOR;
    for (let i = 0; i < VECTOR; i++) {
      hashes[i] = lookup.hash4(LISTENER_ADDRESS, remotes[first + i], ports[first + i]);
      tags[i] = lookup.tagOf(0, hashes[i]);
    }
    this.touched ^= lookup.touchAll4(TRANSPORT_TCP, tags, VECTOR);
    let found = 0;
    for (let i = 0; i < VECTOR; i++) {
      const remote = remotes[first + i];
      if (lookup.established4(0, TRANSPORT_TCP, LISTENER_ADDRESS, remote, ports[first + i], hashes[i]) >= 0) found++;
    }
    return found;
  }

  /** Finds 256 one after the other: which comes next depends on what was found. Returns how many were found. */
  singles(): number {
    const lookup = this.#lookup;
    if (this.#at + VECTOR > this.count) this.#at = 0;
    let at = this.#at;
    for (let i = 0; i < VECTOR; i++) {
      const remote = this.#remotes[at];
      const ports = this.#ports[at];
      const hash = lookup.hash4(LISTENER_ADDRESS, remote, ports);
      const c = lookup.established4(0, TRANSPORT_TCP, LISTENER_ADDRESS, remote, ports, hash);
      // One on where it was found, two where not.
      at += 1 + (c >>> 31);
    }
    const found = 2 * VECTOR - (at - this.#at);
    this.#at = at;
    return found;
  }
}

protect();
const clock = new SystemClock();
const { window } = new NativeWindow();
const random = new SeededRandom(2);
const crowds = SIZES.map((size) => new Crowd(window, random, size));

/** Nanoseconds per lookup. */
function measure(run: () => number): number {
  const startUs = clock.nowUs();
  let found = 0;
  for (let i = 0; i < LOOKUPS; i += VECTOR) found += run();
  const us = clock.nowUs() - startUs;
  if (found !== LOOKUPS) throw new Error(`${found} of ${LOOKUPS} found`);
  return (us * 1000) / LOOKUPS;
}

/** Prints the least of many rounds for each size, sizes in turn, and how it grows with the sizes. */
function measureAll(name: string, run: (crowd: Crowd) => number): void {
  const least = SIZES.map(() => Infinity);
  for (let round = 0; round < WARM_UP + ROUNDS; round++) {
    for (const [i, crowd] of crowds.entries()) {
      const ns = measure(() => run(crowd));
      if (round >= WARM_UP) least[i] = Math.min(least[i], ns);
    }
  }
  for (const [i, size] of SIZES.entries()) printValue(`${name}-${size}`, least[i], "ns");
  for (const [i, size] of SIZES.entries())
    if (i > 0) printRatio(`${name}-${size}`, String(SIZES[0]), least[i] / least[0]);
}

measureAll("session-lookup", (crowd) => crowd.vector());
measureAll("session-lookup-single", (crowd) => crowd.singles());
window.close();
