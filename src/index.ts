import { runCommand } from "./cli/commands/index.js";
import type { StackConfig } from "./host/config-types.js";
import { type LiveStack, type OpenOptions, openStack } from "./node/live-stack.js";

export type { AppWorker, ConnectOptions, ListenOptions } from "./app/app-worker.js";
export type { App } from "./app/app.js";
export type { AppCrypto } from "./app/app-crypto.js";
export type { AppCallbacks } from "./app/callbacks.js";
export type { FlowHookHandle, InboundFlow, OnFlow } from "./app/flow-hook.js";
export type { Listener } from "./app/listener.js";
export type { Answer, SendOptions, Session, SessionAddress, SessionStatistics } from "./app/session.js";
export { DatagramBatch } from "./session/datagram-batch.js";
export type { DatagramInfo } from "./session/datagram-header.js";
export type { Device, Offloads } from "./device/device.js";
export { wire, type WireDevice, type WireOptions } from "./device/wire-device.js";
export { simulatedTls } from "./host/simulated-tls.js";
export { ConfigError } from "./host/config-error.js";
export type { AppConfig, InterfaceConfig, RouteConfig, StackConfig } from "./host/config-types.js";
export type { LiveStack, OpenOptions } from "./node/live-stack.js";
export type { NamespaceHandle } from "./node/namespace-scope.js";
export type { TlsOptions } from "./transport/tls/crypto-config.js";
export type { CryptoStore, TlsProfile } from "./transport/tls/crypto-store.js";
export { TLS_1_2, TLS_1_3, type TlsInfo, type TlsPairText } from "./transport/tls/engine.js";
export type { FlowDecision, FlowVerdict } from "./session/flow-record.js";
export { SESSION_ERRORS, SessionError, type SessionErrorEntry } from "./session/session-errors.js";
export {
  type ConnectionAttribute,
  type ConnectionAttributes,
  TCP_CC_CUBIC,
  TCP_CC_NEWRENO,
} from "./transport/transport.js";

/**
 * Makes a running network host from a configuration: the same object as in the configuration file. Rejects with
 * {@link ConfigError}, which names the key at fault, or with the system's refusal, and then leaves nothing behind.
 */
export function createStack(config: StackConfig, options: OpenOptions = {}): Promise<LiveStack> {
  return openStack(config, runCommand, options);
}
