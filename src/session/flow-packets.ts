import {
  type BufferIndex,
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

/** First packets of flows, from when the hook is asked until it has decided. A flow keeps at most one, in a small slot. */
export class FlowPackets {
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
   * Takes over a packet from its node, in a small slot of its own. Returns the buffer; -1 when it is too large or there is no
   * slot: then it is still the node's.
   */
  keep(b: BufferIndex): BufferIndex {
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

  /** Lets go of a packet. */
  free(b: BufferIndex): void {
    this.#pool.free(b);
  }

  /** Sends a packet on: to the node that it was taken from. */
  resume(node: string, b: BufferIndex): void {
    this.#inject(node, b);
  }
}
