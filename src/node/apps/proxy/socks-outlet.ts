import type { SessionAddress } from "../../../app/session.js";
import type { SocksServer } from "../../../host/proxy-config.js";
import { type DatagramOutlet, type OpenOutlet, type OutletEvents, UdpOutlet } from "./datagram-outlet.js";
import type { KernelSocket, SocketEvents } from "./kernel-socket.js";
import type { OwnFlows } from "./own-flows.js";
import { associate, socksAddress, socksAddressBytes, type SocksEnd } from "./socks-handshake.js";

/** Two reserved bytes and the number of a fragment, of which there are none here (RFC 1928 7). */
const PREFIX_BYTES = 3;

/** The datagrams of one flow through a SOCKS5 server: an association that lasts as long as its TCP connection. */
class SocksOutlet implements DatagramOutlet, SocketEvents {
  readonly #header: Uint8Array;
  readonly #events: OutletEvents;
  readonly #control: KernelSocket;
  #relay: UdpOutlet | undefined;
  #isClosed = false;

  constructor(server: SocksServer, to: SessionAddress, events: OutletEvents, own: OwnFlows) {
    this.#header = Buffer.concat([new Uint8Array(PREFIX_BYTES), socksAddress(to)]);
    this.#events = events;
    this.#control = associate(server, (bound) => this.#granted(server, bound, own), this, own);
  }

  #granted(server: SocksServer, { host = server.host, port, family }: SocksEnd, own: OwnFlows): void {
    if (this.#isClosed) return;
    if (port === 0) {
      // Nothing can be sent there.
      this.#events.failed();
      return;
    }
    const events: OutletEvents = {
      opened: () => this.#events.opened(),
      received: (datagram) => this.#received(datagram),
      failed: () => this.#events.failed(),
    };
    this.#relay = new UdpOutlet(host, port, host.includes(":") ? 6 : family, events, own);
  }

  #received(datagram: Uint8Array): void {
    if (datagram.length < PREFIX_BYTES + 2 || datagram[2] !== 0) return;
    const addressBytes = socksAddressBytes(datagram, PREFIX_BYTES);
    const from = PREFIX_BYTES + addressBytes;
    if (addressBytes === 0 || datagram.length < from) return;
    // The server's end is open to anybody; an answer comes from where the flow goes, as with a socket that is connected.
    const isAnswer = Buffer.compare(datagram.subarray(PREFIX_BYTES, from), this.#header.subarray(PREFIX_BYTES)) === 0;
    if (isAnswer) this.#events.received(datagram.subarray(from));
  }

  send(datagram: Uint8Array): void {
    this.#relay?.send(Buffer.concat([this.#header, datagram]));
  }

  close(): void {
    this.#isClosed = true;
    this.#relay?.close();
    this.#relay = undefined;
    this.#control.reset();
  }

  // ---- The TCP connection, which says nothing more ----

  connected(): void {
    // Who hands the socket over pauses it right after this; its end is to be heard of.
    setImmediate(() => {
      if (!this.#isClosed) this.#control.resume();
    });
  }

  received(): boolean {
    return true;
  }

  drained(): void {
    // Nothing is written.
  }

  finished(): void {
    this.#events.failed();
  }

  closed(): void {
    if (!this.#isClosed) this.#events.failed();
  }
}

/** Leads datagrams through a SOCKS5 server. */
export function outletsThrough(server: SocksServer, own: OwnFlows): OpenOutlet {
  return (to, events) => new SocksOutlet(server, to, events, own);
}
