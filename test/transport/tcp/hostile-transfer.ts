import { assert } from "vitest";
import { SeededRandom } from "../../../src/random/seeded.js";
import type { LinkOptions } from "../../../src/sim/link-options.js";
import type { SimHost } from "../../../src/sim/host.js";
import type { TcpConfig } from "../../../src/transport/tcp/config.js";
import {
  ESTABLISHED,
  T_CWND,
  T_LOST,
  T_RTO_US,
  T_SACKED,
  T_SND_MSS,
  T_SND_NXT,
  T_SND_UNA,
  T_SSTHRESH,
  T_TIMEOUTS,
  T_UNDO_RETRANS,
  TIME_WAIT,
} from "../../../src/transport/tcp/connection.js";
import { TIMER_PACE, TIMER_RETRANSMIT } from "../../../src/transport/tcp/core.js";
import { C_STATE } from "../../../src/transport/transport.js";
import { transfer, twoHosts } from "../../sim/two-hosts.js";

/** A network and the settings of both ends, drawn from a seed. */
export interface HostileCase {
  readonly seed: number;
  readonly link: LinkOptions;
  readonly tcp: Partial<TcpConfig>;
  readonly fifoBytes: number;
  readonly bytes: number;
  readonly family: 4 | 6;
}

/** How it went. */
export interface HostileOutcome {
  /** Longest time without progress while something was outstanding, microseconds. */
  readonly gapUs: number;
  readonly timeouts: number;
  readonly tookUs: number;
}

/** Draws a case. */
export function drawCase(seed: number): HostileCase {
  const random = new SeededRandom(seed);
  const pick = <T>(...of: readonly T[]): T => of[random.nextBelow(of.length)];
  const delayUs = pick(50, 500, 2000, 10_000, 50_000);
  return {
    seed,
    link: {
      delayUs,
      jitterUs: pick(0, 0, delayUs >> 3, delayUs),
      rateBps: pick(0, 10_000_000, 100_000_000),
      queueBytes: pick(15_000, 60_000, 150_000),
      lossRate: pick(0, 0.001, 0.01, 0.03, 0.1),
      reorderRate: pick(0, 0, 0.02, 0.2),
      duplicateRate: pick(0, 0, 0.02, 0.2),
    },
    tcp: {
      rack: pick(true, true, false),
      sack: pick(true, true, true, false),
      timestamps: pick(true, false),
      congestionControl: pick("cubic", "newreno"),
      pacing: pick(true, false),
      noDelay: pick(true, false),
      maxSentRanges: pick(8, 32, 256),
      maxGsoBytes: pick(1500, 8 << 10),
    },
    fifoBytes: pick(2000, 5000, 16 << 10, 32 << 10),
    bytes: 20_000 + random.nextBelow(100_000),
    family: pick(4, 6),
  };
}

/** What must hold for every connection of a host whenever it has nothing to do at an instant. */
function check(host: SimHost): void {
  const { core } = host.stack.host.tcp;
  const { i32 } = core.window;
  for (const c of core.connections) {
    const r = core.connections.row(c);
    const state = i32[r + C_STATE];
    if (state < ESTABLISHED || state >= TIME_WAIT) continue;
    assert.isUndefined(core.scoreboard.validate(r));
    const flight = (i32[r + T_SND_NXT] - i32[r + T_SND_UNA]) | 0;
    assert.isAtLeast(flight, 0);
    for (const field of [T_SACKED, T_LOST, T_UNDO_RETRANS]) assert.isAtLeast(i32[r + field], 0, `field ${field}`);
    assert.isAtLeast(core.scoreboard.pipe(r), 0, "pipe");
    assert.isAtLeast(i32[r + T_CWND], i32[r + T_SND_MSS], "cwnd");
    assert.isAtLeast(i32[r + T_SSTHRESH], 2 * i32[r + T_SND_MSS], "ssthresh");
    const isTimed = core.isTimerRunning(c, TIMER_RETRANSMIT);
    if (flight > 0) assert.isTrue(isTimed, "data is outstanding without a timer");
    else if (core.queued(r) > 0) {
      assert.isTrue(isTimed || core.isTimerRunning(c, TIMER_PACE), "data is held back without a timer");
    }
  }
}

/** Sends a stream over the link of a case, checking at each instant. Throws when something does not hold. */
export function runCase(given: HostileCase): HostileOutcome {
  const { seed, link, tcp, fifoBytes, bytes, family } = given;
  const { sim, a, b } = twoHosts({
    seed,
    link,
    size: {
      limits: { smallPackets: 256, fifoBytes: 128 << 10 },
      session: { rxFifoBytes: fifoBytes, txFifoBytes: fifoBytes },
      tcp,
    },
  });
  const state = transfer(sim, a, b, bytes, family);
  const { core } = a.stack.host.tcp;
  const { i32 } = core.window;
  let una = 0;
  let sinceUs = -1;
  let rtoUs = 0;
  let timeoutsBefore = 0;
  let timeouts = 0;
  let gapUs = 0;
  sim.onInstant = () => {
    check(a);
    check(b);
    for (const c of core.connections) {
      const r = core.connections.row(c);
      if (i32[r + C_STATE] < ESTABLISHED || i32[r + C_STATE] >= TIME_WAIT) continue;
      timeouts = i32[r + T_TIMEOUTS];
      rtoUs = Math.max(rtoUs, i32[r + T_RTO_US]);
      const isIdle = i32[r + T_SND_UNA] === i32[r + T_SND_NXT];
      if (i32[r + T_SND_UNA] === una && !isIdle) continue;
      const nowUs = sim.nowUs();
      if (sinceUs >= 0 && !isIdle) {
        gapUs = Math.max(gapUs, nowUs - sinceUs);
        // One RTO, doubled by each timeout of the gap, a probe before the first, and the way of what was sent last.
        const mostUs = rtoUs * 2 ** (timeouts - timeoutsBefore + 1) + 2_000_000;
        assert.isAtMost(nowUs - sinceUs, mostUs, `no progress, ${timeouts - timeoutsBefore} timeouts, RTO ${rtoUs}`);
      }
      una = i32[r + T_SND_UNA];
      sinceUs = nowUs;
      rtoUs = i32[r + T_RTO_US];
      timeoutsBefore = timeouts;
    }
  };
  sim.runSync({ untilUs: 900_000_000, isDone: () => state.isDone || state.error !== undefined });
  const tookUs = sim.nowUs();
  assert.isUndefined(state.error, "the connection ended");
  assert.equal(state.wrongAt, -1, "a byte is wrong");
  assert.equal(state.got, bytes, "not everything arrived");
  assert.deepEqual([...a.errors, ...b.errors], []);
  sim.close();
  return { gapUs, timeouts, tookUs };
}
