// Applications in processes of their own, and programs that manage a stack: `weft/client`.
export type { App } from "../app/app.js";
export type { AppWorker, ConnectOptions, ListenOptions } from "../app/app-worker.js";
export type { AppCallbacks } from "../app/callbacks.js";
export type { FlowHookHandle, InboundFlow, OnFlow } from "../app/flow-hook.js";
export type { Listener } from "../app/listener.js";
export type { Answer, Session, SessionAddress, SessionStatistics } from "../app/session.js";
export { startApp, type AppHandle, type AppOptions } from "../node/apps/index.js";
export type { FlowDecision, FlowVerdict } from "../session/flow-record.js";
export { SESSION_ERRORS, SessionError, type SessionErrorEntry } from "../session/session-errors.js";
export { attach, attachWorker, type ClientApp, type WorkerOptions } from "./client-app.js";
export type { ClientListener } from "./client-listener.js";
export type { ClientOptions } from "./client-options.js";
export type { ClientSession } from "./client-session.js";
export { type RemoteStack, remoteStack } from "./client-stack.js";
export type { ClientCounters, ClientWorker } from "./client-worker.js";
export type { SessionEvents } from "./readiness.js";
export type { MethodName, MethodParams, MethodResult } from "../cli/methods/method-table.js";
export { manage, ManageError, type Management, type ManageOptions } from "./manage.js";
