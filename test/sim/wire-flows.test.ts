import { describe, expect, it } from "vitest";
import { FLOW_BEYOND_EDGE, FLOW_EDGE_LEFT, FLOW_OK, type WireFlow, WireFlows } from "../../src/sim/wire-flows.js";

const ACK = 0x10;
const SYN = 0x02;
const RST = 0x04;

interface Sent {
  readonly from?: "a" | "b";
  readonly seq?: number;
  readonly ack?: number;
  readonly flags?: number;
  readonly window?: number;
  readonly length?: number;
  readonly scale?: number;
  readonly isIp6?: boolean;
}

/** A frame with what a WireFlows reads, and zeros where it does not look. */
function frameOf(sent: Sent): Uint8Array {
  const { from = "a", seq = 0, ack = 0, flags = ACK, window = 1000, length = 0, scale = -1, isIp6 = false } = sent;
  const tcpAt = isIp6 ? 54 : 34;
  const headerLen = scale < 0 ? 20 : 24;
  const frame = new Uint8Array(tcpAt + headerLen + length);
  const dv = new DataView(frame.buffer);
  const [source, destination] = from === "a" ? [1, 2] : [2, 1];
  dv.setUint16(12, isIp6 ? 0x86dd : 0x0800);
  if (isIp6) {
    dv.setUint16(18, headerLen + length);
    frame[20] = 6;
    frame[37] = source;
    frame[53] = destination;
  } else {
    frame[14] = 0x45;
    dv.setUint16(16, 20 + headerLen + length);
    frame[23] = 6;
    frame[29] = source;
    frame[33] = destination;
  }
  dv.setUint16(tcpAt, 1000 + source);
  dv.setUint16(tcpAt + 2, 1000 + destination);
  dv.setUint32(tcpAt + 4, seq);
  dv.setUint32(tcpAt + 8, ack);
  frame[tcpAt + 12] = (headerLen >> 2) << 4;
  frame[tcpAt + 13] = flags;
  dv.setUint16(tcpAt + 14, window);
  if (scale >= 0) frame.set([1, 3, 3, scale], tcpAt + 20);
  return frame;
}

function note(flows: WireFlows, sent: Sent, isLost = false): number {
  const frame = frameOf(sent);
  return flows.note(flows.read(frame) as WireFlow, frame, isLost);
}

/** Two ends whose SYNs have crossed, with scale 1 each: a's data begins at 101, b's at 501. */
function opened(isIp6 = false): WireFlows {
  const flows = new WireFlows();
  expect(note(flows, { seq: 100, flags: SYN, scale: 1, isIp6 })).toBe(FLOW_OK);
  expect(note(flows, { from: "b", seq: 500, ack: 101, flags: SYN | ACK, scale: 1, isIp6 })).toBe(FLOW_OK);
  return flows;
}

describe.each([false, true])("flows on the wire, IPv6 %s", (isIp6) => {
  it("find the two directions of a connection", () => {
    const flows = opened(isIp6);
    const there = flows.read(frameOf({ isIp6, length: 7 }));
    expect([flows.length, flows.ipLength]).toEqual([7, isIp6 ? 67 : 47]);
    expect(flows.read(frameOf({ isIp6, from: "b" }))).toBe(there?.reverse);
    expect([...flows.flows]).toHaveLength(2);
  });

  it("see a right edge that moves left, by more than rounding", () => {
    const flows = opened(isIp6);
    expect(note(flows, { isIp6, seq: 101, ack: 501, window: 5000 })).toBe(FLOW_OK);
    expect(note(flows, { isIp6, seq: 101, ack: 601, window: 4950 })).toBe(FLOW_OK);
    expect(note(flows, { isIp6, seq: 101, ack: 602, window: 4949 })).toBe(FLOW_OK);
    expect(note(flows, { isIp6, seq: 101, ack: 603, window: 4948 })).toBe(FLOW_EDGE_LEFT);
    expect(note(flows, { isIp6, seq: 101, ack: 603, window: 0, flags: RST | ACK })).toBe(FLOW_OK);
  });

  it("see data behind the peer's edge, but for the byte of a probe", () => {
    const flows = opened(isIp6);
    expect(note(flows, { isIp6, from: "b", seq: 501, ack: 101, window: 500 })).toBe(FLOW_OK);
    expect(note(flows, { isIp6, seq: 101, ack: 501, length: 1000 })).toBe(FLOW_OK);
    expect(note(flows, { isIp6, seq: 1101, ack: 501, length: 1 })).toBe(FLOW_OK);
    expect(note(flows, { isIp6, seq: 1101, ack: 501, length: 2 })).toBe(FLOW_BEYOND_EDGE);
    expect(note(flows, { isIp6, seq: 1000, ack: 501, length: 102 })).toBe(FLOW_BEYOND_EDGE);
  });

  it("do not count what a lost segment announces", () => {
    const flows = opened(isIp6);
    expect(note(flows, { isIp6, from: "b", seq: 501, ack: 101, window: 600 })).toBe(FLOW_OK);
    expect(note(flows, { isIp6, from: "b", seq: 501, ack: 101, window: 5000 }, true)).toBe(FLOW_OK);
    expect(note(flows, { isIp6, seq: 101, ack: 501, length: 1300 })).toBe(FLOW_BEYOND_EDGE);
  });

  it("count what is sent again", () => {
    const flows = opened(isIp6);
    const flow = flows.read(frameOf({ isIp6 })) as WireFlow;
    for (const [seq, length] of [
      [101, 100],
      [201, 100],
      [101, 100],
      [251, 100],
    ]) {
      note(flows, { isIp6, seq, ack: 501, length });
    }
    expect([flow.payloadBytes, flow.retransmittedBytes]).toEqual([400, 150]);
  });

  it("are others of each family, with the same ports", () => {
    const flows = opened(isIp6);
    expect(flows.read(frameOf({ isIp6: !isIp6 }))).not.toBe(flows.read(frameOf({ isIp6 })));
    expect(flows.read(frameOf({ isIp6: !isIp6, from: "b" }))).not.toBe(flows.read(frameOf({ isIp6, from: "b" })));
    expect(note(flows, { seq: 900, ack: 1, isIp6: !isIp6 })).toBe(FLOW_OK);
  });

  it("begin anew with a SYN of another number", () => {
    const flows = opened(isIp6);
    note(flows, { isIp6, from: "b", seq: 501, ack: 101, window: 5000 });
    expect(note(flows, { isIp6, seq: 0x8000_0000, flags: SYN, scale: 1 })).toBe(FLOW_OK);
    expect(note(flows, { isIp6, from: "b", seq: 9, ack: 0x8000_0001, flags: SYN | ACK, scale: 1, window: 10 })).toBe(0);
    expect(note(flows, { isIp6, seq: 0x8000_0001, ack: 10, length: 12 })).toBe(FLOW_BEYOND_EDGE);
  });
});
