// The mailbox's words, as native/burst.c lays them out.

/** Descriptor of the burst. */
export const BOX_FD = 0;
/** Most frames to receive, or packets to send; at most {@link BURST_FRAMES}. */
export const BOX_COUNT = 1;
/** Receive: small slots offered. */
export const BOX_SMALL_COUNT = 2;
/** Receive: the longest frame that a small slot takes, bytes. */
export const BOX_SMALL_BYTES = 3;
/** Receive: large slots offered. */
export const BOX_LARGE_COUNT = 4;
/** Receive: the longest frame that a large slot takes, bytes. */
export const BOX_LARGE_BYTES = 5;
/** Transmit, out: packets that the kernel refused. */
export const BOX_TX_SKIPPED = 8;
/** Transmit, out: errno of the last refusal. */
export const BOX_TX_ERRNO = 9;
/** Receive, out: frames that were empty or longer than the slots left. */
export const BOX_RX_SKIPPED = 10;
/** Receive: window offsets of the small slots. */
export const BOX_SMALL_SLOTS = 16;
/** Receive: window offsets of the large slots. */
export const BOX_LARGE_SLOTS = 272;
/** Received frames: offset, bytes, 1 when in a large slot, then the virtio-net header. */
export const BOX_RX = 1024;
/** Words of a received frame. */
export const RX_WORDS = 8;
/**
 * Packets to send: the virtio-net header (flags, GSO type, GSO size, header length, checksum start, checksum offset),
 * then five (offset, bytes).
 */
export const BOX_TX = 4096;
/** Words of a packet to send. */
export const TX_WORDS = 16;
/** Most frames in a burst. */
export const BURST_FRAMES = 256;

/** The checksum is to be completed from its start to the end of the packet (linux/virtio_net.h). */
export const VNET_NEEDS_CSUM = 1;
/** The checksum was verified. */
export const VNET_DATA_VALID = 2;
/** Set in a GSO type when the first segment has CWR. */
export const VNET_GSO_ECN = 0x80;
