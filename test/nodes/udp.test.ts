import { beforeEach, describe, expect, test } from "vitest";
import type { LocalApp } from "../../src/app/local-app.js";
import type { AppCallbacks } from "../../src/app/callbacks.js";
import type { Session } from "../../src/app/session.js";
import {
  F_CHECKSUM_PARTIAL,
  F_IP6,
  F_L3_MULTICAST,
  F_LOCAL_ORIGIN,
  F_NO_CHECKSUM_OFFLOAD,
  GSO_UDP,
  M_CONN,
  M_FIB,
  M_FLAGS,
  M_L3,
  M_L4,
  M_LEN,
  M_DATA,
} from "../../src/graph/packet-pool.js";
import { ICMP_HOST_UNREACHABLE, ICMP_PORT_UNREACHABLE } from "../../src/ip/icmp-error-sink.js";
import { SESSION_ERRORS } from "../../src/session/session-errors.js";
import { checksumPseudo4, checksumPseudo6 } from "../../src/wire/checksum.js";
import { ip4Check, IP4_OK } from "../../src/wire/ip4.js";
import { type Sent, UdpHarness, udpPacket } from "./session-harness.js";

const US4 = [10, 0, 0, 1];
const US4B = [10, 0, 0, 2];
const PEER4 = [10, 0, 0, 9];
const US6 = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
const PEER6 = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9];

const text = (value: string): Uint8Array => Uint8Array.from(value, (char) => char.charCodeAt(0));
const textOf = (bytes: Uint8Array): string => String.fromCharCode(...bytes);
const nameOf = (value: number): string => (value < 0 ? SESSION_ERRORS[-value].name : `ok ${value}`);

let h: UdpHarness;
let heard: string[];

async function attach(callbacks: AppCallbacks = {}): Promise<LocalApp> {
  return h.server.attach(
    { name: "udp" },
    {
      accept: (session) => void heard.push(`accept ${session.remote?.address}:${session.remote?.port}`),
      reset: (_session, error) => void heard.push(`reset ${error.code}`),
      disconnect: () => void heard.push("disconnect"),
      cleanup: (_session, phase) => void heard.push(`cleanup ${phase}`),
      ...callbacks,
    },
  );
}

beforeEach(() => {
  h = new UdpHarness();
  heard = [];
});

/** Every datagram that waits in a session: `sender>text`. */
function drain(session: Session): string[] {
  const found: string[] = [];
  const bytes = new Uint8Array(70_000);
  for (let n = session.readDatagram(bytes); n >= 0; n = session.readDatagram(bytes)) {
    found.push(`${session.datagram.remotePort}>${textOf(bytes.subarray(0, Math.min(n, 20)))}`);
  }
  return found;
}

/** A sent packet taken apart, after checks of what every one must have. */
function check(packet: Sent): { src: number[]; dst: number[]; ports: number[]; payload: string; id: number } {
  const { bytes, meta } = packet;
  const dv = new DataView(bytes.buffer);
  const isIp6 = bytes[0] >>> 4 === 6;
  const header = isIp6 ? 40 : 20;
  expect(meta[M_L3]).toBe(meta[M_DATA]);
  expect(meta[M_L4]).toBe(meta[M_DATA] + header);
  expect(meta[M_DATA] % 4).toBe(0);
  expect(meta[M_FIB]).toBe(0);
  expect(meta[M_FLAGS]).toBe(F_LOCAL_ORIGIN | F_CHECKSUM_PARTIAL | (isIp6 ? F_IP6 : 0));
  expect(dv.getUint16(header + 4)).toBe(meta[M_LEN] - header);
  const ipLength = isIp6 ? dv.getUint16(4) + 40 : dv.getUint16(2);
  expect(ipLength).toBe(meta[M_LEN]);
  expect(isIp6 ? IP4_OK : ip4Check(dv, 0, bytes.length)).toBe(IP4_OK);
  expect(isIp6 ? [bytes[6], bytes[7]] : [bytes[9], bytes[8]]).toEqual([17, 64]);
  const length = meta[M_LEN] - header;
  const sum = isIp6 ? checksumPseudo6(dv, 0, 17, length) : checksumPseudo4(dv, 0, 17, length);
  expect(dv.getUint16(header + 6)).toBe(sum);
  return {
    src: [...bytes.subarray(isIp6 ? 8 : 12, isIp6 ? 24 : 16)],
    dst: [...bytes.subarray(isIp6 ? 24 : 16, isIp6 ? 40 : 20)],
    ports: [dv.getUint16(header), dv.getUint16(header + 2)],
    payload: textOf(bytes.subarray(header + 8, header + 28)),
    id: isIp6 ? 0 : dv.getUint16(4),
  };
}

describe.each([
  [
    "ip4",
    "udp://0.0.0.0/53",
    US4,
    PEER4,
    "10.0.0.9",
    "udp4-input",
    "ip4-lookup",
    "ip4-icmp-error",
    (3 << 24) | (3 << 16),
  ],
  [
    "ip6",
    "udp://[::]:53",
    US6,
    PEER6,
    "2001:db8::9",
    "udp6-input",
    "ip6-lookup",
    "ip6-icmp-error",
    (1 << 24) | (4 << 16),
  ],
] as const)("%s", (_name, any, us, peer, peerText, input, lookup, icmp, unreachable) => {
  test("a listener hears every peer, and answers each from the address it asked", async () => {
    const rx: string[] = [];
    const app = await attach({
      rx: (session) => {
        const bytes = new Uint8Array(100);
        for (let n = session.readDatagram(bytes); n >= 0; n = session.readDatagram(bytes)) {
          rx.push(`${session.datagram.remotePort} ${textOf(bytes.subarray(0, n))}`);
          session.reply(text("re:"), 0, 3);
        }
      },
    });
    await app.listen(any);
    h.arrive(udpPacket(peer, us, [1000, 53], text("one")));
    h.arrive(udpPacket(peer, us, [1001, 53], text("two")));
    h.arrive(udpPacket(peer, us, [0, 53], text("")));
    h.run();
    expect(rx).toEqual(["1000 one", "1001 two", "0 "]);
    const sent = h.caught(lookup).map(check);
    expect(sent.map(({ ports }) => ports)).toEqual([
      [53, 1000],
      [53, 1001],
    ]);
    expect(sent[0]).toMatchObject({ src: us, dst: peer, payload: "re:" });
    expect(h.pool.inUse()).toEqual([]);
  });

  test("nobody listens: port unreachable for a packet as it came, but not to groups", async () => {
    const packet = udpPacket(peer, us, [1000, 54], text("x"));
    h.arrive(packet);
    h.arrive(packet, { flags: F_L3_MULTICAST });
    h.run();
    const [request, ...others] = h.caught(icmp);
    expect(others).toEqual([]);
    expect(request.bytes).toEqual(packet);
    expect(request.meta[M_CONN]).toBe(unreachable);
    expect(h.counters(input)).toEqual({ no_listener: 1, no_group_listener: 1 });
    expect(h.pool.inUse()).toEqual([]);
  });

  test("lengths that lie are counted and dropped; bytes behind the datagram are not delivered", async () => {
    const app = await attach();
    const { session } = await app.listen(any);
    for (const length of [0, 7, 12, 65535]) h.arrive(udpPacket(peer, us, [1, 53], text("abc"), { length }));
    h.arrive(udpPacket(peer, us, [1, 53], text("abc")).subarray(0, us.length === 4 ? 27 : 47));
    h.run();
    expect(h.counters(input)).toEqual({ bad_length: 5 });
    h.arrive(udpPacket(peer, us, [1, 53], text("abc"), { length: 10 }));
    h.arrive(udpPacket(peer, us, [1, 53], text("abc"), { length: 8 }));
    h.arrive(udpPacket(peer, us, [1, 53], text("abcdef"), { length: 13 }), { tails: [3, 2] });
    h.run();
    expect(drain(session)).toEqual(["1>ab", "1>", "1>abcde"]);
    expect(h.pool.inUse()).toEqual([]);
  });

  test("a checksum of 0: right over IPv4, refused over IPv6", async () => {
    const app = await attach();
    const { session } = await app.listen(any);
    h.arrive(udpPacket(peer, us, [1, 53], text("abc"), { checksum: 0 }));
    h.run();
    expect(drain(session)).toEqual(us.length === 4 ? ["1>abc"] : []);
    expect(h.counters(input)).toEqual(us.length === 4 ? {} : { no_checksum: 1 });
  });

  test("a superframe is the datagrams it was made of, across head and tails", async () => {
    const app = await attach();
    const { session } = await app.listen(any);
    h.arrive(udpPacket(peer, us, [1, 53], text("aaabbbcccd")), { gso: (GSO_UDP << 16) | 3, tails: [4, 2] });
    h.run();
    expect(drain(session)).toEqual(["1>aaa", "1>bbb", "1>ccc", "1>d"]);
  });

  test("a full fifo loses datagrams, whole ones, and counts them", async () => {
    h = new UdpHarness({ rxFifoBytes: 1010 });
    const app = await attach();
    const { session } = await app.listen(any);
    for (let i = 0; i < 10; i++) h.arrive(udpPacket(peer, us, [i, 53], new Uint8Array(200)));
    h.run();
    expect(drain(session).map((line) => line.split(">")[0])).toEqual(["0", "1", "2", "3"]);
    expect(h.counters(input)).toEqual({ fifo_full: 6 });
    h.arrive(udpPacket(peer, us, [77, 53], text("again")));
    h.run();
    expect(drain(session)).toEqual(["77>again"]);
  });

  test("connect: datagrams of its peer only, sent from a port of its own", async () => {
    const app = await attach();
    const host = peer.length === 4 ? peerText : `[${peerText}]`;
    const connecting = app.connect(`udp://${host}:9`);
    h.run();
    const session = await connecting;
    expect(session.remote).toEqual({ address: peerText, port: 9, family: peer.length === 4 ? 4 : 6 });
    expect(session.writeDatagram(text("hello"))).toBe(5);
    expect(session.writeDatagram(text(""))).toBe(0);
    h.run();
    const sent = h.caught(lookup).map(check);
    const port = session.local?.port ?? 0;
    expect(sent).toMatchObject([
      { src: us, dst: peer, ports: [port, 9], payload: "hello" },
      { src: us, dst: peer, ports: [port, 9], payload: "" },
    ]);
    // Fragments of the two could not be told apart otherwise; IPv6 has no identification.
    expect(sent[0].id !== sent[1].id).toBe(us.length === 4);
    h.arrive(udpPacket(peer, us, [9, port], text("mine")));
    h.arrive(udpPacket(peer, us, [10, port], text("other")));
    h.run();
    expect(drain(session)).toEqual(["9>mine"]);
    expect(h.counters(input)).toEqual({ no_listener: 1 });
  });

  test("DSCP and hop limit are the session's, on connect and later; TCP's attributes are none", async () => {
    const app = await attach();
    const uri = `udp://${peer.length === 4 ? peerText : `[${peerText}]`}:9`;
    const connecting = app.connect(uri, { attributes: { dscp: 46, hopLimit: 9 } });
    h.run();
    const session = await connecting;
    const sent = (): number[] => {
      session.writeDatagram(text("x"));
      h.run();
      const [{ bytes }] = h.caught(lookup);
      const isIp6 = bytes[0] >>> 4 === 6;
      return isIp6 ? [((bytes[0] & 15) << 4) | (bytes[1] >> 4), bytes[7]] : [bytes[1], bytes[8]];
    };
    expect(sent()).toEqual([46 << 2, 9]);
    expect(session.setAttribute("hopLimit", 200)).toBe(0);
    expect(session.setAttribute("dscp", 1)).toBe(0);
    expect([session.attribute("dscp"), session.attribute("hopLimit")]).toEqual([1, 200]);
    expect(sent()).toEqual([4, 200]);
    expect(nameOf(session.setAttribute("hopLimit", 0))).toBe("INVALID");
    expect(nameOf(session.setAttribute("noDelay", 1))).toBe("NOSUPPORT");
    expect(nameOf(session.attribute("keepalive"))).toBe("NOSUPPORT");
    expect(nameOf(session.writeUrgent(text("x")))).toBe("NOSUPPORT");
    const counts = { InDatagrams: 0, InOctets: 0, OutDatagrams: 2, OutOctets: 2, InErrors: 0 };
    expect(session.statistics()).toEqual(counts);
    await expect(app.connect(uri, { attributes: { dscp: 64 } })).rejects.toMatchObject({ sessionError: "INVALID" });
  });

  test("next node and checksum offload are the session's; a listener has its own", async () => {
    const app = await attach();
    const uri = `udp://${peer.length === 4 ? peerText : `[${peerText}]`}:9`;
    const family = us.length === 4 ? 4 : 6;
    const other = `ip${family}-icmp-error`;
    expect(h.engine.addNext(`udp${family}-output`, other)).toBe(1);
    const connecting = app.connect(uri, { attributes: { nextNode: 1, checksumOffload: 0, hopLimit: 9 } });
    h.run();
    const session = await connecting;
    const offload = (node: string): number[] => {
      session.writeDatagram(text("x"));
      h.run();
      return h.caught(node).map(({ bytes, meta }) => {
        expect(bytes[family === 4 ? 8 : 7]).toBe(9);
        return meta[M_FLAGS] & (F_CHECKSUM_PARTIAL | F_NO_CHECKSUM_OFFLOAD);
      });
    };
    expect(offload(other)).toEqual([F_CHECKSUM_PARTIAL | F_NO_CHECKSUM_OFFLOAD]);
    expect([session.attribute("nextNode"), session.attribute("checksumOffload")]).toEqual([1, 0]);
    for (const [name, value] of [
      ["nextNode", 0],
      ["checksumOffload", 1],
    ] as const) {
      expect([session.setAttribute(name, value), session.attribute(name)]).toEqual([0, value]);
    }
    expect(offload(lookup)).toEqual([F_CHECKSUM_PARTIAL]);
    expect(h.caught(other)).toEqual([]);
    expect(nameOf(session.setAttribute("nextNode", 2))).toBe("INVALID");
    // What is written before the end still goes there.
    session.setAttribute("nextNode", 1);
    session.writeDatagram(text("last"));
    session.close();
    h.run();
    expect(h.caught(other)).toHaveLength(1);
    const { session: listener } = await app.listen(any);
    expect(listener.setAttribute("nextNode", 1)).toBe(0);
    listener.sendTo(text("x"), peerText, 9);
    h.run();
    expect([h.caught(other).length, h.caught(lookup).length]).toEqual([1, 0]);
  });

  test("largest datagrams pass, larger ones are refused", async () => {
    h = new UdpHarness({ large: 2 });
    const app = await attach();
    const { session } = await app.listen(any);
    const largest = us.length === 4 ? 65507 : 65527;
    const words = Int32Array.from({ length: 4 }, (_, i) =>
      i * 4 < peer.length ? new DataView(Uint8Array.from(peer).buffer).getInt32(4 * i) : 0,
    );
    const to = { family: us.length === 4 ? (4 as const) : (6 as const), words };
    expect(nameOf(session.sendTo(new Uint8Array(largest + 1), to, 9) ?? 0)).toBe("INVALID");
    expect(session.sendTo(new Uint8Array(largest).fill(65), to, 9)).toBe(largest);
    h.run();
    const [packet] = h.caught(lookup);
    expect(packet.meta[M_LEN]).toBe(largest + 8 + (us.length === 4 ? 20 : 40));
    check(packet);
    expect(packet.bytes.subarray(-largest).every((byte) => byte === 65)).toBe(true);
  });

  test("a listener in connected mode makes a session per peer", async () => {
    const app = await attach({ disconnect: (session) => void session.close() });
    const sessions: Session[] = [];
    const other = await h.server.attach({ name: "other" }, { accept: (session) => void sessions.push(session) });
    await app.listen(any);
    const listener = await other.listen(any.replace("53", "54"), { connected: true });
    h.arrive(udpPacket(peer, us, [1, 54], text("a1")));
    h.arrive(udpPacket(peer, us, [2, 54], text("b1")));
    h.arrive(udpPacket(peer, us, [1, 54], text("a2")));
    h.run();
    expect(sessions.map(drain)).toEqual([["1>a1", "1>a2"], ["2>b1"]]);
    expect(sessions[0].writeDatagram(text("ok"))).toBe(2);
    sessions[0].close();
    h.run();
    expect(h.caught(lookup).map(check)).toMatchObject([{ ports: [54, 1], payload: "ok" }]);
    expect(sessions[0].state).toBe("gone");
    h.arrive(udpPacket(peer, us, [1, 54], text("a3")));
    h.run();
    expect(sessions.length).toBe(3);
    await listener.close();
    h.arrive(udpPacket(peer, us, [3, 54], text("c")));
    h.arrive(udpPacket(peer, us, [2, 54], text("b2")));
    h.run();
    expect(sessions.length).toBe(3);
    expect(drain(sessions[1])).toEqual(["2>b2"]);
    expect(h.counters(input)).toEqual({ no_listener: 1 });
  });

  test("no session has a group or broadcast address as its own", async () => {
    const accepted: Session[] = [];
    const app = await attach({ accept: (session) => void accepted.push(session) });
    await app.listen(any.replace("53", "54"), { connected: true });
    const toAll = us.length === 4 ? [10, 0, 0, 255] : [0xff, 2, ...new Array<number>(13).fill(0), 1];
    h.arrive(udpPacket(peer, toAll, [1, 54], text("all")), { flags: F_L3_MULTICAST });
    h.run();
    expect(accepted).toEqual([]);
    expect(h.counters(input)).toEqual({ no_group_listener: 1 });
  });
});

describe("ends", () => {
  const connect = async (app: LocalApp): Promise<Session> => {
    const connecting = app.connect("udp://10.0.0.9/9");
    h.run();
    return connecting;
  };

  test("port unreachable resets a connected session with ECONNREFUSED; softer errors do not", async () => {
    const app = await attach();
    const session = await connect(app);
    const c = h.sessions.connectionOf(session.index);
    h.udp.icmpError(c, ICMP_HOST_UNREACHABLE);
    h.run();
    expect(heard).toEqual([]);
    h.udp.icmpError(c, ICMP_PORT_UNREACHABLE);
    h.run();
    expect(heard).toEqual(["reset ECONNREFUSED", "cleanup transport", "cleanup session"]);
    expect(session.state).toBe("gone");
    expect(h.lookup.counts().established4).toBe(0);
    expect(h.udp.rows.used).toBe(0);
  });

  test("what was written before close is still sent, then all is freed", async () => {
    const app = await attach();
    const session = await connect(app);
    for (let i = 0; i < 40; i++) session.writeDatagram(text(`d${i}`));
    const port = session.local?.port ?? 0;
    session.close();
    h.arrive(udpPacket(PEER4, US4, [9, port], text("late")));
    h.run();
    expect(h.caught("ip4-lookup").map((packet) => check(packet).payload)).toEqual(
      Array.from({ length: 40 }, (_, i) => `d${i}`),
    );
    expect(heard).toEqual(["cleanup transport", "cleanup session"]);
    expect(h.counters("udp4-input")).toEqual({ not_ready: 1 });
    expect([h.udp.rows.used, h.sessions.table.used, h.fifos.stats().activeFifos]).toEqual([0, 0, 0]);
    expect(nameOf(session.writeDatagram(text("x")))).toBe("NOSESSION");
  });

  test("rows run out: ALLOC for connects, create_session for peers; both again when there are some", async () => {
    const sessions: Session[] = [];
    const app = await attach({ accept: (session) => void sessions.push(session) });
    await app.listen("udp://0.0.0.0/7", { connected: true });
    for (let i = 1; i <= 70; i++) h.arrive(udpPacket(PEER4, US4, [i, 7], text("x")));
    h.run();
    expect(sessions.length).toBe(63);
    expect(h.counters("udp4-input")).toEqual({ create_session: 7 });
    await expect(app.connect("udp://10.0.0.9/9")).rejects.toMatchObject({ sessionError: "ALLOC" });
    sessions[0].close();
    h.run();
    h.arrive(udpPacket(PEER4, US4, [70, 7], text("x")));
    h.run();
    expect(sessions.length).toBe(64);
  });

  test("without packet buffers datagrams are lost and counted; service resumes", async () => {
    h = new UdpHarness({ small: 2, large: 0 });
    const app = await attach();
    const { session } = await app.listen("udp://10.0.0.1/7");
    for (let i = 0; i < 5; i++) session.sendTo(text("x"), "10.0.0.9", 9);
    h.run();
    expect(h.caught("ip4-lookup").length).toBe(2);
    expect(h.counters("session-queue")).toMatchObject({ no_buffer: 3 });
    session.sendTo(text("y"), "10.0.0.9", 9);
    h.run();
    expect(h.caught("ip4-lookup").map((packet) => check(packet).payload)).toEqual(["y"]);
  });
});

describe("destinations", () => {
  test("without a route, and to nowhere: counted", async () => {
    const app = await attach();
    const { session } = await app.listen("udp://0.0.0.0/7");
    session.sendTo(text("x"), "203.0.113.1", 9);
    session.sendTo(text("x"), "0.0.0.0", 9);
    h.run();
    expect(h.counters("session-queue")).toMatchObject({ no_route: 1, bad_destination: 1 });
    expect(nameOf(session.sendTo(text("x"), "10.0.0.9", 0) ?? 0)).toBe("INVALID");
    expect(nameOf(session.writeDatagram(text("x")))).toBe("INVALID");
    expect(session.sendTo(text("x"), "nonsense", 9)).toBe(undefined);
  });

  test("answers leave from the address that was asked, when it is this host's; else from the routed one", async () => {
    const app = await attach({
      rx: (session) => {
        const bytes = new Uint8Array(10);
        while (session.readDatagram(bytes) >= 0) session.reply(text("r"));
      },
    });
    await app.listen("udp://0.0.0.0/7");
    h.arrive(udpPacket(PEER4, US4B, [1, 7], text("x")));
    h.arrive(udpPacket(PEER4, [10, 0, 0, 255], [2, 7], text("x")), { flags: F_L3_MULTICAST });
    h.arrive(udpPacket(PEER4, US4B, [3, 7], text("x")));
    h.run();
    expect(h.caught("ip4-lookup").map((packet) => check(packet).src)).toEqual([US4B, US4, US4B]);
  });

  test("a listener bound to an address sends from it only, and hears only it", async () => {
    const app = await attach();
    const { session } = await app.listen("udp://10.0.0.2/7");
    session.sendTo(text("x"), "10.0.0.9", 9);
    h.arrive(udpPacket(PEER4, US4, [1, 7], text("no")));
    h.arrive(udpPacket(PEER4, US4B, [1, 7], text("yes")));
    h.run();
    expect(h.caught("ip4-lookup").map((packet) => check(packet).src)).toEqual([US4B]);
    expect(drain(session)).toEqual(["1>yes"]);
  });

  test("a burst of senders takes turns: 32 packets each", async () => {
    const app = await attach();
    const first = (await app.listen("udp://10.0.0.1/7")).session;
    const second = (await app.listen("udp://10.0.0.1/8")).session;
    for (const session of [first, second]) {
      for (let i = 0; i < 80; i++) session.sendTo(text("x"), "10.0.0.9", 9);
    }
    h.run(1);
    expect(h.caught("ip4-lookup").map((packet) => check(packet).ports[0])).toEqual([
      ...new Array<number>(32).fill(7),
      ...new Array<number>(32).fill(8),
      ...new Array<number>(32).fill(7),
      ...new Array<number>(32).fill(8),
      ...new Array<number>(16).fill(7),
      ...new Array<number>(16).fill(8),
    ]);
    expect(h.sessions.nextExpiry(0)).toBe(-1);
  });

  test("tx is told once there is room again", async () => {
    h = new UdpHarness({ txFifoBytes: 500 });
    const tx: number[] = [];
    const app = await attach({ tx: (session) => void tx.push(session.writableBytes) });
    const { session } = await app.listen("udp://10.0.0.1/7");
    const results = [1, 2, 3].map(() => session.sendTo(new Uint8Array(180), "10.0.0.9", 9));
    expect(results).toEqual([180, 180, 0]);
    expect(nameOf(session.sendTo(new Uint8Array(453), "10.0.0.9", 9) ?? 0)).toBe("INVALID");
    h.run();
    expect(tx).toEqual([500]);
  });
});
