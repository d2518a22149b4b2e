import type { Host } from "../../../nodes/host.js";
import type { Interface } from "../../device/interface.js";
import { SESSION_E_NOINTF, SESSION_E_NOROUTE } from "../../session/session-errors.js";
import type { MethodName, MethodParams, MethodResult } from "./method-table.js";
import { MethodError } from "./method-error.js";

/** What methods work on. Whoever calls one asks for a turn of the engine afterwards. */
export interface MethodRun {
  readonly host: Host;
}

/** Does a method. Its parameters have their shape; throws {@link MethodError} when it cannot be done. */
export type Handler<M extends MethodName> = (run: MethodRun, params: MethodParams<M>) => MethodResult<M>;

/** The handlers of the methods whose names begin with one of these words. */
export type HandlersOf<G extends string> = {
  readonly [M in Extract<MethodName, `${G}.${string}`>]: Handler<M>;
};

/** The interface of that name. */
export function interfaceNamed(host: Host, name: string, argument = "interface"): Interface {
  const found = host.interfaces.byName(name);
  if (found === undefined) throw new MethodError(SESSION_E_NOINTF, argument, `no interface ${JSON.stringify(name)}`);
  return found;
}

/** Throws when there is no such table. */
export function wantTable(host: Host, table: number): void {
  if (!host.ip.fib.tables().includes(table)) {
    throw new MethodError(SESSION_E_NOROUTE, "table", `no table ${table}`);
  }
}

/** The number of the table with this FIB index, null without one. */
export function tableOfFib(host: Host, family: 4 | 6, fib: number): number | null {
  return host.ip.fib.tables().find((table) => host.ip.fib.indexOf(family, table) === fib) ?? null;
}
