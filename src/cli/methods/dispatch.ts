import { SESSION_E_INVALID, SESSION_E_NOSUPPORT } from "../../session/session-errors.js";
import { packageVersion } from "../package-version.js";
import { APP_HANDLERS, NAMESPACE_HANDLERS, SOURCE_ADDRESS_HANDLERS } from "./app-methods.js";
import { checkFields } from "./check.js";
import { COLLECTOR_HANDLERS } from "./collector-methods.js";
import { CRYPTO_HANDLERS } from "./crypto-methods.js";
import { FLOW_HANDLERS } from "./flow-methods.js";
import type { Handler, HandlersOf, MethodRun } from "./handler.js";
import { INTERFACE_HANDLERS, NEIGHBOUR_HANDLERS, ROUTE_HANDLERS, TABLE_HANDLERS } from "./ip-methods.js";
import { MethodError } from "./method-error.js";
import {
  isMethodName,
  type MethodName,
  type MethodParams,
  type MethodResult,
  METHODS,
  METHODS_VERSION,
} from "./method-table.js";
import { AUTO_SDL_HANDLERS, SDL_HANDLERS } from "./sdl-methods.js";
import { SESSION_HANDLERS } from "./session-methods.js";
import { STATISTICS_HANDLERS } from "./statistics-methods.js";

const STACK_HANDLERS: HandlersOf<"stack"> = {
  "stack.version": () => ({ version: packageVersion(), methods: METHODS_VERSION }),
};

const HANDLERS: { readonly [M in MethodName]: Handler<M> } = {
  ...STACK_HANDLERS,
  ...INTERFACE_HANDLERS,
  ...TABLE_HANDLERS,
  ...ROUTE_HANDLERS,
  ...NEIGHBOUR_HANDLERS,
  ...NAMESPACE_HANDLERS,
  ...APP_HANDLERS,
  ...COLLECTOR_HANDLERS,
  ...CRYPTO_HANDLERS,
  ...SESSION_HANDLERS,
  ...FLOW_HANDLERS,
  ...SDL_HANDLERS,
  ...AUTO_SDL_HANDLERS,
  ...SOURCE_ADDRESS_HANDLERS,
  ...STATISTICS_HANDLERS,
};

/** Does a method for who knows its types: the CLI's commands. Throws MethodError when it cannot be done. */
export function call<M extends MethodName>(run: MethodRun, method: M, params: MethodParams<M>): MethodResult<M> {
  const handler: Handler<M> = HANDLERS[method];
  return handler(run, params);
}

/** Does a method whose name and parameters came from outside, and are checked here. */
export function dispatch(run: MethodRun, method: unknown, params: unknown): unknown {
  if (!isMethodName(method)) {
    const isText = typeof method === "string" && method.length <= 64;
    const text = isText ? `no method ${JSON.stringify(method)}` : "not a method's name";
    throw new MethodError(isText ? SESSION_E_NOSUPPORT : SESSION_E_INVALID, "method", text);
  }
  const fault = checkFields(METHODS[method].params, params);
  if (fault !== undefined) throw new MethodError(SESSION_E_INVALID, fault.argument, fault.text);
  // The table that the type is made of is the one that the parameters were checked by.
  return call(run, method, params as MethodParams<typeof method>);
}
