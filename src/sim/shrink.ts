import { type RunHooks, type RunResult, runCase } from "./runner.js";
import type { CaseLink, SimCase } from "./sim-case.js";

/** Runs that shrinking takes at most. */
const MAX_TRIES = 200;

/** What shrinking came to. */
export interface Shrunk {
  readonly case: SimCase;
  readonly result: RunResult;
  readonly tries: number;
}

/**
 * Makes a failing case smaller while the same invariant fails: fewer connections, fewer changes and faults, fewer bytes,
 * one after the other, until nothing can be left out or the tries are used up.
 */
export function shrinkCase(failing: SimCase, found: RunResult, hooks: RunHooks = {}, maxTries = MAX_TRIES): Shrunk {
  let best: Shrunk = { case: failing, result: found, tries: 0 };
  for (let tries = 0; tries < maxTries; ) {
    let isSmaller = false;
    for (const candidate of smaller(best.case)) {
      if (tries >= maxTries) break;
      tries++;
      const result = runCase(candidate, hooks);
      best = { ...best, tries };
      if (result.failure?.invariant !== found.failure?.invariant) continue;
      best = { case: candidate, result, tries };
      isSmaller = true;
      break;
    }
    if (!isSmaller) break;
  }
  return best;
}

/** Cases that are smaller in one respect, the boldest first. */
function* smaller(of: SimCase): Generator<SimCase> {
  const { first, connections, changes, link } = of;
  for (let piece = connections >> 1; piece >= 1; piece >>= 1) {
    // Keeps one half; then leaves out smaller and smaller pieces at either end.
    yield { ...of, connections: connections - piece };
    yield { ...of, first: first + piece, connections: connections - piece };
  }
  if (changes.length > 1) yield { ...of, changes: [] };
  for (const [i] of changes.entries()) yield { ...of, changes: changes.filter((_, j) => j !== i) };
  for (const key of Object.keys(link) as (keyof CaseLink)[]) {
    const { [key]: _, ...rest } = link;
    yield { ...of, link: rest };
  }
  if (of.clients > 1) yield { ...of, clients: of.clients - 1 };
  if (of.skewPpm.length > 0) yield { ...of, skewPpm: [] };
  if (of.mtu !== 1500) yield { ...of, mtu: 1500 };
  if (Object.keys(of.limits).length > 0) yield { ...of, limits: {} };
  if (Object.keys(of.session).length > 0) yield { ...of, session: {} };
  if (of.family !== 4) yield { ...of, family: 4 };
  if (of.sizePermille > 10) {
    yield { ...of, sizePermille: of.sizePermille >> 2 };
    yield { ...of, sizePermille: of.sizePermille >> 1 };
  }
}
