import { describe, expect, it } from "vitest";
import { T_BACKOFF, T_CWND, T_SND_MSS, T_TIMEOUTS } from "../../../src/transport/tcp/connection.js";
import { connecting, established, FAMILIES, listening, pattern, ScriptedPeer } from "./scripted-peer.js";

type Errors = Readonly<Record<4 | 6, readonly (readonly [name: string, type: number, code: number])[]>>;

/** ICMP errors by what they mean: type and code of each family. */
const HARD: Errors = {
  4: [
    ["port unreachable", 3, 3],
    ["protocol unreachable", 3, 2],
    ["communication prohibited", 3, 13],
    ["host prohibited", 3, 10],
  ],
  6: [
    ["port unreachable", 1, 4],
    ["unknown next header", 4, 1],
    ["communication prohibited", 1, 1],
    ["reject route", 1, 6],
  ],
};
const SOFT: Errors = {
  4: [
    ["network unreachable", 3, 0],
    ["host unreachable", 3, 1],
    ["source route failed", 3, 5],
    ["time exceeded", 11, 0],
    ["parameter problem", 12, 0],
  ],
  6: [
    ["no route", 1, 0],
    ["address unreachable", 1, 3],
    ["hop limit exceeded", 3, 0],
    ["parameter problem", 4, 0],
  ],
};

describe.each(FAMILIES)("ICMP errors over IPv%i", (family) => {
  const headers = family === 4 ? 40 : 60;
  const least = (family === 4 ? 576 : 1280) - headers;
  const tooBig: readonly [type: number, code: number] = family === 4 ? [3, 4] : [2, 0];

  it.each(HARD[family])("%s refuses an open that waits for its answer [MUST-54, SHLD-26]", (_name, type, code) => {
    const [peer, host] = connecting({ family });
    const { packet } = peer.expect({ flags: "S" });
    peer.sendIcmp(type, code, packet);
    expect(host.log).toEqual(["failed REFUSED"]);
    expect(host.states).toEqual([]);
  });

  it.each(SOFT[family])("%s does not [MUST-56]", (_name, type, code) => {
    const [peer, host] = connecting({ family });
    const { packet } = peer.expect({ flags: "S" });
    peer.sendIcmp(type, code, packet);
    expect(peer.state).toBe("SYN_SENT");
    peer.send({ flags: "SA" }).expect({ flags: "A" });
    expect(host.log).toEqual(["connected"]);
  });

  it("counts only when it quotes the SYN in flight: other numbers and ports have no effect (RFC 5927) [MUST-54]", () => {
    const [peer, host] = connecting({ family });
    const { packet } = peer.expect({ flags: "S" });
    const [, type, code] = HARD[family][0];
    const at = family === 4 ? 20 : 40;
    const view = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset);
    for (const delta of [-1, 1, 1 << 30]) {
      const forged = packet.slice();
      view(forged).setInt32(at + 4, (view(packet).getInt32(at + 4) + delta) | 0);
      peer.sendIcmp(type, code, forged);
    }
    const elsewhere = packet.slice();
    elsewhere[at + 3] ^= 1;
    peer.sendIcmp(type, code, elsewhere);
    expect(peer.state).toBe("SYN_SENT");
    expect(host.log).toEqual([]);
  });

  it.each([...HARD[family], ...SOFT[family]])(
    "%s does not end an established connection [MUST-56, SHLD-26]",
    (_name, type, code) => {
      const [peer, host] = established({ family });
      host.session.write(pattern(0, 10));
      host.settle();
      const { packet } = peer.expect({ flags: "PA", len: 10 });
      peer.sendIcmp(type, code, packet).expectNothing();
      peer.send({ flags: "PA", data: 10 }).expect({ flags: "A", ack: 11 });
      expect(peer.state).toBe("ESTABLISHED");
      expect(host.session.queuedBytes).toBe(0);
    },
  );

  it("too big: segments shrink, and what was too big is sent again at once", () => {
    const [peer, host] = established({ family });
    host.session.write(pattern(0, 5000));
    host.settle();
    const [first] = peer.takeAll();
    const before = peer.field(T_CWND);
    peer.sendIcmp(...tooBig, first.packet, 1300);
    const again = peer.takeAll();
    expect(again.map(({ seq, len }) => [seq, len]).slice(0, 2)).toEqual([
      [1, 1300 - headers],
      [1301 - headers, 1300 - headers],
    ]);
    expect(again.reduce((sum, { len }) => sum + len, 0)).toBe(5000);
    // It was no congestion, and no timeout.
    expect(peer.field(T_CWND)).toBe(before);
    expect(peer.field(T_TIMEOUTS)).toBe(0);
    expect(peer.field(T_BACKOFF)).toBe(0);
    host.pass(199);
    peer.expectNothing();
    host.pass(2);
    expect(peer.takeAll()[0]).toMatchObject({ seq: 1, len: 1300 - headers });
  });

  it("too big with timestamps leaves room for them", () => {
    const [peer, host] = established({ family }, { timestamps: true });
    host.session.write(pattern(0, 5000));
    host.settle();
    const [first] = peer.takeAll();
    peer.sendIcmp(...tooBig, first.packet, 1300);
    expect(peer.takeAll()[0]).toMatchObject({ len: 1300 - headers - 12, ipBytes: 1300 });
  });

  it.each([
    ["a small one", 100],
    ["none", 0],
  ])("too big with %s as MTU shrinks to the least MTU of the family", (_name, mtu) => {
    const [peer, host] = established({ family });
    host.session.write(pattern(0, 3000));
    host.settle();
    const [first] = peer.takeAll();
    peer.sendIcmp(...tooBig, first.packet, mtu);
    expect(peer.field(T_SND_MSS)).toBe(least);
    expect(peer.takeAll()[0]).toMatchObject({ seq: 1, len: least });
  });

  it("too big never makes segments larger", () => {
    const [peer, host] = established({ family }, { mss: 800 });
    host.session.write(pattern(0, 3000));
    host.settle();
    const [first] = peer.takeAll();
    peer.sendIcmp(...tooBig, first.packet, 1400).expectNothing();
    expect(peer.field(T_SND_MSS)).toBe(800);
  });

  it("too big counts only for what is in flight", () => {
    const [peer, host] = established({ family });
    host.session.write(pattern(0, 3000));
    host.settle();
    const [first] = peer.takeAll();
    peer.send({ flags: "A" });
    peer.sendIcmp(...tooBig, first.packet, 1300);
    // The next number to be sent is not in flight either.
    const ack = peer.send({ flags: "PA", data: 1 }).expect({ flags: "A" });
    peer.sendIcmp(...tooBig, ack.packet, 1300);
    expect(peer.field(T_SND_MSS)).toBe(1500 - headers < 1460 ? 1500 - headers : 1460);
  });

  it("too big in SYN_RCVD does not disturb the handshake", () => {
    const [peer] = listening({ family });
    peer.send({ flags: "S", mss: 1460 });
    const { packet } = peer.expect({ flags: "SA" });
    peer.sendIcmp(...tooBig, packet, 1280);
    peer.send({ flags: "A" }).expectNothing();
    expect(peer.state).toBe("ESTABLISHED");
    expect(peer.field(T_SND_MSS)).toBe(1280 - headers);
  });

  it("too big in SYN_SENT does not, either", () => {
    const [peer] = connecting({ family });
    const { packet } = peer.expect({ flags: "S" });
    peer.sendIcmp(...tooBig, packet, 600).expectNothing();
    peer.send({ flags: "SA", mss: 1460 }).expect({ flags: "A", seq: 1 });
    expect(peer.state).toBe("ESTABLISHED");
  });

  it("too big in TIME_WAIT and for unknown connections is nothing", () => {
    const [peer, host] = established({ family });
    host.session.close();
    host.settle();
    const { packet } = peer.expect({ flags: "FA" });
    const other = new ScriptedPeer(host, { port: 5000 });
    peer.send({ flags: "FA" }).expect({ flags: "A" });
    peer.sendIcmp(...tooBig, packet, 600).expectNothing();
    other.sendIcmp(...tooBig, packet.slice(), 600).expectNothing();
    expect(peer.state).toBe("TIME_WAIT");
    host.pass(10_100);
    peer.sendIcmp(...tooBig, packet, 600).expectNothing();
    expect(host.states).toEqual([]);
  });
});

it("a source quench changes nothing [MUST-55]", () => {
  const [peer, host] = established({});
  host.session.write(pattern(0, 3000));
  host.settle();
  const [first] = peer.takeAll();
  const before = peer.field(T_CWND);
  peer.sendIcmp(4, 0, first.packet).expectNothing();
  expect(peer.field(T_CWND)).toBe(before);
});
