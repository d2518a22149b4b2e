import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  addressEqual,
  formatAddress,
  formatIp6,
  formatPrefix,
  ip6Address,
  isAssignable,
  maskPrefix,
  maskWord,
  parseAddress,
  parsePrefix,
  prefixCovers,
  solicitedNode,
  tryParseAddress,
} from "../../src/ip/address.js";

const int32 = fc.integer({ min: -0x8000_0000, max: 0x7fff_ffff });

describe("addresses as text", () => {
  it("reads what it writes, for any words", () => {
    fc.assert(
      fc.property(fc.tuple(int32, int32, int32, int32), ([a, b, c, d]) => {
        const address = ip6Address(a, b, c, d);
        expect(addressEqual(parseAddress(formatAddress(address)), address)).toBe(true);
      }),
    );
    fc.assert(
      fc.property(fc.ipV4(), (text) => {
        expect(formatAddress(parseAddress(text))).toBe(text);
      }),
    );
    fc.assert(
      fc.property(fc.ipV6(), (text) => {
        const address = parseAddress(text);
        expect(addressEqual(parseAddress(formatAddress(address)), address)).toBe(true);
      }),
    );
  });

  it.each([
    ["2001:DB8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
    ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
    ["0:0:0:0:0:0:0:0", "::"],
    ["::ffff:192.0.2.1", "::ffff:192.0.2.1"],
    ["fe80::1", "fe80::1"],
    ["1::", "1::"],
    ["::192.0.2.33", "::c000:221"],
    ["1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"],
  ])("%s is written as %s (RFC 5952)", (text, canonical) => {
    expect(formatAddress(parseAddress(text))).toBe(canonical);
  });

  it.each([
    "",
    " ",
    "1.2.3",
    "1.2.3.4.5",
    "1.2.3.256",
    "01.2.3.4",
    "1.2.3.4 ",
    "1..2.3",
    "1.2.3.",
    "0x1.2.3.4",
    "-1.2.3.4",
    ":",
    ":::",
    "1::2::3",
    "1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:8:9",
    "12345::",
    "g::",
    "::1.2.3",
    "1.2.3.4::",
    "1:2:3:4:5:6:7::8",
    "fe80::1%eth0",
    "::1/64",
    "1:2:3:4:5:6:7:8::",
    ":1::",
    "1:",
  ])("%j is no address", (text) => {
    expect(tryParseAddress(text)).toBeUndefined();
    expect(() => parseAddress(text)).toThrow(RangeError);
  });

  it("reads and masks prefixes", () => {
    expect(formatPrefix(parsePrefix("198.18.0.2/24"))).toBe("198.18.0.2/24");
    expect(formatPrefix(maskPrefix(parsePrefix("198.18.0.2/24")))).toBe("198.18.0.0/24");
    expect(formatPrefix(maskPrefix(parsePrefix("2001:db8:1:2:3:4:5:6/33")))).toBe("2001:db8::/33");
    for (const text of ["1.2.3.4", "1.2.3.4/33", "::/129", "::/-1", "1.2.3.4/", "1.2.3.4/024", "/8", "1.2.3.4/8/9"]) {
      expect(() => parsePrefix(text)).toThrow(RangeError);
    }
    expect(maskWord(33, 1)).toBe(0x8000_0000 | 0);
    expect(prefixCovers(parsePrefix("10.0.0.0/8"), parseAddress("10.255.0.1"))).toBe(true);
    expect(prefixCovers(parsePrefix("10.0.0.0/8"), parseAddress("11.0.0.1"))).toBe(false);
    expect(prefixCovers(parsePrefix("0.0.0.0/0"), parseAddress("::"))).toBe(false);
  });
});

describe("kinds of addresses", () => {
  it.each([
    ["198.18.0.1", true],
    ["127.0.0.1", false],
    ["0.0.0.0", false],
    ["224.0.0.1", false],
    ["255.255.255.255", false],
    ["2001:db8::1", true],
    ["fe80::1", true],
    ["::", false],
    ["::1", false],
    ["ff02::1", false],
    ["::ffff:1.2.3.4", false],
  ])("%s may be an interface's: %s", (text, expected) => {
    expect(isAssignable(parseAddress(text))).toBe(expected);
  });

  it("makes solicited-node groups", () => {
    expect(formatAddress(solicitedNode(parseAddress("2001:db8::12:3456")))).toBe("ff02::1:ff12:3456");
    expect(formatIp6(0, 0, 1, 0)).toBe("::1:0:0");
  });
});
