import { createSocket, type Socket } from "node:dgram";
import type { SessionAddress } from "../../../app/session.js";
import type { OwnFlows } from "./own-flows.js";

/** Bytes that wait for the kernel; more datagrams are lost. */
const MAX_QUEUED_BYTES = 1 << 20;

/** Who hears of an outlet. */
export interface OutletEvents {
  /** It can send. */
  opened(): void;
  /** A datagram came back. */
  received(datagram: Uint8Array): void;
  /** Nobody listens there, or there is no way: the next datagram may begin anew. */
  failed(): void;
}

/** Where the datagrams of one flow go out. */
export interface DatagramOutlet {
  /** Sends one, whose bytes may be others afterwards; lost when too many wait. Only once it is open. */
  send(datagram: Uint8Array): void;
  close(): void;
}

/** Makes the outlet of a flow to a destination. */
export type OpenOutlet = (to: SessionAddress, events: OutletEvents) => DatagramOutlet;

/** A connected UDP socket of the kernel. */
export class UdpOutlet implements DatagramOutlet {
  readonly #socket: Socket;
  readonly #own: OwnFlows;

  /** `host` may be a name. While it is there `own` has its flow. */
  constructor(host: string, port: number, family: 4 | 6, events: OutletEvents, own: OwnFlows) {
    this.#own = own;
    this.#socket = createSocket(family === 6 ? "udp6" : "udp4")
      .on("message", (datagram) => events.received(datagram))
      .on("error", () => events.failed())
      .on("connect", () => {
        const { address: local, port: localPort } = this.#socket.address();
        const { address, port: remotePort } = this.#socket.remoteAddress();
        own.add(this, {
          local: { address: local, port: localPort, family },
          remote: { address, port: remotePort, family },
        });
        events.opened();
      });
    this.#socket.connect(port, host);
  }

  send(datagram: Uint8Array): void {
    if (this.#socket.getSendQueueSize() + datagram.length <= MAX_QUEUED_BYTES) this.#socket.send(datagram.slice());
  }

  close(): void {
    this.#own.delete(this);
    this.#socket.close();
  }
}
