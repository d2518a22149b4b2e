import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { GSO_TCP4, M_DATA, M_GSO, M_LEN, PacketPool } from "../../src/graph/packet-pool.js";
import { NativeWindow } from "../../src/host/native-window.js";
import { NetworkNamespace } from "../../src/host/netns.js";
import { PacketRingDevice } from "../../src/host/packet-ring-device.js";
import { lacks } from "../needs.js";
import { hasNetns, ip4, netnsName } from "./names.js";
import { bufferOf, frameOf, headers } from "./packets.js";

const A = Uint8Array.of(2, 0, 0, 0, 0, 1);
const B = Uint8Array.of(2, 0, 0, 0, 0, 2);
const FRAMES = 14;

/** An Ethernet frame of the local experimental type, `bytes` long, its first payload byte `mark`. */
function frame(bytes: number, mark: number): Uint8Array {
  const made = new Uint8Array(bytes);
  made.set(B, 0);
  made.set(A, 6);
  made.set([0x88, 0xb5, mark], 12);
  return made;
}

describe.skipIf(lacks("netns"))("PacketRingDevice", () => {
  const buffers = new Int32Array(256);
  let netns: NetworkNamespace;
  let host: NativeWindow;
  let pool: PacketPool;
  let a: PacketRingDevice;
  let b: PacketRingDevice;

  beforeEach(() => {
    netns = new NetworkNamespace(netnsName("ring"));
    host = new NativeWindow({ bytes: 64 << 20 });
    pool = new PacketPool(host.window, { small: 64, large: 16, ring: 2 * FRAMES });
    host.addon.createVethPair({ netns: netns.name, name: "wa", peerNetns: netns.name, peerName: "wb" });
    host.addon.configureInterface({ netns: netns.name, name: "wa", mac: A, mtu: 9000 });
    host.addon.configureInterface({ netns: netns.name, name: "wb", mac: B, mtu: 9000 });
    a = new PacketRingDevice(host, { netns: netns.name, name: "wa", blocks: 1 });
    b = new PacketRingDevice(host, { netns: netns.name, name: "wb", blocks: 1 });
    a.attach(pool);
    b.attach(pool);
  });

  afterEach(() => {
    a.close();
    b.close();
    host.window.close();
    netns.release();
    netns.release();
    if (hasNetns(netns.name)) throw new Error(`namespace ${netns.name} was left behind`);
  });

  function send(...frames: readonly Uint8Array[]): void {
    for (const each of frames) {
      buffers[0] = bufferOf(pool, each);
      expect(a.tx(buffers, 1)).toBe(1);
      pool.free(buffers[0]);
    }
  }

  /** The marks of the frames that `b` receives now; the frames stay in `buffers`. */
  function receive(max = 256): number[] {
    const got = b.rx(buffers, max);
    let n = 0;
    for (let i = 0; i < got; i++) {
      if (frameOf(pool, buffers[i])[12] === 0x88) buffers[n++] = buffers[i];
      else pool.free(buffers[i]);
    }
    return Array.from({ length: n }, (_, i) => frameOf(pool, buffers[i])[14]);
  }

  it("takes name, hardware address and MTU from the interface", () => {
    expect(a.mac).toEqual(A);
    expect(a.mtu).toBe(9000);
    expect(a.frames).toBe(FRAMES);
    expect(netns.made).toBe(true);
    expect(a.offloads).toMatchObject({ checksum: true, tso: true });
  });

  it("copies small frames out and lends large ones in place, with the IP header aligned", () => {
    send(frame(60, 1), frame(5000, 2), frame(1854, 3));
    expect(receive()).toEqual([1, 2, 3]);
    const { i32 } = host.window;
    const ringStart = host.window.regions.find((region) => region.name === "packet ring wb")!.offset;
    for (let i = 0; i < 3; i++) {
      const data = i32[pool.meta + (buffers[i] << 4) + M_DATA];
      expect((data + 14) & 3).toBe(0);
      expect(data > ringStart).toBe(i === 1);
      expect(i32[pool.meta + (buffers[i] << 4) + M_LEN]).toBe([60, 5000, 1854][i]);
    }
    // A lent slot takes tail spans and headers in front without disturbing the kernel's own words.
    for (let i = 0; i < 4; i++) expect(pool.addTail(buffers[1], 4096, 8)).toBe(true);
    for (let i = 0; i < 3; i++) pool.free(buffers[i]);
    expect(pool.inUse()).toEqual([]);
  });

  it("wraps around many times", () => {
    for (let round = 0; round < 20; round++) {
      send(...Array.from({ length: 9 }, (_, i) => frame(i % 2 === 0 ? 60 : 4000, round * 9 + i)));
      expect(receive()).toEqual(Array.from({ length: 9 }, (_, i) => round * 9 + i));
      for (let i = 0; i < 9; i++) pool.free(buffers[i]);
    }
    expect(b.rxSkipped).toBe(0);
    expect(pool.inUse()).toEqual([]);
  });

  it("lends at most half of the ring and goes on copying", () => {
    const held: number[] = [];
    for (let i = 0; i < 12; i++) {
      send(frame(3000, i));
      expect(receive()).toEqual([i]);
      held.push(buffers[0]);
    }
    expect(held.filter((each) => each >= 80)).toHaveLength(7);
    held.forEach((each, i) => expect(frameOf(pool, each)[14]).toBe(i));
    for (const each of held) pool.free(each);
    expect(pool.inUse()).toEqual([]);
  });

  it("keeps frames in the ring while the pool is exhausted", () => {
    send(frame(60, 7), frame(60, 8));
    const hoard: number[] = [];
    while (pool.freeSmall > 0) hoard.push(pool.alloc());
    while (pool.freeLarge > 0) hoard.push(pool.allocLarge());
    expect(receive()).toEqual([]);
    expect(b.rxNoBuffer).toBe(1);
    for (const each of hoard) pool.free(each);
    expect(receive()).toEqual([7, 8]);
    pool.free(buffers[0]);
    pool.free(buffers[1]);
  });

  it("puts back the VLAN tag that the kernel takes out", () => {
    const tagged = new Uint8Array(64);
    tagged.set(B, 0);
    tagged.set(A, 6);
    tagged.set([0x81, 0x00, 0x20, 0x64, 0x88, 0xb5, 0x42], 12);
    send(tagged);
    const n = b.rx(buffers, 256);
    const frames = Array.from({ length: n }, (_, i) => frameOf(pool, buffers[i]));
    for (let i = 0; i < n; i++) pool.free(buffers[i]);
    expect(frames.filter((each) => each[12] === 0x81)).toEqual([tagged]);
  });

  it("exchanges superframes over veth", () => {
    const bytes = 60000;
    const payload = host.window.reserve("payload", bytes);
    host.window.u8.fill(0x5a, payload, payload + bytes);
    const sent = headers(pool, {
      to: B,
      from: A,
      source: ip4("198.18.0.1"),
      destination: ip4("198.18.0.2"),
      protocol: 6,
      payloadBytes: bytes,
    });
    host.window.i32[pool.meta + (sent << 4) + M_GSO] = 1448 | (GSO_TCP4 << 16);
    pool.addTail(sent, payload, bytes);
    buffers[0] = sent;
    expect(a.tx(buffers, 1)).toBe(1);
    pool.free(sent);
    const n = b.rx(buffers, 256);
    const large = Array.from(buffers.subarray(0, n)).filter((each) => frameOf(pool, each).length === 54 + bytes);
    expect(large).toHaveLength(1);
    expect(host.window.i32[pool.meta + (large[0] << 4) + M_GSO]).toBe(1448 | (GSO_TCP4 << 16));
    for (let i = 0; i < n; i++) pool.free(buffers[i]);
    expect(pool.inUse()).toEqual([]);
  });

  it("copies everything when the pool has no room for the ring, and forgets lent frames on close", () => {
    const c = new PacketRingDevice(host, { netns: netns.name, name: "wb", blocks: 1 });
    c.attach(pool);
    send(frame(3000, 1));
    const n = c.rx(buffers, 256);
    expect(n).toBeGreaterThan(0);
    for (let i = 0; i < n; i++) expect(buffers[i]).toBeLessThan(80);
    for (let i = 0; i < n; i++) pool.free(buffers[i]);
    c.close();
    expect(receive()).toEqual([1]);
    b.close();
    expect(frameOf(pool, buffers[0])).toEqual(new Uint8Array(3000));
    pool.free(buffers[0]);
    expect(b.rx(buffers, 256)).toBe(0);
  });

  it("refuses what cannot be", () => {
    const name = netns.name;
    expect(() => new PacketRingDevice(host, { netns: name, name: "nope" })).toThrow(
      expect.objectContaining({ code: "ENODEV", message: 'interface "nope" does not exist' }),
    );
    expect(() => new PacketRingDevice(host, { netns: `${name}-x`, name: "wa" })).toThrow(/does not exist/);
    expect(() => new PacketRingDevice(host, { netns: name, name: "wa", blocks: 0 })).toThrow(/blocks/);
    expect(() => host.native.openPacketRing({ netns: name, name: "wa", offset: 4096, bytes: 5000 })).toThrow(
      /multiple/,
    );
    expect(() => host.native.closePacketRing(1)).toThrow(/no packet ring/);
    expect(() => host.addon.closeFd(a.fd)).toThrow(expect.objectContaining({ code: "EBUSY" }));
    expect(() => host.addon.createVethPair({ netns: name, name: "wa", peerName: "wc" })).toThrow(/in use/);
  });
});
