import type { Draw } from "../draw.js";
import type { SimCase } from "../sim-case.js";
import type { ConnectionPlan, ConnectionRecord, Fail } from "../workload.js";
import { connection, end, type ConnectionScenario, sendAll } from "./scenario.js";

/** One greedy, and the polite. */
const CONNECTIONS = 1000;
/** Payload of a polite one's message, and what it is on the wire: Ethernet, IPv6, TCP with timestamps. */
const MESSAGE_BYTES = 1000;
const MESSAGE_WIRE_BYTES = MESSAGE_BYTES + 14 + 40 + 32;
/** The polite ask for this much of an equal part of the bottleneck, percent. */
const DEMAND_PERCENT = 90;
/** How long they do, microseconds. */
const DURATION_US = 1_500_000;
/** Time that all have for opening and closing, beyond what their share takes, microseconds. */
const SLACK_US = 20_000;
/** When the polite begin: after the greedy one has found out the server's hardware address, or SYNs would be lost to that. */
const RESOLVED_US = 100_000;
/** How much longer than by its share a polite one may take, percent. */
const TOLERANCE_PERCENT = 10;

/** Time between two messages of a polite one where the sending host is the bottleneck, microseconds. */
const SLOW_HOST_INTERVAL_US = 150_000;
/** And how long its turns take: a dispatch of session-queue has less than the greedy one would send in each. */
const SLOW_HOST_TURN_US = 50_000;
/** And what the greedy one has to send there. */
const SLOW_HOST_GREEDY_BYTES = 72 << 20;

/** Time between two messages of a polite one, microseconds. */
function intervalUs({ link }: SimCase): number {
  if (link.rateBps === undefined) return SLOW_HOST_INTERVAL_US;
  const partBps = (link.rateBps * DEMAND_PERCENT) / 100 / CONNECTIONS;
  return Math.ceil((MESSAGE_WIRE_BYTES * 8_000_000) / partBps);
}

function messagesOf(of: SimCase): number {
  return Math.floor(DURATION_US / intervalUs(of));
}

/** Writes whatever it can: twice what a link leaves for it while the polite ones are there. */
function greedy(draw: Draw, of: SimCase): ConnectionPlan {
  const { rateBps } = of.link;
  const left = ((rateBps ?? 0) / 8e6) * DURATION_US * ((100 - DEMAND_PERCENT) / 100);
  const bytes = rateBps === undefined ? SLOW_HOST_GREEDY_BYTES : Math.floor(2 * left);
  const plan = connection(draw, of, 0, [end(draw, sendAll(bytes)), end(draw, sendAll(0))]);
  return {
    ...plan,
    ends: [
      { ...plan.ends[0], writeBytes: 1 << 20 },
      { ...plan.ends[1], readBytes: 1 << 20 },
    ],
  };
}

/** Writes a message now and then. */
function polite(draw: Draw, of: SimCase): ConnectionPlan {
  const each = intervalUs(of);
  const startUs = RESOLVED_US + draw.between(1, each);
  const messages = Array.from({ length: messagesOf(of) }, (_, i) => [
    { kind: "until" as const, us: startUs + i * each },
    { kind: "send" as const, bytes: MESSAGE_BYTES },
  ]);
  const steps = [...messages.flat(), { kind: "half-close" as const }, { kind: "await-end" as const }];
  const plan = connection(draw, of, 0, [end(draw, [...steps, { kind: "close" }]), end(draw, sendAll(0))]);
  return { ...plan, startUs };
}

/** Its queue loses nothing. The greedy one's window is a tenth of what comes to wait there, since it gets a tenth of the link. */
function narrowLink(draw: Draw): Partial<SimCase> {
  return {
    link: {
      delayUs: draw.oneOf([500, 2000, 10_000]),
      rateBps: draw.between(40, 100) * 1_000_000,
      queueBytes: 2 << 20,
    },
    turnUs: [0, draw.oneOf([0, 1000, 10_000])],
    session: { rxFifoBytes: draw.size(16_384, 65_536), txFifoBytes: 1 << 20 },
    limits: { smallPackets: 2048, fifoBytes: 16 << 20 },
  };
}

/** Large segments, no pace and windows of megabytes: what the greedy one sends in a turn is bounded by session-queue alone. */
function slowHost(draw: Draw): Partial<SimCase> {
  return {
    link: { delayUs: draw.oneOf([0, 500, 2000]) },
    turnUs: [0, SLOW_HOST_TURN_US],
    mtu: 9000,
    tcp: { pacing: false },
    session: { rxFifoBytes: 8 << 20, txFifoBytes: 8 << 20 },
    limits: { smallPackets: 2048, largePackets: 512, fifoBytes: 32 << 20 },
  };
}

/** One that always has more to send and 999 that ask for less than an equal part: the polite get what they ask for. */
export const FAIR: ConnectionScenario = {
  name: "fair",
  about: "one greedy and 999 polite connections through one bottleneck",
  draw: (draw) => ({
    connections: CONNECTIONS,
    clients: 1,
    backlog: CONNECTIONS,
    ...(draw.chance(500) ? narrowLink(draw) : slowHost(draw)),
  }),
  plan: (draw, number, of) => (number === 0 ? greedy(draw, of) : polite(draw, of)),
  check: checkShares,
};

/** Whether each polite connection got its share: all its messages within the time that they take at their rate, and a tenth more. */
export function checkShares(records: readonly ConnectionRecord[], of: SimCase, fail: Fail): void {
  const wantedUs = messagesOf(of) * intervalUs(of);
  for (const { number, startedUs, server } of records) {
    if (number === 0) continue;
    const tookUs = (server?.endedUs ?? Number.POSITIVE_INFINITY) - startedUs;
    if (tookUs <= (wantedUs * (100 + TOLERANCE_PERCENT)) / 100 + SLACK_US) continue;
    fail("fair-share", `connection ${number}: its share took ${tookUs} us, at its rate ${wantedUs} us`);
  }
}
