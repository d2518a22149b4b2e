import { describe, expect, it } from "vitest";
import { ALL_NODES } from "../../nodes/index.js";
import { capturedFrames, FuzzHost } from "./fuzz-host.js";
import { icmpError, liveSegment, syn, transit } from "./live-traffic.js";
import { mutate, repairIp4 } from "./mutate.js";
import { answer } from "./peer-bot.js";
import { UNREACHED, UNREACHED_NODES } from "./unreached.js";

const FRAMES = 1_000_000;
const BURST = 32;
const SEED = 20_261_121;

/** One frame: mostly damaged captures, else traffic that knows the host's state, sometimes damaged too. */
function nextFrame(host: FuzzHost, frames: readonly Uint8Array[]): Uint8Array {
  const { random } = host;
  const captured = (): Uint8Array => frames[random.nextBelow(frames.length)];
  const made = [liveSegment, liveSegment, liveSegment, syn, icmpError, transit][random.nextBelow(6)];
  const kind = random.nextBelow(20);
  const frame = (kind < 13 ? undefined : made(host)) ?? captured();
  if (kind === 0 || (kind >= 13 && random.nextBelow(4) > 0)) {
    const copy = frame.slice();
    repairIp4(copy);
    return copy;
  }
  const damaged = mutate(random, frame, captured());
  if (random.nextBelow(8) > 0) repairIp4(damaged);
  return damaged;
}

/** Neighbours that mostly answer: what the host asked last is answered before the next burst. */
function answerSome(host: FuzzHost): void {
  for (const device of [host.first, host.second]) {
    for (const sent of device.sent) {
      const frame = host.random.nextBelow(3) > 0 ? answer(host, sent) : undefined;
      if (frame !== undefined) device.queue.push({ frame, vouch: true });
    }
    device.sent.length = 0;
  }
}

describe("a million mutated frames", () => {
  it("are survived without a throw, a leak or an unnamed drop", { timeout: 240_000 }, async () => {
    const host = new FuzzHost(SEED);
    const { random } = host;
    await host.start();
    const frames = capturedFrames();
    for (let done = 0; done < FRAMES; done += BURST) {
      const device = random.nextBelow(8) === 0 ? host.second : host.first;
      answerSome(host);
      host.first.isBusy = random.nextBelow(500) === 0;
      for (let i = 0; i < BURST; i++)
        device.queue.push({ frame: nextFrame(host, frames), vouch: random.nextBelow(4) > 0 });
      host.settle();
      const fate = random.nextBelow(400);
      if (fate < 4) host.connect();
      else if (fate === 4) host.pass(2000);
      else host.clock.advanceUs(random.nextBelow(2000));
      if (fate === 5) await Promise.resolve();
    }
    const { engine, host: parts } = host.stack;
    const missed = engine
      .forms()
      .flatMap((form) => form.errors.map((error) => `${form.name} ${error.symbol}`))
      .filter((name) => engine.errorCount(...(name.split(" ") as [string, string])) === 0);
    const idle = engine.runtime().filter(({ packets }) => packets === 0);
    expect(host.reported).toBe(host.thrown);
    expect(parts.pool.doubleFrees).toBe(0);
    expect(engine.cutTurns).toBe(0);
    expect(missed.filter((name) => !UNREACHED.has(name))).toEqual([]);
    expect([...UNREACHED.keys()].filter((name) => !missed.includes(name))).toEqual([]);
    expect(idle.map(({ name }) => name).filter((name) => !UNREACHED_NODES.has(name))).toEqual([]);

    // The storm is over: everything that was held is given back.
    host.first.isBusy = false;
    host.stop();
    host.pass(300_000);
    expect(parts.pool.inUse()).toEqual([]);
    expect(parts.fifos.inUse()).toBe(0);
    expect(parts.tcp.core.connections.used).toBe(0);
    expect(parts.tcp.core.events.uncommitted()).toEqual([]);
  });

  it("are told apart by counters of nodes that exist", () => {
    const names = new Set(ALL_NODES.flatMap((form) => form.errors.map((error) => `${form.name} ${error.symbol}`)));
    expect([...UNREACHED.keys()].filter((name) => !names.has(name))).toEqual([]);
  });
});
