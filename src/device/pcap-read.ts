import { type Capture, CAPTURE_MAX_FRAME_BYTES, CaptureError, type CaptureFrame } from "./capture.js";
import { isPcapng, readPcapng } from "./pcapng-read.js";

/** First word of a file with microseconds, in its writer's byte order. */
export const PCAP_MAGIC_US = 0xa1b2c3d4;
/** First word of a file with nanoseconds. */
export const PCAP_MAGIC_NS = 0xa1b23c4d;
/** Bytes of the file header. */
export const PCAP_HEADER_LEN = 24;
/** Bytes of the header before each frame. */
export const PCAP_RECORD_LEN = 16;

/**
 * Reads a capture file of either format (draft-ietf-opsawg-pcap, draft-ietf-opsawg-pcapng): all of it, or not at all.
 * Throws {@link CaptureError} for anything that is not a whole capture, with the frames before the fault in `partial`.
 * The frames are views of `bytes`.
 */
export function readCapture(bytes: Uint8Array): Capture {
  return isPcapng(bytes) ? readPcapng(bytes) : readPcap(bytes);
}

/** Reads a pcap file; throws {@link CaptureError} as {@link readCapture} does. */
export function readPcap(bytes: Uint8Array): Capture {
  const dv = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 4) throw new CaptureError(`not a capture: ${bytes.length} bytes`, 0);
  const isLittle = isMagic(dv.getUint32(0, true));
  const magic = dv.getUint32(0, isLittle);
  if (!isMagic(magic)) throw new CaptureError(`not a capture: it starts with 0x${magic.toString(16)}`, 0);
  if (bytes.length < PCAP_HEADER_LEN) throw new CaptureError("file header is cut off", bytes.length);
  const major = dv.getUint16(4, isLittle);
  const minor = dv.getUint16(6, isLittle);
  if (major !== 2 || minor !== 4) throw new CaptureError(`pcap version ${major}.${minor} is not 2.4`, 4);
  const frames: CaptureFrame[] = [];
  const capture: Capture = {
    format: "pcap",
    resolution: magic === PCAP_MAGIC_NS ? "ns" : "us",
    byteOrder: isLittle ? "little" : "big",
    // The upper half of the link type's word tells of frame check sequences.
    interfaces: [
      {
        linkType: dv.getUint32(20, isLittle) & 0xffff,
        snapBytes: dv.getUint32(16, isLittle),
        name: "",
        received: -1,
        dropped: -1,
      },
    ],
    frames,
    comments: [],
    secrets: [],
  };
  for (let at = PCAP_HEADER_LEN; at < bytes.length; ) {
    const frame = readRecord(bytes, dv, at, isLittle, magic === PCAP_MAGIC_NS);
    if (typeof frame === "string") throw new CaptureError(`frame ${frames.length + 1}: ${frame}`, at, capture);
    frames.push(frame);
    at += PCAP_RECORD_LEN + frame.bytes.length;
  }
  return capture;
}

function isMagic(word: number): boolean {
  return word === PCAP_MAGIC_US || word === PCAP_MAGIC_NS;
}

/** The frame of the record at `at`, or what is wrong with it. */
function readRecord(
  bytes: Uint8Array,
  dv: DataView,
  at: number,
  isLittle: boolean,
  isNano: boolean,
): CaptureFrame | string {
  const left = bytes.length - at - PCAP_RECORD_LEN;
  if (left < 0) return "its header is cut off";
  const fraction = dv.getUint32(at + 4, isLittle);
  const length = dv.getUint32(at + 8, isLittle);
  if (fraction >= (isNano ? 1e9 : 1e6)) return `${fraction} is not a part of a second`;
  if (length > CAPTURE_MAX_FRAME_BYTES) return `${length} bytes are more than ${CAPTURE_MAX_FRAME_BYTES}`;
  if (length > left) return `${length} bytes, and only ${left} follow`;
  return {
    seconds: dv.getUint32(at, isLittle),
    nanoseconds: isNano ? fraction : fraction * 1000,
    bytes: bytes.subarray(at + PCAP_RECORD_LEN, at + PCAP_RECORD_LEN + length),
    originalBytes: dv.getUint32(at + 12, isLittle),
    interfaceIndex: 0,
    comments: [],
  };
}
