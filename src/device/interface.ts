import { MAX_INTERFACES } from "../graph/feature-arc.js";
import type { Flavor } from "../mem/flavor.js";
import type { Device } from "./device.js";

/** Names an interface of one stack (VPP `sw_if_index`). */
export type InterfaceIndex = Flavor<"InterfaceIndex">;

/** Traffic counters of one interface, packets and bytes as frames count. */
export interface InterfaceCounters {
  rxPackets: number;
  rxBytes: number;
  txPackets: number;
  txBytes: number;
  /** Packets that the device did not take. */
  txDrops: number;
  /** Receive bursts that found no free buffer. */
  rxNoBuffer: number;
}

/** A device in the graph. */
export interface Interface {
  readonly index: InterfaceIndex;
  readonly name: string;
  readonly device: Device;
  /** Hardware address as two int32: the first four bytes, the last two. */
  readonly macHigh: number;
  readonly macLow: number;
  /** Largest IP packet sent, bytes; 68 (1280 with IPv6) up to the device's. */
  mtu: number;
  /** Administrative state: a down interface takes and sends nothing. */
  up: boolean;
  /** Accepts frames and packets for any destination. */
  promiscuous: boolean;
  /** Sessions may have addresses as their own that no interface has. */
  spoofing: boolean;
  /** FIB index of received IPv4 and IPv6 packets. */
  fib4: number;
  fib6: number;
  readonly counters: InterfaceCounters;
}

/** The interfaces of one stack. */
export class InterfaceTable {
  /** Interfaces at most. */
  readonly capacity: number;
  readonly #list: Interface[] = [];

  /** Room for `capacity` interfaces, 1 to 1024. Throws RangeError for others. */
  constructor(capacity: number = MAX_INTERFACES) {
    if (!Number.isInteger(capacity) || capacity < 1 || capacity > MAX_INTERFACES) {
      throw new RangeError(`${capacity} interfaces: not 1 to ${MAX_INTERFACES}`);
    }
    this.capacity = capacity;
  }

  /** Adds a device under a name. Throws when the name is taken or the table is full. */
  add(name: string, device: Device, mtu = device.mtu): Interface {
    if (this.byName(name) !== undefined) throw new Error(`interface ${name} exists already`);
    if (this.#list.length === this.capacity) throw new RangeError(`more than ${this.capacity} interfaces`);
    const mac = new DataView(device.mac.buffer, device.mac.byteOffset, 6);
    const added: Interface = {
      index: this.#list.length,
      name,
      device,
      macHigh: mac.getInt32(0),
      macLow: mac.getUint16(4),
      mtu: Math.min(mtu, device.mtu),
      up: true,
      promiscuous: false,
      spoofing: false,
      fib4: 0,
      fib6: 0,
      counters: { rxPackets: 0, rxBytes: 0, txPackets: 0, txBytes: 0, txDrops: 0, rxNoBuffer: 0 },
    };
    this.#list.push(added);
    return added;
  }

  /** Interfaces so far; indices run from 0. */
  get count(): number {
    return this.#list.length;
  }

  /** The interface of that index, undefined when out of range. */
  at(index: InterfaceIndex): Interface | undefined {
    return this.#list[index];
  }

  /** All of them, by index. */
  all(): readonly Interface[] {
    return this.#list;
  }

  /** The interface of that name. */
  byName(name: string): Interface | undefined {
    return this.#list.find((each) => each.name === name);
  }
}
