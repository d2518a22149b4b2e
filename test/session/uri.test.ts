import { describe, expect, test } from "vitest";
import { SESSION_ERRORS, SessionError, sessionErrorEntry } from "../../src/session/session-errors.js";
import {
  formatHandle,
  handleEngine,
  handleGeneration,
  handleIndex,
  makeHandle,
} from "../../src/session/session-handle.js";
import { formatEndpoint, parseUri } from "../../src/session/uri.js";

describe("URIs", () => {
  test.each([
    ["tcp://10.0.0.1/80", "tcp", "10.0.0.1:80", undefined],
    ["udp://0.0.0.0/0", "udp", "0.0.0.0:0", undefined],
    ["tcp://2001:db8::1/443", "tcp", "[2001:db8::1]:443", undefined],
    ["tcp://[::]:80", "tcp", "[::]:80", undefined],
    ["tcp://10.0.0.1:65535", "tcp", "10.0.0.1:65535", undefined],
    ["tls://[example.com]10.0.0.1/443", "tls", "10.0.0.1:443", "example.com"],
    ["tls://[a.b]::1/443", "tls", "[::1]:443", "a.b"],
    ["QUIC://::/1", "quic", "[::]:1", undefined],
  ])("%s", (uri, protocol, endpoint, hostname) => {
    const parsed = parseUri(uri);
    expect(parsed.protocol).toBe(protocol);
    expect(formatEndpoint(parsed.endpoint)).toBe(endpoint);
    expect(parsed.hostname).toBe(hostname);
  });

  test.each([
    ["", "protocol"],
    ["10.0.0.1/80", "protocol"],
    ["gopher://10.0.0.1/80", 'unknown protocol "gopher"'],
    ["tcp://10.0.0.300/80", 'bad address "10.0.0.300"'],
    ["tcp:///80", 'bad address ""'],
    ["tcp://example.com/80", "bad address"],
    ["tcp://[10.0.0.1]:80", "brackets"],
    ["tcp://::1:80", "not an address and a port"],
    ["tcp://10.0.0.1", "not an address and a port"],
    ["tcp://10.0.0.1/80/", "not an address and a port"],
    ["tcp://10.0.0.1/65536", 'bad port "65536"'],
    ["tcp://10.0.0.1/-1", 'bad port "-1"'],
    ["tcp://10.0.0.1/", 'bad port ""'],
    ["tcp://10.0.0.1:080", 'bad port "080"'],
    ["tls://[]10.0.0.1/1", 'bad hostname ""'],
    ["tls://[a b]10.0.0.1/1", 'bad hostname "a b"'],
  ])("%s is refused by its part", (uri, part) => {
    let caught: unknown;
    try {
      parseUri(uri);
    } catch (error) {
      caught = error;
    }
    expect(caught).toBeInstanceOf(SessionError);
    const error = caught as SessionError;
    expect(error.sessionError).toBe("INVALID");
    expect(error.code).toBe("EINVAL");
    expect(error.message).toContain(part);
  });
});

describe("session errors", () => {
  test("VPP's table: 42 entries, and 2 after them; names unique, each with a code and a text", () => {
    expect(SESSION_ERRORS.slice(42).map(({ name }) => name)).toEqual(["TLS_TRUNCATED", "TLS_PROTOCOL"]);
    expect(new Set(SESSION_ERRORS.map(({ name }) => name)).size).toBe(44);
    expect(SESSION_ERRORS.every(({ code, text }) => /^[A-Z]+$/.test(code) && text !== "")).toBe(true);
    expect([2, 15, 17, 23, 38, 41].map((i) => SESSION_ERRORS[i].name)).toEqual([
      "REFUSED",
      "PORTINUSE",
      "ALREADY_LISTENING",
      "SEG_NO_SPACE",
      "WRONG_NS_SECRET",
      "MAX_STREAMS_HIT",
    ]);
  });

  test("values outside the table are UNKNOWN", () => {
    expect(sessionErrorEntry(-999).name).toBe("UNKNOWN");
    expect(sessionErrorEntry(-2).code).toBe("ECONNREFUSED");
    expect(new SessionError(-17, "listen tcp://0.0.0.0/80").message).toContain("listen tcp://0.0.0.0/80");
  });
});

describe("handles", () => {
  test("hold engine, generation and index in a safe integer", () => {
    const handle = makeHandle(255, (1 << 20) - 1, (1 << 24) - 1);
    expect(Number.isSafeInteger(handle)).toBe(true);
    expect([handleEngine(handle), handleGeneration(handle), handleIndex(handle)]).toEqual([
      255,
      (1 << 20) - 1,
      (1 << 24) - 1,
    ]);
    expect(formatHandle(makeHandle(1, 2, 3))).toBe("1:3.2");
  });
});
