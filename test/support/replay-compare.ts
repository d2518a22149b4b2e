import { type CaptureFrame, captureUs } from "../../src/device/capture.js";
import type { ReplayedFrame } from "../../src/sim/replay.js";
import { type Decoded, decode } from "./decode.js";
import { byConnection, checkRules, compareHeaders, compareSlots, compareStreams, type Segment } from "./tcp-compare.js";

/** How a capture is compared. */
export interface Comparison {
  /** Hardware address of the recorded host, hexadecimal. */
  readonly mac: string;
  /**
   * "slots": what follows each frame of the peer must be alike, segment boundaries and repeated pure ACKs aside.
   * "streams": each connection as a whole, for bulk transfers.
   */
  readonly tcp: "slots" | "streams";
  /** Leave out questions for neighbours: in captures where the recorded host knew them all. */
  readonly ignoresNeighborQuestions: boolean;
}

interface Placed {
  readonly slot: number;
  readonly bytes: Uint8Array;
  readonly decoded: Decoded;
}

/**
 * Differences between what the stack sent in a replay and what the recorded host sent in the capture; none is the
 * wanted answer. Frames are compared field by field within the slot that starts with a frame of the peer.
 *
 * What is the sender's own is not compared: IP identification, flow label, initial sequence number, timestamps, window;
 * {@link checkRules} checks the rule in its place. Also not compared, because a host may do either: the PSH flag; how
 * much of the packet at fault an ICMPv4 error quotes beyond eight bytes; the source of a neighbour solicitation that
 * probes (any address of the interface, RFC 4861 7.2.2); whether the answer to a unicast solicitation names the link
 * address, with Override set, or leaves it out, without (7.2.4). Multicast listener reports and router
 * solicitations are left out on both sides.
 */
export function compareReplay(
  frames: readonly CaptureFrame[],
  sent: readonly ReplayedFrame[],
  { mac, tcp, ignoresNeighborQuestions }: Comparison,
): string[] {
  const [recorded, stack, peer] = place(frames, sent, mac);
  const isCompared = ({ decoded }: Placed) =>
    !isHousekeeping(decoded) && !(ignoresNeighborQuestions && isNeighborQuestion(decoded));
  const others = (placed: readonly Placed[]) =>
    placed.filter((one) => isCompared(one) && one.decoded.tcp === undefined);
  return [
    ...compareOthers(others(stack), others(recorded)),
    ...compareTcp(segmentsOf(stack), segmentsOf(recorded), segmentsOf(peer), tcp),
    ...stack
      .filter(({ decoded: { fields } }) => fields["isWhole"] === false)
      .map(({ slot }) => `slot ${slot}: frame cut off`),
  ];
}

/** The frames of the recorded host, of the stack and of the peer, with their slots. */
function place(
  frames: readonly CaptureFrame[],
  sent: readonly ReplayedFrame[],
  mac: string,
): [Placed[], Placed[], Placed[]] {
  const recorded: Placed[] = [];
  const peer: Placed[] = [];
  const starts: number[] = [];
  for (const frame of frames) {
    const { bytes } = frame;
    const timeUs = captureUs(frame, frames[0]);
    if (Buffer.from(bytes.subarray(6, 12)).toString("hex") === mac) {
      recorded.push({ slot: starts.length - 1, bytes, decoded: decode(bytes) });
      continue;
    }
    // Frames of one moment make one slot: the stack's frames have no order among them.
    if (timeUs > (starts.at(-1) ?? -1)) starts.push(timeUs);
    peer.push({ slot: starts.length - 1, bytes, decoded: decode(bytes) });
  }
  const stack = sent.map(({ timeUs, bytes }) => {
    // Times went through a file with whole nanoseconds.
    const slot = starts.findLastIndex((start) => start <= timeUs + 0.001);
    return { slot, bytes, decoded: decode(bytes) };
  });
  return [recorded, stack, peer];
}

/** Multicast listener reports (RFC 3810) and router solicitations (RFC 4861 6.3.7). */
function isHousekeeping({ kind, fields }: Decoded): boolean {
  return (kind === "icmp6" && [131, 132, 133, 143].includes(Number(fields["type"]))) || kind === "ip6/0";
}

function isNeighborQuestion({ kind, fields }: Decoded): boolean {
  return (kind === "arp" && fields["opcode"] === 1) || (kind === "icmp6" && fields["type"] === 135);
}

function compareOthers(stack: readonly Placed[], recorded: readonly Placed[]): string[] {
  const found: string[] = [];
  for (const slot of new Set([...recorded, ...stack].map((placed) => placed.slot))) {
    const here = (placed: readonly Placed[]) =>
      placed.filter((one) => one.slot === slot).map(({ decoded }) => JSON.stringify(comparable(decoded)));
    const [ours, theirs] = [here(stack).sort(), here(recorded).sort()];
    const missing = theirs.filter((one, i) => !ours.includes(one) || theirs.indexOf(one) !== i);
    const extra = ours.filter((one, i) => !theirs.includes(one) || ours.indexOf(one) !== i);
    if (ours.join() === theirs.join()) continue;
    found.push(...missing.map((one) => `slot ${slot}: recorded, not sent: ${one}`));
    found.push(...extra.map((one) => `slot ${slot}: sent, not recorded: ${one}`));
  }
  return found;
}

/** A frame without what a host is free to choose. */
function comparable({ kind, fields }: Decoded): unknown {
  const { type, destination, body, word, source, ...rest } = fields;
  const isProbe = kind === "icmp6" && type === 135 && !String(destination).startsWith("ff");
  if (isProbe) return { kind, ...rest, type, destination, target: String(body).slice(0, 32), word };
  const isAnswer = kind === "icmp6" && type === 136 && !String(destination).startsWith("ff");
  if (!isAnswer) return { kind, ...fields };
  const target = String(body).slice(0, 32);
  const isNamed = String(body).length > 32;
  const hasOverride = (Number.parseInt(String(word).slice(0, 2), 16) & 0x20) !== 0;
  const isConsistent = isNamed === hasOverride;
  const solicited = Number.parseInt(String(word).slice(0, 2), 16) & 0xc0;
  return { kind, ...rest, type, source, destination, target, isConsistent, solicited };
}

function segmentsOf(placed: readonly Placed[]): Segment[] {
  return placed.flatMap(({ slot, bytes, decoded }) =>
    decoded.tcp === undefined ? [] : [{ slot, bytes, decoded, tcp: decoded.tcp }],
  );
}

function compareTcp(
  stack: readonly Segment[],
  recorded: readonly Segment[],
  peer: readonly Segment[],
  how: "slots" | "streams",
): string[] {
  const [ours, theirs, peers] = [byConnection(stack), byConnection(recorded), byConnection(peer)];
  const found: string[] = [];
  for (const name of new Set([...theirs.keys(), ...ours.keys()])) {
    const [mine, other] = [ours.get(name) ?? [], theirs.get(name) ?? []];
    const from = peers.get(name.split(" > ").reverse().join(" > ")) ?? [];
    const peerIss = from.find(({ tcp }) => (tcp.flags & 2) !== 0)?.tcp.seq ?? 0;
    const compare = how === "slots" ? compareSlots : compareStreams;
    found.push(...compare(name, mine, other, peerIss));
    found.push(...compareHeaders(name, mine, other));
    found.push(...checkRules(name, mine, from));
  }
  return found;
}
