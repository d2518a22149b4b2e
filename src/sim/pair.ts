import { Pattern } from "./pattern.js";
import type { ConnectionRecord, EndPlan, Fail } from "./workload.js";
import { type EndContext, WorkloadEnd } from "./workload-end.js";

/** The two ends of one connection. */
export interface Pair {
  readonly number: number;
  readonly client: WorkloadEnd;
  readonly server: WorkloadEnd;
  /** Whether any server heard of it. */
  hasServer: boolean;
  /** When its connect was called, since the run began; -1: not yet. */
  startedUs: number;
}

/** Both ends of connection `number`: that and the seed choose its bytes. */
export function makePair(
  context: EndContext,
  seed: number,
  number: number,
  [clientPlan, serverPlan]: readonly [client: EndPlan, server: EndPlan],
): Pair {
  const up = Pattern.key(seed + number, 0);
  const down = Pattern.key(seed + number, 1);
  const client = new WorkloadEnd(context, `connection ${number} client`, clientPlan, up, down);
  const server = new WorkloadEnd(context, `connection ${number} server`, serverPlan, down, up);
  client.peer = server;
  server.peer = client;
  return { number, client, server, hasServer: false, startedUs: -1 };
}

/** What became of a connection. */
export function recordOf({ number, startedUs, client, server, hasServer }: Pair): ConnectionRecord {
  return { number, startedUs, client: client.record, server: hasServer ? server.record : undefined };
}

/** Whether both ends read all that the other wrote, and closed in order. */
export function isCompleted({ client, server }: Pair): boolean {
  return client.isWhole && server.isWhole;
}

/** Whether an end was told that all is acknowledged and closed. */
export function isDone({ outcome }: WorkloadEnd): boolean {
  return outcome === "complete" || outcome === "closed";
}

/** Checks that what both ends were told goes together; once they have ended. */
export function checkPair({ client, server }: Pair, fail: Fail): void {
  for (const [end, peer] of [
    [client, server],
    [server, client],
  ]) {
    const read = `${end.receivedBytes} of ${peer.sentBytes} bytes`;
    if (end.outcome === "complete" && end.receivedBytes !== peer.sentBytes) {
      fail("whole", `${end.name} is complete with ${read}`);
    }
    // The peer was told that all had arrived: a reset that comes late may not take it from the reader.
    if (isDone(peer) && end.outcome === "reset" && end.receivedBytes < peer.sentBytes) {
      fail("acknowledged-read", `${peer.name} is done, but its peer could read ${read} (${end.error})`);
    }
  }
}
