import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  F_CHECKSUM_PARTIAL,
  F_L4_CHECKSUM_OK,
  GSO_TCP4,
  GSO_UDP,
  M_DATA,
  M_FLAGS,
  M_GSO,
  M_L4,
  PacketPool,
} from "../../src/graph/packet-pool.js";
import { NativeWindow } from "../../src/host/native-window.js";
import { PacketRingDevice } from "../../src/host/packet-ring-device.js";
import { TapDevice } from "../../src/host/tap-device.js";
import { lacks } from "../needs.js";
import { hasNetns, inNetns, ip4, netnsName } from "./names.js";
import { bufferOf, frameOf, headers, TCP_HEADERS_LEN } from "./packets.js";

const FROM = ip4("198.18.0.2");
const TO = ip4("198.18.0.1");
const HOST = { addresses: [{ bytes: TO, prefix: 24 }] };
const EBADFD = 77;
const EIO = 5;

describe.skipIf(lacks("netns"))("TapDevice", () => {
  const buffers = new Int32Array(256);
  const netns = netnsName("tap");
  let host: NativeWindow;
  let pool: PacketPool;
  const taps: TapDevice[] = [];

  beforeEach(() => {
    host = new NativeWindow({ bytes: 64 << 20 });
    pool = new PacketPool(host.window, { small: 512, large: 16, ring: 14, poison: true });
  });

  afterEach(() => {
    for (const tap of taps.splice(0)) tap.close();
    host.window.close();
    if (hasNetns(netns)) throw new Error(`namespace ${netns} was left behind`);
  });

  function openTap(options: Partial<ConstructorParameters<typeof TapDevice>[1]> = {}): TapDevice {
    const tap = new TapDevice(host, { name: "wn0", netns, host: HOST, ...options });
    tap.attach(pool);
    taps.push(tap);
    return tap;
  }

  /** Takes frames until one satisfies `wanted`; frees the others. -1 when none came. */
  function take(device: TapDevice | PacketRingDevice, wanted: (frame: Uint8Array) => boolean): number {
    let found = -1;
    for (let tries = 0; tries < 50 && found < 0; tries++) {
      const n = device.rx(buffers, 256);
      for (let i = 0; i < n; i++) {
        if (found < 0 && wanted(frameOf(pool, buffers[i]))) found = buffers[i];
        else pool.free(buffers[i]);
      }
    }
    return found;
  }

  const isIp4 = (frame: Uint8Array): boolean => frame[12] === 8 && frame[13] === 0;

  it("receives what the kernel sends and sets its end up", () => {
    const tap = openTap({ mtu: 1400 });
    expect(host.addon.interfaceInfo({ netns, name: "wn0" })).toMatchObject({ mtu: 1400, up: true, mac: tap.hostMac });
    expect(tap.mac[0] & 3).toBe(2);
    inNetns(netns, "echo hello > /dev/udp/198.18.0.2/9");
    const arp = take(tap, (frame) => frame[12] === 8 && frame[13] === 6);
    expect(arp).toBeGreaterThanOrEqual(0);
    const { i32 } = host.window;
    expect((i32[pool.meta + (arp << 4) + M_DATA] + 14) & 3).toBe(0);
    const frame = frameOf(pool, arp);
    expect([...frame.subarray(0, 6)]).toEqual([255, 255, 255, 255, 255, 255]);
    expect([...frame.subarray(6, 12)]).toEqual([...tap.hostMac]);
    expect([...frame.subarray(28, 32)]).toEqual([...TO]);
    expect([...frame.subarray(38, 42)]).toEqual([...FROM]);
    pool.free(arp);
    tap.close();
    expect(pool.inUse()).toEqual([]);
  });

  it("answers ARP and exchanges UDP with the kernel, whose checksums it leaves to us", () => {
    const tap = openTap();
    // One long payload for a large slot, one short for a small one.
    host.addon.configureInterface({ netns, name: "wn0", mtu: 9000 });
    inNetns(netns, "echo short > /dev/udp/198.18.0.2/9");
    const arp = take(tap, (frame) => frame[13] === 6);
    const reply = frameOf(pool, arp);
    reply[21] = 2;
    reply.set(reply.subarray(22, 32), 32);
    reply.set(tap.mac, 22);
    reply.set(FROM, 28);
    reply.set(tap.hostMac, 0);
    reply.set(tap.mac, 6);
    buffers[0] = bufferOf(pool, reply);
    expect(tap.tx(buffers, 1)).toBe(1);
    pool.free(buffers[0]);
    pool.free(arp);
    const short = take(tap, isIp4);
    expect(Buffer.from(frameOf(pool, short)).toString("latin1", 42)).toBe("short\n");
    const m = pool.meta + (short << 4);
    const { i32 } = host.window;
    expect(i32[m + M_FLAGS]).toBe(F_CHECKSUM_PARTIAL | F_L4_CHECKSUM_OK);
    expect(i32[m + M_L4] - i32[m + M_DATA]).toBe(34);
    expect(short).toBeLessThan(512);
    pool.free(short);
    inNetns(netns, "printf %3000s > /dev/udp/198.18.0.2/9");
    const long = take(tap, isIp4);
    expect(frameOf(pool, long).length).toBe(3042);
    expect(long).toBeGreaterThanOrEqual(512);
    pool.free(long);
    tap.close();
    expect(pool.inUse()).toEqual([]);
  });

  it.each([
    { kind: "TCP", protocol: 6, gso: 1448 | (GSO_TCP4 << 16), bytes: 40000 },
    { kind: "UDP", protocol: 17, gso: 1000 | (GSO_UDP << 16), bytes: 20000 },
  ] as const)("passes $kind superframes with tail spans both ways", ({ protocol, gso, bytes }) => {
    const tap = openTap({ host: {} });
    expect(tap.offloads).toEqual({ checksum: true, tso: true, uso: true });
    const ring = new PacketRingDevice(host, { netns, name: "wn0", blocks: 1 });
    ring.attach(pool);
    const { i32, u8 } = host.window;
    const payload = host.window.reserve("payload", bytes);
    for (let i = 0; i < bytes; i++) u8[payload + i] = i % 251;
    for (const [from, to] of [
      [tap, ring],
      [ring, tap],
    ] as const) {
      const b = headers(pool, {
        to: tap.hostMac,
        from: tap.mac,
        source: FROM,
        destination: TO,
        protocol,
        payloadBytes: bytes,
      });
      const head = frameOf(pool, b);
      i32[pool.meta + (b << 4) + M_GSO] = gso;
      for (let i = 0; i < 4; i++) pool.addTail(b, payload + (bytes / 4) * i, bytes / 4);
      buffers[0] = b;
      expect(from.tx(buffers, 1)).toBe(1);
      pool.free(b);
      const got = take(to, isIp4);
      const m = pool.meta + (got << 4);
      expect(i32[m + M_GSO]).toBe(gso);
      expect(i32[m + M_FLAGS]).toBe(F_CHECKSUM_PARTIAL | F_L4_CHECKSUM_OK);
      expect(i32[m + M_L4] - i32[m + M_DATA]).toBe(34);
      expect((i32[m + M_DATA] + 14) & 3).toBe(0);
      const frame = frameOf(pool, got);
      expect(frame.length).toBe(head.length + bytes);
      expect(Buffer.compare(frame.subarray(0, head.length), head)).toBe(0);
      expect(Buffer.compare(frame.subarray(head.length), u8.subarray(payload, payload + bytes))).toBe(0);
      pool.free(got);
    }
    tap.close();
    ring.close();
    expect(pool.inUse()).toEqual([]);
  });

  it("takes a burst of more frames than it keeps slots for, in order, and none twice", () => {
    const tap = openTap({ host: {} });
    const ring = new PacketRingDevice(host, { netns, name: "wn0", blocks: 1 });
    ring.attach(pool);
    // Long ones among the first, so that both kinds of slots run out in the middle of a burst.
    for (let i = 0; i < 240; i++) {
      const frame = new Uint8Array(i % 3 === 0 && i < 30 ? 1900 : 60);
      frame.set([0x02, 0, 0, 0, 0, 1, 0x02, 0, 0, 0, 0, 2, 0x88, 0xb5, i]);
      buffers[i] = bufferOf(pool, frame);
    }
    host.addon.configureInterface({ netns, name: "wn0", mtu: 3000 });
    expect(ring.tx(buffers, 240)).toBe(240);
    for (let i = 0; i < 240; i++) pool.free(buffers[i]);
    const seen: number[] = [];
    for (let tries = 0; tries < 20; tries++) {
      const n = tap.rx(buffers, 256);
      for (let i = 0; i < n; i++) {
        const frame = frameOf(pool, buffers[i]);
        if (frame[12] === 0x88) seen.push(frame[14]);
        pool.free(buffers[i]);
      }
    }
    expect(seen).toEqual(Array.from({ length: 240 }, (_, i) => i));
    expect(tap.rxSkipped).toBe(0);
    tap.close();
    ring.close();
    expect(pool.inUse()).toEqual([]);
  });

  it("goes on with an exhausted pool and when slots come back", () => {
    const tap = openTap({ host: {} });
    const ring = new PacketRingDevice(host, { netns, name: "wn0", blocks: 1 });
    ring.attach(pool);
    const b = bufferOf(pool, Uint8Array.of(2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x88, 0xb5, ...new Uint8Array(46)));
    const hoard: number[] = [];
    while (pool.freeSmall > 0) hoard.push(pool.alloc());
    while (pool.freeLarge > 0) hoard.push(pool.allocLarge());
    buffers[0] = b;
    for (let i = 0; i < 10; i++) expect(ring.tx(buffers, 1)).toBe(1);
    expect(tap.rx(buffers, 256)).toBe(0);
    for (let i = 0; i < 4; i++) pool.free(hoard.pop()!);
    pool.free(hoard.shift()!);
    const wanted = (frame: Uint8Array): boolean => frame[12] === 0x88;
    for (let i = 0; i < 10; i++) pool.free(take(tap, wanted));
    for (const each of hoard) pool.free(each);
    pool.free(b);
    tap.close();
    ring.close();
    expect(pool.inUse()).toEqual([]);
  });

  it("counts what the kernel refuses: interface down, no frame, device removed", () => {
    const tap = openTap({ host: {} });
    host.addon.configureInterface({ netns, name: "wn0", up: true });
    buffers[0] = bufferOf(pool, new Uint8Array(60));
    buffers[1] = bufferOf(pool, new Uint8Array(0));
    expect(tap.tx(buffers, 2)).toBe(1);
    expect(tap.sender.refused).toBe(1);
    inNetns(netns, "ip link set wn0 down");
    expect(tap.tx(buffers, 1)).toBe(0);
    expect(tap.sender.lastErrno).toBe(EIO);
    host.addon.deleteLink({ netns, name: "wn0" });
    expect(tap.rx(buffers.subarray(2), 8)).toBe(0);
    expect(tap.rxErrno).toBe(EBADFD);
    expect(tap.tx(buffers, 1)).toBe(0);
    expect(tap.sender.refused).toBe(3);
    pool.free(buffers[0]);
    pool.free(buffers[1]);
    tap.close();
    tap.close();
    expect(tap.tx(buffers, 1)).toBe(0);
    expect(pool.inUse()).toEqual([]);
  });

  it("refuses with one clear error and leaves nothing behind", () => {
    expect(() => openTap({ name: "a-name-of-16-char" })).toThrow(/longer than 15 characters/);
    expect(() => openTap({ name: "a/b" })).toThrow(/not an interface name/);
    expect(() => openTap({ netns: "../x" })).toThrow(/not a network namespace name/);
    expect(() => openTap({ mtu: 70000 })).toThrow(/mtu/);
    expect(hasNetns(netns)).toBe(false);
    expect(() => openTap({ host: { addresses: [{ bytes: TO, prefix: 33 }] } })).toThrow(/prefix/);
    expect(hasNetns(netns)).toBe(false);
    expect(() =>
      openTap({ host: { routes: [{ bytes: ip4("0.0.0.0"), prefix: 0, via: ip4("203.0.113.1") }] } }),
    ).toThrow(/cannot add a route to 0\.0\.0\.0\/0 through "wn0"/);
    expect(hasNetns(netns)).toBe(false);
    const tap = openTap();
    expect(() => openTap()).toThrow(
      expect.objectContaining({ code: "EBUSY", message: 'interface name "wn0" is in use' }),
    );
    expect(hasNetns(netns)).toBe(true);
    tap.close();
  });

  it("works without offloads", () => {
    const tap = openTap({ checksum: false });
    expect(tap.offloads).toEqual({ checksum: false, tso: false, uso: false });
    const b = headers(pool, {
      to: tap.hostMac,
      from: tap.mac,
      source: FROM,
      destination: TO,
      protocol: 6,
      payloadBytes: 0,
    });
    host.window.i32[pool.meta + (b << 4) + M_FLAGS] = 0;
    buffers[0] = b;
    expect(tap.tx(buffers, 1)).toBe(1);
    expect(frameOf(pool, b).length).toBe(TCP_HEADERS_LEN);
    pool.free(b);
    tap.close();
  });
});
