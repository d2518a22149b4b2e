import { describe, expect, it } from "vitest";
import { addressBits, type Family, formatPrefix, maskPrefix, maskWord, type Prefix } from "../../src/ip/address.js";
import { LEAF_SLOTS, PrefixLeaves } from "../../src/ip/prefix-leaves.js";
import { PrefixSet } from "../../src/ip/prefix-set.js";
import { MemoryWindow } from "../../src/mem/window.js";
import { SeededRandom } from "../../src/random/seeded.js";

const FAMILIES = [4, 6] as const;

function setOf(family: Family, bytes = 8 << 20): { leaves: PrefixLeaves; set: PrefixSet } {
  const leaves = new PrefixLeaves(MemoryWindow.plain(bytes), family === 4 ? 1 : 4);
  return { leaves, set: new PrefixSet(leaves) };
}

/** The naive set: every prefix is asked. */
class Naive {
  readonly prefixes = new Map<string, Prefix>();

  longest(address: Int32Array): number {
    let longest = 0;
    for (const { address: base, length } of this.prefixes.values()) {
      const covers = base.words.every((word, i) => ((word ^ address[i]) & maskWord(length, i)) === 0);
      if (covers && length > longest) longest = length;
    }
    return longest;
  }

  /** By address, then length. */
  sorted(): string[] {
    const unsigned = ({ address }: Prefix): number[] => [...address.words].map((word) => word >>> 0);
    return [...this.prefixes.values()]
      .sort((a, b) => {
        const [left, right] = [unsigned(a), unsigned(b)];
        const at = left.findIndex((word, i) => word !== right[i]);
        return at < 0 ? a.length - b.length : left[at] - right[at];
      })
      .map(formatPrefix);
  }
}

/** Draws addresses of which many share their first bits, so that prefixes lie within each other. */
class Draw {
  readonly #random: SeededRandom;
  readonly #family: Family;
  readonly #bases: Int32Array[];

  constructor(family: Family, seed: number) {
    this.#random = new SeededRandom(seed);
    this.#family = family;
    this.#bases = Array.from({ length: 4 }, () => this.#any());
  }

  #any(): Int32Array {
    const words = Int32Array.from({ length: 4 }, () => this.#random.nextInt32());
    return this.#family === 4 ? words.fill(0, 1) : words;
  }

  below(limit: number): number {
    return this.#random.nextBelow(limit);
  }

  address(): Int32Array {
    const bits = addressBits(this.#family);
    const base = this.#bases[this.below(this.#bases.length)];
    const shared = this.below(bits + 1);
    return this.#any().map((word, i) => (base[i] & maskWord(shared, i)) | (word & ~maskWord(shared, i)));
  }

  prefix(): Prefix {
    const length = 1 + this.below(addressBits(this.#family));
    return maskPrefix({ address: { family: this.#family, words: this.address() }, length });
  }
}

describe.each(FAMILIES)("a set of IPv%i prefixes", (family) => {
  it.each([1, 2, 3, 4])("says what the naive one says, whatever comes and goes (seed %i)", (seed) => {
    const { set } = setOf(family);
    const naive = new Naive();
    const draw = new Draw(family, seed);
    for (let step = 0; step < 2000; step++) {
      // Fills up, is in balance, and empties.
      const isAdd = draw.below(100) < (step < 800 ? 90 : step < 1400 ? 50 : 10);
      const known = [...naive.prefixes.keys()];
      const prefix =
        isAdd || known.length === 0 ? draw.prefix() : (naive.prefixes.get(known[draw.below(known.length)]) as Prefix);
      const key = formatPrefix(prefix);
      const { words } = prefix.address;
      const isKnown = naive.prefixes.has(key);
      expect(set.has(words, prefix.length)).toBe(isKnown);
      const isChanged = isAdd ? set.add(words, prefix.length) : set.remove(words, prefix.length);
      expect(isChanged).toBe(isAdd !== isKnown);
      if (isAdd) naive.prefixes.set(key, prefix);
      else naive.prefixes.delete(key);
      expect(set.entries).toBe(naive.prefixes.size);
      for (const address of [draw.address(), words]) expect(set.longest(address)).toBe(naive.longest(address));
    }
    expect([...set].map(formatPrefix)).toEqual(naive.sorted());
    for (let i = 0; i < 200; i++) {
      const address = draw.address();
      expect(set.longest(address)).toBe(naive.longest(address));
    }
  });

  it("knows addresses by their unsigned value, the first and the last of a prefix, and those beside it", () => {
    const { set } = setOf(family);
    const high = Int32Array.of(0x8000_0000 | 0, 0, 0, 0);
    const top = new Int32Array(4).fill(-1, 0, family === 4 ? 1 : 4);
    const bits = addressBits(family);
    set.add(high, 2);
    set.add(top, bits);
    set.add(new Int32Array(4), bits);
    const last = Int32Array.of(0xbfff_ffff | 0, -1, -1, -1);
    expect([high, last, top, new Int32Array(4)].map((address) => set.longest(address))).toEqual([2, 2, bits, bits]);
    const beside = [Int32Array.of(0x7fff_ffff, -1, -1, -1), Int32Array.of(0xc000_0000 | 0, 0, 0, 0)];
    expect(beside.map((address) => set.longest(address))).toEqual([0, 0]);
    expect([...set].map(({ length }) => length)).toEqual([bits, 2, bits]);
  });

  it("is empty at first, and after clear, when its leaves are free for others", () => {
    const { leaves, set } = setOf(family);
    const draw = new Draw(family, 9);
    expect(set.longest(draw.address())).toBe(0);
    const fill = (into: PrefixSet): void => {
      for (let i = 0; i < 5000; i++) {
        const { address, length } = draw.prefix();
        into.add(address.words, length);
      }
    };
    fill(set);
    set.clear();
    expect([set.entries, [...set].length, set.longest(draw.address())]).toEqual([0, 0, 0]);
    const { bytes } = leaves;
    const other = new PrefixSet(leaves);
    for (const each of [set, other, set]) {
      fill(each);
      each.clear();
    }
    expect(leaves.bytes).toBe(bytes);
  });

  it("gives leaves back when prefixes go, so that few of them take little room", () => {
    const { leaves, set } = setOf(family);
    const words = (i: number): Int32Array => Int32Array.of(i << 8, 0, 0, 0);
    const COUNT = 64 * LEAF_SLOTS;
    for (let i = 0; i < COUNT; i++) set.add(words(i), 24);
    const full = leaves.bytes;
    for (let i = 0; i < COUNT; i++) if (i % 64 !== 0) set.remove(words(i), 24);
    expect(set.entries).toBe(64);
    // The leaves that became free hold as many again.
    for (let i = 0; i < COUNT - 2 * LEAF_SLOTS; i++) set.add(Int32Array.of((i << 8) | (1 << 31), 0, 0, 0), 24);
    expect(leaves.bytes).toBe(full);
    expect(set.longest(words(64))).toBe(24);
    expect(set.longest(words(63))).toBe(0);
  });

  it("changes nothing when the window is full", () => {
    const { leaves, set } = setOf(family, 64 << 10);
    const draw = new Draw(family, 10);
    const added: Prefix[] = [];
    const fill = (): void => {
      for (;;) {
        const prefix = draw.prefix();
        if (set.add(prefix.address.words, prefix.length)) added.push(prefix);
      }
    };
    expect(fill).toThrow("no room for prefix leaves");
    expect(leaves.bytes).toBeGreaterThan(0);
    expect(set.entries).toBe(added.length);
    for (const { address, length } of added) expect(set.remove(address.words, length)).toBe(true);
    expect(set.entries).toBe(0);
  });
});
