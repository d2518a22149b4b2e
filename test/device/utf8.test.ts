import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { utf8Decode, utf8Encode } from "../../src/device/utf8.js";

describe("UTF-8", () => {
  it("is written as TextEncoder writes it", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        expect([...utf8Encode(text)]).toEqual([...new TextEncoder().encode(text)]);
      }),
      { seed: 1 },
    );
    expect([...utf8Encode("\ud800x")]).toEqual([0xef, 0xbf, 0xbd, 0x78]);
  });

  it("is read as TextDecoder reads it where it is valid", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        const bytes = new TextEncoder().encode(text);
        expect(utf8Decode(bytes, 0, bytes.length)).toBe(new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes));
      }),
      { seed: 2 },
    );
  });

  it.each([
    ["overlong", [0xc0, 0x80]],
    ["overlong, three bytes", [0xe0, 0x80, 0x80]],
    ["surrogate", [0xed, 0xa0, 0x80]],
    ["beyond Unicode", [0xf4, 0x90, 0x80, 0x80]],
    ["no start", [0x80]],
    ["cut", [0xe2, 0x82]],
    ["cut by another", [0xe2, 0x41]],
  ])("replaces what is not UTF-8: %s", (_, bytes) => {
    const text = utf8Decode(Uint8Array.from(bytes), 0, bytes.length);
    expect(text).toMatch(/^\ufffd+A?$/);
    expect(text.endsWith("A")).toBe(bytes.includes(0x41));
  });
});
