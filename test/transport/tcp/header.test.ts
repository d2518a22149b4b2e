import { describe, expect, it } from "vitest";
import { connecting, established, FAMILIES, listening, ScriptedPeer, ScriptedStack } from "./scripted-peer.js";
import { addressBytes, internetSum, segmentFrame } from "./segment-codec.js";

/** A frame with `header` between its IP header and the segment: IPv4 options, or an IPv6 extension header. */
function withIpHeader(frame: Uint8Array, family: 4 | 6, header: readonly number[]): Uint8Array {
  const at = family === 4 ? 34 : 54;
  const longer = Uint8Array.from([...frame.subarray(0, at), ...header, ...frame.subarray(at)]);
  const dv = new DataView(longer.buffer);
  if (family === 4) {
    longer[14] = 0x40 | (5 + header.length / 4);
    dv.setUint16(16, dv.getUint16(16) + header.length);
    dv.setUint16(24, 0);
    dv.setUint16(24, ~internetSum(longer.subarray(14, at + header.length)) & 0xffff);
  } else {
    dv.setUint16(18, dv.getUint16(18) + header.length);
    // Hop-by-hop options are number 0, destination options 60; the first byte of `header` names TCP.
    longer[20] = header[2] === 5 ? 0 : 60;
  }
  return longer;
}

describe.each(FAMILIES)("checksums over IPv%i", (family) => {
  it("of every segment are right, whatever its kind [MUST-2]", () => {
    const [peer, host] = listening({ family });
    peer.send({ flags: "S", mss: 1460, ts: 5, wscale: 3 });
    const packets = [peer.expect({ flags: "SA" })];
    peer.hasTimestamps = true;
    peer.send({ flags: "A" });
    peer.send({ flags: "PA", data: 3 });
    host.session.drop(3);
    for (const bytes of [1, 2, 257, 5001]) {
      host.session.write(new Uint8Array(bytes).fill(0xa5));
      host.settle();
      packets.push(...peer.takeAll());
      peer.send({ flags: "A" });
    }
    host.session.halfClose();
    host.settle();
    host.session.reset();
    host.settle();
    const active = new ScriptedPeer(host, { port: 81, localPort: 0 });
    host.connect(81);
    new ScriptedPeer(host, { port: 82, localPort: 99 }).send({ flags: "S" });
    packets.push(...peer.takeAll(), ...active.takeAll());
    expect(new Set(packets.map(({ flags }) => flags))).toEqual(new Set(["SA", "A", "PA", "FA", "RA", "S"]));
    const at = family === 4 ? 20 : 40;
    const sums = packets.map(({ packet }) => {
      const addresses = packet.subarray(at - (family === 4 ? 8 : 32), at);
      const { length } = packet.subarray(at);
      return internetSum(packet.subarray(at), internetSum([...addresses, length >> 8, length & 255, 0, 6]));
    });
    expect(new Set(sums)).toEqual(new Set([0xffff]));
  });

  it("that are wrong: the segment is dropped, whatever its kind [MUST-3]", () => {
    const [peer, host] = established({ family });
    const other = new ScriptedPeer(host, { port: 5000 });
    const spoil = (frame: Uint8Array, bit: number): Uint8Array => {
      frame[frame.length - 1 - (bit >> 3)] ^= 1 << (bit & 7);
      return frame;
    };
    for (const bit of [0, 7, 8, 31]) {
      host.receive(spoil(peer.frame({ flags: "PA", data: 10, seq: 1 }), bit));
      host.receive(spoil(peer.frame({ flags: "R", seq: 1, options: [1, 1, 1, 1] }), bit));
      host.receive(spoil(other.frame({ flags: "S", seq: 0, mss: 1000, wscale: 1 }), bit));
    }
    peer.expectNothing();
    other.expectNothing();
    expect(host.states).toEqual(["ESTABLISHED"]);
    expect(host.log).toEqual([]);
    expect(host.session.readableBytes).toBe(0);
    peer.send({ flags: "PA", data: 10, seq: 1 }).expect({ flags: "A", ack: 11 });
  });
});

describe.each(FAMILIES)("headers that we send, over IPv%i", (family) => {
  it.each([true, false])("have whole options, and zeros behind their end; timestamps %s [MUST-68, MUST-69]", (on) => {
    for (const windowScale of [true, false]) {
      for (const sack of [true, false]) {
        const tcp = { timestamps: on, windowScale, sack };
        const [peer, host] = connecting({ family, tcp });
        const { options } = peer.expect({ flags: "S" });
        peer.send({ flags: "SA", ...peer.synOptions, wscale: 2, ts: [1, 0] });
        host.session.write(new Uint8Array(10));
        host.settle();
        for (const bytes of [options, ...peer.takeAll().map((each) => each.options)]) {
          expect(bytes.length % 4).toBe(0);
          const lengths: number[] = [];
          let at = 0;
          while (at < bytes.length && bytes[at] !== 0) {
            if (bytes[at] !== 1) lengths.push(bytes[at + 1]);
            at += bytes[at] === 1 ? 1 : Math.max(1, bytes[at + 1]);
          }
          expect(lengths.every((length) => length >= 2)).toBe(true);
          expect(at).toBeLessThanOrEqual(bytes.length);
          expect(bytes.slice(at).every((byte) => byte === 0)).toBe(true);
        }
      }
    }
  });
});

describe.each(FAMILIES)("IP headers around segments, over IPv%i", (family) => {
  it("may hold options that TCP does not understand: they are skipped [MUST-50]", () => {
    // Router alert, an unknown option, padding; hop-by-hop and destination options.
    const headers =
      family === 4
        ? [
            [148, 4, 0, 0],
            [150, 3, 9, 1],
            [1, 1, 1, 0],
            [7, 7, 4, 0, 0, 0, 0, 0],
          ]
        : [
            [6, 0, 5, 2, 0, 0, 1, 0],
            [6, 0, 0x1e, 4, 1, 2, 3, 4],
            [6, 0, 1, 4, 0, 0, 0, 0],
          ];
    for (const [i, header] of headers.entries()) {
      const [peer, host] = listening({ family }, { port: 4000 + i });
      host.receive(withIpHeader(peer.frame({ flags: "S", mss: 1000 }), family, header));
      peer.expect({ flags: "SA", ack: 1 });
      host.receive(withIpHeader(peer.frame({ flags: "A" }), family, header));
      host.receive(withIpHeader(peer.frame({ flags: "PA", data: "with options" }), family, header));
      peer.expect({ flags: "A", ack: 13 });
      expect(host.session.readableBytes).toBe(12);
    }
  });

  it("are none of a group or of everybody: a SYN to one is dropped in silence [MUST-57]", () => {
    const [peer, host] = listening({ family });
    const groups = family === 4 ? ["255.255.255.255", "198.18.0.255", "224.0.0.1"] : ["ff02::1", "ff02::1:ff00:2"];
    const syn = { flags: "S", seq: 0, ack: 0, window: 1000, urgent: 0, options: [], data: new Uint8Array(0) };
    for (const destination of groups) {
      const frame = segmentFrame({ ...peer.tuple, destination }, syn);
      host.receive(frame.slice());
      const bytes = addressBytes(destination);
      const mac =
        family === 6 ? [0x33, 0x33, ...bytes.slice(12)] : bytes[0] === 224 ? [1, 0, 0x5e, 0, 0, 1] : Array(6).fill(255);
      frame.set(mac);
      host.receive(frame);
    }
    expect(host.states).toEqual([]);
    expect(host.strays).toEqual([]);
    peer.expectNothing();
  });

  it("name no sender that cannot be: a SYN of one is ignored [MUST-63]", () => {
    const [, host] = listening({ family });
    const bad =
      family === 4
        ? ["0.0.0.0", "255.255.255.255", "198.18.0.255", "224.0.0.1", "240.0.0.1", "127.0.0.1", "198.18.0.2"]
        : ["::", "::1", "ff02::1", "::ffff:198.18.0.9", "2001:db8::2"];
    for (const address of bad.map((text) => text.replace("::ffff:198.18.0.9", "::ffff:c612:9"))) {
      new ScriptedPeer(host, { port: 4200, address }).send({ flags: "S" }).expectNothing();
    }
    expect(host.states).toEqual([]);
    expect(host.strays).toEqual([]);
  });
});

// RFC 7126, RFC 6274: hosts drop source-routed packets, which the RFC wants to be followed.
it.each([
  ["loose", 131],
  ["strict", 137],
])(
  "a %s source route is not followed nor answered: segments with one are dropped [MUST-51, MUST-52, MUST-53]",
  (...of) => {
    const [, kind] = of;
    const [peer, host] = listening({});
    const route = [kind, 7, 8, 198, 18, 0, 7, 0];
    host.receive(withIpHeader(peer.frame({ flags: "S" }), 4, route));
    peer.expectNothing();
    expect(host.states).toEqual([]);
    peer.nxt = 0;
    peer.open();
    host.receive(withIpHeader(peer.frame({ flags: "PA", data: 10 }), 4, route));
    peer.expectNothing();
    expect(host.session.readableBytes).toBe(0);
    // Nor is there a way to ask for one: what we send has no options.
    const active = new ScriptedPeer(host, { port: 81, localPort: 0 });
    host.connect(81);
    expect(active.expect({ flags: "S" }).packet[0]).toBe(0x45);
  },
);

describe.each(FAMILIES)("addresses over IPv%i", (family) => {
  const second = family === 4 ? "198.19.0.2" : "2001:db8:19::2";
  const far = family === 4 ? "198.19.0.9" : "2001:db8:19::9";
  const bits = family === 4 ? 24 : 64;

  function twoAddresses(): ScriptedStack {
    const host = new ScriptedStack({ family });
    host.stack.apply({ kind: "address", interface: 0, prefix: `${second}/${bits}`, add: true });
    return host;
  }
  /** Source address of the first segment that no peer took. */
  const sourceOf = (host: ScriptedStack): number[] => {
    const [{ packet }] = host.strays.splice(0);
    return [...(family === 4 ? packet.subarray(12, 16) : packet.subarray(8, 24))];
  };
  const connect = (host: ScriptedStack, address: string, from?: string): void => {
    const uri = (each: string): string => (family === 4 ? `tcp://${each}/80` : `tcp://[${each}]:80`);
    const options = from === undefined ? {} : { from: uri(from).replace(/80$/u, "0") };
    host.app.connect(uri(address), options).catch(() => {});
    host.settle();
  };

  it("the local one is the caller's choice, any of this host's [MUST-43]", () => {
    const host = twoAddresses();
    for (const from of [second, host.address]) {
      connect(host, host.peerAddress, from);
      expect(sourceOf(host)).toEqual(addressBytes(from));
    }
  });

  it("the local one is IP's choice when the caller has none: one of the network that the peer is on [MUST-44]", () => {
    const host = twoAddresses();
    connect(host, host.peerAddress);
    expect(sourceOf(host)).toEqual(addressBytes(host.address));
    connect(host, far);
    expect(sourceOf(host)).toEqual(addressBytes(second));
    // RFC 6724 5, rule 2: a link-local peer is met by a link-local address.
    const [near, own] = family === 6 ? ["fe80::9", "fe80::ff:fe00:10"] : [far, second];
    connect(host, near);
    expect(sourceOf(host)).toEqual(addressBytes(own));
    // Off-link: an address of the interface that leads there.
    const via = family === 4 ? "198.19.0.1" : "2001:db8:19::1";
    const anywhere = family === 4 ? "0.0.0.0/0" : "::/0";
    host.stack.apply({ kind: "route", table: 0, prefix: anywhere, add: true, paths: [{ via }] });
    connect(host, family === 4 ? "8.8.8.8" : "2a00::8");
    const source = sourceOf(host);
    expect([addressBytes(second), addressBytes(host.address)]).toContainEqual(source);
  });

  it("the local one stays, whatever becomes of the interface's addresses [MUST-45]", () => {
    const [peer, host] = established({ family });
    host.stack.apply({ kind: "address", interface: 0, prefix: `${second}/${bits}`, add: true });
    host.session.write(new Uint8Array(10));
    host.settle();
    host.pass(250);
    host.stack.apply({ kind: "address", interface: 0, prefix: `${host.address}/${bits}`, add: false });
    host.pass(5000);
    host.stack.apply({ kind: "address", interface: 0, prefix: `${host.address}/${bits}`, add: true });
    host.pass(10_000);
    const sent = peer.takeAll();
    expect(sent.length).toBeGreaterThan(3);
    for (const { packet } of sent) {
      const at = family === 4 ? 12 : 8;
      expect([...packet.subarray(at, at + (family === 4 ? 4 : 16))]).toEqual(addressBytes(host.address));
    }
    expect(host.strays).toEqual([]);
  });
});
