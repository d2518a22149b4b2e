import { describe, expect, it } from "vitest";
import { Replay, recordedMac } from "../../src/sim/replay.js";
import { tcpOfFrame } from "../../src/sim/tcp-frame.js";
import { captureNames, readNamed } from "../support/captures.js";
import { decode } from "../support/decode.js";
import { type Difference, replayToItself } from "../support/recorded-host.js";
import { compareReplay } from "../support/replay-compare.js";

const MAC = "020000000002";
const SHIFTED: Difference = { seqShift: 0x7654_3210, stampShift: -0x1234_5678, delayUs: 0 };

/** A replay of a capture to the host that was recorded, and what came of it. */
function itself(name: string, difference: Difference) {
  const { frames } = readNamed(name);
  const replay = new Replay({ frames, mac: Uint8Array.from(Buffer.from(MAC, "hex")) });
  const received = replayToItself(replay, frames, MAC, difference);
  const tcp = name.startsWith("tcp") ? "streams" : "slots";
  const differences = compareReplay(frames, replay.sent, { mac: MAC, tcp, ignoresNeighborQuestions: false });
  return { frames, replay, received, differences };
}

describe("a capture replayed to the host that was recorded", () => {
  it.each(captureNames())("%s: there is no difference, whatever its initial numbers", (name) => {
    const { differences, replay, frames } = itself(name, SHIFTED);
    expect(differences).toEqual([]);
    const recorded = frames.filter(({ bytes }) => Buffer.from(bytes.subarray(6, 12)).toString("hex") === MAC).length;
    expect(replay.counters).toMatchObject({ recorded, fed: frames.length - recorded, held: 0, forced: 0, overflow: 0 });
    expect(replay.sent).toHaveLength(recorded);
  });

  it("gets the peer's acknowledgements and echoes in its own numbers, with the checksums right", () => {
    const { received, frames, replay } = itself("tcp-transfer.pcap", SHIFTED);
    const peer = frames.filter(({ bytes }) => Buffer.from(bytes.subarray(6, 12)).toString("hex") !== MAC);
    const seen = received.filter(({ bytes }) => decode(bytes).kind.startsWith("tcp"));
    expect(seen.map(({ bytes }) => decode(bytes).fields["checksumIsRight"])).toEqual(seen.map(() => true));
    const acks = (list: readonly { bytes: Uint8Array }[], shift: number) =>
      list.map(({ bytes }) => tcpOfFrame(bytes)).map((one) => (one?.flags === 2 ? 0 : ((one?.ack ?? 0) + shift) | 0));
    expect(acks(received, 0)).toEqual(acks(peer, SHIFTED.seqShift));
    expect(replay.translated).toBeGreaterThan(100);
  });

  it("may be slower: what it has yet to send is not acknowledged early", () => {
    const { differences, replay } = itself("tcp-transfer.pcap", { ...SHIFTED, delayUs: 300_000 });
    expect(differences).toEqual([]);
    expect(replay.counters.held).toBeGreaterThan(10);
    expect(replay.counters.forced).toBe(0);
  });

  it("is given up on when it never says what is acknowledged", () => {
    const { replay, differences } = itself("tcp-transfer.pcap", { ...SHIFTED, change: () => undefined });
    expect(replay.counters.forced).toBeGreaterThan(10);
    expect(differences.length).toBeGreaterThan(5);
  });

  it("gives the same frames each time", () => {
    const run = () => itself("tcp-loss.pcap", SHIFTED).received.map(({ timeUs, bytes }) => [timeUs, bytes.join()]);
    expect(run()).toEqual(run());
  });
});

describe("a difference is found", () => {
  /** Flips a byte of the frame with that index among those the host sends. */
  const flip = (wanted: number, at: number) => (frame: Uint8Array, index: number) => {
    if (index !== wanted) return frame;
    const changed = frame.slice();
    changed[at] ^= 1;
    return changed;
  };
  /** Flips the last byte of the first frame that is longer than `bytes`. */
  const flipEnd = (bytes: number) => {
    let isDone = false;
    return (frame: Uint8Array) => {
      if (isDone || frame.length <= bytes) return frame;
      isDone = true;
      return Uint8Array.from(frame, (byte, at) => (at === frame.length - 1 ? byte ^ 1 : byte));
    };
  };
  const silent = (wanted: number) => (frame: Uint8Array, index: number) => (index === wanted ? undefined : frame);

  it.each([
    ["arp.pcap", "an ARP reply's address", flip(0, 30)],
    ["arp.pcap", "a missing answer", silent(2)],
    ["nd.pcapng", "an advertisement's flag", flip(0, 58)],
    ["ping4.pcap", "a time to live", flip(1, 22)],
    ["ping4.pcap", "a byte of the echo", flipEnd(60)],
    ["ping6.pcap", "a byte of the echo", flipEnd(80)],
    ["udp.pcap", "a wrong checksum", flip(2, 41)],
    ["udp.pcap", "a missing fragment", silent(8)],
    ["fragments.pcap", "a fragment's offset", flip(1, 21)],
    ["malformed.pcap", "the pointer of a parameter problem", flip(0, 38)],
    ["resets.pcap", "the number of a reset", flip(2, 41)],
    ["resets.pcap", "a challenge that is not sent", silent(8)],
    ["resets.pcap", "flags", flip(0, 47)],
    ["tcp-transfer.pcap", "a byte of the stream", flipEnd(200)],
    ["tcp-transfer.pcap", "a missing SYN-ACK", silent(0)],
    ["tcp-transfer.pcap", "an MSS", flip(0, 57)],
  ])("%s: %s", (name, _, change) => {
    expect(itself(name, { ...SHIFTED, change }).differences).not.toEqual([]);
  });
});

describe("which host a stack plays", () => {
  it("is the one its address belongs to in the capture", () => {
    const { frames } = readNamed("ping4.pcap");
    const mac = recordedMac(frames, [Uint8Array.of(198, 18, 1, 2)]);
    expect(Buffer.from(mac ?? []).toString("hex")).toBe(MAC);
    expect(recordedMac(frames, [Uint8Array.of(10, 0, 0, 1)])).toBeUndefined();
  });
});
