import type { SessionStats } from "../session/session-stats.js";

/** What the stack tells of a session that has ended; undefined when it cannot be that. */
export function statsOf(json: string): SessionStats | undefined {
  try {
    const value: unknown = JSON.parse(json);
    return isStats(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isStats(value: unknown): value is SessionStats {
  if (typeof value !== "object" || value === null) return false;
  const { session, app, proto, statistics }: Readonly<Record<string, unknown>> = { ...value };
  if (typeof session !== "number" || typeof app !== "string" || typeof statistics !== "object") return false;
  return typeof proto === "string" && ["tcp", "udp", "ct"].includes(proto);
}
