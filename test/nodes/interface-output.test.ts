import { describe, expect, it } from "vitest";
import { drop } from "../../nodes/drop.js";
import { interfaceOutput } from "../../nodes/interface-output.js";
import { interfaceTx } from "../../nodes/interface-tx.js";
import {
  F_CHECKSUM_PARTIAL,
  F_NO_CHECKSUM_OFFLOAD,
  GSO_TCP4,
  GSO_UDP,
  M_DATA,
  M_FLAGS,
  M_GSO,
  M_L4,
  M_TX_IF,
} from "../../src/graph/packet-pool.js";
import { checksumsHold, l4At, makeFrame, type Sample } from "../device/packets.js";
import { Harness, hasFlags } from "./graph-harness.js";

const TCP: Sample = {
  isIp6: false,
  isTcp: true,
  optionBytes: 0,
  payload: Uint8Array.from({ length: 3000 }, (_, i) => i),
  flags: 0x18,
  seq: 1,
  id: 7,
};
const UDP: Sample = { ...TCP, isTcp: false };
const SHORT: Sample = { ...TCP, payload: new Uint8Array(10) };

function setUp(small = 64): Harness {
  return new Harness([interfaceOutput, interfaceTx, drop], { small });
}

function put(host: Harness, sample: Sample, tx: number, gso = 0): number {
  const b = host.put("interface-output", makeFrame(sample), {
    [M_TX_IF]: tx,
    [M_FLAGS]: F_CHECKSUM_PARTIAL,
    [M_GSO]: gso,
  });
  host.setMeta(b, M_L4, host.meta(b, M_DATA) + l4At(sample.isIp6));
  return b;
}

const TCP_GSO = 1000 | (GSO_TCP4 << 16);
const UDP_GSO = 1000 | (GSO_UDP << 16);

describe("interface-output", () => {
  it("does what the device lacks: checksums and both kinds of superframe", () => {
    const host = setUp();
    host.addInterface();
    put(host, SHORT, 0);
    put(host, TCP, 0, TCP_GSO);
    put(host, UDP, 0, UDP_GSO);
    host.run();
    const frames = host.device(0).sent;
    expect(frames.map(({ bytes }) => bytes.length)).toEqual([64, 1054, 1054, 1054, 1042, 1042, 1042]);
    // The header checksum of a packet that was not cut is the IP layer's.
    expect(frames.slice(1).map(({ bytes }) => checksumsHold(bytes))).toEqual(new Array<boolean>(6).fill(true));
    expect(frames.some((frame) => hasFlags(frame, F_CHECKSUM_PARTIAL))).toBe(false);
    host.expectNoLeaks();
  });

  it("leaves to the device what it can do", () => {
    const host = setUp();
    host.addInterface([], { offloads: { checksum: true, tso: true, uso: false } });
    put(host, SHORT, 0);
    put(host, TCP, 0, TCP_GSO);
    put(host, UDP, 0, UDP_GSO);
    host.run();
    const frames = host.device(0).sent;
    expect(frames.map(({ bytes }) => bytes.length)).toEqual([64, 3054, 1042, 1042, 1042]);
    expect(frames.map((frame) => hasFlags(frame, F_CHECKSUM_PARTIAL))).toEqual(new Array<boolean>(5).fill(true));
    expect(frames[1].meta[M_GSO]).toBe(TCP_GSO);
    host.expectNoLeaks();
  });

  it("does itself what a packet says that the device is not to do", () => {
    const host = setUp();
    host.addInterface([], { offloads: { checksum: true, tso: true, uso: true } });
    for (const [sample, gso] of [
      [SHORT, 0],
      [TCP, TCP_GSO],
      [UDP, UDP_GSO],
    ] as const) {
      const b = put(host, sample, 0, gso);
      host.setMeta(b, M_FLAGS, F_CHECKSUM_PARTIAL | F_NO_CHECKSUM_OFFLOAD);
    }
    // A checksum that is whole stays as it is.
    const whole = put(host, { ...SHORT, id: 9 }, 0);
    host.setMeta(whole, M_FLAGS, F_NO_CHECKSUM_OFFLOAD);
    host.run();
    const frames = host.device(0).sent;
    expect(frames.map(({ bytes }) => bytes.length)).toEqual([64, 1054, 1054, 1054, 1042, 1042, 1042, 64]);
    expect(frames.slice(1, 7).map(({ bytes }) => checksumsHold(bytes))).toEqual(new Array<boolean>(6).fill(true));
    expect(frames.some((frame) => hasFlags(frame, F_CHECKSUM_PARTIAL))).toBe(false);
    const transport = l4At(SHORT.isIp6);
    const whole0 = makeFrame({ ...SHORT, id: 9 });
    expect(frames[7].bytes.slice(transport)).toEqual(whole0.slice(transport));
    host.expectNoLeaks();
  });

  it("keeps the order of packets around a superframe", () => {
    const host = setUp();
    host.addInterface();
    const ids = [1, 2, 3, 4].map((id) => ({ ...TCP, id: id * 100 }));
    put(host, { ...SHORT, id: 100 }, 0);
    put(host, { ...SHORT, id: 101 }, 0);
    put(host, ids[1], 0, TCP_GSO);
    put(host, { ...SHORT, id: 300 }, 0);
    put(host, ids[3], 0, TCP_GSO);
    put(host, { ...SHORT, id: 500 }, 0);
    host.run();
    const seen = host.sent(0).map((bytes) => (bytes[18] << 8) | bytes[19]);
    expect(seen).toEqual([100, 101, 200, 201, 202, 300, 400, 401, 402, 500]);
    host.expectNoLeaks();
  });

  it("drops packets for interfaces that are down, or are not there", () => {
    const host = setUp();
    host.addInterface().up = false;
    put(host, SHORT, 0);
    put(host, SHORT, 1);
    put(host, SHORT, -1);
    host.run();
    expect(host.errors("interface-output")).toEqual({ interface_down: 3 });
    host.expectNoLeaks();
  });

  it("drops what names headers that are not there", () => {
    const host = setUp();
    host.addInterface();
    const b = put(host, SHORT, 0);
    host.setMeta(b, M_L4, host.meta(b, M_L4) + 2);
    put(host, UDP, 0, TCP_GSO);
    host.run();
    expect(host.errors("interface-output")).toEqual({ bad_offload: 2 });
    expect(host.sent(0)).toEqual([]);
    host.expectNoLeaks();
  });

  it("sends what it can of a superframe when buffers run out", () => {
    const host = new Harness([interfaceOutput, interfaceTx, drop], { small: 2, large: 1 });
    host.addInterface();
    put(host, { ...TCP, payload: new Uint8Array(9000) }, 0, TCP_GSO);
    host.run();
    expect(host.sent(0).length).toBe(2);
    expect(host.errors("interface-output")).toEqual({ no_buffer: 1 });
    host.expectNoLeaks();
  });

  it("has hit each of its counters above", () => {
    expect(interfaceOutput.errors.map(({ symbol }) => symbol)).toEqual(["interface_down", "bad_offload", "no_buffer"]);
  });
});

describe("interface-tx", () => {
  it("sends to each interface in one burst, in order, and counts", () => {
    const host = setUp();
    host.addInterface();
    host.addInterface();
    const bursts: number[] = [];
    for (const index of [0, 1]) {
      const device = host.device(index);
      const { tx } = device;
      device.tx = (buffers, count) => {
        bursts.push(index * 100 + count);
        return tx.call(device, buffers, count);
      };
    }
    for (let i = 0; i < 6; i++) put(host, { ...SHORT, id: i }, i % 2);
    host.run();
    expect(bursts).toEqual([3, 103]);
    expect(host.sent(0).map((bytes) => bytes[19])).toEqual([0, 2, 4]);
    expect(host.sent(1).map((bytes) => bytes[19])).toEqual([1, 3, 5]);
    expect(host.interfaces.at(1)?.counters).toMatchObject({ txPackets: 3, txBytes: 192, txDrops: 0 });
    host.expectNoLeaks();
  });

  it("counts head and tails, and what the device does not take", () => {
    const host = setUp();
    const iface = host.addInterface([], { offloads: { checksum: true, tso: true, uso: true } });
    host.device(0).capacity = 1;
    const b = put(host, SHORT, 0);
    host.pool.addTail(b, 64, 36);
    put(host, SHORT, 0);
    put(host, SHORT, 0);
    host.run();
    expect(iface.counters).toMatchObject({ txPackets: 1, txBytes: 100, txDrops: 2 });
    expect(host.errors("interface-tx")).toEqual({ device_full: 2 });
    host.expectNoLeaks();
  });

  it("passes packets through the features of the interface-output arc", () => {
    let seen = 0;
    const host = new Harness(
      [
        interfaceOutput,
        interfaceTx,
        drop,
        {
          name: "feature",
          next: [],
          errors: [],
          trace: { bytes: 0, format: () => "" },
          process: ({ engine }) => {
            const slots = engine.arc("interface-output").slotsOf("feature");
            return (frame) => {
              seen += frame.count;
              frame.next.fill(slots[slots.length - 1], 0, frame.count);
            };
          },
        },
      ],
      { features: [["interface-output", "feature"]] },
    );
    host.addInterface();
    host.addInterface();
    host.engine.arc("interface-output").enable("feature", 1, true);
    put(host, SHORT, 0);
    put(host, TCP, 1, TCP_GSO);
    host.run();
    expect(seen).toBe(3);
    expect([host.sent(0).length, host.sent(1).length]).toEqual([1, 3]);
    host.expectNoLeaks();
  });
});
