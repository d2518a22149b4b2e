import type { Draw } from "./draw.js";
import type { CaseLink } from "./sim-case.js";

/** A link such as one meets: some delay, now and then some of each fault. */
export function mildLink(draw: Draw): CaseLink {
  return {
    delayUs: draw.oneOf([0, 50, 1000, 5000, 20_000, 50_000]),
    ...(draw.chance(300) && { jitterUs: draw.between(0, 3000) }),
    ...(draw.chance(500) && { lossRate: draw.rate(30) }),
    ...(draw.chance(300) && { reorderRate: draw.rate(50) }),
    ...(draw.chance(200) && { duplicateRate: draw.rate(20) }),
    ...(draw.chance(200) && { corruptRate: draw.rate(5) }),
    ...(draw.chance(300) && { rateBps: draw.size(2_000_000, 1_000_000_000), queueBytes: draw.size(32_768, 262_144) }),
  };
}

/** A hostile link: any fault, alone or with others. */
export function harshLink(draw: Draw): CaseLink {
  const delayUs = draw.chance(150) ? 0 : draw.size(1, 200_000);
  return {
    delayUs,
    ...(draw.chance(400) && { jitterUs: draw.between(0, Math.max(100, delayUs >> 1)) }),
    ...(draw.chance(600) && { lossRate: draw.rate(100) }),
    ...(draw.chance(250) && { burstLoss: burst(draw) }),
    ...(draw.chance(60) && { loseEvery: draw.between(5, 50) }),
    ...(draw.chance(400) && { reorderRate: draw.rate(200), reorderUs: draw.between(1, 100_000) }),
    ...(draw.chance(300) && { duplicateRate: draw.rate(50) }),
    ...(draw.chance(300) && { corruptRate: draw.rate(20) }),
    ...(draw.chance(500) && rate(draw)),
    ...(draw.chance(150) && { mtu: draw.between(1280, 1499), mtuAnswer: "icmp" as const }),
  };
}

function burst(draw: Draw): NonNullable<CaseLink["burstLoss"]> {
  return {
    goodToBadRate: draw.between(1, 20) / 1000,
    badToGoodRate: draw.between(100, 500) / 1000,
    badLossRate: draw.between(500, 1000) / 1000,
  };
}

function rate(draw: Draw): CaseLink {
  const isCodel = draw.chance(300);
  return {
    rateBps: draw.size(1_000_000, 1_000_000_000),
    queueBytes: draw.size(8192, 262_144),
    ...(isCodel && { queue: "codel" as const }),
    ...(isCodel && draw.chance(500) && { ecn: "mark" as const }),
  };
}
