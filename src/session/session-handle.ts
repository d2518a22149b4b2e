import type { SessionIndex } from "../transport/transport.js";

/** Names a session for good: engine (8 bits), generation (20), index (24) in one safe integer. */
export type SessionHandle = number;

/** Session rows one engine can have. */
export const MAX_SESSIONS = 1 << 24;
/** Generations are counted modulo this. */
export const GENERATIONS = 1 << 20;

/** Puts a handle together; arguments within their ranges. */
export function makeHandle(engine: number, generation: number, index: SessionIndex): SessionHandle {
  return (engine * GENERATIONS + generation) * MAX_SESSIONS + index;
}

/** The row that a handle names. */
export function handleIndex(handle: SessionHandle): SessionIndex {
  return handle % MAX_SESSIONS;
}

/** The use of the row that a handle names. */
export function handleGeneration(handle: SessionHandle): number {
  return Math.floor(handle / MAX_SESSIONS) % GENERATIONS;
}

/** The engine that a handle names. */
export function handleEngine(handle: SessionHandle): number {
  return Math.floor(handle / (MAX_SESSIONS * GENERATIONS));
}

/** `engine:index.generation`, as listings show it. */
export function formatHandle(handle: SessionHandle): string {
  return `${handleEngine(handle)}:${handleIndex(handle)}.${handleGeneration(handle)}`;
}
