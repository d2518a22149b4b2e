import { maskWord } from "../ip/address.js";
import type { MemoryWindow } from "../mem/window.js";
import type { Random } from "../random/random.js";
import { C_COMMON_WORDS, C_FIB, C_LCL, C_PORTS, C_RMT } from "../transport/transport.js";
import { ConnectionRows, ConnectionTable } from "./connection-table.js";
import { RuleFilter } from "./rule-filter.js";
import { RuleHash } from "./rule-hash.js";
import type { RuleKey } from "./rule-record.js";
import {
  rankKind,
  rankLclLength,
  rankPorts,
  rankRmtLength,
  RuleTuples,
  T_FIRST,
  T_ID,
  T_PORTS,
  T_RANK,
  T_RULES,
  T_SALT,
  TUPLE_WORDS,
  tupleRank,
} from "./rule-tuples.js";

/** Names a rule's row. */
export type RuleIndex = number;

// A rule's row has the words of a connection's key where a connection has them, so that a connection table finds it:
// masked addresses and ports, and for the FIB the number of its tuple. The others:
/** What becomes of the flow, in the user's numbers. */
export const R_ACTION = 0;
/** Whose the rule is, in the user's numbers. */
export const R_OWNER = 1;
/** The next rule of the tuple, or the next free row, + 1. */
const R_NEXT = 2;
const R_PREV = 4;
/** Place of its tuples in the list of spaces; -1: the row is free. */
const R_SPACE = 14;
/** Its tag in the hash table. */
const R_TAG = 15;

/** How much a {@link RuleTable} holds. */
export interface RuleLimits {
  /** Rules of all tables together. */
  readonly rules: number;
  /** Distinct masks of one table, protocol and family: as many probes does a lookup make at most. */
  readonly masks: number;
}

/**
 * Rules by what they match, for all session tables (VPP's mma rules tables): tuple space search (Srinivasan, Suri and
 * Varghese, 1999). For each table, protocol and family there is a list of the distinct masks, most specific first; a lookup
 * masks the flow's key by each in turn and looks for that in one hash table, and what is found first decides. The cost of a
 * lookup is bounded by the number of masks, whatever the number of rules.
 *
 * The hash of a masked key is that of its prefixes and ports ({@link RuleHash}), and a salt of the mask. A {@link RuleFilter}
 * spares most probes of the table.
 */
export class RuleTable {
  readonly #i32: Int32Array;
  readonly #base: number;
  readonly #limits: RuleLimits;
  readonly #random: Random;
  readonly #hash: RuleHash;
  readonly #slots: ConnectionTable;
  readonly #filter = new RuleFilter();
  /** Place of a table, protocol and family in `#spaces` + 1, by {@link codeOf}. */
  #places = new Int32Array(64);
  readonly #spaces: RuleTuples[] = [];
  /** Numbers of tuples that are free again. */
  readonly #freeIds: number[] = [];
  #usedIds = 0;
  /** First free row + 1. */
  #firstFree = 0;
  /** Rows that were ever used. */
  #usedRows = 0;
  #entries = 0;
  #masks = 0;

  /** Reserves rows and slots, about 80 to 96 bytes a rule, untouched until used. Throws RangeError when the window is full. */
  constructor(window: MemoryWindow, random: Random, limits: RuleLimits) {
    this.#i32 = window.i32;
    this.#random = random;
    this.#limits = limits;
    this.#hash = new RuleHash(random);
    this.#base = window.reserve("session rules", limits.rules * C_COMMON_WORDS * 4) >> 2;
    const rows = new ConnectionRows();
    rows.base[0] = this.#base;
    rows.stride[0] = C_COMMON_WORDS;
    this.#slots = new ConnectionTable(window, "session rule slots", rows, limits.rules);
  }

  /** Rules in all tables. */
  get entries(): number {
    return this.#entries;
  }

  /** Masks in all tables. */
  get masks(): number {
    return this.#masks;
  }

  /** Rules for which there is room. */
  get free(): number {
    return this.#limits.rules - this.#entries;
  }

  /** Word index of a rule's row. */
  row(rule: RuleIndex): number {
    return this.#base + rule * C_COMMON_WORDS;
  }

  // ---- Hot path ----

  /** The rule that decides on an IPv4 flow, -1 when none matches. `ports` is local << 16 | remote. */
  find4(table: number, proto: number, lcl: number, rmt: number, ports: number): RuleIndex {
    if (this.#entries === 0) return -1;
    const place = this.#placeOf(codeOf(table, proto, 0));
    if (place < 0) return -1;
    const { words, end } = this.#spaces[place];
    const { bits, mask } = this.#filter;
    const hash = this.#hash;
    hash.take4(lcl, rmt, ports);
    let rmtLength = -1;
    let rmtHash = 0;
    for (let at = 0; at < end; at = (at + TUPLE_WORDS) | 0) {
      const rank = words[at + T_RANK];
      if (rankRmtLength(rank) !== rmtLength) {
        rmtLength = rankRmtLength(rank);
        rmtHash = hash.rmt(rmtLength);
      }
      const lclLength = rankLclLength(rank);
      const tag = rmtHash ^ hash.lcl(lclLength) ^ hash.ports(rankKind(rank)) ^ words[at + T_SALT];
      if (((bits[(tag & mask) >>> 5] >>> (tag & 31)) & 1) === 0) continue;
      const lclWord = lcl & maskWord(lclLength, 0);
      const rmtWord = rmt & maskWord(rmtLength, 0);
      const rule = this.#slots.find4(tag, words[at + T_ID], 0, lclWord, rmtWord, ports & words[at + T_PORTS]);
      if (rule >= 0) return rule;
    }
    return -1;
  }

  /** As {@link find4}; addresses as big-endian words. */
  find6(
    table: number,
    proto: number,
    l0: number,
    l1: number,
    l2: number,
    l3: number,
    r0: number,
    r1: number,
    r2: number,
    r3: number,
    ports: number,
  ): RuleIndex {
    if (this.#entries === 0) return -1;
    const place = this.#placeOf(codeOf(table, proto, 1));
    if (place < 0) return -1;
    const { words, end } = this.#spaces[place];
    const { bits, mask } = this.#filter;
    const hash = this.#hash;
    hash.take6(l0, l1, l2, l3, r0, r1, r2, r3, ports);
    let rmtLength = -1;
    let rmtHash = 0;
    for (let at = 0; at < end; at = (at + TUPLE_WORDS) | 0) {
      const rank = words[at + T_RANK];
      if (rankRmtLength(rank) !== rmtLength) {
        rmtLength = rankRmtLength(rank);
        rmtHash = hash.rmt(rmtLength);
      }
      const lclLength = rankLclLength(rank);
      const tag = rmtHash ^ hash.lcl(lclLength) ^ hash.ports(rankKind(rank)) ^ words[at + T_SALT];
      if (((bits[(tag & mask) >>> 5] >>> (tag & 31)) & 1) === 0) continue;
      const rule = this.#slots.find6(
        tag,
        words[at + T_ID],
        0,
        l0 & maskWord(lclLength, 0),
        l1 & maskWord(lclLength, 1),
        l2 & maskWord(lclLength, 2),
        l3 & maskWord(lclLength, 3),
        r0 & maskWord(rmtLength, 0),
        r1 & maskWord(rmtLength, 1),
        r2 & maskWord(rmtLength, 2),
        r3 & maskWord(rmtLength, 3),
        ports & words[at + T_PORTS],
      );
      if (rule >= 0) return rule;
    }
    return -1;
  }

  #placeOf(code: number): number {
    const places = this.#places;
    return code < places.length ? places[code] - 1 : -1;
  }

  // ---- Control ----

  /** The rule of a table for exactly this key, -1 when there is none. */
  exact(table: number, key: RuleKey): RuleIndex {
    const space = this.#spaces[this.#placeOf(codeOfKey(table, key))];
    const at = space?.find(rankOf(key)) ?? -1;
    return space === undefined || at < 0 ? -1 : this.#inTuple(space, at, key);
  }

  /** The rule of a table that decides on all flows of this key, -1 when there is none. */
  covering(table: number, key: RuleKey): RuleIndex {
    const space = this.#spaces[this.#placeOf(codeOfKey(table, key))];
    if (space === undefined) return -1;
    const { local, remote } = key;
    const named = rankPorts(rankOf(key));
    for (let at = 0; at < space.end; at += TUPLE_WORDS) {
      const rank = space.words[at + T_RANK];
      const isWithin = remote.length >= rankRmtLength(rank) && local.length >= rankLclLength(rank);
      if (!isWithin || (space.words[at + T_PORTS] & ~named) !== 0) continue;
      const rule = this.#inTuple(space, at, key);
      if (rule >= 0) return rule;
    }
    return -1;
  }

  /** The rule of the tuple at word `at` that this key is masked to, -1 when there is none. */
  #inTuple({ words, family }: RuleTuples, at: number, key: RuleKey): RuleIndex {
    const rank = words[at + T_RANK];
    const [l0, l1, l2, l3] = key.local.address.words.map((word, i) => word & maskWord(rankLclLength(rank), i));
    const [r0, r1, r2, r3] = key.remote.address.words.map((word, i) => word & maskWord(rankRmtLength(rank), i));
    const ports = portsOf(key) & words[at + T_PORTS];
    const id = words[at + T_ID];
    const tag = this.#tagOf(words, at, key);
    if (family === 4) return this.#slots.find4(tag, id, 0, l0, r0, ports);
    return this.#slots.find6(tag, id, 0, l0, l1, l2, l3, r0, r1, r2, r3, ports);
  }

  /** The tag, in the hash table, of a key that is masked by the tuple at word `at`. */
  #tagOf(words: Int32Array, at: number, key: RuleKey): number {
    const hash = this.#hash;
    const rank = words[at + T_RANK];
    const [l0, l1, l2, l3] = key.local.address.words;
    const [r0, r1, r2, r3] = key.remote.address.words;
    if (key.local.address.family === 4) hash.take4(l0, r0, portsOf(key));
    else hash.take6(l0, l1, l2, l3, r0, r1, r2, r3, portsOf(key));
    const prefixes = hash.rmt(rankRmtLength(rank)) ^ hash.lcl(rankLclLength(rank));
    return prefixes ^ hash.ports(rankKind(rank)) ^ words[at + T_SALT];
  }

  /** Whether the key's mask is one of its table's. */
  hasMask(table: number, key: RuleKey): boolean {
    return (this.#spaces[this.#placeOf(codeOfKey(table, key))]?.find(rankOf(key)) ?? -1) >= 0;
  }

  /** Whether the key's mask is one of its table's, or there is room for it besides `more` new ones. */
  hasMaskRoom(table: number, key: RuleKey, more: number): boolean {
    const count = this.#spaces[this.#placeOf(codeOfKey(table, key))]?.count ?? 0;
    return this.hasMask(table, key) || count + more < this.#limits.masks;
  }

  /** Adds a rule for which there is room ({@link free}, {@link hasMaskRoom}) and whose key is not there ({@link exact}). */
  add(table: number, key: RuleKey, action: number, owner: number): RuleIndex {
    const i32 = this.#i32;
    const place = this.#spaceFor(table, key);
    const space = this.#spaces[place];
    const rank = rankOf(key);
    let at = space.find(rank);
    if (at < 0) {
      at = space.insert(rank, this.#freeIds.pop() ?? this.#usedIds++, this.#random.nextInt32());
      this.#masks++;
    }
    let rule = this.#firstFree - 1;
    if (rule < 0) rule = this.#usedRows++;
    else this.#firstFree = i32[this.row(rule) + R_NEXT];
    const r = this.row(rule);
    i32.fill(0, r, r + C_COMMON_WORDS);
    i32[r + R_ACTION] = action;
    i32[r + R_OWNER] = owner;
    i32[r + R_SPACE] = place;
    i32[r + C_FIB] = space.words[at + T_ID];
    i32[r + C_PORTS] = portsOf(key);
    const { local, remote } = key;
    i32.set(local.address.words, r + C_LCL);
    i32.set(remote.address.words, r + C_RMT);
    this.#link(space, at, rule);
    const tag = this.#tagOf(space.words, at, key);
    i32[r + R_TAG] = tag;
    this.#slots.add(tag, 0, rule);
    this.#entries++;
    this.#filter.add(tag);
    if (this.#filter.isWorn) this.#refill();
    return rule;
  }

  /** Removes a rule. More specific ones, and less specific ones, stay. */
  remove(rule: RuleIndex): void {
    const i32 = this.#i32;
    const r = this.row(rule);
    const space = this.#spaces[i32[r + R_SPACE]];
    const at = space.withId(i32[r + C_FIB]);
    this.#slots.remove(i32[r + R_TAG], 0, rule);
    this.#filter.remove();
    this.#unlink(space, at, r);
    if (space.words[at + T_RULES] === 0) {
      this.#freeIds.push(space.words[at + T_ID]);
      space.remove(at);
      this.#masks--;
    }
    i32[r + R_SPACE] = -1;
    i32[r + R_NEXT] = this.#firstFree;
    this.#firstFree = rule + 1;
    this.#entries--;
    if (this.#filter.isWorn) this.#refill();
  }

  /**
   * Fills the filter anew, row by row: 1 ms for 100,000 rules, when their number has doubled, or half of them are gone. So it
   * is not worth the trouble of two filters at a time.
   */
  #refill(): void {
    const i32 = this.#i32;
    this.#filter.clear();
    for (let rule = 0; rule < this.#usedRows; rule++) {
      const r = this.row(rule);
      if (i32[r + R_SPACE] >= 0) this.#filter.add(i32[r + R_TAG]);
    }
  }

  /** All rules, table by table, those that decide first before the others. What changes meanwhile may be left out. */
  *all(): Generator<RuleIndex> {
    for (const space of this.#spaces) {
      for (let at = 0; at < space.end; at += TUPLE_WORDS) {
        for (let rule = space.words[at + T_FIRST] - 1; rule >= 0; ) {
          const next = this.#i32[this.row(rule) + R_NEXT] - 1;
          yield rule;
          rule = next;
        }
      }
    }
  }

  /** The session table of a rule. */
  tableOf(rule: RuleIndex): number {
    return this.#spaces[this.#i32[this.row(rule) + R_SPACE]].table;
  }

  /** The key of a rule: a copy. */
  keyOf(rule: RuleIndex): RuleKey {
    const i32 = this.#i32;
    const r = this.row(rule);
    const { words, family, proto } = this.#spaces[i32[r + R_SPACE]];
    const rank = words[this.#spaces[i32[r + R_SPACE]].withId(i32[r + C_FIB]) + T_RANK];
    const address = (from: number): { family: 4 | 6; words: Int32Array } => ({
      family,
      words: i32.slice(from, from + 4),
    });
    return {
      proto,
      local: { address: address(r + C_LCL), length: rankLclLength(rank) },
      remote: { address: address(r + C_RMT), length: rankRmtLength(rank) },
      localPort: i32[r + C_PORTS] >>> 16,
      remotePort: i32[r + C_PORTS] & 0xffff,
    };
  }

  #spaceFor(table: number, key: RuleKey): number {
    const code = codeOfKey(table, key);
    const known = this.#placeOf(code);
    if (known >= 0) return known;
    if (code >= this.#places.length) {
      const places = new Int32Array((code + 1) * 2);
      places.set(this.#places);
      this.#places = places;
    }
    const { family } = key.local.address;
    return (this.#places[code] = this.#spaces.push(new RuleTuples(table, key.proto, family))) - 1;
  }

  #link({ words }: RuleTuples, at: number, rule: RuleIndex): void {
    const i32 = this.#i32;
    const next = words[at + T_FIRST];
    i32[this.row(rule) + R_NEXT] = next;
    if (next > 0) i32[this.row(next - 1) + R_PREV] = rule + 1;
    words[at + T_FIRST] = rule + 1;
    words[at + T_RULES]++;
  }

  #unlink({ words }: RuleTuples, at: number, r: number): void {
    const i32 = this.#i32;
    const next = i32[r + R_NEXT];
    const previous = i32[r + R_PREV];
    if (next > 0) i32[this.row(next - 1) + R_PREV] = previous;
    if (previous > 0) i32[this.row(previous - 1) + R_NEXT] = next;
    else words[at + T_FIRST] = next;
    words[at + T_RULES]--;
  }
}

/** Numbers tables, those of packets (from 0 on) and local ones (below 0), with all protocols (MAX_TRANSPORTS) and families. */
function codeOf(table: number, proto: number, isIp6: number): number {
  return (((table << 1) ^ (table >> 31)) << 4) | (proto << 1) | isIp6;
}

function codeOfKey(table: number, { proto, local }: RuleKey): number {
  return codeOf(table, proto, local.address.family === 6 ? 1 : 0);
}

function rankOf({ local, remote, localPort, remotePort }: RuleKey): number {
  return tupleRank(remote.length, local.length, remotePort !== 0, localPort !== 0);
}

function portsOf({ localPort, remotePort }: RuleKey): number {
  return (localPort << 16) | remotePort;
}
