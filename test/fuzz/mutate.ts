import type { SeededRandom } from "../../src/random/seeded.js";

/** Longest frame that is fuzzed. */
const MAX_BYTES = 9000;

/** Values that tend to be off by one from something. */
const EDGES = [0, 1, 2, 3, 4, 5, 6, 7, 8, 15, 16, 17, 19, 20, 21, 39, 40, 41, 59, 60, 63, 64, 127, 128, 254, 255];

/** A damaged copy of a frame: a few random changes of bits, bytes, fields, length or order. */
export function mutate(random: SeededRandom, frame: Uint8Array, other: Uint8Array): Uint8Array {
  let bytes: Uint8Array = frame.slice(0, MAX_BYTES);
  const changes = 1 + random.nextBelow(4);
  for (let i = 0; i < changes; i++) bytes = change(random, bytes, other);
  return bytes;
}

function change(random: SeededRandom, bytes: Uint8Array, other: Uint8Array): Uint8Array {
  const { length } = bytes;
  if (length === 0) return other.slice(0, 60);
  // Headers are where it matters: most changes go there.
  const at = random.nextBelow(random.nextBelow(4) === 0 ? length : Math.min(length, 80));
  switch (random.nextBelow(9)) {
    case 0:
      bytes[at] ^= 1 << random.nextBelow(8);
      return bytes;
    case 1:
      bytes[at] = EDGES[random.nextBelow(EDGES.length)];
      return bytes;
    case 2:
      bytes[at] = random.nextBelow(256);
      return bytes;
    case 3:
      return bytes.slice(0, at);
    case 4: {
      const longer = new Uint8Array(Math.min(length + 1 + random.nextBelow(64), MAX_BYTES));
      longer.set(bytes.subarray(0, longer.length));
      return longer;
    }
    case 5: {
      // The tail of another frame behind the head of this one.
      const rest = other.subarray(Math.min(at, other.length), MAX_BYTES);
      const spliced = new Uint8Array(at + rest.length);
      spliced.set(bytes.subarray(0, at));
      spliced.set(rest, at);
      return spliced.slice(0, MAX_BYTES);
    }
    case 6: {
      // A 16-bit field: a length, an offset, a port.
      if (at + 1 < length) new DataView(bytes.buffer, bytes.byteOffset).setUint16(at, lie(random, length));
      return bytes;
    }
    case 7: {
      const end = Math.min(length, at + 1 + random.nextBelow(16));
      bytes.copyWithin(random.nextBelow(length), at, end);
      return bytes;
    }
    default:
      bytes.fill(random.nextBelow(256), at, Math.min(length, at + 1 + random.nextBelow(8)));
      return bytes;
  }
}

function lie(random: SeededRandom, truth: number): number {
  const near = truth - 14 + random.nextBelow(9) - 4;
  return [0, 1, 7, 19, 20, 28, 1499, 65535, near & 0xffff, random.nextBelow(65536)][random.nextBelow(10)];
}
