import { type Socket, connect, isIPv6 } from "node:net";
import type { SessionAddress } from "../../../app/session.js";
import type { OwnFlows } from "./own-flows.js";

/** Bytes that are read at a time. */
const READ_BYTES = 256 << 10;

/**
 * Where what sockets receive is read to: one for all, since whoever hears of it has taken it before the next read.
 */
const received = new Uint8Array(READ_BYTES);

/** Who hears of a socket. */
export interface SocketEvents {
  /** It is connected, and paused. */
  connected(): void;
  /** Bytes came, which are its own only within the call. False: no more until {@link KernelSocket.resume}. */
  received(bytes: Uint8Array): boolean;
  /** All that was written has been taken by the kernel. */
  drained(): void;
  /** The peer sends no more. */
  finished(): void;
  /** It is gone, whoever ended it; `hasFailed`: by an error. */
  closed(hasFailed: boolean): void;
}

/** A TCP socket of the kernel, seen without streams: it reads into one buffer, and a write is taken at once or waits. */
export class KernelSocket {
  events: SocketEvents;
  /** What was received before {@link events} came to whoever has it now. */
  early: Uint8Array = new Uint8Array();
  readonly #socket: Socket;
  #isFull = false;
  readonly #written = (): void => {
    if (!this.#isFull || this.#socket.writableLength > 0) return;
    this.#isFull = false;
    this.events.drained();
  };

  /** Connects; paused until {@link resume}. While it is there `own` has its flow. */
  constructor(host: string, port: number, events: SocketEvents, own: OwnFlows) {
    this.events = events;
    this.#socket = connect({
      host,
      port,
      allowHalfOpen: true,
      noDelay: true,
      keepAlive: true,
      onread: {
        buffer: received,
        callback: (bytes: number, buffer: Uint8Array) => this.events.received(buffer.subarray(0, bytes)),
      },
    })
      .pause()
      .on("connect", () => this.events.connected())
      .on("end", () => this.events.finished())
      // `close` follows.
      .on("error", () => undefined)
      .on("close", (hasFailed) => {
        own.delete(this);
        this.events.closed(hasFailed);
      });
    // The kernel chooses our end in the next tick, and the SYN cannot come back before that.
    process.nextTick(() => {
      const { localAddress, localPort } = this.#socket;
      if (localAddress !== undefined && localPort !== undefined)
        own.add(this, { local: addressAt(localAddress, localPort), remote: addressAt(host, port) });
    });
  }

  /** Reads, or reads on. */
  resume(): void {
    const { early } = this;
    this.early = new Uint8Array();
    if (early.length > 0 && !this.events.received(early)) return;
    this.#socket.resume();
  }

  /** Writes; false: the bytes must stay as they are until `drained`. */
  write(bytes: Uint8Array): boolean {
    this.#socket.write(bytes, this.#written);
    this.#isFull = this.#socket.writableLength > 0;
    return !this.#isFull;
  }

  /** Sends no more, after what was written. */
  end(): void {
    this.#socket.end();
  }

  /** Ends it at once, with a reset when it is connected and not ending already: libuv would keep that handle for good. */
  reset(): void {
    const { connecting, writableEnded, writableFinished } = this.#socket;
    if (connecting || (writableEnded && !writableFinished)) this.#socket.destroy();
    else this.#socket.resetAndDestroy();
  }
}

function addressAt(address: string, port: number): SessionAddress {
  return { address, port, family: isIPv6(address) ? 6 : 4 };
}
