// What does it cost to decide on a peer by a source deny list of 1,000,000 prefixes of every length from 16 on: where one
// covers it, where none does, and where one does and hosts within others are allowed, which asks a second set? And to
// add a prefix, to keep it, and to add one over half of them? In either family; peers come in an order that no cache can guess.
import { NativeWindow } from "../src/host/native-window.js";
import { SystemClock } from "../src/host/system-clock.js";
import { addressBits, type Family, maskPrefix, maskWord, type Prefix } from "../src/ip/address.js";
import { SeededRandom } from "../src/random/seeded.js";
import { SessionLookup } from "../src/session/lookup.js";
import { FLOW_DROP, FLOW_PASS } from "../src/session/rt-backend.js";
import { SdlBackend, type SdlTable } from "../src/session/sdl-backend.js";
import { TRANSPORT_TCP } from "../src/transport/transport.js";
import { protect } from "./support/protect.js";
import { printValue } from "./support/report.js";

const PREFIXES = 1_000_000;
/** Hosts that are allowed, in the last measurement. */
const ALLOWED = 62_500;
/** Peers of each kind, and decisions of one measurement. */
const PEERS = 1 << 16;
/** Prefixes have this bit of their first word 0; peers that none covers have it 1, and lie between them. */
const BIT = 1 << 16;
/** Shortest prefix: that bit is within it. */
const MIN_LENGTH = 16;
const PORTS = (80 << 16) | 5000;
const WARM_UP = 3;
const ROUNDS = 12;

const random = new SeededRandom(3);
const { window } = new NativeWindow();
const clock = new SystemClock();

function anyWords(family: Family): Int32Array {
  const words = Int32Array.from({ length: 4 }, () => random.nextInt32());
  return family === 4 ? words.fill(0, 1) : words;
}

function anyPrefix(family: Family): Prefix {
  const words = anyWords(family);
  words[0] &= ~BIT;
  const length = MIN_LENGTH + random.nextBelow(addressBits(family) - MIN_LENGTH + 1);
  return maskPrefix({ address: { family, words }, length });
}

/** An address within a prefix. */
function within({ address, length }: Prefix): Int32Array {
  return anyWords(address.family).map((word, i) => address.words[i] | (word & ~maskWord(length, i)));
}

/** The list of one family, with peers that it drops and peers that no prefix covers. */
class DenyList {
  readonly #family: Family;
  readonly #lookup: SessionLookup;
  readonly #table: SdlTable;
  readonly #prefixes: Prefix[] = [];
  readonly hits = new Int32Array(PEERS * 4);
  readonly misses = new Int32Array(PEERS * 4);
  readonly addNs: number;
  readonly bytes: number;

  constructor(family: Family) {
    this.#family = family;
    const backend = new SdlBackend(window);
    this.#lookup = new SessionLookup(window, random, { connections: 16, halfOpens: 16, listeners: 16 });
    this.#lookup.rtBackend = backend;
    this.#table = backend.makeTable(family, 0);
    const { drop } = this.#table;
    const drawn = Array.from({ length: PREFIXES * 2 }, () => anyPrefix(family));
    const startUs = clock.nowUs();
    for (const prefix of drawn) {
      if (drop.entries === PREFIXES) break;
      if (drop.add(prefix.address.words, prefix.length)) this.#prefixes.push(prefix);
    }
    this.addNs = ((clock.nowUs() - startUs) * 1000) / PREFIXES;
    if (drop.entries !== PREFIXES) throw new Error("too few prefixes");
    this.bytes = backend.bytes;
    for (let i = 0; i < PEERS; i++) {
      this.hits.set(within(this.#anyOfThem()), i * 4);
      const other = anyWords(family);
      other[0] |= BIT;
      this.misses.set(other, i * 4);
    }
  }

  #anyOfThem(): Prefix {
    return this.#prefixes[random.nextBelow(this.#prefixes.length)];
  }

  /** Milliseconds to add a prefix that half of them are within, and to remove it. */
  addOver(): number {
    const startUs = clock.nowUs();
    this.#table.drop.add(new Int32Array(4), 1);
    this.#table.drop.remove(new Int32Array(4), 1);
    return (clock.nowUs() - startUs) / 2000;
  }

  /** Allows hosts within the prefixes that are not among them. Returns how many of `hits` are dropped then. */
  allow(): number {
    const { drop, allow } = this.#table;
    const bits = addressBits(this.#family);
    const allowed = new Set<string>();
    while (allow.entries < ALLOWED) {
      const host = within(this.#anyOfThem());
      if (!drop.has(host, bits) && allow.add(host, bits)) allowed.add(host.join(" "));
    }
    let dropped = 0;
    for (let at = 0; at < this.hits.length; at += 4) {
      if (!allowed.has(this.hits.subarray(at, at + 4).join(" "))) dropped++;
    }
    return dropped;
  }

  /** Decides on all peers. Returns how many were dropped. */
  decide(peers: Int32Array): number {
    const lookup = this.#lookup;
    let dropped = 0;
    for (let at = 0; at < peers.length; at += 4) {
      const answer =
        this.#family === 4
          ? lookup.decide4(0, TRANSPORT_TCP, 1, peers[at], PORTS)
          : lookup.decide6(0, TRANSPORT_TCP, 0, 0, 0, 1, peers[at], peers[at + 1], peers[at + 2], peers[at + 3], PORTS);
      if (answer === FLOW_DROP) dropped++;
      else if (answer !== FLOW_PASS) throw new Error(`no such answer: ${answer}`);
    }
    return dropped;
  }
}

/** Nanoseconds per decision. */
function measure(denyList: DenyList, peers: Int32Array, dropped: number): number {
  const startUs = clock.nowUs();
  const found = denyList.decide(peers);
  const us = clock.nowUs() - startUs;
  if (found !== dropped) throw new Error(`${found} of ${PEERS} dropped, not ${dropped}`);
  return (us * 1000) / PEERS;
}

protect();
/** The least that one of several rounds took, after some to warm up. */
function least(round: () => number): number {
  let shortest = Infinity;
  for (let i = 0; i < WARM_UP + ROUNDS; i++) {
    const taken = round();
    if (i >= WARM_UP) shortest = Math.min(shortest, taken);
  }
  return shortest;
}

for (const family of [4, 6] as const) {
  const denyList = new DenyList(family);
  const { hits, misses, addNs, bytes } = denyList;
  printValue(
    `session-sdl-ip${family}-hit`,
    least(() => measure(denyList, hits, PEERS)),
    "ns",
  );
  printValue(
    `session-sdl-ip${family}-miss`,
    least(() => measure(denyList, misses, 0)),
    "ns",
  );
  printValue(
    `session-sdl-ip${family}-add-over`,
    least(() => denyList.addOver()),
    "ms",
  );
  const dropped = denyList.allow();
  printValue(
    `session-sdl-ip${family}-allow`,
    least(() => measure(denyList, hits, dropped)),
    "ns",
  );
  printValue(`session-sdl-ip${family}-add`, addNs, "ns");
  printValue(`session-sdl-ip${family}-memory`, bytes / PREFIXES, "bytes per prefix");
}
window.close();
