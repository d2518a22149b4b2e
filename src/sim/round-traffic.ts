import type { Session } from "../app/session.js";
import { formatEndpoint } from "../session/uri.js";
import { S_CONNECTION, S_PROTO } from "../session/session-table.js";
import { T_IRS, T_ISS } from "../transport/tcp/connection.js";
import { C_FIB, type SessionIndex, TRANSPORT_CT, TRANSPORT_TCP } from "../transport/transport.js";
import { DatagramFlow, makeAnswer, numberOf } from "./datagram-flow.js";
import { makePair, type Pair } from "./pair.js";
import type { RoundConnect, RoundHost } from "./round.js";
import type { EndContext } from "./workload-end.js";

/** Longest datagram, bytes. */
const MAX_DATAGRAM_BYTES = 65_536;

/** What a connect of a round opens: a stream with two ends, or a flow of datagrams. */
export interface RoundTraffic {
  readonly plan: RoundConnect;
  readonly pair?: Pair;
  readonly flow?: DatagramFlow;
}

/** Everything that the connects of all rounds open, and which session is an end of what. */
export class TrafficTable {
  readonly #context: EndContext;
  readonly #seed: number;
  readonly #all: RoundTraffic[] = [];
  readonly #flows = new Map<number, DatagramFlow>();
  /** By what both ends know: see {@link keyOf}. A later one of the same name takes the place of an earlier one. */
  readonly #byKey = new Map<string, RoundTraffic>();
  readonly #scratch = new Uint8Array(MAX_DATAGRAM_BYTES);

  /** `seed` and the number of a connect choose its bytes. */
  constructor(context: EndContext, seed: number) {
    this.#context = context;
    this.#seed = seed;
  }

  /** All streams. */
  get pairs(): Pair[] {
    return this.#all.flatMap(({ pair }) => pair ?? []);
  }

  /** All flows of datagrams. */
  get flows(): DatagramFlow[] {
    return [...this.#flows.values()];
  }

  /** What connect `number` opens. */
  add(number: number, plan: RoundConnect): RoundTraffic {
    const traffic: RoundTraffic = {
      plan,
      ...(plan.ends !== undefined && { pair: makePair(this.#context, this.#seed, number, plan.ends) }),
      ...(plan.datagrams && { flow: new DatagramFlow(this.#context, this.#seed, number, plan.datagrams) }),
    };
    // An application that is detached before it was asked to accept closes what it never knew of.
    if (traffic.pair !== undefined) traffic.pair.server.isFinished = true;
    this.#all.push(traffic);
    if (traffic.flow !== undefined) this.#flows.set(number, traffic.flow);
    return traffic;
  }

  /** Forgets everything, of which nothing is under way any more. */
  clear(): void {
    this.#all.length = 0;
    this.#flows.clear();
    this.#byKey.clear();
  }

  /** Session `s` of a host is the client's end of it. */
  bind(host: RoundHost, s: SessionIndex, traffic: RoundTraffic): void {
    this.#byKey.set(keyOf(host, s, true), traffic);
  }

  /** What comes from `client`, an address and port that are used once, belongs to it: of a client that is no host of ours. */
  expect(client: string, traffic: RoundTraffic): void {
    this.#byKey.set(client, traffic);
  }

  /** What a session that a host accepts is the server's end of. */
  acceptedBy(host: RoundHost, s: SessionIndex): RoundTraffic | undefined {
    const remote = host.stack.host.sessions.remoteEndpoint(s);
    return (
      this.#byKey.get(keyOf(host, s, false)) ?? this.#byKey.get(remote === undefined ? "" : formatEndpoint(remote))
    );
  }

  /** Reads the datagrams of a session, each of which must be one that was sent, and answers those that are no answers. */
  datagrams(session: Session): void {
    const u8 = this.#scratch;
    for (let length = session.readDatagram(u8); length >= 0; length = session.readDatagram(u8)) {
      const flow = this.#flows.get(numberOf(u8, length));
      if (flow === undefined) {
        this.#context.fail("known-peer", `a datagram of ${length} bytes came that nobody sent`);
        continue;
      }
      flow.verify(u8, length);
      if (!makeAnswer(u8)) flow.answered++;
      else if (session.state === "listening") session.reply(u8, 0, length);
      else session.writeDatagram(u8, 0, length);
    }
  }
}

/**
 * Names what a session belongs to, the same at both ends: protocol, client, server, of cut-through the local table, and of
 * TCP the client's initial sequence number, for one port is used again and again.
 */
function keyOf({ name, stack: { host } }: RoundHost, s: SessionIndex, isClient: boolean): string {
  const { sessions, window } = host;
  const { i32 } = window;
  const r = sessions.table.row(s);
  const transport = sessions.transports[i32[r + S_PROTO]];
  const local = sessions.localEndpoint(s);
  const remote = sessions.remoteEndpoint(s);
  if (transport === undefined || local === undefined || remote === undefined) return "";
  const { base, stride } = transport.rows;
  const row = base + Math.imul(i32[r + S_CONNECTION], stride);
  const ends = isClient ? [local, remote] : [remote, local];
  const names = [transport.name, ...ends.map(formatEndpoint)];
  if (transport.proto === TRANSPORT_CT) names.push(`${name}/${i32[row + C_FIB]}`);
  if (transport.proto === TRANSPORT_TCP) names.push(`${i32[row + (isClient ? T_ISS : T_IRS)]}`);
  return names.join(" ");
}
