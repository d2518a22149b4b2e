import ipaddr from "ipaddr.js";

// IP addresses and prefixes: text and numbers. An IPv4 address is an int32, an IPv6 address four, first on the wire first.

/** An address family, by its version number. */
export type Family = 4 | 6;

/** An address of either family, for the control plane; the data path passes bare words. */
export interface IpAddress {
  readonly family: Family;
  /** Four int32 words, first on the wire first; IPv4 uses the first, the others are 0. */
  readonly words: Int32Array;
}

/** An address and how many of its leading bits count. */
export interface Prefix {
  readonly address: IpAddress;
  /** 0 to 32 or 128. */
  readonly length: number;
}

/** The IPv4 address whose word is `word`. */
export function ip4Address(word: number): IpAddress {
  return { family: 4, words: Int32Array.of(word, 0, 0, 0) };
}

/** The IPv6 address of these words. */
export function ip6Address(w0: number, w1: number, w2: number, w3: number): IpAddress {
  return { family: 6, words: Int32Array.of(w0, w1, w2, w3) };
}

/** Bits of an address: 32 or 128. */
export function addressBits(family: Family): number {
  return family === 4 ? 32 : 128;
}

/** Four decimal numbers: ipaddr.js alone would take `127.1`, octal and hexadecimal too. */
const FOUR_PART_DECIMAL = /^(?:(?:0|[1-9]\d{0,2})(?:\.(?!$)|$)){4}$/;

/** Reads an address in its usual text form, without zone; undefined when it is none. Leading zeros are refused. */
export function tryParseAddress(text: string): IpAddress | undefined {
  if (!text.includes(":")) {
    if (!FOUR_PART_DECIMAL.test(text) || !ipaddr.IPv4.isValid(text)) return undefined;
    return { family: 4, words: wordsOf(ipaddr.IPv4.parse(text).toByteArray()) };
  }
  const hex = withoutDots(text);
  if (hex === undefined || hex.includes("%") || !ipaddr.IPv6.isValid(hex)) return undefined;
  return { family: 6, words: wordsOf(ipaddr.IPv6.parse(hex).toByteArray()) };
}

/** An IPv6 address whose last two groups may be an IPv4 address (RFC 4291 2.2), which ipaddr.js takes for a mapped one. */
function withoutDots(text: string): string | undefined {
  if (!text.includes(".")) return text;
  const at = text.lastIndexOf(":") + 1;
  const tail = text.slice(at);
  if (!FOUR_PART_DECIMAL.test(tail) || !ipaddr.IPv4.isValid(tail)) return undefined;
  const word = wordsOf(ipaddr.IPv4.parse(tail).toByteArray())[0];
  return `${text.slice(0, at)}${(word >>> 16).toString(16)}:${(word & 0xffff).toString(16)}`;
}

/** Four words of 4 or 16 bytes in network order. */
function wordsOf(bytes: readonly number[]): Int32Array {
  const words = new Int32Array(4);
  for (let i = 0; i < bytes.length; i++) words[i >> 2] = (words[i >> 2] << 8) | bytes[i];
  return words;
}

/** As {@link tryParseAddress}; throws RangeError, naming the text, when it is no address. */
export function parseAddress(text: string): IpAddress {
  const address = tryParseAddress(text);
  if (address === undefined) throw new RangeError(`not an IP address: ${JSON.stringify(text)}`);
  return address;
}

/** An IPv4 address word as dotted text. */
export function formatIp4(word: number): string {
  return `${word >>> 24}.${(word >>> 16) & 255}.${(word >>> 8) & 255}.${word & 255}`;
}

/** IPv6 address words as text (RFC 5952). */
export function formatIp6(w0: number, w1: number, w2: number, w3: number): string {
  if (isV4Mapped6(w0, w1, w2)) return `::ffff:${formatIp4(w3)}`;
  const groups: number[] = [];
  for (const word of [w0, w1, w2, w3]) groups.push(word >>> 16, word & 0xffff);
  return new ipaddr.IPv6(groups).toRFC5952String();
}

/** An address as text (RFC 5952 for IPv6). */
export function formatAddress({ family, words }: IpAddress): string {
  return family === 4 ? formatIp4(words[0]) : formatIp6(words[0], words[1], words[2], words[3]);
}

/** Reads `address/length`; throws RangeError, naming the text, when it is no prefix. Host bits may be set. */
export function parsePrefix(text: string): Prefix {
  const match = /^([^/]+)\/(0|[1-9]\d{0,2})$/.exec(text);
  const address = match === null ? undefined : tryParseAddress(match[1]);
  const length = Number(match?.[2]);
  if (address === undefined || length > addressBits(address.family)) {
    throw new RangeError(`not an IP prefix: ${JSON.stringify(text)}`);
  }
  return { address, length };
}

/** `address/length` as text. */
export function formatPrefix({ address, length }: Prefix): string {
  return `${formatAddress(address)}/${length}`;
}

/** The mask of word `index` (0 to 3) of a prefix of `length` bits. */
export function maskWord(length: number, index: number): number {
  const bits = length - (index << 5);
  return bits >= 32 ? -1 : bits <= 0 ? 0 : -1 << (32 - bits);
}

/** The prefix with all bits after its length cleared. */
export function maskPrefix({ address, length }: Prefix): Prefix {
  const words = address.words.map((word, i) => word & maskWord(length, i));
  return { address: { family: address.family, words }, length };
}

/** Whether both are the same address of the same family. */
export function addressEqual(a: IpAddress, b: IpAddress): boolean {
  return a.family === b.family && a.words.every((word, i) => word === b.words[i]);
}

/** Whether `prefix` covers `address`. */
export function prefixCovers({ address: base, length }: Prefix, address: IpAddress): boolean {
  return (
    base.family === address.family &&
    base.words.every((word, i) => ((word ^ address.words[i]) & maskWord(length, i)) === 0)
  );
}

/** 224.0.0.0/4 (RFC 5771). */
export function isMulticast4(word: number): boolean {
  return word >>> 28 === 14;
}

/** 127.0.0.0/8. */
export function isLoopback4(word: number): boolean {
  return word >>> 24 === 127;
}

/** 0.0.0.0/8: this network (RFC 1122 3.2.1.3). */
export function isThisNetwork4(word: number): boolean {
  return word >>> 24 === 0;
}

/** 240.0.0.0/4, which holds the limited broadcast address too. */
export function isClassE4(word: number): boolean {
  return word >>> 28 === 15;
}

/** 169.254.0.0/16 (RFC 3927). */
export function isLinkLocal4(word: number): boolean {
  return word >>> 16 === 0xa9fe;
}

/** Whether a packet may come from this address: not multicast, class E, loopback or this network but itself. */
export function isUnicastSource4(word: number): boolean {
  const top = word >>> 24;
  return top < 224 && top !== 127 && top !== 0;
}

/** ff00::/8. */
export function isMulticast6(w0: number): boolean {
  return w0 >>> 24 === 0xff;
}

/** fe80::/10. */
export function isLinkLocal6(w0: number): boolean {
  return w0 >>> 22 === 0x3fa;
}

/** fc00::/7 (RFC 4193). */
export function isUniqueLocal6(w0: number): boolean {
  return w0 >>> 25 === 0x7e;
}

/** The unspecified address. */
export function isUnspecified6(w0: number, w1: number, w2: number, w3: number): boolean {
  return (w0 | w1 | w2 | w3) === 0;
}

/** ::1. */
export function isLoopback6(w0: number, w1: number, w2: number, w3: number): boolean {
  return (w0 | w1 | w2) === 0 && w3 === 1;
}

/** ::ffff:0:0/96, which never belongs on a wire. */
export function isV4Mapped6(w0: number, w1: number, w2: number): boolean {
  return (w0 | w1) === 0 && w2 === 0xffff;
}

/** ff02::1:ff00:0/104, the solicited-node groups (RFC 4291 2.7.1). */
export function isSolicitedNode6(w0: number, w1: number, w2: number, w3: number): boolean {
  return w0 === (0xff02_0000 | 0) && w1 === 0 && w2 === 1 && w3 >>> 24 === 0xff;
}

/** The solicited-node group of an address. */
export function solicitedNode({ words }: IpAddress): IpAddress {
  return ip6Address(0xff02_0000 | 0, 0, 1, 0xff00_0000 | (words[3] & 0xff_ffff));
}

/** Whether an address may be given to an interface: unicast, not unspecified, not loopback, not mapped. */
export function isAssignable({ family, words: [w0, w1, w2, w3] }: IpAddress): boolean {
  if (family === 4) return isUnicastSource4(w0);
  return (
    !isMulticast6(w0) && !isUnspecified6(w0, w1, w2, w3) && !isLoopback6(w0, w1, w2, w3) && !isV4Mapped6(w0, w1, w2)
  );
}
