import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MESSAGES_VERSION } from "../../../src/app/messages/message-table.js";
import {
  encodeSocketMessage,
  MAX_SOCKET_MESSAGE_BYTES,
  parseSocketMessage,
  SOCKET_HEADER_BYTES,
  socketErrorReply,
} from "../../../src/app/messages/socket-messages.js";
import {
  NO_WORKER_FIELDS,
  SOCKET_MESSAGES,
  type SocketMessage,
  type SocketMessageForm,
  type SocketMessageName,
} from "../../../src/app/messages/socket-table.js";
import { SESSION_E_INVALID, SESSION_E_NOSUPPORT } from "../../../src/session/session-errors.js";
import { valuesOf } from "./message-arbitraries.js";

const forms: [SocketMessageName, SocketMessageForm][] = Object.entries<SocketMessageForm>(SOCKET_MESSAGES).map(
  ([name, form]) => [name as SocketMessageName, form],
);

function messageOf(name: SocketMessageName, { fields }: SocketMessageForm): fc.Arbitrary<SocketMessage> {
  return valuesOf(fields).map((values) => ({ type: name, ...values }) as SocketMessage);
}

const anyMessage = fc.oneof(...forms.map(([name, form]) => messageOf(name, form)));
const sendFds = encodeSocketMessage({ type: "SEND_FDS", segment: 2 ** 32 + 5, segmentBytes: 4096 });

/** A copy with some bytes replaced. */
function changed(bytes: Uint8Array, at: number, ...values: number[]): Uint8Array {
  const copy = bytes.slice();
  copy.set(values, at);
  return copy;
}

describe("socket messages", () => {
  it.each(forms)("%s arrives as it was sent", (name, form) => {
    fc.assert(
      fc.property(messageOf(name, form), (message) => {
        const bytes = encodeSocketMessage(message);
        expect(bytes.length).toBeLessThanOrEqual(MAX_SOCKET_MESSAGE_BYTES);
        expect(parseSocketMessage(bytes)).toEqual(message);
      }),
      { seed: 3, numRuns: 30 },
    );
  });

  it("have numbers from 1 on: VPP's, ERROR, and those of the crypto store", () => {
    expect(forms.map(([, { number }]) => number)).toEqual([1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 8]);
  });

  it("lie in the packet byte by byte", () => {
    const header = [0x57, 0x45, 0x46, 0x54, MESSAGES_VERSION, 0, 5, 0, 12, 0, 0, 0];
    expect(Array.from(sendFds)).toEqual([...header, 5, 0, 0, 0, 1, 0, 0, 0, 0, 16, 0, 0]);
    const packet = new Uint8Array(40);
    packet.set(sendFds, 3);
    expect(parseSocketMessage(packet.subarray(3, 27))).toEqual(parseSocketMessage(sendFds));
  });

  it("of another version are refused by an error that names both, and is read in any version", () => {
    const failure = parseSocketMessage(changed(sendFds, 4, 9, 1));
    expect(failure).toMatchObject({ error: SESSION_E_NOSUPPORT, peerVersion: 265 });
    if (!("error" in failure)) return;
    const reply = socketErrorReply(failure);
    expect(reply).toMatchObject({ retval: SESSION_E_NOSUPPORT, version: MESSAGES_VERSION, peerVersion: 265 });
    expect(reply.text).toBe(`version 265 of the messages, this is version ${MESSAGES_VERSION} (NOSUPPORT)`);
    expect(parseSocketMessage(changed(encodeSocketMessage(reply), 4, 9, 1))).toEqual(reply);
  });

  it.each([
    ["nothing", new Uint8Array(0), "too short", 0],
    ["half a header", sendFds.subarray(0, SOCKET_HEADER_BYTES - 1), "too short", 0],
    ["another magic", changed(sendFds, 0, 0x58), "first word", 0],
    ["an unknown number", changed(sendFds, 6, 99), "no message of that number", MESSAGES_VERSION],
    ["less than it says", sendFds.subarray(0, 20), "SEND_FDS of a wrong length", MESSAGES_VERSION],
    ["more than it says", changed(sendFds, 8, 8), "SEND_FDS of a wrong length", MESSAGES_VERSION],
    ["part of a word", changed(sendFds.subarray(0, 23), 8, 11), "SEND_FDS of a wrong length", MESSAGES_VERSION],
    ["fewer fields", changed(sendFds.subarray(0, 20), 8, 8), "fields that are not its own", MESSAGES_VERSION],
  ])("is none: %s", (_, bytes, text, peerVersion) => {
    const found = parseSocketMessage(bytes);
    expect(found).toMatchObject({ error: SESSION_E_INVALID, peerVersion, text: expect.stringContaining(text) });
  });

  it("with fields of another kind are not sent", () => {
    const message = { type: "ATTACH_REPLY", context: 1, retval: 0, text: "", appIndex: 1, ...NO_WORKER_FIELDS };
    const reply = { ...message, rxFifoBytes: 1, txFifoBytes: 1, maxWorkers: 1 } as SocketMessage;
    expect(parseSocketMessage(encodeSocketMessage(reply))).toEqual(reply);
    for (const [name, value] of [
      ["segment", -1],
      ["text", "x".repeat(513)],
      ["mirrors", undefined],
    ]) {
      const wrong = { ...reply, [String(name)]: value } as SocketMessage;
      expect(() => encodeSocketMessage(wrong)).toThrow(`ATTACH_REPLY: no ${String(name)} as it should be`);
    }
  });

  it("never throw: random bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(13), (bytes, number) => {
        expect("error" in parseSocketMessage(bytes)).toBe(true);
        // With a header that fits.
        const packet = new Uint8Array(SOCKET_HEADER_BYTES + (bytes.length & ~3));
        packet.set(sendFds.subarray(0, 6));
        packet.set([number, 0, bytes.length & 0xfc, bytes.length >> 8], 6);
        packet.set(bytes.subarray(0, bytes.length & ~3), SOCKET_HEADER_BYTES);
        checkParsed(parseSocketMessage(packet));
      }),
      { seed: 8, numRuns: 2000 },
    );
  });

  it("never throw: valid ones with bytes changed, cut, or grown", () => {
    let good = 0;
    const change = fc.tuple(fc.nat(400), fc.oneof(fc.nat(255), fc.constantFrom(0, 1, 255)));
    fc.assert(
      fc.property(
        anyMessage,
        fc.array(change, { maxLength: 6 }),
        fc.integer({ min: -5, max: 2 }),
        (message, changes, by) => {
          const bytes = encodeSocketMessage(message);
          const packet = new Uint8Array(Math.max(0, bytes.length + Math.max(by * 4, -bytes.length)));
          packet.set(bytes.subarray(0, packet.length));
          for (const [at, value] of changes) if (at < packet.length) packet[at] = value;
          good += checkParsed(parseSocketMessage(packet)) ? 1 : 0;
        },
      ),
      { seed: 9, numRuns: 3000 },
    );
    expect(good).toBeGreaterThan(100);
  });
});

/** Whether it is a message; one that was taken can be sent again: every value is one of its field's. */
function checkParsed(found: ReturnType<typeof parseSocketMessage>): boolean {
  if ("error" in found) {
    socketErrorReply(found);
    return false;
  }
  encodeSocketMessage(found);
  return true;
}
