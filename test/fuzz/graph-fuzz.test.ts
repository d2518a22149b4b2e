import { describe, expect, it } from "vitest";
import { ALL_NODES } from "../../nodes/index.js";
import { arrivalOf, superframe } from "./arrivals.js";
import { pick } from "./frames.js";
import { capturedFrames, FuzzHost } from "./fuzz-host.js";
import { anyIcmp, arp, echo, icmpError, neighbourDiscovery } from "./icmp-traffic.js";
import { crowd, extensions, fragments, options, transit, udp } from "./ip-traffic.js";
import { mutate } from "./mutate.js";
import { answer } from "./peer-bot.js";
import { PHASES, promiscuous } from "./phases.js";
import { repairChecksums } from "./repair.js";
import { leftOvers, stillServes } from "./after.js";
import { badHandshake, challenges, endings, flood, goodPeer, liveSegment, reuse, syn } from "./tcp-traffic.js";
import { UNREACHED, UNREACHED_NODES } from "./unreached.js";

const FRAMES = 1_000_000;
const BURST = 32;
const SEED = 20_261_121;

/** Traffic that knows the host's state, the more usual kinds more than once. */
const TRAFFIC = [
  ...[liveSegment, liveSegment, liveSegment, goodPeer, goodPeer, syn, syn, icmpError, transit, transit, udp, udp],
  ...[flood, endings, challenges, reuse, badHandshake, crowd, extensions, options, fragments, superframe],
  ...[echo, anyIcmp, neighbourDiscovery, neighbourDiscovery, arp],
];

/** Fills the devices' queues: mostly damaged captures, else traffic that knows the host's state, sometimes damaged too. */
function fill(host: FuzzHost, captured: readonly Uint8Array[]): number {
  const { random } = host;
  let count = 0;
  while (count < BURST) {
    const isKnowing = random.nextBelow(20) >= 12;
    const made = isKnowing ? pick(random, TRAFFIC)(host) : [];
    const frames = made.length > 0 ? made : [pick(random, captured)];
    // What belongs together comes by one link, and unharmed; the rest where it may.
    const at = pick(random, [0, 0, 0, 0, 1, 1, 2]);
    const isHarmed = made.length === 0 ? random.nextBelow(20) > 0 : random.nextBelow(4) === 0;
    for (const frame of frames) {
      const bytes = isHarmed ? mutate(random, frame, pick(random, captured)) : frame.slice();
      if (bytes.length >= 6 && bytes[0] === 2 && bytes[4] === 0 && at > 0 && random.nextBelow(16) > 0) bytes[4] = at;
      if (!isHarmed || random.nextBelow(8) > 0) repairChecksums(bytes);
      host.devices[at].queue.push(arrivalOf(random, bytes));
    }
    count += frames.length;
  }
  return count;
}

/** Neighbours that mostly answer: what the host asked last is answered before the next burst. */
function answerSome(host: FuzzHost): void {
  host.devices.forEach((device, i) => {
    for (const sent of host.heard[i]) {
      const frame = host.random.nextBelow(3) > 0 ? answer(host, sent) : undefined;
      if (frame !== undefined) device.queue.push({ frame, vouch: true });
    }
    host.heard[i].length = 0;
  });
}

/** A million frames, with times in which something lacks. */
async function storm(host: FuzzHost): Promise<void> {
  const { random } = host;
  const captured = capturedFrames();
  let endPhase: (() => void) | undefined;
  let left = 0;
  for (let done = 0; done < FRAMES; ) {
    answerSome(host);
    done += fill(host, captured);
    host.settle();
    if (left > 0 && --left === 0) {
      endPhase?.();
      endPhase = undefined;
    } else if (left === 0 && random.nextBelow(40) === 0) {
      endPhase = pick(random, done < 0.9 * FRAMES ? PHASES : [...PHASES, promiscuous])(host);
      left = 1 + random.nextBelow(40);
    }
    const fate = random.nextBelow(400);
    if (fate < 8) host.apps.connect();
    else if (fate < 24) host.apps.announce();
    else if (fate === 24) host.pass(2000);
    else if (fate === 25 && random.nextBelow(8) === 0) host.pass(15_000);
    else host.clock.advanceUs(random.nextBelow(2000));
    if (fate < 8) await Promise.resolve();
  }
  endPhase?.();
}

describe("a million mutated frames", () => {
  it("are survived without a throw, a leak or an unnamed drop", { timeout: 240_000 }, async () => {
    const host = new FuzzHost(SEED);
    await host.apps.start();
    await storm(host);
    const { engine, host: parts } = host.stack;
    const missed = engine
      .forms()
      .flatMap((form) => form.errors.map((error) => `${form.name} ${error.symbol}`))
      .filter((name) => engine.errorCount(...(name.split(" ") as [string, string])) === 0);
    const idle = engine.runtime().filter(({ packets }) => packets === 0);
    expect(host.reported).toBe(host.apps.thrown);
    expect(host.verifier.faults).toEqual([]);
    expect(parts.pool.doubleFrees).toBe(0);
    expect(engine.cutTurns).toBe(0);
    expect(missed.filter((name) => !UNREACHED.has(name))).toEqual([]);
    expect([...UNREACHED.keys()].filter((name) => !missed.includes(name))).toEqual([]);
    expect(idle.map(({ name }) => name).filter((name) => !UNREACHED_NODES.has(name))).toEqual([]);
    expect([...UNREACHED_NODES.keys()].filter((name) => !idle.some((node) => node.name === name))).toEqual([]);

    // The storm is over: service resumes, and everything that was held is given back.
    expect(stillServes(host)).toEqual({ ping: true, stream: "hello" });
    host.stop();
    host.pass(300_000);
    expect(leftOvers(host)).toEqual([]);
  });

  it("are told apart by counters of nodes that exist", () => {
    const names = new Set(ALL_NODES.flatMap((form) => form.errors.map((error) => `${form.name} ${error.symbol}`)));
    expect([...UNREACHED.keys()].filter((name) => !names.has(name))).toEqual([]);
  });
});
