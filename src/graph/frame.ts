import type { BufferIndex } from "./packet-pool.js";

/** Most buffers in a frame (VPP VLIB_FRAME_SIZE). */
export const FRAME_SIZE = 256;

/** `next[i]` of a buffer that the node kept, freed or handed on itself: the engine forgets it. */
export const CONSUMED = -1;

/** A vector of packets on its way to one node. */
export class Frame {
  /** The packets, `count` of them. */
  readonly buffers = new Int32Array(FRAME_SIZE);
  /** Where each goes: an index into the node's `next` list, or {@link CONSUMED}. Written by `process`. */
  readonly next = new Int32Array(FRAME_SIZE);
  /** Packets in the frame. An input or sched node gets an empty frame and fills it. */
  count = 0;

  /** Adds a packet; the caller has checked that there is room. */
  add(buffer: BufferIndex, next: number): void {
    this.buffers[this.count] = buffer;
    this.next[this.count++] = next;
  }
}
