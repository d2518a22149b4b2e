// What does it cost to decide on a flow by 100,000 session rules over 64 masks: where a rule matches, which is found after half
// of the masks on average, and where none does, after all 64? In either family; flows come in an order that no cache can
// guess.
import { NativeWindow } from "../src/host/native-window.js";
import { SystemClock } from "../src/host/system-clock.js";
import { addressBits, type Family, maskPrefix, maskWord, type Prefix } from "../src/ip/address.js";
import { SeededRandom } from "../src/random/seeded.js";
import { SessionLookup } from "../src/session/lookup.js";
import { FLOW_DROP, FLOW_NOBODY, FLOW_PASS } from "../src/session/rt-backend.js";
import { ACTION_DROP, RuleBackend } from "../src/session/rule-backend.js";
import type { RuleKey } from "../src/session/rule-record.js";
import { RuleTable } from "../src/session/rule-table.js";
import { TRANSPORT_TCP } from "../src/transport/transport.js";
import { protect } from "./support/protect.js";
import { printValue } from "./support/report.js";

const RULES = 100_000;
/** Prefix lengths as parts of an address: with the local port named or not they make 64 masks. */
const REMOTE = [1, 7 / 8, 3 / 4, 11 / 16, 5 / 8, 9 / 16, 1 / 2, 3 / 8];
const LOCAL = [1, 3 / 4, 1 / 2, 0];
const MASKS = REMOTE.length * LOCAL.length * 2;
/** Flows of each kind, and decisions of one measurement. */
const FLOWS = 1 << 16;
/** Words of a flow: local address, remote address, ports. */
const FLOW_WORDS = 9;
const WARM_UP = 3;
const ROUNDS = 12;

const random = new SeededRandom(3);
const { window } = new NativeWindow();
const clock = new SystemClock();

function anyWords(): Int32Array {
  return Int32Array.from({ length: 4 }, () => random.nextInt32());
}

/** A random prefix. Remote ends of rules have first bit 0, so that flows from others meet none. */
function anyPrefix(family: Family, part: number, isRemote: boolean): Prefix {
  const words = anyWords();
  if (isRemote) words[0] &= 0x7fff_ffff;
  if (family === 4) words.fill(0, 1);
  return maskPrefix({ address: { family, words }, length: addressBits(family) * part });
}

/** A rule of the mask of that number. */
function drawKey(family: Family, mask: number): RuleKey {
  return {
    proto: TRANSPORT_TCP,
    local: anyPrefix(family, LOCAL[(mask >> 1) & 3], false),
    localPort: (mask & 1) === 0 ? 0 : 1 + random.nextBelow(65_535),
    remote: anyPrefix(family, REMOTE[mask >> 3], true),
    remotePort: 0,
  };
}

/** Writes a flow that the key matches. */
function writeMatching({ local, remote, localPort }: RuleKey, flows: Int32Array, at: number): void {
  for (let i = 0; i < 4; i++) {
    flows[at + i] = local.address.words[i] | (random.nextInt32() & ~maskWord(local.length, i));
    flows[at + 4 + i] = remote.address.words[i] | (random.nextInt32() & ~maskWord(remote.length, i));
  }
  flows[at + 8] = ((localPort || random.nextBelow(65_536)) << 16) | random.nextBelow(65_536);
}

/** The rules of one family, with flows that one matches and flows that none does. */
class Rules {
  readonly #family: Family;
  readonly #lookup: SessionLookup;
  readonly hits = new Int32Array(FLOWS * FLOW_WORDS);
  readonly misses = new Int32Array(FLOWS * FLOW_WORDS);

  constructor(family: Family) {
    this.#family = family;
    const rules = new RuleTable(window, random, { rules: RULES, masks: MASKS });
    const lookup = new SessionLookup(window, random, { connections: 16, halfOpens: 16, listeners: 16 });
    lookup.rtBackend = new RuleBackend(window.i32, rules, { listenerOf: () => FLOW_NOBODY });
    this.#lookup = lookup;
    const keys: RuleKey[] = [];
    while (keys.length < RULES) {
      const key = drawKey(family, keys.length % MASKS);
      if (rules.exact(0, key) >= 0) continue;
      rules.add(0, key, ACTION_DROP, 0);
      keys.push(key);
    }
    for (let i = 0; i < FLOWS; i++) {
      writeMatching(keys[random.nextBelow(RULES)], this.hits, i * FLOW_WORDS);
      this.misses.set([...anyWords(), random.nextInt32() | 0x8000_0000, ...anyWords()], i * FLOW_WORDS);
    }
  }

  /** Decides on all flows. Returns how many were dropped. */
  decide(flows: Int32Array): number {
    const lookup = this.#lookup;
    let dropped = 0;
    for (let at = 0; at < flows.length; at += FLOW_WORDS) {
      const answer =
        this.#family === 4
          ? lookup.decide4(0, TRANSPORT_TCP, flows[at], flows[at + 4], flows[at + 8])
          : lookup.decide6(
              0,
              TRANSPORT_TCP,
              flows[at],
              flows[at + 1],
              flows[at + 2],
              flows[at + 3],
              flows[at + 4],
              flows[at + 5],
              flows[at + 6],
              flows[at + 7],
              flows[at + 8],
            );
      if (answer === FLOW_DROP) dropped++;
      else if (answer !== FLOW_PASS) throw new Error(`no such answer: ${answer}`);
    }
    return dropped;
  }
}

/** Nanoseconds per decision. */
function measure(rules: Rules, flows: Int32Array, dropped: number): number {
  const startUs = clock.nowUs();
  const found = rules.decide(flows);
  const us = clock.nowUs() - startUs;
  if (found !== dropped) throw new Error(`${found} of ${FLOWS} dropped`);
  return (us * 1000) / FLOWS;
}

protect();
const families = [4, 6] as const;
const tables = families.map((family) => new Rules(family));
const least = tables.map(() => ({ hit: Infinity, miss: Infinity }));
for (let round = 0; round < WARM_UP + ROUNDS; round++) {
  for (const [i, rules] of tables.entries()) {
    const hit = measure(rules, rules.hits, FLOWS);
    const miss = measure(rules, rules.misses, 0);
    if (round >= WARM_UP) least[i] = { hit: Math.min(least[i].hit, hit), miss: Math.min(least[i].miss, miss) };
  }
}
for (const [i, family] of families.entries()) {
  printValue(`session-rules-ip${family}-hit`, least[i].hit, "ns");
  printValue(`session-rules-ip${family}-miss`, least[i].miss, "ns");
}
window.close();
