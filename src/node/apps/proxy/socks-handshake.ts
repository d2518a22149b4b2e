import type { SessionAddress } from "../../../app/session.js";
import type { SocksServer } from "../../../host/proxy-config.js";
import { formatAddress, parseAddress } from "../../../ip/address.js";
import type { Dial } from "./kernel-exit.js";
import { KernelSocket, type SocketEvents } from "./kernel-socket.js";
import type { OwnFlows } from "./own-flows.js";

const VERSION = 5;
const NO_AUTHENTICATION = 0;
const USER_AND_PASSWORD = 2;
const CONNECT = 1;
const UDP_ASSOCIATE = 3;
const IS_IP4 = 1;
const IS_NAME = 3;
const IS_IP6 = 4;

/** An address with its port as it is in requests, replies and headers of datagrams (RFC 1928 5). */
export function socksAddress({ address, port, family }: SessionAddress): Uint8Array {
  const { words } = parseAddress(address);
  const addressBytes = family === 6 ? 16 : 4;
  const bytes = new Uint8Array(3 + addressBytes);
  bytes[0] = family === 6 ? IS_IP6 : IS_IP4;
  const view = new DataView(bytes.buffer);
  for (let at = 0; at < addressBytes; at += 4) view.setInt32(1 + at, words[at >> 2]);
  view.setUint16(1 + addressBytes, port);
  return bytes;
}

/** Bytes of an address with its port that begins at `at`, where two bytes are there; 0 for one of no known kind. */
export function socksAddressBytes(bytes: Uint8Array, at: number): number {
  const type = bytes[at];
  if (type === IS_IP4) return 7;
  if (type === IS_IP6) return 19;
  return type === IS_NAME ? 4 + bytes[at + 1] : 0;
}

/** A host, or undefined for any address, and a port. */
export interface SocksEnd {
  readonly host: string | undefined;
  readonly port: number;
  readonly family: 4 | 6;
}

/** What {@link socksAddressBytes} has measured. */
function socksEnd(bytes: Uint8Array): SocksEnd {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const port = view.getUint16(bytes.length - 2);
  if (bytes[0] === IS_NAME) return { host: Buffer.from(bytes.subarray(2, -2)).toString("latin1"), port, family: 4 };
  const family = bytes[0] === IS_IP6 ? 6 : 4;
  const words = Int32Array.from({ length: 4 }, (_, i) => (family === 6 || i === 0 ? view.getInt32(1 + 4 * i) : 0));
  return { host: words.every((word) => word === 0) ? undefined : formatAddress({ family, words }), port, family };
}

/** What is asked of a server, and of what comes of it. */
interface SocksAsk {
  readonly command: number;
  readonly address: Uint8Array;
  /** It is granted, and where the server's end is; before the socket is the next one's. */
  granted?(bound: SocksEnd): void;
}

/**
 * Talks to a SOCKS5 server (RFC 1928, with user and password RFC 1929) until it has granted what is asked; then the
 * socket is `next`'s. What it says that is wrong ends the socket.
 */
class SocksHandshake implements SocketEvents {
  socket: KernelSocket | undefined;
  readonly #server: SocksServer;
  readonly #ask: SocksAsk;
  readonly #next: SocketEvents;
  /** What is to come: the method, whether the password was right, the reply. */
  #step: "method" | "password" | "reply" = "method";
  #bytes = new Uint8Array();

  constructor(server: SocksServer, ask: SocksAsk, next: SocketEvents) {
    this.#server = server;
    this.#ask = ask;
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
    const addressBytes = socksAddressBytes(bytes, 3);
    if (addressBytes === 0) return -1;
    if (bytes.length < 3 + addressBytes) return 0;
    this.#isThrough = true;
    this.#ask.granted?.(socksEnd(bytes.subarray(3, 3 + addressBytes)));
    return 3 + addressBytes;
  }

  #request(): void {
    this.#step = "reply";
    const { command, address } = this.#ask;
    this.socket?.write(Buffer.concat([Uint8Array.of(VERSION, command, 0), address]));
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

function ask(server: SocksServer, what: SocksAsk, next: SocketEvents, own: OwnFlows): KernelSocket {
  const handshake = new SocksHandshake(server, what, next);
  const socket = new KernelSocket(server.host, server.port, handshake, own);
  handshake.socket = socket;
  return socket;
}

/** Connects through a SOCKS5 server. */
export function dialThrough(server: SocksServer, own: OwnFlows): Dial {
  return (to, next) => ask(server, { command: CONNECT, address: socksAddress(to) }, next, own);
}

/** Asks a SOCKS5 server to pass on datagrams as long as the socket is there; `granted` hears where they are to be sent. */
export function associate(
  server: SocksServer,
  granted: (bound: SocksEnd) => void,
  next: SocketEvents,
  own: OwnFlows,
): KernelSocket {
  // Where we shall send from is not known yet (RFC 1928 4).
  const address = socksAddress({ address: "0.0.0.0", port: 0, family: 4 });
  return ask(server, { command: UDP_ASSOCIATE, address, granted }, next, own);
}
