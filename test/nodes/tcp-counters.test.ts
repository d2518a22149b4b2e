import { describe, expect, it } from "vitest";
import { setFlowHook } from "../../src/app/flow-hook.js";
import {
  connecting,
  established,
  listening,
  pattern,
  ScriptedPeer,
  ScriptedStack,
} from "../transport/tcp/scripted-peer.js";
import { segmentFrame } from "../transport/tcp/segment-codec.js";

type Family = 4 | 6;
/** Plays a script; says which counters of which TCP nodes it must have hit. */
type Scenario = (family: Family) => [ScriptedStack, Record<string, readonly string[]>];

/** Counters that no segment can hit, and why. They stand in the lists for the twin of the other family. */
const UNREACHABLE = new Map([
  [
    "tcp4-reset lookup_drops",
    "ip4-local has dropped unicast packets in link-layer multicasts, the nodes before resets",
  ],
]);

/** Connections in ESTABLISHED (tcp-established) and in FIN_WAIT_2, where the application still reads (tcp-rcv-process). */
function receiving(family: Family, isOpen: boolean, options = {}, peerOptions = {}): [ScriptedPeer, ScriptedStack] {
  const [peer, host] = established({ family, ...options }, peerOptions);
  if (!isOpen) {
    host.session.halfClose();
    host.settle();
    peer.send({ flags: "A" });
  }
  return [peer, host];
}

const SYNCHRONIZED: readonly (readonly [string, (family: Family, isOpen: boolean) => [ScriptedStack, string[]]])[] = [
  [
    "data in order, out of order, old, outside",
    (family, isOpen) => {
      const [peer, host] = receiving(family, isOpen);
      peer.send({ flags: "UA", data: 10 });
      peer.send({ flags: "A", seq: 21, data: 10 });
      peer.send({ flags: "A", seq: 1, data: 10 });
      peer.send({ flags: "A", seq: 900_000, data: 10 });
      peer.send({ flags: "P", seq: 11, data: 10 });
      return [host, ["enqueued", "enqueued_ooo", "segment_old", "segment_invalid", "no_ack"]];
    },
  ],
  [
    "resets and SYNs",
    (family, isOpen) => {
      const [peer, host] = receiving(family, isOpen, { tcp: { challengeAcksPerSecond: 1 } });
      host.pass(1000);
      peer.send({ flags: "R", seq: 5 });
      peer.send({ flags: "S", seq: 5 });
      peer.send({ flags: "R", seq: 1 });
      return [host, ["rst_challenged", "spurious_syn", "challenge_limited", "rst_rcvd"]];
    },
  ],
  [
    "timestamps that are old or missing",
    (family, isOpen) => {
      const [peer, host] = receiving(family, isOpen, {}, { timestamps: true });
      peer.send({ flags: "A", ts: peer.tsNow - 1000, data: 5 });
      peer.send({ flags: "A", seq: 1, ts: false, data: 5 });
      return [host, ["paws", "no_timestamp"]];
    },
  ],
  [
    "a full fifo, and a FIN",
    (family, isOpen) => {
      const [peer, host] = receiving(family, isOpen, { rxFifoBytes: 1000 });
      peer.send({ flags: "A", data: 1000 });
      peer.send({ flags: "A", data: 1 });
      host.session.drop(1000);
      host.settle();
      peer.send({ flags: "FA", seq: 1001 });
      return [host, ["zero_rwnd", "fin_rcvd"]];
    },
  ],
  [
    "ACKs: new, duplicate, old, of the future, of long ago",
    (family, isOpen) => {
      const [peer, host] = established({ family }, { win: 1000, mss: 500 });
      host.session.write(pattern(0, 2000));
      if (!isOpen) host.session.halfClose();
      host.settle();
      peer.send({ flags: "A", ack: 501 });
      peer.send({ flags: "A", ack: 501 });
      peer.send({ flags: "A", ack: 1 });
      peer.send({ flags: "A", ack: 5000 });
      peer.send({ flags: "A", ack: -5000 });
      for (let i = 0; i < 2; i++) peer.send({ flags: "A", ack: 5000 });
      return [host, ["ack_ok", "ack_dup", "ack_old", "ack_future", "ack_invalid", "answer_limited"]];
    },
  ],
  [
    "a retransmission that was for nothing, by the echoed timestamp",
    (family, isOpen) => {
      const [peer, host] = established({ family }, { timestamps: true });
      const sentMs = peer.tsRecent;
      host.session.write(pattern(0, 1000));
      if (!isOpen) host.session.halfClose();
      host.settle();
      host.pass(250);
      peer.send({ flags: "A", ack: isOpen ? 1001 : 1002, ts: [peer.tsNow, sentMs] });
      return [host, ["spurious_retransmit"]];
    },
  ],
  [
    "no fifo memory",
    (family, isOpen) => {
      const options = { limits: { fifoBytes: 64 << 10 }, rxFifoBytes: 60_000, session: { maxSessions: 8 } };
      const [hoarder, host] = established({ family, ...options });
      while (hoarder.nxt < 30_000) hoarder.send({ flags: "A", data: 1000 });
      const peer = new ScriptedPeer(host, { port: 5000 });
      peer.open();
      if (!isOpen) {
        host.session.halfClose();
        host.settle();
        peer.send({ flags: "A" });
      }
      for (let i = 0; i < 40; i++) peer.send({ flags: "A", data: 1000 });
      const { ack } = peer.takeAll().at(-1) ?? { ack: 1 };
      peer.send({ flags: "A", seq: ack, data: 1000 });
      return [host, ["partially_enqueued", "fifo_full"]];
    },
  ],
];

const SCENARIOS: readonly (readonly [string, Scenario])[] = [
  [
    "tcp-input: a SYN of an undecided flow that cannot be kept",
    (family) => {
      const [peer, host] = listening({ family, mtu: 9000 });
      setFlowHook(host.stack.host.sessions, "default", "", () => "later");
      peer.send({ flags: "S", data: 3000 });
      return [host, { input: ["undecided"] }];
    },
  ],
  [
    "tcp-input: no listener, a stray reset, bad sources, bad lengths",
    (family) => {
      const [peer, host] = listening({ family });
      const stray = new ScriptedPeer(host, { localPort: 99 });
      stray.send({ flags: "S" }).send({ flags: "R" });
      const frame = peer.frame({ flags: "S" });
      const at = family === 4 ? 34 : 54;
      frame[at + 12] = 0x40;
      // One's complement: the sum loses 0x1000, the checksum gains it.
      const sum = (((frame[at + 16] << 8) | frame[at + 17]) + 0x1000) % 0xffff;
      frame[at + 16] = sum >> 8;
      frame[at + 17] = sum & 255;
      host.receive(frame);
      // To a group (MUST-57).
      const destination = family === 4 ? "255.255.255.255" : "ff02::1";
      const syn = { flags: "S", seq: 0, ack: 0, window: 1000, urgent: 0, options: [], data: new Uint8Array(0) };
      const toGroup = segmentFrame({ ...peer.tuple, destination }, syn);
      toGroup.set(family === 4 ? [255, 255, 255, 255, 255, 255] : [0x33, 0x33, 0, 0, 0, 1]);
      host.receive(toGroup);
      const input = ["no_listener", "lookup_drops", "length", "bad_source"];
      return [host, { input, reset: ["rst_sent"] }];
    },
  ],
  [
    "tcp-input: filtered by a rule",
    (family) => {
      const [peer, host] = listening({ family, session: { rtBackend: "rule-table", maxRules: 1 } });
      const local = family === 4 ? "0.0.0.0/0" : "::/0";
      host.stack.apply({ kind: "rule", add: true, proto: "tcp", local, action: "drop" });
      peer.send({ flags: "S" });
      return [host, { input: ["filtered"] }];
    },
  ],
  [
    "tcp-input: a segment to itself, and no buffer for it",
    (family) => {
      const host = new ScriptedStack({ family, offloads: { checksum: true, tso: true, uso: true } });
      host.listen(80);
      host.app.connect(family === 4 ? "tcp://198.18.0.2/80" : "tcp://2001:db8::2/80").catch(() => {});
      host.settle();
      const [client] = host.sessions;
      const { pool } = host.stack.host;
      const held: number[] = [];
      while (pool.freeSmall > 1) held.push(pool.alloc());
      while (pool.freeLarge > 0) held.push(pool.allocLarge());
      client.write(pattern(0, 1000));
      host.settle();
      for (const b of held) pool.free(b);
      return [host, { input: ["no_buffer"] }];
    },
  ],
  [
    "tcp-listen: everything but a good SYN, and limits",
    (family) => {
      const host = new ScriptedStack({ family, tcp: { maxConnections: 2 } });
      host.listen(80, 2);
      const peers = [1, 2, 3].map((i) => new ScriptedPeer(host, { port: 5000 + i }));
      peers[0].send({ flags: "R" }).send({ flags: "A" }).send({ flags: "F" });
      const { pool } = host.stack.host;
      const held: number[] = [];
      while (pool.freeSmall > 1) held.push(pool.alloc());
      peers[0].send({ flags: "S" });
      for (const b of held) pool.free(b);
      peers[1].send({ flags: "S" });
      const narrow = new ScriptedPeer(host, { localPort: 80, port: 6000 });
      peers[2].send({ flags: "S" });
      narrow.send({ flags: "S" });
      return [
        host,
        { listen: ["lookup_drops", "ack_invalid", "dispatch", "syns_rcvd", "no_buffer", "create_session_fail"] },
      ];
    },
  ],
  [
    "tcp-listen: the backlog",
    (family) => {
      const host = new ScriptedStack({ family });
      host.listen(80, 0);
      new ScriptedPeer(host).send({ flags: "S" });
      return [host, { listen: ["backlog_full"] }];
    },
  ],
  [
    "tcp-listen: cookies",
    (family) => {
      const host = new ScriptedStack({ family });
      host.listen(80, 1);
      const peers = [1, 2, 3].map((n) => new ScriptedPeer(host, { port: 5000 + n }));
      for (const peer of peers) peer.send({ flags: "S" }).expect({ flags: "SA" });
      peers[1].send({ flags: "A" });
      peers[2].send({ flags: "A", ack: 2 }).takeAll();
      return [host, { listen: ["syn_cookies_sent", "syn_cookies_rcvd", "syn_cookies_failed"] }];
    },
  ],
  [
    "tcp-syn-sent: bad ACKs and resets, no SYN, a SYN, a SYN-ACK",
    (family) => {
      const [peer, host] = connecting({ family });
      peer.expect({ flags: "S" });
      peer.send({ flags: "A", seq: 9, ack: 9 }).send({ flags: "R", seq: 9 }).send({ flags: "A", seq: 9, ack: 1 });
      peer.send({ flags: "RA", ack: 1 });
      for (const flags of ["SA", "S"]) {
        host.connect(80);
        const next = new ScriptedPeer(host, { port: 81, localPort: 0 });
        host.connect(81);
        next.expect({ flags: "S" });
        next.send({ flags });
      }
      const symbols = ["ack_invalid", "segment_invalid", "dispatch", "rst_rcvd", "syn_acks_rcvd", "syns_rcvd"];
      return [host, { "syn-sent": symbols }];
    },
  ],
  [
    "tcp-syn-sent: no fifos, no buffer",
    (family) => {
      const host = new ScriptedStack({ family, session: { maxSessions: 2 } });
      const { fifos, pool } = host.stack.host;
      const first = new ScriptedPeer(host, { port: 81, localPort: 0 });
      host.connect(81);
      first.expect({ flags: "S" });
      const taken = [1, 2, 3, 4].map(() => fifos.allocFifo(1000));
      first.send({ flags: "SA" });
      for (const fifo of taken) fifos.freeFifo(fifo);
      const second = new ScriptedPeer(host, { port: 82, localPort: 0 });
      host.connect(82);
      second.expect({ flags: "S" });
      const held: number[] = [];
      while (pool.freeSmall > 1) held.push(pool.alloc());
      second.send({ flags: "S" });
      for (const b of held) pool.free(b);
      return [host, { "syn-sent": ["create_session_fail", "rst_sent", "no_buffer"] }];
    },
  ],
  [
    "tcp-rcv-process: accepted, or not for want of a session",
    (family) => {
      const host = new ScriptedStack({ family, session: { maxSessions: 2 } });
      host.listen();
      const peers = [1, 2].map((i) => new ScriptedPeer(host, { port: 5000 + i }));
      for (const peer of peers) peer.send({ flags: "S" }).expect({ flags: "SA" });
      for (const peer of peers) peer.send({ flags: "A" });
      return [host, { "rcv-process": ["conn_accepted", "create_session_fail", "rst_sent"] }];
    },
  ],
  [
    "tcp-rcv-process: data after close, with and without a buffer for the reset",
    (family) => {
      const [peer, host] = established({ family });
      const other = new ScriptedPeer(host, { port: 5000 });
      other.open();
      for (const session of host.sessions) session.close();
      host.settle();
      peer.send({ flags: "A", ack: 1, data: 5 });
      const { pool } = host.stack.host;
      const held: number[] = [];
      while (pool.freeSmall > 1) held.push(pool.alloc());
      other.send({ flags: "A", ack: 1, data: 5 });
      for (const b of held) pool.free(b);
      return [host, { "rcv-process": ["connection_closed", "rst_sent", "no_buffer"] }];
    },
  ],
  [
    "tcp-rcv-process: TIME_WAIT gives way, and what follows in the same vector",
    (family) => {
      const [peer, host] = established({ family });
      host.session.close();
      host.settle();
      peer.send({ flags: "FA" });
      host.together(() => {
        peer.send({ flags: "S", seq: 1000 });
        peer.send({ flags: "S", seq: 1000 });
      });
      return [host, { "rcv-process": ["time_wait_reuse", "dispatch"] }];
    },
  ],
  [
    "tcp-output: sent, reset, no buffer",
    (family) => {
      const [, host] = established({ family });
      const giveBack = host.exhaustPackets();
      host.session.write(pattern(0, 10));
      host.settle();
      giveBack();
      host.pass(1000);
      host.session.reset();
      host.settle();
      return [host, { output: ["pkts_sent", "no_buffer", "rst_sent"] }];
    },
  ],
  [
    "tcp-established: a lack of buffers is noted with the next segment",
    (family) => {
      const [peer, host] = established({ family });
      const { pool } = host.stack.host;
      const held: number[] = [];
      while (pool.freeSmall > 0) held.push(pool.alloc());
      host.session.write(pattern(0, 10));
      host.settle();
      for (const b of held) pool.free(b);
      peer.send({ flags: "A" });
      return [host, { established: ["no_buffer"] }];
    },
  ],
  [
    "tcp-reset: no buffer; nothing for link-layer multicasts",
    (family) => {
      const [, host] = listening({ family });
      const stray = new ScriptedPeer(host, { localPort: 99 });
      const { pool } = host.stack.host;
      const held: number[] = [];
      while (pool.freeSmall > 1) held.push(pool.alloc());
      stray.send({ flags: "S" });
      for (const b of held) pool.free(b);
      const active = new ScriptedPeer(host, { port: 81, localPort: 0 });
      host.connect(81);
      active.expect({ flags: "S" });
      const frame = active.frame({ flags: "A", seq: 5, ack: 9 });
      frame.set([0x33, 0x33, 0, 0, 0, 1]);
      host.receive(frame);
      active.expectNothing();
      return [host, { reset: family === 6 ? ["no_buffer", "lookup_drops"] : ["no_buffer"] }];
    },
  ],
];

const counted = new Set<string>();
let forms: readonly { readonly name: string; readonly errors: readonly { readonly symbol: string }[] }[] = [];

function note(host: ScriptedStack): void {
  forms = host.stack.engine.forms().filter(({ name }) => /^tcp[46]-/u.test(name));
  for (const { node, symbol } of host.stack.engine.errors()) counted.add(`${node} ${symbol}`);
}

describe.each([4, 6] as const)("counters of the TCP nodes over IPv%i", (family) => {
  it.each(SCENARIOS)("%s", (_name, scenario) => {
    const [host, expected] = scenario(family);
    note(host);
    for (const [node, symbols] of Object.entries(expected)) {
      expect(Object.keys(host.errors(node))).toEqual(expect.arrayContaining([...symbols]));
    }
  });

  describe.each([true, false])("tcp-established %s, otherwise tcp-rcv-process", (isOpen) => {
    it.each(SYNCHRONIZED)("%s", (_name, scenario) => {
      const [host, symbols] = scenario(family, isOpen);
      note(host);
      const found = Object.keys(host.errors(isOpen ? "established" : "rcv-process"));
      expect(found).toEqual(expect.arrayContaining(symbols));
    });
  });
});

it("leave none out", () => {
  const all = forms.flatMap(({ name, errors }) => errors.map(({ symbol }) => `${name} ${symbol}`));
  const missed = all.filter((each) => !counted.has(each) && !UNREACHABLE.has(each));
  const wrong = [...UNREACHABLE.keys()].filter((each) => counted.has(each) || !all.includes(each));
  expect({ missed, wrong }).toEqual({ missed: [], wrong: [] });
  expect(forms).toHaveLength(14);
});
