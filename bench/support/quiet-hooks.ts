import type { SessionHooks } from "../../src/session/session-core.js";

/** Hooks of a stack that a benchmark turns by hand: nothing to wake, and an application's error ends the program. */
export const MANUAL_HOOKS: SessionHooks = {
  wake() {},
  reportError(error) {
    throw error;
  },
};
