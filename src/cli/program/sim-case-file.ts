import { readFileSync } from "node:fs";
import { z } from "zod";
import { SCENARIOS } from "../../sim/scenarios/index.js";
import type { SimCase } from "../../sim/sim-case.js";
import { UsageError } from "./failure.js";

const COUNT = z.int().min(0);
const RATE = z.number().min(0).max(1);
const LINK = z.strictObject({
  delayUs: COUNT.optional(),
  jitterUs: COUNT.optional(),
  rateBps: COUNT.optional(),
  queueBytes: COUNT.optional(),
  queue: z.enum(["tail-drop", "codel"]).optional(),
  ecn: z.enum(["off", "mark"]).optional(),
  lossRate: RATE.optional(),
  burstLoss: z
    .strictObject({
      goodToBadRate: RATE,
      badToGoodRate: RATE,
      goodLossRate: RATE.optional(),
      badLossRate: RATE.optional(),
    })
    .optional(),
  loseEvery: COUNT.optional(),
  reorderRate: RATE.optional(),
  reorderUs: COUNT.optional(),
  duplicateRate: RATE.optional(),
  corruptRate: RATE.optional(),
  mtu: COUNT.optional(),
  mtuAnswer: z.enum(["silent", "icmp"]).optional(),
  stripOptions: z.boolean().optional(),
});
const SETTINGS = z.record(z.string(), z.union([z.number(), z.boolean(), z.string()]));
const CASE = z.strictObject({
  scenario: z.string(),
  workload: z.enum(SCENARIOS.map(({ name }) => name)),
  seed: z.int(),
  family: z.union([z.literal(4), z.literal(6), z.literal("both")]),
  clients: COUNT.min(1).max(16),
  first: COUNT,
  connections: COUNT.min(1).max(1000),
  sizePermille: COUNT,
  link: LINK,
  changes: z.array(
    z.union([
      z.strictObject({ atUs: COUNT, kind: z.enum(["partition", "heal"]) }),
      z.strictObject({ atUs: COUNT, kind: z.literal("link"), link: LINK }),
      z.strictObject({ atUs: COUNT, kind: z.literal("vanish"), host: COUNT }),
    ]),
  ),
  skewPpm: z.array(z.int()),
  turnUs: z.array(COUNT).default([]),
  mtu: COUNT.min(576),
  backlog: COUNT,
  tcp: SETTINGS,
  session: SETTINGS,
  limits: SETTINGS,
});

/** The case of a script that a failed run has left. Throws UsageError when the file is none. */
export function readCaseFile(path: string): SimCase {
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    throw new UsageError(path, error instanceof Error ? error.message : String(error));
  }
  const parsed = z.object({ case: CASE }).safeParse(value);
  if (parsed.success) return parsed.data.case;
  const [issue] = parsed.error.issues;
  throw new UsageError(path, `${issue.path.join(".")}: ${issue.message}`);
}
