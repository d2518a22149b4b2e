import type { Endpoint, SessionIndex } from "../transport/transport.js";
import type { Application, AppWorker } from "./application.js";

/** How to listen. */
export interface ListenOptions {
  /** Half-open connections at most. */
  readonly backlog?: number;
  /** Datagrams only: a session per peer instead of one for all. */
  readonly connected?: boolean;
  /** Takes every port of the address (port 0; VPP's proxy). Any address needs the setting `anyProxy`, or an interface. */
  readonly proxy?: boolean;
  /** Extended configuration: a chunk of ExtConfig, for the transports that read one. */
  readonly extConfig?: Uint8Array | undefined;
  /** The worker that listens, by its number; default 0. */
  readonly worker?: number;
}

/**
 * One address and port on which workers of an application listen (VPP app_listener_t). Streams: all workers share one
 * listening session, and what is accepted goes to them in turn. Datagrams: each worker has a listening session with fifos
 * of its own, and flows are spread over them by their hash.
 */
export interface AppListener {
  readonly app: Application;
  /** Protocol that peers speak. */
  readonly proto: number;
  readonly fib: number;
  readonly local: Endpoint;
  readonly extConfig: Uint8Array | undefined;
  /** Interface of the namespace when it was made; -1: none. */
  readonly ifIndex: number;
  /** Where it is in the listener table: `local`, or that port on each address of the namespace's interface. */
  keys: readonly Endpoint[];
  readonly isConnected: boolean;
  /** The listening session that packets are looked up with; -1: local scope only. */
  session: SessionIndex;
  /** The listening session of the namespace's local table (cut-through); -1: global scope only. */
  localSession: SessionIndex;
  /** By worker number, -1 for workers that do not listen: the session by which the worker knows the listener (VPP: a bitmap). */
  readonly sessions: SessionIndex[];
  /** The worker that accepted last. */
  acceptRotor: number;
  /** Listening sessions of datagrams, over which flows are spread. */
  readonly spread: SessionIndex[];
}

/** Notes the session by which a worker knows the listener; -1: it does not listen any more. */
export function setListeningWorker({ sessions }: AppListener, number: number, s: SessionIndex): void {
  while (sessions.length <= number) sessions.push(-1);
  sessions[number] = s;
}

/** The worker that takes the next session of a stream listener: those that listen take turns. */
export function nextWorker(listener: AppListener): AppWorker | undefined {
  const { app, sessions } = listener;
  for (let i = 1; i <= sessions.length; i++) {
    const number = (listener.acceptRotor + i) % sessions.length;
    const worker = app.workers[number];
    if (sessions[number] < 0 || worker?.isAttached !== true) continue;
    listener.acceptRotor = number;
    return worker;
  }
  return undefined;
}

/** The listening session that takes a flow's datagrams, by the flow's hash. */
export function spreadBy({ spread }: AppListener, hash: number): SessionIndex {
  return spread[(hash >>> 0) % spread.length];
}
