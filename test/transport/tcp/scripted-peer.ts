import { assert } from "vitest";
import { TCP_STATE_NAMES } from "../../../src/transport/tcp/connection.js";
import { C_STATE } from "../../../src/transport/transport.js";
import { type ScriptOptions, ScriptedStack, type SegmentReceiver } from "./scripted-stack.js";
import { be32, icmpErrorFrame, type ParsedSegment, optionsByKind, segmentFrame, type Tuple } from "./segment-codec.js";

export { FAMILIES, type ScriptOptions, ScriptedStack } from "./scripted-stack.js";

/** A segment that a script sends. Sequence numbers are relative: 0 is the SYN of its sender. */
export interface Send {
  /** Of the letters FSRPAUEC. */
  readonly flags: string;
  /** Default: next in order. */
  readonly seq?: number;
  /** Default, when flags has A: all that came in order. */
  readonly ack?: number;
  /** As in the header. Default: the peer's `win`. */
  readonly win?: number;
  readonly mss?: number;
  readonly wscale?: number;
  /** TSval, or both; false: none though negotiated. Default: a running one once negotiated. */
  readonly ts?: number | readonly [val: number, ecr: number] | false;
  /** Relative edges of SACK blocks; true: SACK permitted. */
  readonly sack?: readonly (readonly [start: number, end: number])[] | true;
  /** Further option bytes, behind the others. */
  readonly options?: readonly number[];
  /** The bytes, or how many of {@link pattern}. */
  readonly data?: number | string | Uint8Array;
  readonly urgent?: number;
}

/** A segment of the stack as scripts see it. Sequence numbers are relative. */
export interface Got {
  readonly flags: string;
  readonly seq: number;
  readonly ack: number;
  readonly win: number;
  readonly len: number;
  readonly data: Uint8Array;
  /** Text of the data. */
  readonly text: string;
  readonly mss: number | undefined;
  readonly wscale: number | undefined;
  readonly ts: readonly [val: number, ecr: number] | undefined;
  /** Relative edges of SACK blocks, in the order in which they came; undefined without the option. */
  readonly sack: readonly (readonly [start: number, end: number])[] | undefined;
  readonly sackPermitted: boolean;
  /** Segment size of a superframe, 0 of others. */
  readonly gso: number;
  /** Milliseconds since the script began. */
  readonly ms: number;
  readonly ipBytes: number;
  readonly dscp: number;
  readonly hopLimit: number;
  /** Urgent pointer as it stands. */
  readonly urgent: number;
  readonly options: readonly number[];
  /** The whole IP packet. */
  readonly packet: Uint8Array;
}

/** What a script expects of a segment: the fields it names. */
export type Expected = { readonly [K in keyof Got]?: Got[K] };

/** How a peer behaves where the script says nothing. */
export interface PeerOptions {
  /** Port of the stack; 0: whichever it connects from. */
  readonly localPort?: number;
  readonly port?: number;
  readonly address?: string;
  readonly iss?: number;
  readonly win?: number;
  readonly mss?: number | undefined;
  readonly wscale?: number;
  readonly timestamps?: boolean;
  /** Permits selective acknowledgements. */
  readonly sack?: boolean;
}

/** Byte `i` of every stream of these tests. */
export function patternByte(i: number): number {
  return (i * 7 + (i >> 8)) & 255;
}

const PATTERN = Uint8Array.from({ length: 1 << 17 }, (_, i) => patternByte(i));

/** Bytes [from, from + count) of the pattern stream. */
export function pattern(from: number, count: number): Uint8Array {
  if (from >= 0 && from + count <= PATTERN.length) return PATTERN.slice(from, from + count);
  return Uint8Array.from({ length: count }, (_, i) => patternByte(from + i));
}

/** Whether two arrays hold the same bytes; much faster than a general comparison. */
export function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

/** The far end of one connection, played by the test frame by frame. */
export class ScriptedPeer implements SegmentReceiver {
  readonly host: ScriptedStack;
  readonly port: number;
  readonly address: string;
  localPort: number;
  /** Absolute initial sequence numbers: the peer's and, once seen, the stack's. */
  readonly iss: number;
  theirIss = 0;
  win: number;
  /** Relative: next to send, and next expected. */
  nxt = 0;
  rcv = 0;
  hasTimestamps = false;
  /** The stack's TSval that was seen last. */
  tsRecent = 0;
  readonly #options: PeerOptions;
  readonly #got: Got[] = [];
  readonly #startUs: number;
  #synSeen = false;

  constructor(host: ScriptedStack, options: PeerOptions = {}) {
    this.host = host;
    this.#options = options;
    this.port = options.port ?? 4000;
    this.localPort = options.localPort ?? 80;
    this.address = options.address ?? host.peerAddress;
    this.iss = options.iss ?? 1_000_000;
    this.win = options.win ?? 65535;
    this.#startUs = host.clock.nowUs();
    host.receivers.push(this);
  }

  receive(segment: ParsedSegment, timeUs: number, gso: number): boolean {
    if (segment.destinationPort !== this.port) return false;
    if (this.localPort === 0 && segment.flags.includes("S")) this.localPort = segment.sourcePort;
    if (segment.sourcePort !== this.localPort) return false;
    const { flags, data } = segment;
    if (flags.includes("S")) {
      if (!this.#synSeen) this.rcv = 1;
      this.theirIss = segment.seq;
      this.#synSeen = true;
    }
    const seq = (segment.seq - this.theirIss) | 0;
    const len = data.length + (flags.includes("F") ? 1 : 0);
    if (seq <= this.rcv && seq + len > this.rcv && !flags.includes("R")) this.rcv = seq + len;
    const options = optionsByKind(segment.options);
    const word = (bytes: readonly number[], at: number): number =>
      (bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3];
    const stamps = options.get(8);
    const mss = options.get(2);
    const blocks = options.get(5);
    const relative = (bytes: readonly number[], at: number): number => (word(bytes, at) - this.iss) | 0;
    if (stamps !== undefined) this.tsRecent = word(stamps, 0);
    this.#got.push({
      flags,
      seq: this.#synSeen ? seq : segment.seq,
      ack: flags.includes("A") ? (segment.ack - this.iss) | 0 : 0,
      win: segment.window,
      len: data.length,
      data,
      text: new TextDecoder().decode(data),
      mss: mss === undefined ? undefined : (mss[0] << 8) | mss[1],
      wscale: options.get(3)?.[0],
      ts: stamps === undefined ? undefined : [word(stamps, 0), word(stamps, 4)],
      sack:
        blocks === undefined
          ? undefined
          : Array.from({ length: blocks.length / 8 }, (_, i) => [relative(blocks, 8 * i), relative(blocks, 8 * i + 4)]),
      sackPermitted: options.has(4),
      gso,
      ms: (timeUs - this.#startUs) / 1000,
      ipBytes: segment.ipBytes,
      dscp: segment.dscp,
      hopLimit: segment.hopLimit,
      urgent: segment.urgent,
      options: segment.options,
      packet: segment.packet,
    });
    return true;
  }

  get tuple(): Tuple {
    return {
      family: this.host.family,
      source: this.address,
      destination: this.host.address,
      sourcePort: this.port,
      destinationPort: this.localPort,
    };
  }

  /** The frame of a segment, as {@link send} would send it. */
  frame(send: Send): Uint8Array {
    const { flags } = send;
    const seq = send.seq ?? this.nxt;
    const data =
      typeof send.data === "number"
        ? pattern(seq - 1, send.data)
        : typeof send.data === "string"
          ? new TextEncoder().encode(send.data)
          : (send.data ?? new Uint8Array(0));
    const ack = send.ack ?? (flags.includes("A") ? this.rcv : undefined);
    const end = seq + data.length + (flags.includes("S") ? 1 : 0) + (flags.includes("F") ? 1 : 0);
    if (!flags.includes("R") && end > this.nxt) this.nxt = end;
    return segmentFrame(this.tuple, {
      flags,
      seq: (this.iss + seq) | 0,
      ack: ack === undefined ? 0 : (this.theirIss + ack) | 0,
      window: send.win ?? Math.min(this.win, 65535),
      urgent: send.urgent ?? 0,
      options: this.#optionBytes(send),
      data,
    });
  }

  #optionBytes(send: Send): number[] {
    const bytes: number[] = [];
    if (send.mss !== undefined) bytes.push(2, 4, send.mss >> 8, send.mss & 255);
    if (send.wscale !== undefined) bytes.push(1, 3, 3, send.wscale);
    const ts = send.ts ?? (this.hasTimestamps && !send.flags.includes("R") ? this.tsNow : false);
    if (ts !== false) {
      const [val, ecr] = typeof ts === "number" ? [ts, this.tsRecent] : ts;
      bytes.push(1, 1, 8, 10, ...be32(val), ...be32(ecr));
    }
    if (send.sack === true) bytes.push(1, 1, 4, 2);
    else if (send.sack !== undefined) {
      bytes.push(1, 1, 5, 2 + 8 * send.sack.length);
      for (const edge of send.sack.flat()) bytes.push(...be32((this.theirIss + edge) | 0));
    }
    return [...bytes, ...(send.options ?? [])];
  }

  /** The peer's timestamp clock. */
  get tsNow(): number {
    return (Math.floor(this.host.clock.nowUs() / 1000) + 700_000) | 0;
  }

  /** Sends a segment; the stack does what it can. */
  send(send: Send): this {
    this.host.receive(this.frame(send));
    return this;
  }

  /** Sends an ICMP error about a packet of the stack. */
  sendIcmp(type: number, code: number, packet: Uint8Array, word = 0): this {
    this.host.receive(icmpErrorFrame(this.tuple, type, code, packet, word));
    return this;
  }

  /** Takes the next segment of the stack, which must be there and have the fields named. */
  expect(expected: Expected): Got {
    const got = this.#got.shift();
    if (got === undefined) {
      assert.fail(`nothing was sent; expected ${JSON.stringify(expected)}, state ${this.state}`);
    }
    const named = Object.fromEntries(Object.keys(expected).map((key) => [key, got[key as keyof Got]]));
    const { flags, seq, ack, win, len } = got;
    assert.deepEqual(named, expected, `${flags} seq ${seq} ack ${ack} win ${win} len ${len}`);
    return got;
  }

  /** The stack has sent nothing more. */
  expectNothing(): void {
    const left = this.#got.map(({ flags, seq, ack, len, win }) => ({ flags, seq, ack, len, win }));
    assert.deepEqual(left, []);
  }

  /** Takes all that the stack has sent since it was last asked. */
  takeAll(): Got[] {
    return this.#got.splice(0);
  }

  /** Word index of the connection's row in the stack; -1 when it has none. */
  get row(): number {
    return this.host.rowOf(this.localPort, this.port);
  }

  /** The stack's state of the connection; CLOSED when it has none. */
  get state(): string {
    const r = this.row;
    return r < 0 ? "CLOSED" : TCP_STATE_NAMES[this.host.core.window.i32[r + C_STATE]];
  }

  /** A word of the connection's row. */
  field(field: number): number {
    return this.host.core.window.i32[this.row + field];
  }

  /** SYN options by the peer's own. */
  get synOptions(): Pick<Send, "mss" | "wscale" | "ts" | "sack"> {
    const { mss = 1460, wscale, timestamps = false, sack = false } = this.#options;
    return {
      ...("mss" in this.#options && this.#options.mss === undefined ? {} : { mss }),
      ...(wscale === undefined ? {} : { wscale }),
      ...(timestamps ? { ts: [this.tsNow, 0] as const } : {}),
      ...(sack ? { sack: true as const } : {}),
    };
  }

  /** The handshake from the peer's side: SYN, SYN-ACK, ACK. Returns the SYN-ACK. */
  open(): Got {
    this.send({ flags: "S", ...this.synOptions });
    const answer = this.expect({ flags: "SA", seq: 0, ack: 1 });
    this.hasTimestamps = answer.ts !== undefined;
    this.send({ flags: "A" });
    this.expectNothing();
    assert.equal(this.state, "ESTABLISHED");
    return answer;
  }

  /** The handshake from the stack's side, its connect() being called already. Returns its SYN. */
  accept(): Got {
    const syn = this.expect({ flags: "S", seq: 0 });
    this.hasTimestamps = syn.ts !== undefined && this.#options.timestamps === true;
    this.send({ flags: "SA", ...this.synOptions });
    this.expect({ flags: "A", seq: 1, ack: 1 });
    assert.equal(this.state, "ESTABLISHED");
    return syn;
  }
}

/** A stack that listens on port 80, and a peer. */
export function listening(options: ScriptOptions = {}, peer: PeerOptions = {}): [ScriptedPeer, ScriptedStack] {
  const host = new ScriptedStack(options);
  host.listen();
  return [new ScriptedPeer(host, peer), host];
}

/** A connection that the peer opened; the application's log is empty. */
export function established(options: ScriptOptions = {}, peer: PeerOptions = {}): [ScriptedPeer, ScriptedStack] {
  const [played, host] = listening(options, peer);
  played.open();
  assert.deepEqual(host.heardSince(), ["accept"]);
  return [played, host];
}

/** A connection that the stack opens: its SYN is the next segment. */
export function connecting(options: ScriptOptions = {}, peer: PeerOptions = {}): [ScriptedPeer, ScriptedStack] {
  const host = new ScriptedStack(options);
  const played = new ScriptedPeer(host, { port: 80, localPort: 0, ...peer });
  host.connect(played.port);
  return [played, host];
}

/** When the clock must start so that the peer's connection, opened at once, gets initial sequence number `iss`. */
export function startUsFor(iss: number, options: ScriptOptions = {}, peer: PeerOptions = {}): number {
  const [probe] = listening(options, peer);
  const { theirIss } = (probe.open(), probe);
  return (options.startUs ?? 5_000_000) + ((iss - theirIss) >>> 0) * 4;
}
