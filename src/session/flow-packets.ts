import {
  type BufferIndex,
  M_CONN,
  M_DATA,
  M_FLAGS,
  M_L3,
  M_L4,
  M_LEN,
  M_PROTO,
  M_REFS,
  M_TAIL,
  type PacketPool,
  SMALL_FRAME_BYTES,
} from "../graph/packet-pool.js";
import { ETH_HEADER_LEN } from "../wire/ethernet.js";

/** Part of the small packets that undecided flows may keep. */
const KEPT_SHIFT = 2;

/**
 * First packets of flows, from when the hook is asked until it has decided, each in a small slot. Those of one flow are a
 * chain, by their M_CONN, which the node that gets them back writes anew.
 */
export class FlowPackets {
  #kept = 0;
  readonly #pool: PacketPool;
  readonly #inject: (node: string, b: BufferIndex) => void;

  /** `inject` puts a packet on its way to a node. */
  constructor(pool: PacketPool, inject: (node: string, b: BufferIndex) => void) {
    this.#pool = pool;
    this.#inject = inject;
  }

  /** How many may be kept: the rest of the packets is for traffic. */
  get limit(): number {
    return this.#pool.smallCount >> KEPT_SHIFT;
  }

  /**
   * Takes over a packet from its node, in a small slot of its own, a chain of one. Returns the buffer; -1 when it is too large,
   * there is no slot, or as many are kept as may be: then it is still the node's.
   */
  keep(b: BufferIndex): BufferIndex {
    if (this.#kept >= this.limit) return -1;
    const kept = this.#inSlot(b);
    if (kept < 0) return -1;
    this.#pool.window.i32[this.#next(kept)] = -1;
    this.#kept++;
    return kept;
  }

  /** Whether there is room for more than flows' first packets, which go before. */
  get hasRoom(): boolean {
    return this.#kept < this.limit >> 1;
  }

  /** Puts a packet that is kept behind the last one of a chain. */
  append(first: BufferIndex, b: BufferIndex): void {
    const { i32 } = this.#pool.window;
    let last = first;
    while (i32[this.#next(last)] >= 0) last = i32[this.#next(last)];
    i32[this.#next(last)] = b;
  }

  /** Packets of a chain. */
  count(first: BufferIndex): number {
    const { i32 } = this.#pool.window;
    let count = 0;
    for (let b = first; b >= 0; b = i32[this.#next(b)]) count++;
    return count;
  }

  /** Where the packet behind a packet is named. */
  #next(b: BufferIndex): number {
    return this.#pool.meta + (b << 4) + M_CONN;
  }

  /** The packet in a small slot of its own, -1 when it is too large or there is none. */
  #inSlot(b: BufferIndex): BufferIndex {
    const pool = this.#pool;
    const { i32 } = pool.window;
    const m = pool.meta + (b << 4);
    if (b < pool.smallCount && i32[m + M_TAIL] === 0 && i32[m + M_REFS] === 1) return b;
    const headerBytes = i32[m + M_DATA] - i32[m + M_L3];
    if (ETH_HEADER_LEN + headerBytes + pool.length(b) > SMALL_FRAME_BYTES) return -1;
    const c = pool.alloc();
    if (c < 0) return -1;
    const n = pool.meta + (c << 4);
    const to = i32[n + M_DATA] + ETH_HEADER_LEN;
    pool.window.u8.copyWithin(to, i32[m + M_L3], i32[m + M_DATA]);
    const bytes = pool.gather(b, to + headerBytes);
    for (let field = M_FLAGS; field <= M_PROTO; field++) i32[n + field] = i32[m + field];
    i32[n + M_DATA] = to + headerBytes;
    i32[n + M_LEN] = bytes;
    i32[n + M_L3] = to;
    i32[n + M_L4] = to + headerBytes;
    pool.free(b);
    return c;
  }

  /** Lets go of a chain. */
  free(first: BufferIndex): void {
    const { i32 } = this.#pool.window;
    for (let b = first; b >= 0; ) {
      const next = i32[this.#next(b)];
      this.#pool.free(b);
      this.#kept--;
      b = next;
    }
  }

  /** Sends a chain on, in order: to the node that its packets were taken from. */
  resume(node: string, first: BufferIndex): void {
    const { i32 } = this.#pool.window;
    for (let b = first; b >= 0; ) {
      const next = i32[this.#next(b)];
      this.#inject(node, b);
      this.#kept--;
      b = next;
    }
  }
}
