import { arrivalOf, superframe } from "./arrivals.js";
import { pick } from "./frames.js";
import { capturedFrames, type FuzzHost } from "./fuzz-host.js";
import { anyIcmp, arp, echo, icmpError, neighbourDiscovery } from "./icmp-traffic.js";
import { crowd, extensions, fragments, options, sweep, tagged, transit, udp, udpSession } from "./ip-traffic.js";
import { mutate } from "./mutate.js";
import { answer } from "./peer-bot.js";
import { PHASES, promiscuous } from "./phases.js";
import { repairChecksums } from "./repair.js";
import { badHandshake, challenges, endings, flood, goodPeer, liveSegment, reuse, syn } from "./tcp-traffic.js";

const BURST = 32;

/** Traffic that knows the host's state, the more usual kinds more than once. */
const TRAFFIC = [
  liveSegment,
  liveSegment,
  liveSegment,
  goodPeer,
  goodPeer,
  syn,
  syn,
  icmpError,
  transit,
  transit,
  udp,
  udp,
  flood,
  endings,
  challenges,
  reuse,
  badHandshake,
  crowd,
  crowd,
  udpSession,
  extensions,
  options,
  fragments,
  superframe,
  sweep,
  tagged,
  echo,
  anyIcmp,
  neighbourDiscovery,
  neighbourDiscovery,
  neighbourDiscovery,
  arp,
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
      // Damage that only a transport checksum shows.
      if (random.nextBelow(60) === 0 && bytes.length > 42) bytes[bytes.length - 1] ^= 1;
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

/** Sends `frames` frames and more through the host, with times in which something lacks. Returns how many. */
export async function storm(host: FuzzHost, frames: number): Promise<number> {
  const { random } = host;
  const captured = capturedFrames();
  let endPhase: (() => void) | undefined;
  let left = 0;
  let done = 0;
  while (done < frames) {
    answerSome(host);
    done += fill(host, captured);
    // Now and then the next burst comes before all is done.
    if (random.nextBelow(8) > 0) host.settle();
    else host.stack.engine.turn();
    if (left > 0 && --left === 0) {
      endPhase?.();
      endPhase = undefined;
    } else if (left === 0 && random.nextBelow(40) === 0) {
      endPhase = pick(random, done < 0.9 * frames ? PHASES : [...PHASES, promiscuous])(host);
      left = 1 + random.nextBelow(40);
    }
    if (random.nextBelow(8) === 0) host.apps.announce();
    const fate = random.nextBelow(400);
    if (fate < 16) host.apps.connect();
    else if (fate < 40) host.apps.tidy();
    else if (fate === 40) host.pass(2000);
    else if (fate === 41 && random.nextBelow(8) === 0) host.pass(15_000);
    else host.clock.advanceUs(random.nextBelow(2000));
    if (fate < 16) await Promise.resolve();
  }
  endPhase?.();
  return done;
}
