import { describe, expect, it } from "vitest";
import { ReplayNeighbors } from "../../src/sim/replay-neighbors.js";
import { readNamed } from "../support/captures.js";
import { decode } from "../support/decode.js";

const MAC = "020000000002";
const isOfB = (bytes: Uint8Array): boolean => Buffer.from(bytes.subarray(6, 12)).toString("hex") === MAC;

/** Answers for the hosts of a capture, and host B's own questions in it. */
function neighborsOf(name: string) {
  const neighbors = new ReplayNeighbors();
  const { frames } = readNamed(name);
  for (const { bytes } of frames) if (!isOfB(bytes)) neighbors.learn(bytes);
  return { neighbors, own: frames.map(({ bytes }) => bytes).filter(isOfB) };
}

describe("neighbours of a replay", () => {
  it("answer ARP requests for hosts of the capture, and no other frame", () => {
    const { neighbors, own } = neighborsOf("arp.pcap");
    const asked = own.filter((frame) => decode(frame).kind === "arp" && decode(frame).fields["opcode"] === 1);
    const question = asked.find((frame) => decode(frame).fields["targetIp"] === "c612010b");
    expect(decode(neighbors.answer(question ?? new Uint8Array()) ?? new Uint8Array()).fields).toEqual({
      dst: MAC,
      src: "020000000009",
      header: "000108000604",
      opcode: 2,
      senderMac: "020000000009",
      senderIp: "c612010b",
      targetMac: MAC,
      targetIp: "c6120102",
    });
    const others = own.filter((frame) => !asked.includes(frame));
    expect(others.map((frame) => neighbors.answer(frame))).toEqual(others.map(() => undefined));
  });

  it("answer solicitations for hosts of the capture", () => {
    const { neighbors, own } = neighborsOf("nd.pcapng");
    const question = own.find(({ length }, i) => length === 86 && decode(own[i]).fields["type"] === 135);
    const { fields } = decode(neighbors.answer(question ?? new Uint8Array()) ?? new Uint8Array());
    expect(fields).toMatchObject({
      dst: MAC,
      hopLimit: 255,
      type: 136,
      code: 0,
      word: "60000000",
      checksumIsRight: true,
    });
    const target = decode(question ?? new Uint8Array()).fields["body"];
    expect(String(fields["body"]).slice(0, 32)).toBe(String(target).slice(0, 32));
    expect(String(fields["body"]).slice(32)).toBe(`0201${String(fields["src"])}`);
  });

  it("do not answer for hosts that are not in the capture, nor a question cut off", () => {
    const { neighbors, own } = neighborsOf("arp.pcap");
    const question = own.find((frame) => decode(frame).fields["opcode"] === 1) ?? new Uint8Array();
    expect(neighbors.answer(Uint8Array.from(question, (byte, at) => (at === 41 ? 200 : byte)))).toBeUndefined();
    for (let bytes = 0; bytes < question.length; bytes++) {
      expect(neighbors.answer(question.slice(0, bytes))).toBeUndefined();
    }
  });
});
