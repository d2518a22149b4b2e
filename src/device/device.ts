import type { PacketPool } from "../graph/packet-pool.js";

/** What a device does to packets so that the stack need not. */
export interface Offloads {
  /** Completes partial transport checksums on send, and vouches for or passes on partial ones on receive. */
  readonly checksum: boolean;
  /** Cuts TCP superframes. */
  readonly tso: boolean;
  /** Cuts UDP superframes. */
  readonly uso: boolean;
}

/**
 * The capability to exchange frames with a network: a TAP, a packet socket, a wire in memory, a capture file.
 * Devices move packets between themselves and pool slots, in bursts; they know nothing of protocols.
 */
export interface Device {
  /** `tap`, `af-packet`, `wire`, … for `show interface`. */
  readonly kind: string;
  /** Our hardware address, six bytes. */
  readonly mac: Uint8Array;
  /** Largest IP packet that one frame carries, bytes (superframes aside). */
  readonly mtu: number;
  readonly offloads: Offloads;
  /** Called once, before any burst: the pool whose slots it fills and empties. */
  attach(pool: PacketPool): void;
  /**
   * Takes up to `max` received frames into freshly allocated buffers and writes these to `buffers` from index 0 on.
   * Sets M_DATA, M_LEN, checksum flags, M_L4 (with F_CHECKSUM_PARTIAL) and M_GSO. Returns how many.
   */
  rx(buffers: Int32Array, max: number): number;
  /**
   * Sends buffers[0 .. count): head and tails, completing checksums and cutting superframes as its offloads promise.
   * Does not free them. Returns how many left; the others are lost and counted by the caller.
   */
  tx(buffers: Int32Array, count: number): number;
  /** Gives everything back to the system. */
  close(): void;
}
