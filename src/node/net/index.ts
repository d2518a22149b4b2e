import { isIP, isIPv4, isIPv6 } from "node:net";
import type { AttachPoint } from "../attach-point.js";
import { type ConnectArguments, normalizeConnect } from "./arguments.js";
import { NetApp } from "./net-app.js";
import { Server, type ServerOptions } from "./server.js";
import { Socket, type SocketOptions } from "./socket.js";

/** What a server is made with: (options, onConnection) or (onConnection). */
export type ServerArguments =
  | readonly [options?: ServerOptions, onConnection?: (socket: Socket) => void]
  | readonly [onConnection: (socket: Socket) => void];

/** A stack's networking, shaped like node:net: programs written for that run on it. */
export interface Net {
  /** A server: (options, onConnection), (onConnection). */
  createServer(...args: ServerArguments): Server;
  /** Connects: (options), (port, host), (uri), each with a callback. */
  connect(...args: ConnectArguments): Socket;
  /** The same as {@link connect}: what `http.request` and agents call. */
  createConnection(...args: ConnectArguments): Socket;
  /** The class of this stack's sockets: `new net.Socket().connect(…)`. */
  readonly Socket: new (
    options?: SocketOptions,
  ) => Socket;
  /** The class of this stack's servers. */
  readonly Server: new (
    ...args: ServerArguments
  ) => Server;
  /** 4, 6, or 0 for what is no address. */
  isIP(text: string): number;
  isIPv4(text: string): boolean;
  isIPv6(text: string): boolean;
  /** Destroys every socket, closes every server and leaves the stack. */
  close(): Promise<void>;
}

/** Makes the net of a stack. Nothing is attached before the first socket or server needs it. */
export function createNet(stack: AttachPoint): Net {
  const home = new NetApp(stack, "net");
  class StackSocket extends Socket {
    constructor(options: SocketOptions = {}) {
      super(options, (address, target) => home.dial(address, target));
      home.keep(this);
    }
  }
  class StackServer extends Server {
    constructor(...[first, second]: ServerArguments) {
      if (typeof first === "function") super(home, {}, first);
      else super(home, first, second);
    }
  }
  const connect = (...args: ConnectArguments): Socket => {
    const { allowHalfOpen = false, signal } = normalizeConnect(args).options;
    return new StackSocket({ allowHalfOpen, ...(signal === undefined ? {} : { signal }) }).connect(...args);
  };
  return {
    createServer: (...args) => new StackServer(...args),
    connect,
    createConnection: connect,
    Socket: StackSocket,
    Server: StackServer,
    isIP,
    isIPv4,
    isIPv6,
    close: () => home.close(),
  };
}
