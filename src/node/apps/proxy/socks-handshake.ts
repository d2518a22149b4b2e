import type { SessionAddress } from "../../../app/session.js";
import type { SocksServer } from "../../../host/proxy-config.js";
import { parseAddress } from "../../../ip/address.js";
import type { Dial } from "./kernel-exit.js";
import { KernelSocket, type SocketEvents } from "./kernel-socket.js";
import type { OwnFlows } from "./own-flows.js";

const VERSION = 5;
const NO_AUTHENTICATION = 0;
const USER_AND_PASSWORD = 2;
const CONNECT = 1;
const IS_IP4 = 1;
const IS_NAME = 3;
const IS_IP6 = 4;

/** What is asked of a server: CONNECT to an address (RFC 1928 4). */
export function connectRequest({ address, port, family }: SessionAddress): Uint8Array {
  const words = parseAddress(address).words;
  const addressBytes = family === 6 ? 16 : 4;
  const request = new Uint8Array(6 + addressBytes);
  request.set([VERSION, CONNECT, 0, family === 6 ? IS_IP6 : IS_IP4]);
  const view = new DataView(request.buffer);
  for (let at = 0; at < addressBytes; at += 4) view.setInt32(4 + at, words[at >> 2]);
  view.setUint16(4 + addressBytes, port);
  return request;
}

/** Bytes of a reply (RFC 1928 6) whose first five bytes are there; 0 for one that is wrong. */
function replyBytes(bytes: Uint8Array): number {
  const [, , , type, first] = bytes;
  if (type === IS_IP4) return 10;
  if (type === IS_IP6) return 22;
  return type === IS_NAME ? 7 + first : 0;
}

/**
 * Talks to a SOCKS5 server (RFC 1928, with user and password RFC 1929) until it has connected to a destination; then the
 * socket is `next`'s. What it says that is wrong ends the socket.
 */
class SocksHandshake implements SocketEvents {
  socket: KernelSocket | undefined;
  readonly #server: SocksServer;
  readonly #to: SessionAddress;
  readonly #next: SocketEvents;
  /** What is to come: the method, whether the password was right, the reply. */
  #step: "method" | "password" | "reply" = "method";
  #bytes = new Uint8Array();

  constructor(server: SocksServer, to: SessionAddress, next: SocketEvents) {
    this.#server = server;
    this.#to = to;
    this.#next = next;
  }

  connected(): void {
    const method = this.#server.user === undefined ? NO_AUTHENTICATION : USER_AND_PASSWORD;
    this.socket?.write(Uint8Array.of(VERSION, 1, method));
    this.socket?.resume();
  }

  received(bytes: Uint8Array): boolean {
    const all = new Uint8Array(this.#bytes.length + bytes.length);
    all.set(this.#bytes);
    all.set(bytes, this.#bytes.length);
    this.#bytes = all;
    for (;;) {
      const taken = this.#take();
      if (taken === 0) return true;
      if (taken < 0) {
        this.socket?.reset();
        return false;
      }
      this.#bytes = this.#bytes.subarray(taken);
      if (this.#step === "reply" && this.#isThrough) break;
    }
    const { socket } = this;
    if (socket !== undefined) {
      socket.events = this.#next;
      socket.early = this.#bytes;
      this.#next.connected();
    }
    return false;
  }

  #isThrough = false;

  /** Takes the next message. Returns its bytes, 0 when not all of it is there, -1 when it is a refusal. */
  #take(): number {
    const bytes = this.#bytes;
    if (bytes.length < 2) return 0;
    const { user, password = "" } = this.#server;
    if (this.#step === "method") {
      if (bytes[0] !== VERSION || bytes[1] !== (user === undefined ? NO_AUTHENTICATION : USER_AND_PASSWORD)) return -1;
      if (user === undefined) this.#request();
      else {
        this.#step = "password";
        const [name, word] = [Buffer.from(user), Buffer.from(password)];
        this.socket?.write(Buffer.concat([Uint8Array.of(1, name.length), name, Uint8Array.of(word.length), word]));
      }
      return 2;
    }
    if (this.#step === "password") {
      if (bytes[1] !== 0) return -1;
      this.#request();
      return 2;
    }
    if (bytes[0] !== VERSION || bytes[1] !== 0) return -1;
    if (bytes.length < 5) return 0;
    const length = replyBytes(bytes);
    if (length === 0) return -1;
    this.#isThrough = bytes.length >= length;
    return this.#isThrough ? length : 0;
  }

  #request(): void {
    this.#step = "reply";
    this.socket?.write(connectRequest(this.#to));
  }

  drained(): void {
    // What is said is short, and goes in turn.
  }

  finished(): void {
    this.socket?.reset();
  }

  closed(hasFailed: boolean): void {
    this.#next.closed(hasFailed);
  }
}

/** Connects through a SOCKS5 server. */
export function dialThrough(server: SocksServer, own: OwnFlows): Dial {
  return (to, next) => {
    const handshake = new SocksHandshake(server, to, next);
    const socket = new KernelSocket(server.host, server.port, handshake, own);
    handshake.socket = socket;
    return socket;
  };
}
