import type { Host } from "../../nodes/host.js";
import type { Device, Offloads } from "../../src/device/device.js";
import { type Interface, InterfaceTable } from "../../src/device/interface.js";
import { Engine } from "../../src/graph/engine.js";
import { CONSUMED } from "../../src/graph/frame.js";
import { NO_TRACE, type NodeForm } from "../../src/graph/node.js";
import { M_DATA, M_FLAGS, M_LEN, M_SLOT, M_TAIL, PacketPool } from "../../src/graph/packet-pool.js";
import { Ip, type IpOptions } from "../../src/ip/ip.js";
import { NeighbourTable, type NeighbourOptions } from "../../src/ip/neighbour.js";
import { MemoryWindow } from "../../src/mem/window.js";
import { SeededRandom } from "../../src/random/seeded.js";
import { ManualClock } from "../../src/time/manual-clock.js";
import type { Transport } from "../../src/transport/transport.js";

/** A packet as a node gave it away: its bytes from M_DATA on, head and tails, and its metadata line. */
export interface Caught {
  readonly bytes: Uint8Array;
  readonly meta: Int32Array;
}

/** Metadata fields by their M_ numbers, for packets that tests put into the graph. */
export type Meta = Readonly<Record<number, number>>;

/** A device whose network is the test. */
export class TestDevice implements Device {
  readonly kind = "test";
  readonly mac: Uint8Array;
  readonly mtu: number;
  readonly offloads: Offloads;
  /** Frames that wait to be received, with metadata to set. */
  readonly incoming: { bytes: Uint8Array; meta: Meta }[] = [];
  /** Frames that were sent. */
  sent: Caught[] = [];
  /** Most packets that one burst takes. */
  capacity = Number.POSITIVE_INFINITY;
  #pool: PacketPool | undefined;

  constructor(mac: Uint8Array, mtu: number, offloads: Offloads) {
    this.mac = mac;
    this.mtu = mtu;
    this.offloads = offloads;
  }

  attach(pool: PacketPool): void {
    this.#pool = pool;
  }

  rx(buffers: Int32Array, max: number): number {
    const pool = this.#pool;
    let n = 0;
    while (pool !== undefined && n < max && this.incoming.length > 0) {
      const b = pool.allocFor(this.incoming[0].bytes.length);
      if (b < 0) break;
      const { bytes, meta } = this.incoming.shift() as { bytes: Uint8Array; meta: Meta };
      fill(pool, b, bytes, meta);
      buffers[n++] = b;
    }
    return n;
  }

  tx(buffers: Int32Array, count: number): number {
    const sent = Math.min(count, this.capacity);
    for (let i = 0; i < sent; i++) this.sent.push(snapshot(this.#pool as PacketPool, buffers[i]));
    return sent;
  }

  close(): void {}
}

function fill(pool: PacketPool, b: number, bytes: Uint8Array, meta: Meta): void {
  const { u8, i32 } = pool.window;
  const m = pool.meta + (b << 4);
  u8.set(bytes, i32[m + M_DATA]);
  i32[m + M_LEN] = bytes.length;
  for (const [field, value] of Object.entries(meta)) i32[m + Number(field)] = value;
}

function snapshot(pool: PacketPool, b: number): Caught {
  const { u8, i32 } = pool.window;
  const m = pool.meta + (b << 4);
  const bytes = new Uint8Array(pool.length(b));
  const head = i32[m + M_LEN];
  bytes.set(u8.subarray(i32[m + M_DATA], i32[m + M_DATA] + head));
  const spans = i32[m + M_SLOT] >> 2;
  let at = head;
  for (let i = 0; i < i32[m + M_TAIL] >>> 24; i++) {
    const [offset, length] = [i32[spans + i * 2], i32[spans + i * 2 + 1]];
    bytes.set(u8.subarray(offset, offset + length), at);
    at += length;
  }
  return { bytes, meta: i32.slice(m, m + 16) };
}

/** How a test wants its host. */
export interface HarnessOptions {
  readonly small?: number;
  readonly large?: number;
  readonly ip?: IpOptions;
  readonly neighbours?: NeighbourOptions;
  /** Window bytes. Default 32 MiB. */
  readonly bytes?: number;
  readonly seed?: number;
  /** Parts of the host that the harness does not make, for nodes that need them. */
  readonly parts?: Partial<Host>;
  /** Arcs beside device-input, ip4/ip6-unicast, ip4/ip6-local, ip4/ip6-output and interface-output: (start, end). */
  readonly arcs?: readonly (readonly [name: string, start: string, end: string])[];
  /** A feature put on an arc before packets flow: (arc, node). The node is registered by the test. */
  readonly features?: readonly (readonly [arc: string, node: string])[];
}

/** The harness as a host that has `parts` too. Nodes that reach for others fail when they are bound. */
function complete(harness: Partial<Host>, parts: Partial<Host> = {}): Host {
  return Object.assign(harness, parts) as Host;
}

const ARCS = [
  ["device-input", "device-input", "ethernet-input"],
  ["ip4-unicast", "ip4-input", "ip4-lookup"],
  ["ip6-unicast", "ip6-input", "ip6-lookup"],
  ["ip4-local", "ip4-local", "ip4-local-end-of-arc"],
  ["ip6-local", "ip6-local", "ip6-local-end-of-arc"],
  ["ip4-output", "ip4-rewrite", "interface-output"],
  ["ip6-output", "ip6-rewrite", "interface-output"],
  ["interface-output", "interface-output", "interface-tx"],
] as const;

/**
 * Some nodes in a real engine with real tables, freed slots poisoned, time in the test's hands. Every next node that
 * was not given is a sink that keeps what it gets.
 */
export class Harness {
  readonly window: MemoryWindow;
  readonly pool: PacketPool;
  readonly clock = new ManualClock(1_000_000);
  readonly engine: Engine<Host>;
  readonly interfaces = new InterfaceTable();
  readonly ip: Ip;
  readonly neighbours: NeighbourTable;
  readonly random: SeededRandom;
  readonly transports: (Transport | undefined)[] = [];
  readonly #sinks = new Map<string, Caught[]>();
  readonly #devices: TestDevice[] = [];

  constructor(forms: readonly NodeForm<Host>[], options: HarnessOptions = {}) {
    const { small = 1024, large = 16, bytes = 32 << 20, seed = 1 } = options;
    this.window = MemoryWindow.plain(bytes);
    this.pool = new PacketPool(this.window, { small, large, poison: true });
    this.engine = new Engine<Host>({ window: this.window, pool: this.pool, clock: this.clock });
    this.random = new SeededRandom(seed);
    const { window, pool, interfaces, random } = this;
    this.ip = new Ip({ window, pool, interfaces, random }, options.ip);
    const { adjacencies } = this.ip;
    const parts = { window, pool, interfaces, adjacencies, random, time: this.engine };
    this.neighbours = new NeighbourTable(parts, options.neighbours);
    this.ip.fib.useNextHops(this.neighbours);
    this.neighbours.useRoutes(this.ip.fib);
    this.ip.attach(this.engine);
    this.engine.addTimed(this.neighbours);
    const arcs = [...ARCS, ...(options.arcs ?? [])].map(
      ([name, start, end]) => [this.engine.addArc(name, [start], end), start, end] as const,
    );
    for (const [arc, feature] of options.features ?? []) this.engine.arc(arc).addFeature(feature);
    const names = new Set(forms.map(({ name }) => name));
    for (const form of forms) this.engine.register(form);
    const wanted = forms.flatMap(({ next }) => next);
    for (const [, start, end] of arcs) if (names.has(start)) wanted.push(end);
    for (const name of ["ip4-icmp-error", "ip6-icmp-error", ...wanted]) {
      if (names.has(name)) continue;
      names.add(name);
      this.engine.register(this.#sink(name));
    }
    this.engine.start(complete(this, options.parts));
  }

  #sink(name: string): NodeForm<Host> {
    const caught: Caught[] = [];
    this.#sinks.set(name, caught);
    return {
      name,
      next: [],
      errors: [],
      trace: NO_TRACE,
      process: () => (frame) => {
        for (let i = 0; i < frame.count; i++) {
          caught.push(snapshot(this.pool, frame.buffers[i]));
          this.pool.free(frame.buffers[i]);
          frame.next[i] = CONSUMED;
        }
      },
    };
  }

  /** Adds an interface; its hardware address is 02:00:00:00:00:(10 + index) unless given. */
  addInterface(
    prefixes: readonly string[] = [],
    { mtu = 1500, offloads = { checksum: false, tso: false, uso: false } }: { mtu?: number; offloads?: Offloads } = {},
  ): Interface {
    const index = this.interfaces.count;
    const device = new TestDevice(Uint8Array.of(2, 0, 0, 0, 0, 0x10 + index), mtu, offloads);
    device.attach(this.pool);
    this.#devices.push(device);
    const iface = this.interfaces.add(`test${index}`, device);
    for (const prefix of prefixes) this.ip.fib.apply({ kind: "address", interface: index, prefix, add: true });
    return iface;
  }

  /** The device of an interface. */
  device(index: number): TestDevice {
    return this.#devices[index];
  }

  /** Lets an interface receive a frame. */
  receive(index: number, bytes: Uint8Array, meta: Meta = {}): void {
    this.#devices[index].incoming.push({ bytes, meta });
  }

  /** Puts a packet on its way to a node: `bytes` are the packet from M_DATA on. Returns its buffer. */
  put(node: string, bytes: Uint8Array, meta: Meta = {}): number {
    const b = this.pool.allocFor(bytes.length);
    if (b < 0) throw new Error("no packet buffer for the test's packet");
    fill(this.pool, b, bytes, meta);
    this.engine.inject(node, b);
    return b;
  }

  /** Metadata word of a packet. */
  meta(b: number, field: number): number {
    return this.window.i32[this.pool.meta + (b << 4) + field];
  }

  /** Sets a metadata word of a packet. */
  setMeta(b: number, field: number, value: number): void {
    this.window.i32[this.pool.meta + (b << 4) + field] = value;
  }

  /** Turns until nothing comes in any more. */
  run(): void {
    for (let i = 0; i < 1000; i++) if (this.engine.turn() === 0) return;
    throw new Error("the graph does not come to rest");
  }

  /** Lets time pass in steps of at most 100 ms, with turns in between. */
  pass(us: number): void {
    for (let left = us; left > 0; left -= 100_000) {
      this.clock.advanceUs(Math.min(left, 100_000));
      this.run();
    }
  }

  /** What a sink has caught since it was last asked. */
  caught(node: string): Caught[] {
    const list = this.#sinks.get(node);
    if (list === undefined) throw new Error(`${node} is no sink`);
    return list.splice(0);
  }

  /** Frames that an interface sent since it was last asked. */
  sent(index: number): Uint8Array[] {
    return this.#devices[index].sent.splice(0).map(({ bytes }) => bytes);
  }

  /** The counters of a node that are not 0. */
  errors(node: string): Record<string, number> {
    return Object.fromEntries(
      this.engine.errors().flatMap((each) => (each.node === node ? [[each.symbol, each.count]] : [])),
    );
  }

  /** Nothing is held, freed twice, or left in a queue. */
  expectNoLeaks(): void {
    const used = this.pool.inUse();
    if (used.length > 0) throw new Error(`packets leaked: ${used.join()}`);
    if (this.pool.doubleFrees > 0) throw new Error(`${this.pool.doubleFrees} packets were freed twice`);
    if (this.engine.cutTurns > 0) throw new Error("a packet circled");
  }
}

/** Bytes from text: pairs of hex digits, spaces ignored, and numbers as they are. */
export function bytesOf(...parts: readonly (string | Uint8Array | readonly number[])[]): Uint8Array {
  return Uint8Array.from(
    parts.flatMap((part) =>
      typeof part === "string"
        ? (part.replaceAll(/\s/g, "").match(/../g) ?? []).map((pair) => Number.parseInt(pair, 16))
        : [...part],
    ),
  );
}

/** Whether a packet carries the flags. */
export function hasFlags(packet: Caught, flags: number): boolean {
  return (packet.meta[M_FLAGS] & flags) === flags;
}
