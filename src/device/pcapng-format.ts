// Numbers of the pcapng format (draft-ietf-opsawg-pcapng).

/** Section header block: starts a file and each section; reads the same in both byte orders. */
export const PCAPNG_SECTION = 0x0a0d0d0a;
/** Interface description block. */
export const PCAPNG_INTERFACE = 1;
/** Packet block, obsolete. */
export const PCAPNG_OLD_PACKET = 2;
/** Simple packet block. */
export const PCAPNG_SIMPLE_PACKET = 3;
/** Interface statistics block. */
export const PCAPNG_STATISTICS = 5;
/** Enhanced packet block. */
export const PCAPNG_ENHANCED_PACKET = 6;
/** Decryption secrets block. */
export const PCAPNG_SECRETS = 10;
/** Byte-order magic of a section header. */
export const PCAPNG_BYTE_ORDER = 0x1a2b3c4d;

/** Option that ends a list of options. */
export const PCAPNG_OPT_END = 0;
/** Comment. */
export const PCAPNG_OPT_COMMENT = 1;
/** Interface name. */
export const PCAPNG_OPT_IF_NAME = 2;
/** Program that wrote the section. */
export const PCAPNG_OPT_APPLICATION = 4;
/** Frames received, in a statistics block. */
export const PCAPNG_OPT_RECEIVED = 4;
/** Frames lost, in a statistics block. */
export const PCAPNG_OPT_DROPPED = 5;
/** Resolution of an interface's times. */
export const PCAPNG_OPT_TIME_RESOLUTION = 9;
/** Seconds to add to an interface's times. */
export const PCAPNG_OPT_TIME_OFFSET = 14;

/** Type of secrets: a TLS key log. */
export const PCAPNG_TLS_KEY_LOG = 0x544c534b;

/** `bytes` rounded up to a multiple of four, as everything in a block is. */
export function pcapngPadded(bytes: number): number {
  return Math.ceil(bytes / 4) * 4;
}
