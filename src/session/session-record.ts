import type { NamespaceRecord } from "./app-namespace.js";
import type { RuleRecord } from "./rule-record.js";
import type { SdlRecord } from "./sdl-record.js";
import type { SourceAddressRecord } from "./source-address.js";

/** A change of the session layer, which can be kept, sent and applied again in the same order. */
export type SessionRecord = NamespaceRecord | SourceAddressRecord | RuleRecord | SdlRecord;

const KINDS: ReadonlySet<string> = new Set<SessionRecord["kind"]>([
  "namespace",
  "source-addresses",
  "rule",
  "sdl",
  "auto-sdl",
]);

/** Whether something that came from outside may be a record. */
export function isSessionRecord(value: unknown): value is SessionRecord {
  const kind: unknown = typeof value === "object" && value !== null ? Reflect.get(value, "kind") : undefined;
  return typeof kind === "string" && KINDS.has(kind);
}
