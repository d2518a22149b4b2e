import { encodeSocketMessage, parseSocketMessage } from "../app/messages/socket-messages.js";
import type { SocketMessage, SocketMessageOf } from "../app/messages/socket-table.js";
import { loadAddon } from "../host/addon.js";
import { SeqpacketSocket } from "../host/unix-socket.js";
import {
  SESSION_E_INVALID,
  SESSION_E_NOSUPPORT,
  SESSION_E_TIMEDOUT,
  SESSION_E_UNKNOWN,
  SessionError,
} from "../session/session-errors.js";

/** How long the stack may take to answer. */
const ANSWER_TIMEOUT_MS = 10_000;

/** What is asked for through the socket. */
export type WorkerRequest = SocketMessageOf<"ATTACH"> | SocketMessageOf<"WORKER_ADD_DEL">;

/** What a request for a worker may be answered by. */
export type WorkerReply = SocketMessageOf<"ATTACH_REPLY"> | SocketMessageOf<"WORKER_ADD_DEL_REPLY">;

/** A worker that the stack has made. Socket and descriptors are whose they are given to. */
export interface Attached {
  readonly socket: SeqpacketSocket;
  readonly reply: WorkerReply;
  readonly controlFd: number;
  readonly segmentFd: number;
  /** The end of a wake pipe that the stack signals, and the one of another that we signal. */
  readonly waitFd: number;
  readonly signalFd: number;
}

/** Closes the descriptors of a worker that nobody wants. */
export function discard({ controlFd, segmentFd, waitFd, signalFd }: Attached): void {
  closeFds([controlFd, segmentFd, waitFd, signalFd]);
}

/** Closes descriptors. */
export function closeFds(fds: readonly number[]): void {
  for (const fd of fds) loadAddon().closeFd(fd);
}

/**
 * Asks for a worker through the socket at `path`, and makes something of it with `make`, which owns the descriptors, and sets
 * the socket's handlers before its next packet is taken. Rejects with a SessionError that says why the stack refuses, with
 * TIMEDOUT, with the system's error (`code` ENOENT, ECONNREFUSED: no stack is there; EACCES), or with what `make` throws; then
 * the socket is closed. Unless it `isReferenced`, the wait does not keep the process alive.
 */
export async function requestWorker<T>(
  path: string,
  request: WorkerRequest,
  what: string,
  isReferenced: boolean,
  make: (attached: Attached) => T,
): Promise<T> {
  const bytes = encode(request, what);
  const socket = SeqpacketSocket.connect(path);
  let timer: NodeJS.Timeout | undefined;
  try {
    return await new Promise<T>((resolve, reject) => {
      timer = setTimeout(() => reject(new SessionError(SESSION_E_TIMEDOUT, what)), ANSWER_TIMEOUT_MS);
      if (!isReferenced) {
        timer.unref();
        socket.unref();
      }
      socket.onClose = (reason) => reject(closedError(what, reason));
      socket.onMessage = (packet, fds) => {
        const attached = accept(socket, packet, fds, what);
        if (attached instanceof Error) closeFds(fds);
        try {
          if (attached instanceof Error) throw attached;
          resolve(make(attached));
        } catch (error) {
          reject(error instanceof Error ? error : new Error(String(error)));
        }
      };
      if (!socket.send(bytes)) reject(closedError(what, "closed"));
    });
  } catch (error) {
    socket.close();
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

function encode(request: SocketMessage, what: string): Uint8Array {
  try {
    return encodeSocketMessage(request);
  } catch (error) {
    throw new SessionError(SESSION_E_INVALID, what, error instanceof Error ? error.message : undefined);
  }
}

function closedError(what: string, reason: string): SessionError {
  return new SessionError(SESSION_E_UNKNOWN, what, `the stack closed the socket (${reason})`, "ECONNRESET");
}

/** The worker in the stack's answer, or why there is none; then the descriptors are still the caller's. */
function accept(
  socket: SeqpacketSocket,
  packet: Uint8Array,
  fds: readonly number[],
  what: string,
): Attached | SessionError {
  const message = parseSocketMessage(packet);
  if ("error" in message) return new SessionError(message.error, what, message.text);
  if (message.type === "ERROR") return new SessionError(message.retval, what, message.text);
  if (message.type !== "ATTACH_REPLY" && message.type !== "WORKER_ADD_DEL_REPLY") {
    return new SessionError(SESSION_E_NOSUPPORT, what, `the stack answered by ${message.type}`);
  }
  if (message.retval < 0) return new SessionError(message.retval, what, message.text || undefined);
  const [controlFd, segmentFd, waitFd, signalFd] = fds;
  if (fds.length !== 4) return new SessionError(SESSION_E_NOSUPPORT, what, `${fds.length} descriptors, not 4`);
  return { socket, reply: message, controlFd, segmentFd, waitFd, signalFd };
}
