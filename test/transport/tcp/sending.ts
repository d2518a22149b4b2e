import { type PeerOptions, pattern, ScriptedPeer, type ScriptOptions, ScriptedStack } from "./scripted-peer.js";

/** How {@link sending} is to be. */
export interface SendingOptions extends ScriptOptions {
  readonly rttMs?: number;
  /** Bytes that are written at once. */
  readonly bytes: number;
  readonly peer?: PeerOptions;
}

/**
 * A connection of MSS 1000 whose handshake has measured the round trip (100 ms: an RTO of 300 ms), with SACK, without
 * pacing; `bytes` have just been written. What was sent is still to be taken.
 */
export function sending({
  rttMs = 100,
  bytes,
  peer = {},
  tcp,
  ...options
}: SendingOptions): [ScriptedPeer, ScriptedStack] {
  const host = new ScriptedStack({ ...options, tcp: { pacing: false, ...tcp } });
  host.listen();
  const played = new ScriptedPeer(host, { mss: 1000, sack: true, ...peer });
  played.send({ flags: "S", ...played.synOptions });
  const { ts } = played.expect({ flags: "SA" });
  played.hasTimestamps = ts !== undefined;
  host.pass(rttMs);
  played.send({ flags: "A" });
  host.heardSince();
  host.session.write(pattern(0, bytes));
  host.settle();
  return [played, host];
}

/** Where what was sent begins. */
export function seqs(peer: ScriptedPeer): number[] {
  return peer.takeAll().map(({ seq }) => seq);
}

/** What was sent, as [milliseconds since the script began, sequence number]. */
export function timedSeqs(peer: ScriptedPeer): (readonly [ms: number, seq: number])[] {
  return peer.takeAll().map(({ ms, seq }) => [ms, seq] as const);
}
