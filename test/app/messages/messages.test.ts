import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeMessage } from "../../../src/app/messages/decode.js";
import { encodeMessage } from "../../../src/app/messages/encode.js";
import {
  IO_EVENTS,
  type Message,
  type MessageForm,
  type MessageName,
  MESSAGES,
  MIN_MESSAGE_RING_BYTES,
  NO_SESSION_FIELDS,
} from "../../../src/app/messages/message-table.js";
import { SESSION_E_INVALID, SESSION_E_MQ_MSG_ALLOC } from "../../../src/session/session-errors.js";
import { QueueBench } from "../../mem/message-queue-model.js";
import { valuesOf } from "./message-arbitraries.js";
import { renderMessages } from "./render.js";

/** VPP's session_evt_type_t, from 0 on; those that a program outside never sees are left out. */
const VPP =
  "IO_RX IO_TX - - - - - - RESET BOUND UNLISTEN_REPLY ACCEPTED ACCEPTED_REPLY CONNECTED DISCONNECTED DISCONNECTED_REPLY " +
  "RESET_REPLY REQ_WORKER_UPDATE WORKER_UPDATE WORKER_UPDATE_REPLY SHUTDOWN DISCONNECT CONNECT CONNECT_URI LISTEN LISTEN_URI " +
  "UNLISTEN APP_DETACH APP_ADD_SEGMENT APP_DEL_SEGMENT MIGRATED CLEANUP APP_WRK_RPC TRANSPORT_ATTR TRANSPORT_ATTR_REPLY " +
  "TRANSPORT_CLOSED HALF_CLEANUP CONNECT_STREAM TERMINATE";

const forms: [MessageName, MessageForm][] = Object.entries<MessageForm>(MESSAGES).map(([name, form]) => [
  name as MessageName,
  form,
]);
const destinationOf = ({ direction }: MessageForm): "to-app" | "to-stack" =>
  direction === "to-app" ? "to-app" : "to-stack";

/** Sends a message through a queue and takes the next record. */
function send(b: QueueBench, message: Message): number {
  const error = encodeMessage(b.window, b.producer, message);
  b.producer.publish();
  if (error === 0) b.consumer.next();
  return error;
}

/** A message of that name and whatever values. */
function messageOf(name: MessageName, form: MessageForm): fc.Arbitrary<Message> {
  const max = form.argument === "none" ? 0 : form.argument === "session" ? 0xff_ffff : 0xffff_ffff;
  return fc
    .tuple(valuesOf(form.fields), fc.integer({ min: 0, max }))
    .map(([values, argument]) => ({
      type: name,
      ...values,
      ...(form.argument === "none" ? {} : { [form.argument]: argument }),
    }))
    .map((message) => message as Message);
}

describe("the table of messages", () => {
  it("has VPP's messages by VPP's numbers", () => {
    const numbers = Object.fromEntries(
      [...Object.entries<{ number: number }>(IO_EVENTS), ...Object.entries<{ number: number }>(MESSAGES)].map(
        ([name, { number }]) => [name, number],
      ),
    );
    const theirs = [...VPP.split(" ").entries()].filter(([, name]) => name !== "-");
    for (const [number, name] of theirs) expect([name, numbers[name]]).toEqual([name, number]);
    const all = Object.values(numbers);
    expect(new Set(all).size).toBe(all.length);
    expect(Math.min(...all.filter((number) => number > 38))).toBe(39);
  });

  it("has a reply of the same context for each request", () => {
    for (const [, { argument, direction, doc, fields }] of forms) {
      const isRequest = direction === "to-stack" && argument === "context";
      const [, reply] = /(\w+) answers/.exec(doc) ?? [];
      const replyForm = forms.find(([name]) => name === (reply ?? "UNLISTEN_REPLY"))?.[1];
      expect(isRequest ? replyForm?.argument : "context").toBe("context");
      expect(new Set(fields.map(({ name }) => name)).size).toBe(fields.length);
    }
  });

  it("makes the page src/app/messages/README.md (--update writes it)", async () => {
    await expect(renderMessages()).toMatchFileSnapshot("../../../src/app/messages/README.md");
  });
});

describe("messages", () => {
  it.each(forms)("%s arrives as it was sent", (name, form) => {
    const b = new QueueBench(MIN_MESSAGE_RING_BYTES);
    const decodable = destinationOf(form);
    fc.assert(
      fc.property(messageOf(name, form), (message) => {
        expect(send(b, message)).toBe(0);
        expect(decodeMessage(b.window, b.consumer, decodable)).toEqual(message);
        b.consumer.release();
      }),
      { seed: 11, numRuns: 30 },
    );
    expect(b.isGuardWhole()).toBe(true);
  });

  it("lie in the queue word by word", () => {
    const b = new QueueBench(1024);
    send(b, {
      type: "CONNECT",
      context: 0xffff_ffff,
      proto: 1,
      remote: { family: 4, address: Int32Array.of(0x0a00_0001, 0, 0, 0), port: 80 },
      local: undefined,
      attributes: { hopLimit: 7, noDelay: 1 },
      extConfig: Uint8Array.of(1, 2, 3, 4, 5),
    });
    expect([b.consumer.type, b.consumer.argument, b.consumer.payloadBytes]).toEqual([22, -1, 80]);
    const words = b.window.i32.slice(b.consumer.payload >> 2, (b.consumer.payload + b.consumer.payloadBytes) >> 2);
    const ends = [4, 0x0a00_0001, 0, 0, 0, 80, 0, 0, 0, 0, 0, 0];
    expect([...words]).toEqual([1, ...ends, 0b10_0001, 1, 7, 5, 0x0403_0201, 5, 0]);
    send(b, { type: "MIGRATED", session: 5, newHandle: 2 ** 32 + 9 });
    expect([...b.window.i32.subarray(b.consumer.payload >> 2, (b.consumer.payload + 8) >> 2)]).toEqual([9, 1]);
  });

  it("do not change after they were decoded", () => {
    const b = new QueueBench(256);
    send(b, { type: "APP_WRK_RPC", worker: 1, data: Uint8Array.of(1, 2, 3) });
    const message = decodeMessage(b.window, b.consumer, "to-app");
    b.window.u8.fill(0xff, b.ring, b.ring + 256);
    expect(message).toEqual({ type: "APP_WRK_RPC", worker: 1, data: Uint8Array.of(1, 2, 3) });
  });

  it("are refused with values that are none of their fields'", () => {
    const b = new QueueBench(MIN_MESSAGE_RING_BYTES);
    const address = new Int32Array(4);
    const connect = {
      type: "CONNECT_URI",
      context: 1,
      uri: "",
      from: "",
      attributes: {},
      extConfig: new Uint8Array(0),
    };
    const listen = { type: "LISTEN", context: 1, proto: 0, local: { family: 4, address, port: 0 }, backlog: 0 };
    const wrong: object[] = [
      { ...connect, uri: "x".repeat(321) },
      { ...connect, uri: "ä".repeat(161) },
      { ...connect, uri: undefined },
      { ...connect, extConfig: new Uint8Array(513) },
      { ...connect, extConfig: [1] },
      { ...connect, attributes: { colour: 1 } },
      { ...connect, attributes: { dscp: 0.5 } },
      { ...connect, attributes: null },
      { ...connect, context: -1 },
      { ...connect, context: 2 ** 32 },
      { ...connect, context: undefined },
      { ...listen, connected: 1, proxy: false, extConfig: new Uint8Array(0) },
      { ...listen, local: undefined },
      { ...listen, local: { family: 5, address, port: 0 } },
      { ...listen, backlog: -1 },
      { type: "SHUTDOWN", handle: 2 ** 53 },
      { type: "SHUTDOWN", handle: -1 },
      { type: "RESET", session: 1, error: 2 ** 31 },
      { type: "TRANSPORT_ATTR", context: 1, handle: 1, attribute: "colour", isSet: false, value: 0 },
    ];
    for (const each of wrong) expect(send(b, each as Message)).toBe(SESSION_E_INVALID);
    expect(b.take()).toBeUndefined();
    expect(send(b, { ...connect, attributes: { dscp: undefined } } as object as Message)).toBe(0);
  });

  it("find no room in a full queue, and never one in a queue that is too small", () => {
    const b = new QueueBench(256);
    const message: Message = { type: "CONNECTED", context: 1, retval: -2, ...NO_SESSION_FIELDS };
    const results = [1, 2, 3].map(() => encodeMessage(b.window, b.producer, message));
    expect(results).toEqual([0, 0, SESSION_E_MQ_MSG_ALLOC]);
    const longest: Message = { type: "STATISTICS_REPLY", context: 1, retval: 0, json: "x".repeat(8192) };
    expect(send(new QueueBench(MIN_MESSAGE_RING_BYTES), longest)).toBe(0);
    expect(send(new QueueBench(MIN_MESSAGE_RING_BYTES / 2), longest)).toBe(SESSION_E_INVALID);
    const data = new Uint8Array(64);
    expect(send(new QueueBench(64), { type: "APP_WRK_RPC", worker: 1, data })).toBe(SESSION_E_INVALID);
  });
});

describe("hostile messages", () => {
  /** Decodes a record of these words. */
  function decode(
    type: number,
    argument: number,
    words: readonly number[],
    destination: "to-app" | "to-stack",
  ): unknown {
    const b = new QueueBench(MIN_MESSAGE_RING_BYTES);
    b.put({ type, argument, payload: words });
    b.producer.publish();
    expect(b.consumer.next()).toBe(true);
    return decodeMessage(b.window, b.consumer, destination);
  }

  it("are none: unknown numbers, the other direction, events of the data path", () => {
    for (const type of [2, 7, 48, 500, 0xfffe, 0, 1, 39, 40]) expect(decode(type, 0, [], "to-stack")).toBeUndefined();
    expect(decode(21, 0, [5, 0], "to-app")).toBeUndefined();
    expect(decode(21, 0, [5, 0], "to-stack")).toEqual({ type: "DISCONNECT", handle: 5 });
    expect(decode(22, 0, [...toRemote, 0, 0, 0, 0, 0, 0, 0, 0], "to-stack")).toMatchObject({ type: "CONNECT" });
  });

  const toRemote = [0, 4, 1, 0, 0, 0, 80];

  it.each([
    ["too few words", 21, []],
    ["words left over", 21, [5, 0, 0, 0]],
    ["a handle beyond 2^53", 21, [0, 0x20_0000]],
    ["a handle below 0", 21, [0, -1]],
    ["a flag of 2", 33, [1, 0, 0, 2, 0]],
    ["an unknown attribute", 33, [1, 0, 99, 1, 0]],
    ["an attribute below 0", 33, [1, 0, -1, 1, 0]],
    ["bytes beyond the limit", 32, [1, 65, ...new Array<number>(17).fill(0)]],
    ["bytes beyond the end", 32, [1, 9, 0, 0]],
    ["bytes below 0", 32, [1, -1]],
    ["an endpoint of no family", 24, [0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0]],
    ["a family 5", 24, [0, 5, 0, 0, 0, 0, 0, 1, 0, 0, 0]],
    ["a port beyond 65535", 24, [0, 4, 0, 0, 0, 0, 65_536, 1, 0, 0, 0]],
    ["an IPv4 address of four words", 24, [0, 4, 1, 2, 0, 0, 80, 1, 0, 0, 0]],
    ["no UTF-8", 25, [1, 0xff, 0, 0, 0, 0]],
    ["an endpoint, maybe, of family 5", 22, [...toRemote, 5, 0, 0, 0, 0, 0, 0, 0]],
    ["an endpoint that is none, with a port", 22, [...toRemote, 0, 0, 0, 0, 0, 80, 0, 0]],
    ["unknown attributes", 22, [...toRemote, 0, 0, 0, 0, 0, 0, -0x8000_0000, 0]],
  ])("are none: %s", (_, type, words) => {
    expect(decode(type, 0, words, "to-stack")).toBeUndefined();
  });

  it("are none: a session that no table has", () => {
    expect(decode(14, 5, [], "to-app")).toEqual({ type: "DISCONNECTED", session: 5 });
    expect([decode(14, -1, [], "to-app"), decode(14, 1 << 24, [], "to-app")]).toEqual([undefined, undefined]);
  });

  it("never throw, and are within the limits, whatever their words", () => {
    const word = fc.oneof(fc.integer(), fc.nat(8), fc.constantFrom(4, 6, 64, 320, 512, -1));
    const b = new QueueBench(MIN_MESSAGE_RING_BYTES);
    let good = 0;
    fc.assert(
      fc.property(
        fc.nat(50),
        fc.nat(9),
        fc.array(word, { maxLength: 40 }),
        fc.boolean(),
        (type, argument, words, isApp) => {
          b.put({ type, argument, payload: words });
          b.producer.publish();
          expect(b.consumer.next()).toBe(true);
          const message = decodeMessage(b.window, b.consumer, isApp ? "to-app" : "to-stack");
          b.consumer.release();
          if (message === undefined) return;
          good++;
          // What was taken can be sent again: every value is one of its field's.
          expect(send(b, message)).toBe(0);
          b.consumer.release();
        },
      ),
      { seed: 5, numRuns: 5000 },
    );
    expect(good).toBeGreaterThan(100);
  });
});
