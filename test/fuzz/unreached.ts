/** Counters that frames alone cannot reach, as `node symbol`, with the reason and the test that reaches them. */
export const UNREACHED: ReadonlyMap<string, string> = new Map([]);

/** Nodes that frames alone give no packet, with the reason. */
export const UNREACHED_NODES: ReadonlyMap<string, string> = new Map([]);
