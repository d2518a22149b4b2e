import { ETH_DST, ETH_HEADER_LEN, ETH_SRC } from "../wire/ethernet.js";
import type { LinkEnd } from "./link.js";
import type { LinkDirection } from "./link-direction.js";
import type { Network } from "./network.js";
import type { SimFrame } from "./sim-frame.js";

/** IEEE 802.1D 7.9.2: how long an address is remembered. */
const AGEING_US = 300_000_000;
/** Addresses remembered; past it frames to new ones are flooded. */
const MAX_ADDRESSES = 65_536;

interface Learned {
  port: number;
  sinceUs: number;
}

/**
 * A learning switch: remembers behind which port a hardware address was last seen, and floods what goes to groups and
 * to addresses it does not know. It takes no time and has no queue of its own: those are the links'.
 */
export class SimSwitch implements LinkEnd {
  readonly name: string;
  /** Frames sent out of all ports but their own. */
  flooded = 0;
  /** Frames sent out of one port. */
  forwarded = 0;
  readonly #network: Network;
  readonly #ports: LinkDirection[] = [];
  readonly #learned = new Map<number, Learned>();

  constructor(name: string, network: Network) {
    this.name = name;
    this.#network = network;
  }

  /** Number of the next port. */
  get ports(): number {
    return this.#ports.length;
  }

  /** Plugs a link in at port {@link ports}: what the switch sends leaves by `out`. */
  plug(out: LinkDirection): void {
    this.#ports.push(out);
  }

  /** The port behind which an address is known to be; undefined when it is not. */
  portOf(mac: Uint8Array): number | undefined {
    const high = (mac[0] << 8) | mac[1];
    const low = ((mac[2] << 24) | (mac[3] << 16) | (mac[4] << 8) | mac[5]) >>> 0;
    return this.#lookup(high * 0x1_0000_0000 + low);
  }

  receive(port: number, frame: SimFrame): void {
    const { pool } = this.#network;
    if (frame.length < ETH_HEADER_LEN) {
      pool.give(frame);
      return;
    }
    const source = macAt(frame, ETH_SRC);
    if ((frame.bytes[ETH_SRC] & 1) === 0) this.#learn(source, port);
    const isGroup = (frame.bytes[ETH_DST] & 1) !== 0;
    const to = isGroup ? undefined : this.#lookup(macAt(frame, ETH_DST));
    frame.note = "";
    if (to === undefined) this.#flood(port, frame);
    else if (to === port) pool.give(frame);
    else {
      this.forwarded++;
      this.#ports[to].offer(frame);
    }
  }

  #learn(mac: number, port: number): void {
    const sinceUs = this.#network.nowUs();
    const known = this.#learned.get(mac);
    if (known !== undefined) {
      known.port = port;
      known.sinceUs = sinceUs;
    } else if (this.#learned.size < MAX_ADDRESSES) this.#learned.set(mac, { port, sinceUs });
  }

  #lookup(mac: number): number | undefined {
    const known = this.#learned.get(mac);
    if (known === undefined) return undefined;
    if (this.#network.nowUs() - known.sinceUs <= AGEING_US) return known.port;
    this.#learned.delete(mac);
    return undefined;
  }

  #flood(port: number, frame: SimFrame): void {
    const { pool } = this.#network;
    this.flooded++;
    for (let i = 0; i < this.#ports.length; i++) {
      if (i !== port) this.#ports[i].offer(pool.copy(frame));
    }
    pool.give(frame);
  }
}

function macAt({ dv }: SimFrame, at: number): number {
  return dv.getUint16(at) * 0x1_0000_0000 + dv.getUint32(at + 2);
}
