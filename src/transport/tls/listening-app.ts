import type { ApplicationCallbacks } from "../../session/application.js";
import type { HandshakeFailure } from "../../session/handshake-failure.js";
import type { SessionLayer } from "../../session/session-layer.js";
import type { SessionIndex } from "../transport.js";

/** Callbacks of the first of the workers at a listener who has one of that name. */
export function callbacksAt(
  sessions: SessionLayer,
  listener: SessionIndex,
  name: "certificate" | "handshakeFailed",
): ApplicationCallbacks | undefined {
  const { app, sessions: own } = sessions.listeners.of(listener) ?? {};
  const listening = app?.workers.filter((worker, i) => worker?.isAttached === true && (own?.[i] ?? -1) >= 0);
  return listening?.find((worker) => worker?.callbacks[name] !== undefined)?.callbacks;
}

/** Tells a listener's application, after the turn, of a handshake that failed, if it wants to know. */
export function tellFailure(sessions: SessionLayer, failure: HandshakeFailure): void {
  const { listener } = failure;
  if (callbacksAt(sessions, listener, "handshakeFailed") === undefined) return;
  void Promise.resolve().then(() => {
    try {
      callbacksAt(sessions, listener, "handshakeFailed")?.handshakeFailed?.(failure);
    } catch (error) {
      sessions.reportError(error, sessions.table.handle(listener));
    }
    sessions.delivered();
  });
}
