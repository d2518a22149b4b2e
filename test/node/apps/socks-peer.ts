import { createSocket as createRelay } from "node:dgram";
import { once } from "node:events";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";

/** How a {@link SocksPeer} behaves. */
export interface SocksManners {
  /** Asks for this user and password. */
  readonly user?: string;
  readonly password?: string;
  /** Its reply (RFC 1928 6); 0: succeeded. */
  readonly reply?: number;
  /** Sent right behind the reply. */
  readonly early?: string;
  /** The port that it names for datagrams, instead of its own. */
  readonly relayPort?: number;
  /** Says everything byte by byte. */
  readonly isSlow?: boolean;
}

/** A SOCKS5 server on loopback, which keeps what would go on to elsewhere. */
export class SocksPeer {
  /** Connections that are through. */
  readonly through: Socket[] = [];
  /** What was asked for, `address:port`. */
  readonly asked: string[] = [];
  /** Associations that are there, and those there ever were. */
  relays = 0;
  relaysEver = 0;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #manners: SocksManners;

  private constructor(manners: SocksManners) {
    this.#manners = manners;
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      this.#sockets.add(socket);
      socket.on("error", () => undefined);
      this.#serve(socket).catch(() => socket.destroy());
    });
  }

  /** Starts one. */
  static async listen(manners: SocksManners = {}): Promise<SocksPeer> {
    const peer = new SocksPeer(manners);
    peer.#server.listen(0, "127.0.0.1");
    await once(peer.#server, "listening");
    return peer;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Ends it and its connections. */
  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  async #serve(socket: Socket): Promise<void> {
    const { user, password, reply = 0, early = "" } = this.#manners;
    const [, methods] = await take(socket, 2);
    const offered = await take(socket, methods);
    const wanted = user === undefined ? 0 : 2;
    if (!offered.includes(wanted)) {
      socket.end(Uint8Array.of(5, 255));
      return;
    }
    await this.#say(socket, Buffer.of(5, wanted));
    if (user !== undefined) {
      const name = await take(socket, (await take(socket, 2))[1]);
      const word = await take(socket, (await take(socket, 1))[0]);
      const isRight = String(name) === user && String(word) === password;
      await this.#say(socket, Buffer.of(1, isRight ? 0 : 1));
    }
    const [, command, , type] = await take(socket, 4);
    const address = await take(socket, type === 4 ? 16 : 4);
    const port = (await take(socket, 2)).readUInt16BE();
    if (command === 3) {
      await this.#associate(socket);
      return;
    }
    this.asked.push(`${type === 4 ? address.toString("hex") : address.join(".")}:${port}`);
    const bound = type === 4 ? Buffer.of(4, ...address) : Buffer.of(3, 4, ...Buffer.from("here"));
    await this.#say(socket, Buffer.concat([Buffer.of(5, reply, 0), bound, Buffer.of(0, 80), Buffer.from(early)]));
    if (reply === 0) this.through.push(socket);
  }

  /** Sends datagrams back as if they came from where they go, while the connection is there; before each what is none. */
  async #associate(socket: Socket): Promise<void> {
    const { reply = 0, relayPort } = this.#manners;
    const relay = createRelay("udp4").on("message", (datagram, { address, port }) => {
      const header = datagram.subarray(0, datagram[3] === 4 ? 22 : 10);
      this.asked.push(`udp ${header.subarray(3).toString("hex")}`);
      const fragment = Buffer.of(0, 0, 1, ...datagram.subarray(3));
      // From another host, and from another port of that one.
      const strangers = [4, header.length - 1].map((at) => {
        const stranger = Buffer.from(datagram);
        stranger[at] ^= 1;
        return stranger;
      });
      for (const each of [Buffer.of(0, 0, 0), fragment, Buffer.of(0, 0, 0, 9, 1), ...strangers, datagram])
        relay.send(each, port, address);
    });
    relay.bind(0, "127.0.0.1");
    await once(relay, "listening");
    this.relays++;
    this.relaysEver++;
    socket.resume().on("close", () => {
      this.relays--;
      relay.close();
    });
    // Any address: the server's own.
    const port = Buffer.alloc(2);
    port.writeUInt16BE(relayPort ?? relay.address().port);
    await this.#say(socket, Buffer.concat([Buffer.of(5, reply, 0, 1, 0, 0, 0, 0), port]));
  }

  async #say(socket: Socket, bytes: Buffer): Promise<void> {
    if (this.#manners.isSlow !== true) {
      socket.write(bytes);
      return;
    }
    for (const byte of bytes) {
      socket.write(Uint8Array.of(byte));
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }
}

/** The next bytes of a socket. */
async function take(socket: Socket, count: number): Promise<Buffer> {
  for (;;) {
    const bytes = socket.read(count) as Buffer | null;
    if (bytes !== null) return bytes;
    await once(socket, "readable");
  }
}
