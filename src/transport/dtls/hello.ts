import {
  DGRAM_IS_IP4,
  DGRAM_LOCAL_IP,
  DGRAM_LOCAL_PORT,
  DGRAM_REMOTE_IP,
  DGRAM_REMOTE_PORT,
} from "../../mem/fifo-datagram.js";
import type { Offset } from "../../mem/flavor.js";
import type { MemoryWindow } from "../../mem/window.js";
import type { Endpoint } from "../transport.js";

/** Bytes of a name: both addresses, both ports, one after the other as in a datagram's header. */
const NAME_BYTES = DGRAM_IS_IP4 - DGRAM_REMOTE_IP;

/** What the header of a first datagram says of its peer. */
export class HelloPeer {
  /** Addresses and ports, for cookies. */
  readonly name = new Uint8Array(NAME_BYTES);
  readonly #window: MemoryWindow;
  readonly #header: Offset;

  constructor(window: MemoryWindow, header: Offset) {
    this.#window = window;
    this.#header = header;
  }

  /** The header has another datagram's now. */
  read(): void {
    const { u8 } = this.#window;
    const from = this.#header + DGRAM_REMOTE_IP;
    for (let i = 0; i < NAME_BYTES; i++) this.name[i] = u8[from + i];
  }

  /** Where the datagram came from. */
  get remote(): Endpoint {
    return this.#endpoint(DGRAM_REMOTE_IP, DGRAM_REMOTE_PORT);
  }

  /** Where it came to. */
  get local(): Endpoint {
    return this.#endpoint(DGRAM_LOCAL_IP, DGRAM_LOCAL_PORT);
  }

  #endpoint(ip: number, port: number): Endpoint {
    const { dv, u8 } = this.#window;
    const isIp4 = u8[this.#header + DGRAM_IS_IP4] !== 0;
    const address = new Int32Array(4);
    for (let i = 0; i < (isIp4 ? 1 : 4); i++) {
      address[i] = dv.getInt32(this.#header + ip + (isIp4 ? 12 : 4 * i));
    }
    return { family: isIp4 ? 4 : 6, address, port: dv.getUint16(this.#header + port) };
  }
}
