import type { TcpConfig } from "../../../src/transport/tcp/config.js";
import {
  listening,
  type PeerOptions,
  pattern,
  type ScriptedPeer,
  type ScriptedStack,
  type Send,
} from "./scripted-peer.js";

/** How a {@link SackSender} is connected. */
export interface SackSenderOptions {
  readonly family?: 4 | 6;
  readonly tcp?: Partial<TcpConfig>;
  readonly peer?: PeerOptions;
  /** Round trip of the handshake, milliseconds. Default 100. */
  readonly rttMs?: number;
  /** When the clock starts, microseconds. */
  readonly startUs?: number;
}

/** Bytes of a full segment. */
export const SEGMENT = 1000;

/**
 * A stack that sends to a scripted peer which permits SACK: segments of 1000 bytes, numbered from 0, no pacing unless
 * asked for. Acknowledgements are given in segments.
 */
export class SackSender {
  readonly peer: ScriptedPeer;
  readonly host: ScriptedStack;
  readonly #startUs: number;

  constructor(options: SackSenderOptions = {}) {
    const { family = 4, rttMs = 100, startUs = 5_000_000 } = options;
    [this.peer, this.host] = listening(
      { family, startUs, tcp: { pacing: false, ...options.tcp } },
      { mss: options.peer?.timestamps === true ? SEGMENT + 12 : SEGMENT, sack: true, ...options.peer },
    );
    const { peer, host } = this;
    this.#startUs = startUs;
    const answer = peer.send({ flags: "S", ...peer.synOptions }).expect({ flags: "SA" });
    host.pass(rttMs);
    peer.hasTimestamps = answer.ts !== undefined;
    peer.send({ flags: "A" });
    host.heardSince();
    peer.takeAll();
  }

  /** Writes so many segments (or parts of one) and lets go what may. Returns the segments sent. */
  write(segments: number): number[] {
    this.host.session.write(pattern(0, Math.round(segments * SEGMENT)));
    this.host.settle();
    return this.sent();
  }

  /** Numbers of the segments sent since last asked, by where they begin; a superframe counts as its first. */
  sent(): number[] {
    return this.peer
      .takeAll()
      .filter(({ len, flags }) => len > 0 || flags.includes("F"))
      .map(({ seq }) => (seq - 1) / SEGMENT);
  }

  /** Acknowledges what is before segment `ack`, and blocks [start, end) of segments; returns what is sent in answer. */
  ack(
    ack: number,
    blocks: readonly (readonly [start: number, end: number])[] = [],
    more: Partial<Send> = {},
  ): number[] {
    const edge = (segment: number): number => 1 + Math.round(segment * SEGMENT);
    const sack = blocks.map(([start, end]) => [edge(start), edge(end)] as const);
    this.peer.send({ flags: "A", ack: edge(ack), ...(sack.length > 0 ? { sack } : {}), ...more });
    return this.sent();
  }

  /** Lets time pass, milliseconds; returns what is sent meanwhile, with the milliseconds from now at which it is. */
  pass(ms: number): [ms: number, segment: number][] {
    const from = this.now;
    this.host.pass(ms);
    return this.peer
      .takeAll()
      .filter(({ len, flags }) => len > 0 || flags.includes("F"))
      .map((got) => [Math.round((got.ms - from) * 10) / 10, (got.seq - 1) / SEGMENT]);
  }

  /** Milliseconds since the peer was made. */
  get now(): number {
    return (this.host.clock.nowUs() - this.#startUs) / 1000;
  }

  /** A word of the connection's row. */
  field(field: number): number {
    return this.peer.field(field);
  }

  /** What is wrong with the scoreboard. */
  get problem(): string | undefined {
    return this.host.core.scoreboard.validate(this.peer.row);
  }
}
