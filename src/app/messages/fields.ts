import { utf8Decode, utf8Encode } from "../../device/utf8.js";
import { isEndpoint } from "../../session/uri.js";
import type { ConnectionAttribute, ConnectionAttributes, Endpoint } from "../../transport/transport.js";

// Fields of messages between processes. A message is a row of int32 words; nothing in it lies across two of them but text
// and bytes, whose length stands before them. Values come from programs without types, words from processes that may be
// hostile: both are checked here, by kind, and nothing throws.

/** What a field of each kind is in an object. */
export interface FieldTypes {
  /** One word, 0 to 2^32 - 1. */
  u32: number;
  /** One word, -2^31 to 2^31 - 1. */
  i32: number;
  /** One word, 0 or 1. */
  flag: boolean;
  /** Two words, low first: a safe integer from 0 on, as session handles are. */
  handle: number;
  /** Six words: family, the four of the address, port. */
  endpoint: Endpoint;
  /** As endpoint; family 0: there is none. */
  maybeEndpoint: Endpoint | undefined;
  /** Bytes of UTF-8, and then these, four in a word, low first, filled up with zeros. */
  text: string;
  /** As text, of any bytes. */
  bytes: Uint8Array;
  /** One word: the number of a connection attribute. */
  attribute: ConnectionAttribute;
  /** A word with a bit for each attribute that is there, and a word for each of their values, in order. */
  attributes: ConnectionAttributes;
}

/** Name of a kind. */
export type FieldKind = keyof FieldTypes;

/** One field of a message. Text and bytes have a limit, in bytes. */
export type Field = { readonly name: string; readonly doc: string } & (
  | { readonly kind: Exclude<FieldKind, "text" | "bytes"> }
  | { readonly kind: "text" | "bytes"; readonly max: number }
);

/** The values of these fields as an object. */
export type FieldValues<F extends readonly Field[]> = {
  readonly [E in F[number] as E["name"]]: FieldTypes[E["kind"]];
};

/** Numbers of the attributes in messages; a new one takes the next, up to 31. */
const ATTRIBUTE_NUMBERS: Readonly<Record<ConnectionAttribute, number>> = {
  noDelay: 0,
  keepalive: 1,
  keepaliveMs: 2,
  userTimeoutMs: 3,
  dscp: 4,
  hopLimit: 5,
  softErrors: 6,
  urgentBytes: 7,
  nextNode: 8,
  checksumOffload: 9,
  gso: 10,
  mss: 11,
  congestion: 12,
  pacing: 13,
  maxPacingKBps: 14,
};

/** Their names by number. */
const ATTRIBUTE_NAMES = (Object.keys(ATTRIBUTE_NUMBERS) as ConnectionAttribute[]).sort(
  (a, b) => ATTRIBUTE_NUMBERS[a] - ATTRIBUTE_NUMBERS[b],
);

/** Words of a message as they are taken; too few, or a value that cannot be, is noted and reads as 0. */
class WordReader {
  isWhole = true;
  readonly #words: Int32Array;
  #at = 0;

  constructor(words: Int32Array) {
    this.#words = words;
  }

  /** Words that were not taken. */
  get left(): number {
    return this.#words.length - this.#at;
  }

  next(): number {
    if (this.left <= 0) this.isWhole = false;
    return this.left <= 0 ? 0 : this.#words[this.#at++];
  }

  /** Notes that what was read is not what it should be, unless `isGood`. */
  want(isGood: boolean): boolean {
    if (!isGood) this.isWhole = false;
    return isGood;
  }
}

interface FieldCodec<T> {
  /** Adds the value's words; false when it is no value of the kind. */
  put(words: number[], value: unknown, max: number): boolean;
  take(words: WordReader, max: number): T;
}

function putInteger(words: number[], value: unknown, min: number, max: number): boolean {
  if (!Number.isInteger(value) || Number(value) < min || Number(value) > max) return false;
  words.push(Number(value) | 0);
  return true;
}

const u32: FieldCodec<number> = {
  put: (words, value) => putInteger(words, value, 0, 0xffff_ffff),
  take: (words) => words.next() >>> 0,
};

const i32: FieldCodec<number> = {
  put: (words, value) => putInteger(words, value, -0x8000_0000, 0x7fff_ffff),
  take: (words) => words.next(),
};

const flag: FieldCodec<boolean> = {
  put(words, value) {
    words.push(value === true ? 1 : 0);
    return typeof value === "boolean";
  },
  take(words) {
    const word = words.next();
    words.want(word === 0 || word === 1);
    return word === 1;
  },
};

const TWO_32 = 0x1_0000_0000;

const handle: FieldCodec<number> = {
  put(words, value) {
    if (!Number.isSafeInteger(value) || Number(value) < 0) return false;
    words.push(Number(value) | 0, Math.floor(Number(value) / TWO_32));
    return true;
  },
  take(words) {
    const low = words.next() >>> 0;
    const high = words.next();
    return words.want(high >= 0 && high < 0x20_0000) ? high * TWO_32 + low : 0;
  },
};

const maybeEndpoint: FieldCodec<Endpoint | undefined> = {
  put(words, value) {
    if (value === undefined) {
      words.push(0, 0, 0, 0, 0, 0);
      return true;
    }
    if (!isEndpoint(value)) return false;
    const [a, b, c, d] = value.address;
    words.push(value.family, a, ...(value.family === 6 ? [b, c, d] : [0, 0, 0]), value.port);
    return true;
  },
  take(words) {
    const family = words.next();
    const address = Int32Array.of(words.next(), words.next(), words.next(), words.next());
    const port = words.next();
    if (family === 4 || family === 6) {
      words.want(port >= 0 && port <= 65_535 && (family === 6 || (address[1] | address[2] | address[3]) === 0));
      return { family, address, port };
    }
    words.want(family === 0 && (address[0] | address[1] | address[2] | address[3] | port) === 0);
    return undefined;
  },
};

const endpoint: FieldCodec<Endpoint> = {
  put: (words, value, max) => value !== undefined && maybeEndpoint.put(words, value, max),
  take(words, max) {
    const taken = maybeEndpoint.take(words, max);
    words.want(taken !== undefined);
    return taken ?? { family: 4, address: new Int32Array(4), port: 0 };
  },
};

const bytes: FieldCodec<Uint8Array> = {
  put(words, value, max) {
    if (Object.prototype.toString.call(value) !== "[object Uint8Array]") return false;
    const array = value as Uint8Array;
    if (array.length > max) return false;
    words.push(array.length);
    const first = words.length;
    for (let i = 0; i < array.length; i++) {
      const at = first + (i >> 2);
      words[at] = (words[at] ?? 0) | (array[i] << ((i & 3) << 3));
    }
    return true;
  },
  take(words, max) {
    const length = words.next();
    if (!words.want(length >= 0 && length <= max)) return new Uint8Array(0);
    const array = new Uint8Array(length);
    let word = 0;
    for (let i = 0; i < length; i++) {
      if ((i & 3) === 0) word = words.next();
      array[i] = word >>> ((i & 3) << 3);
    }
    return array;
  },
};

const text: FieldCodec<string> = {
  put: (words, value, max) => typeof value === "string" && bytes.put(words, utf8Encode(value), max),
  take(words, max) {
    const taken = bytes.take(words, max);
    const decoded = utf8Decode(taken, 0, taken.length);
    // In place of each byte that is no UTF-8 there stands U+FFFD, which takes three.
    words.want(utf8Encode(decoded).length === taken.length);
    return decoded;
  },
};

const attribute: FieldCodec<ConnectionAttribute> = {
  put: (words, value) =>
    putInteger(
      words,
      ATTRIBUTE_NAMES.findIndex((name) => name === value),
      0,
      31,
    ),
  take(words) {
    const name = ATTRIBUTE_NAMES[words.next()];
    words.want(name !== undefined);
    return name ?? "noDelay";
  },
};

const attributes: FieldCodec<ConnectionAttributes> = {
  put(words, value) {
    if (typeof value !== "object" || value === null) return false;
    const given: Readonly<Record<string, unknown>> = { ...value };
    const names = Object.keys(given).filter((name) => given[name] !== undefined);
    const known = ATTRIBUTE_NAMES.filter((name) => names.includes(name));
    words.push(known.reduce((mask, name) => mask | (1 << ATTRIBUTE_NUMBERS[name]), 0));
    return known.length === names.length && known.every((name) => i32.put(words, given[name], 0));
  },
  take(words) {
    const mask = words.next();
    words.want(mask >>> ATTRIBUTE_NAMES.length === 0);
    const present = ATTRIBUTE_NAMES.filter((name) => (mask & (1 << ATTRIBUTE_NUMBERS[name])) !== 0);
    return Object.fromEntries(present.map((name) => [name, words.next()]));
  },
};

const CODECS: { readonly [K in FieldKind]: FieldCodec<FieldTypes[K]> } = {
  u32,
  i32,
  flag,
  handle,
  endpoint,
  maybeEndpoint,
  text,
  bytes,
  attribute,
  attributes,
};

function maxOf(field: Field): number {
  return "max" in field ? field.max : 0;
}

/** The words of these fields' values; the name of the first one whose value is none of its kind, or too long. */
export function encodeFields(fields: readonly Field[], values: Readonly<Record<string, unknown>>): number[] | string {
  const words: number[] = [];
  for (const field of fields) {
    if (!CODECS[field.kind].put(words, values[field.name], maxOf(field))) return field.name;
  }
  return words;
}

/**
 * The values of these fields. Undefined when the words are not theirs, or more than `spare` are left over. The words must
 * be a copy of those in shared memory.
 */
export function decodeFields(
  fields: readonly Field[],
  words: Int32Array,
  spare: number,
): Record<string, unknown> | undefined {
  const reader = new WordReader(words);
  const values: Record<string, unknown> = {};
  for (const field of fields) values[field.name] = CODECS[field.kind].take(reader, maxOf(field));
  return reader.isWhole && reader.left <= spare ? values : undefined;
}
