import type { SocketMessageOf } from "../app/messages/socket-table.js";
import { attachPath } from "../host/attach-path.js";
import type { ApplicationOptions } from "../session/application.js";

/** What an application in its own process may ask for beside what any application may. */
export interface ClientOptions extends ApplicationOptions {
  /** Path of the attach socket, or `@name` of an abstract one. Default: the namespace's in `directory`. */
  readonly socket?: string;
  /** Directory of the stack's attach sockets. Default: `$XDG_RUNTIME_DIR/weft/attach`, or `/run/weft/attach`. */
  readonly directory?: string;
  /** When the process dies, what was written is still sent. Default: its connections are reset. */
  readonly closesOnDeath?: boolean;
  /** Sessions for which the stack keeps fifo memory ready. */
  readonly preallocatedFifoPairs?: number;
  /** Ring of each message queue, bytes, a power of two. Default: as the stack is configured. */
  readonly eventQueueBytes?: number;
  /** Sessions that each worker may have. Default: as the stack is configured. */
  readonly maxSessions?: number;
  /** Attach again, and listen again, when the stack has gone and come back. Default true. */
  readonly reattach?: boolean;
  /** Hears of errors that callbacks threw. Default: prints them, as Node prints uncaught ones. */
  readonly onError?: (error: unknown) => void;
}

/** The socket that an application attaches by. */
export function socketOf({
  socket,
  namespace,
  directory,
}: Pick<ClientOptions, "socket" | "namespace" | "directory">): string {
  return socket ?? attachPath(namespace, directory);
}

/** What it asks for there. */
export function attachRequest(options: ClientOptions): SocketMessageOf<"ATTACH"> {
  const { scope = [] } = options;
  return {
    type: "ATTACH",
    context: 0,
    name: options.name,
    namespace: options.namespace ?? "",
    secret: String(options.secret ?? ""),
    globalScope: scope.includes("global"),
    localScope: scope.includes("local"),
    rxFifoBytes: options.rxFifoBytes ?? 0,
    txFifoBytes: options.txFifoBytes ?? 0,
    segmentBytes: options.segmentBytes ?? 0,
    addSegmentBytes: options.addSegmentBytes ?? 0,
    maxFifoMemoryBytes: options.maxFifoMemoryBytes ?? 0,
    highWatermark: options.highWatermark ?? 0,
    lowWatermark: options.lowWatermark ?? 0,
    preallocatedFifoPairs: options.preallocatedFifoPairs ?? 0,
    eventQueueBytes: options.eventQueueBytes ?? 0,
    maxSessions: options.maxSessions ?? 0,
    closesOnDeath: options.closesOnDeath ?? false,
  };
}
