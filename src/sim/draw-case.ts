import { SeededRandom } from "../random/seeded.js";
import { type ConnectionAttribute, TCP_CC_CUBIC, TCP_CC_NEWRENO } from "../transport/transport.js";
import { Draw } from "./draw.js";
import { harshLink, mildLink } from "./draw-link.js";
import { SCENARIOS, scenarioNamed } from "./scenarios/index.js";
import type { RoundPlan } from "./round.js";
import type { CaseChange, SimCase } from "./sim-case.js";
import type { AttributeChange, ConnectionPlan, EndPlan, Step } from "./workload.js";

/** The scenario that draws another one, and a hostile network with it. */
export const RANDOM_SCENARIO = "random";

/**
 * Timeouts of the hosts. Shorter than the defaults, so that what ends by one ends soon, but far longer than any partition
 * that is drawn: a connection whose ends live must come through.
 */
export const CASE_TCP = {
  rtoMaxMs: 20_000,
  userTimeoutMs: 60_000,
  connectTimeoutMs: 60_000,
  synRcvdTimeoutMs: 60_000,
  timeWaitMs: 10_000,
  finWait2Ms: 30_000,
  closingTimeoutMs: 30_000,
} as const;

/** Scenarios that a hostile network may be drawn for. */
const HARSH_SCENARIOS = SCENARIOS.filter((each) => !("check" in each));

/** A case of a scenario, drawn from the seed. Throws RangeError when there is no such scenario. */
export function drawCase(scenario: string, seed: number): SimCase {
  const draw = new Draw(new SeededRandom(seed).fork());
  const isRandom = scenario === RANDOM_SCENARIO;
  const workload = isRandom ? draw.oneOf(HARSH_SCENARIOS) : scenarioNamed(scenario);
  const base: SimCase = {
    scenario,
    workload: workload.name,
    seed,
    family: draw.oneOf([4, 6]),
    clients: draw.chance(200) ? draw.between(2, 3) : 1,
    first: 0,
    connections: 16,
    sizePermille: 1000,
    link: mildLink(draw),
    changes: [],
    skewPpm: [],
    turnUs: [],
    mtu: 1500,
    backlog: 256,
    tcp: {},
    session: {},
    limits: {},
  };
  const drawn = { ...base, ...workload.draw(draw) };
  const harsh = isRandom ? makeHarsh(draw, drawn) : drawn;
  return { ...harsh, tcp: { ...CASE_TCP, ...harsh.tcp } };
}

/** The same connections over a hostile network. */
function makeHarsh(draw: Draw, mild: SimCase): SimCase {
  const { stripOptions } = mild.link;
  const link = { ...harshLink(draw), ...(stripOptions !== undefined && { stripOptions }) };
  return {
    ...mild,
    link,
    changes: [...mild.changes, ...partitions(draw), ...turns(draw)],
    skewPpm: draw.chance(400) ? Array.from({ length: mild.clients + 1 }, () => draw.between(-500, 500)) : [],
    mtu: draw.chance(300) ? draw.oneOf([1280, 1400, 2000, 9000]) : 1500,
    ...(draw.chance(300) && {
      limits: {
        ...mild.limits,
        fifoBytes: draw.size(64, 256) * 4096,
        ...(draw.chance(300) && { smallPackets: draw.between(32, 96) }),
      },
    }),
    tcp: { ...mild.tcp, ...tcp(draw) },
    ...(draw.chance(200) && { session: { ...mild.session, txFifoBytes: draw.size(4096, 65_536) } }),
  };
}

/** TCP with some of its parts left out: each has to do without the others. */
function tcp(draw: Draw): SimCase["tcp"] {
  return {
    ...(draw.chance(300) && { congestionControl: "newreno" as const }),
    ...(draw.chance(250) && { rack: false }),
    ...(draw.chance(150) && { sack: false }),
    ...(draw.chance(150) && { timestamps: false }),
    ...(draw.chance(150) && { windowScale: false }),
    ...(draw.chance(250) && { pacing: false }),
    ...(draw.chance(250) && { delayedAckMs: draw.between(0, 400) }),
    ...(draw.chance(250) && { noDelay: true }),
    ...(draw.chance(100) && { maxSentRanges: draw.between(32, 256) }),
  };
}

/** Times at which nothing passes, each much shorter than the user timeout. */
function partitions(draw: Draw): CaseChange[] {
  const changes: CaseChange[] = [];
  let atUs = 0;
  while (draw.chance(250)) {
    atUs += draw.size(1000, 8_000_000);
    changes.push({ atUs, kind: "partition" });
    atUs += draw.size(1000, 8_000_000);
    changes.push({ atUs, kind: "heal" });
  }
  return changes;
}

/** A path that becomes another one on the way. */
function turns(draw: Draw): CaseChange[] {
  if (!draw.chance(150)) return [];
  return [{ atUs: draw.size(1000, 5_000_000), kind: "link", link: harshLink(draw) }];
}

/** What each connection of a case does; none where it has rounds. */
export function plansOf(of: SimCase): ConnectionPlan[] {
  const workload = scenarioNamed(of.workload);
  if (!("plan" in workload)) return [];
  return numbered(of, (draw, number) => {
    const plan = workload.plan(draw, number, of);
    return { ...plan, ends: adapted(draw, of, plan.ends) };
  });
}

/** What each round of a case does; undefined where it has connections. */
export function roundsOf(of: SimCase): RoundPlan[] | undefined {
  const workload = scenarioNamed(of.workload);
  if (!("round" in workload)) return undefined;
  return numbered(of, (draw, number) => {
    const plan = workload.round(draw, number, of);
    const connects = plan.connects.map((each) => ({
      ...each,
      ...(each.ends !== undefined && { ends: adapted(draw, of, each.ends) }),
    }));
    return { ...plan, connects };
  });
}

/** One plan for each number of the case, each drawn by itself. */
function numbered<Plan>(of: SimCase, plan: (draw: Draw, number: number) => Plan): Plan[] {
  return Array.from({ length: of.connections }, (_, i) => {
    const number = of.first + i;
    return plan(new Draw(new SeededRandom((of.seed + Math.imul(number + 1, 0x9e37_79b1)) | 0)), number);
  });
}

/** The ends as the case has them: of its size, and in a random one with changes on the way. */
function adapted(draw: Draw, of: SimCase, ends: ConnectionPlan["ends"]): ConnectionPlan["ends"] {
  const isRandom = of.scenario === RANDOM_SCENARIO;
  const [client, server] = isRandom ? ends.map((end) => ({ ...end, attributes: attributes(draw) })) : ends;
  return [scaled(client, of.sizePermille), scaled(server, of.sizePermille)];
}

/** What an end changes of how it sends, mostly while it does. */
function attributes(draw: Draw): AttributeChange[] {
  const changes: AttributeChange[] = [];
  const change = (name: ConnectionAttribute, value: number): void => {
    changes.push({ afterUs: draw.size(1, 2_000_000), name, value });
  };
  while (draw.chance(300)) change("congestion", draw.oneOf([TCP_CC_NEWRENO, TCP_CC_CUBIC]));
  if (draw.chance(150)) change("mss", draw.between(88, 1460));
  while (draw.chance(150)) change("pacing", draw.between(0, 1));
  while (draw.chance(100)) change("gso", draw.between(0, 1));
  return changes;
}

function scaled(plan: EndPlan, permille: number): EndPlan {
  if (permille === 1000) return plan;
  const scaleStep = (step: Step): Step =>
    step.kind === "send" || step.kind === "receive"
      ? { ...step, bytes: Math.ceil((step.bytes * permille) / 1000) }
      : step;
  return { ...plan, steps: plan.steps.map(scaleStep) };
}
