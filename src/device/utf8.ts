/** The text of UTF-8 bytes [from, to); what is not UTF-8 becomes U+FFFD. For comments and names, in the control plane. */
export function utf8Decode(bytes: Uint8Array, from: number, to: number): string {
  let text = "";
  for (let at = from; at < to; ) {
    const first = bytes[at];
    const length = first < 0x80 ? 1 : first >= 0xc2 && first < 0xe0 ? 2 : first >= 0xe0 && first < 0xf0 ? 3 : 4;
    const point = length === 1 ? first : first < 0xc2 || first > 0xf4 ? -1 : continued(bytes, at, to, length);
    text += String.fromCodePoint(point < 0 ? 0xfffd : point);
    at += point < 0 ? 1 : length;
  }
  return text;
}

/** The code point of a sequence of `length` (2 to 4) bytes, -1 when it is cut, overlong, a surrogate or too large. */
function continued(bytes: Uint8Array, at: number, to: number, length: number): number {
  if (at + length > to) return -1;
  let point = bytes[at] & (0x7f >> length);
  for (let i = 1; i < length; i++) {
    if ((bytes[at + i] & 0xc0) !== 0x80) return -1;
    point = (point << 6) | (bytes[at + i] & 0x3f);
  }
  const least = length === 2 ? 0x80 : length === 3 ? 0x800 : 0x10000;
  return point < least || point > 0x10ffff || (point >= 0xd800 && point < 0xe000) ? -1 : point;
}

/** The UTF-8 bytes of a text; a lone surrogate becomes U+FFFD. */
export function utf8Encode(text: string): Uint8Array {
  const bytes: number[] = [];
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    const point = code >= 0xd800 && code < 0xe000 ? 0xfffd : code;
    if (point < 0x80) bytes.push(point);
    else if (point < 0x800) bytes.push(0xc0 | (point >> 6), 0x80 | (point & 0x3f));
    else if (point < 0x10000) bytes.push(0xe0 | (point >> 12), 0x80 | ((point >> 6) & 0x3f), 0x80 | (point & 0x3f));
    else {
      const low = [(point >> 12) & 0x3f, (point >> 6) & 0x3f, point & 0x3f].map((six) => 0x80 | six);
      bytes.push(0xf0 | (point >> 18), ...low);
    }
  }
  return Uint8Array.from(bytes);
}
