/** Link type of captures that hold Ethernet frames (LINKTYPE_ETHERNET). */
export const LINKTYPE_ETHERNET = 1;
/** Link type of captures that hold bare IPv4 and IPv6 packets (LINKTYPE_RAW). */
export const LINKTYPE_RAW = 101;
/** Most bytes of one captured frame that are read or written: libpcap's MAXIMUM_SNAPLEN. */
export const CAPTURE_MAX_FRAME_BYTES = 262144;

/** One frame of a capture file. */
export interface CaptureFrame {
  /** Whole seconds since 1970. */
  readonly seconds: number;
  /** Nanoseconds into that second, 0 to 999,999,999. */
  readonly nanoseconds: number;
  /** The captured bytes: a view of the file's bytes when it was read from one. */
  readonly bytes: Uint8Array;
  /** Bytes the frame had on the wire, as the file says; more than captured when it was cut. */
  readonly originalBytes: number;
  /** Which of {@link Capture.interfaces} saw it. */
  readonly interfaceIndex: number;
  /** Its comments (pcapng). */
  readonly comments: readonly string[];
}

/** Where frames of a capture were seen. */
export interface CaptureInterface {
  /** What the frames start with: {@link LINKTYPE_ETHERNET} and others of the registry at tcpdump.org. */
  readonly linkType: number;
  /** Longest capture of one frame, bytes; 0 for no limit. */
  readonly snapBytes: number;
  /** Its name (pcapng), "" when the file has none. */
  readonly name: string;
  /** Frames it received, by its last statistics block (pcapng), -1 when unknown. */
  readonly received: number;
  /** Frames it lost, by its last statistics block (pcapng), -1 when unknown. */
  readonly dropped: number;
}

/** Keys that came with a capture (pcapng's decryption secrets block). */
export interface CaptureSecrets {
  /** 0x544c534b for a TLS key log. */
  readonly type: number;
  readonly bytes: Uint8Array;
}

/** What a capture file holds. */
export interface Capture {
  readonly format: "pcap" | "pcapng";
  /** Resolution of a pcap file's times; a pcapng file's may differ by interface and are given exactly. */
  readonly resolution: "us" | "ns";
  readonly byteOrder: "little" | "big";
  readonly interfaces: readonly CaptureInterface[];
  readonly frames: readonly CaptureFrame[];
  /** Comments on the file itself (pcapng). */
  readonly comments: readonly string[];
  readonly secrets: readonly CaptureSecrets[];
}

/** A file that is no capture, or a damaged one: the message says what is wrong and at which byte. */
export class CaptureError extends Error {
  override readonly name = "CaptureError";
  /** Where in the file, bytes. */
  readonly offset: number;
  /** What was read before, for those who can use a part: a capture that was cut off by a crash. */
  readonly partial: Capture | undefined;

  constructor(message: string, offset: number, partial?: Capture) {
    super(`${message} (at byte ${offset})`);
    this.offset = offset;
    this.partial = partial;
  }
}

/** Microseconds from `start` to `frame`: exact to the nanosecond for captures of up to three months. */
export function captureUs(frame: CaptureFrame, start: CaptureFrame): number {
  return ((frame.seconds - start.seconds) * 1e9 + (frame.nanoseconds - start.nanoseconds)) / 1000;
}

/** The frame times of `us` microseconds after `start`, rounded to nanoseconds. */
export function captureTimeAfter(start: CaptureFrame, us: number): { seconds: number; nanoseconds: number } {
  const total = start.nanoseconds + Math.round(us * 1000);
  const carry = Math.floor(total / 1e9);
  return { seconds: start.seconds + carry, nanoseconds: total - carry * 1e9 };
}
