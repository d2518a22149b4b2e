/** Words of a tuple. */
export const TUPLE_WORDS = 6;
/** Its mask: {@link tupleRank}. */
export const T_RANK = 0;
/** The mask of local port << 16 | remote port. */
export const T_PORTS = 1;
/** Its number among all tuples. */
export const T_ID = 2;
/** Random bits of its own, in the hash of its keys. */
export const T_SALT = 3;
/** Rules with this mask. */
export const T_RULES = 4;
/** The first of them + 1. */
export const T_FIRST = 5;

/**
 * The rank of a mask, which is the mask: its remote and local prefix length, and which of the ports it names. Of two masks
 * that both match, the one of higher rank decides. A mask that is more specific in all four never has the lower rank; among
 * those that cannot be compared the remote prefix counts first, then the local prefix, the remote port, the local port, in
 * the order of VPP's rule_cmp.
 */
export function tupleRank(rmtLength: number, lclLength: number, hasRmtPort: boolean, hasLclPort: boolean): number {
  return (rmtLength << 16) | (lclLength << 8) | (hasRmtPort ? 2 : 0) | (hasLclPort ? 1 : 0);
}

/** Length of the remote prefix in a rank. */
export function rankRmtLength(rank: number): number {
  return rank >> 16;
}

/** Length of the local prefix in a rank. */
export function rankLclLength(rank: number): number {
  return (rank >> 8) & 0xff;
}

/** Which ports a rank names: the local one (bit 0), the remote one (bit 1). */
export function rankKind(rank: number): number {
  return rank & 3;
}

/** The mask of local port << 16 | remote port in a rank. */
export function rankPorts(rank: number): number {
  return ((rank & 1) === 0 ? 0 : 0xffff_0000 | 0) | ((rank & 2) === 0 ? 0 : 0xffff);
}

/** The distinct masks of the rules of one session table, protocol and family, highest rank first. */
export class RuleTuples {
  readonly table: number;
  readonly proto: number;
  readonly family: 4 | 6;
  /** {@link TUPLE_WORDS} for each. */
  words = new Int32Array(4 * TUPLE_WORDS);
  count = 0;

  constructor(table: number, proto: number, family: 4 | 6) {
    this.table = table;
    this.proto = proto;
    this.family = family;
  }

  /** Word index behind the last tuple. */
  get end(): number {
    return this.count * TUPLE_WORDS;
  }

  /** Word index of the tuple with this rank, -1 when there is none. */
  find(rank: number): number {
    const at = this.#place(rank);
    return at < this.end && this.words[at + T_RANK] === rank ? at : -1;
  }

  /** Word index of the tuple with this number; it is there. */
  withId(id: number): number {
    let at = 0;
    while (this.words[at + T_ID] !== id) at += TUPLE_WORDS;
    return at;
  }

  /** Adds a tuple, which is not there yet, without rules. Returns its word index. */
  insert(rank: number, id: number, salt: number): number {
    const { end } = this;
    if (end === this.words.length) {
      const words = new Int32Array(end * 2);
      words.set(this.words);
      this.words = words;
    }
    const at = this.#place(rank);
    const { words } = this;
    words.copyWithin(at + TUPLE_WORDS, at, end);
    words.fill(0, at, at + TUPLE_WORDS);
    words[at + T_RANK] = rank;
    words[at + T_PORTS] = rankPorts(rank);
    words[at + T_ID] = id;
    words[at + T_SALT] = salt;
    this.count++;
    return at;
  }

  /** Removes the tuple at a word index. */
  remove(at: number): void {
    this.words.copyWithin(at, at + TUPLE_WORDS, this.end);
    this.count--;
  }

  /** Word index of the first tuple that does not come before `rank`. */
  #place(rank: number): number {
    let low = 0;
    let high = this.count;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.words[middle * TUPLE_WORDS + T_RANK] > rank) low = middle + 1;
      else high = middle;
    }
    return low * TUPLE_WORDS;
  }
}
