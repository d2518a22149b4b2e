import { CAPTURE_MAX_FRAME_BYTES, LINKTYPE_ETHERNET } from "./capture.js";
import {
  PCAPNG_BYTE_ORDER,
  PCAPNG_ENHANCED_PACKET,
  PCAPNG_INTERFACE,
  PCAPNG_OPT_APPLICATION,
  PCAPNG_OPT_COMMENT,
  PCAPNG_OPT_IF_NAME,
  PCAPNG_OPT_TIME_RESOLUTION,
  PCAPNG_SECRETS,
  PCAPNG_SECTION,
  pcapngPadded,
} from "./pcapng-format.js";
import { PCAP_HEADER_LEN, PCAP_MAGIC_NS, PCAP_MAGIC_US, PCAP_RECORD_LEN } from "./pcap-read.js";
import { utf8Encode } from "./utf8.js";

/** A frame to write. */
export interface WrittenFrame {
  /** Whole seconds since 1970, 0 to 2^32 - 1. */
  readonly seconds: number;
  /** Nanoseconds into that second, 0 to 999,999,999; a file with microseconds loses the last three digits. */
  readonly nanoseconds: number;
  /** At most CAPTURE_MAX_FRAME_BYTES. */
  readonly bytes: Uint8Array;
  /** Bytes the frame had on the wire. Default as many as it has here. */
  readonly originalBytes?: number;
  /** pcapng only; at most 65535 bytes of UTF-8 each. */
  readonly comments?: readonly string[];
}

/** How a capture is written. */
export interface CaptureFormat {
  readonly format: "pcap" | "pcapng";
  /** pcap only: resolution of its times. pcapng is written with nanoseconds. Default us. */
  readonly resolution?: "us" | "ns";
  /** Default little. */
  readonly byteOrder?: "little" | "big";
  /** Default LINKTYPE_ETHERNET. */
  readonly linkType?: number;
  /** pcapng only: name of the interface. */
  readonly interfaceName?: string;
  /** pcapng only: on the file as a whole. */
  readonly comments?: readonly string[];
}

interface Option {
  readonly code: number;
  readonly value: Uint8Array;
}

/** Writes one capture piece by piece: a header, then frames; the pieces one after the other are the file. */
export class CaptureWriter {
  readonly #format: CaptureFormat;
  readonly #isLittle: boolean;

  constructor(format: CaptureFormat) {
    this.#format = format;
    this.#isLittle = format.byteOrder !== "big";
  }

  /** What the file starts with. Throws RangeError when a name or comment is too long. */
  header(): Uint8Array {
    const { format, resolution, linkType = LINKTYPE_ETHERNET } = this.#format;
    if (format === "pcapng") return this.#pcapngHeader(linkType);
    const [bytes, dv] = room(PCAP_HEADER_LEN);
    dv.setUint32(0, resolution === "ns" ? PCAP_MAGIC_NS : PCAP_MAGIC_US, this.#isLittle);
    dv.setUint16(4, 2, this.#isLittle);
    dv.setUint16(6, 4, this.#isLittle);
    dv.setUint32(16, CAPTURE_MAX_FRAME_BYTES, this.#isLittle);
    dv.setUint32(20, linkType, this.#isLittle);
    return bytes;
  }

  /** One frame. Throws RangeError when it is too long, or its time is out of range. */
  frame(frame: WrittenFrame): Uint8Array {
    const { seconds, nanoseconds, bytes: data, originalBytes = data.length } = frame;
    if (data.length > CAPTURE_MAX_FRAME_BYTES) throw new RangeError(`frame of ${data.length} bytes is too long`);
    if (!isWhole(seconds, 0xffff_ffff) || !isWhole(nanoseconds, 999_999_999)) {
      throw new RangeError(`${seconds} s ${nanoseconds} ns is not a time of a capture`);
    }
    if (this.#format.format === "pcapng") return this.#enhancedPacket(frame, originalBytes);
    const [bytes, dv] = room(PCAP_RECORD_LEN + data.length);
    const fraction = this.#format.resolution === "ns" ? nanoseconds : Math.floor(nanoseconds / 1000);
    dv.setUint32(0, seconds, this.#isLittle);
    dv.setUint32(4, fraction, this.#isLittle);
    dv.setUint32(8, data.length, this.#isLittle);
    dv.setUint32(12, originalBytes, this.#isLittle);
    bytes.set(data, PCAP_RECORD_LEN);
    return bytes;
  }

  /** pcapng only: keys for the frames that follow, of a PCAPNG_... type. Throws for pcap, which has no place for them. */
  secrets(type: number, secrets: Uint8Array): Uint8Array {
    if (this.#format.format !== "pcapng") throw new TypeError("a pcap file holds no secrets");
    return this.#block(PCAPNG_SECRETS, 8 + pcapngPadded(secrets.length), [], (bytes, dv, at) => {
      dv.setUint32(at, type, this.#isLittle);
      dv.setUint32(at + 4, secrets.length, this.#isLittle);
      bytes.set(secrets, at + 8);
    });
  }

  #pcapngHeader(linkType: number): Uint8Array {
    const { comments = [], interfaceName = "" } = this.#format;
    const about = [textOption(PCAPNG_OPT_APPLICATION, "weft"), ...comments.map(commentOption)];
    const section = this.#block(PCAPNG_SECTION, 16, about, (_, dv, at) => {
      dv.setUint32(at, PCAPNG_BYTE_ORDER, this.#isLittle);
      dv.setUint16(at + 4, 1, this.#isLittle);
      // Length of the section: not known.
      dv.setBigInt64(at + 8, -1n, this.#isLittle);
    });
    const options: Option[] = interfaceName === "" ? [] : [textOption(PCAPNG_OPT_IF_NAME, interfaceName)];
    options.push({ code: PCAPNG_OPT_TIME_RESOLUTION, value: Uint8Array.of(9) });
    const description = this.#block(PCAPNG_INTERFACE, 8, options, (_, dv, at) => {
      dv.setUint16(at, linkType, this.#isLittle);
      dv.setUint32(at + 4, CAPTURE_MAX_FRAME_BYTES, this.#isLittle);
    });
    const header = new Uint8Array(section.length + description.length);
    header.set(section);
    header.set(description, section.length);
    return header;
  }

  #enhancedPacket(frame: WrittenFrame, originalBytes: number): Uint8Array {
    const { seconds, nanoseconds, bytes: data, comments = [] } = frame;
    const time = BigInt(seconds) * 1_000_000_000n + BigInt(nanoseconds);
    const body = 20 + pcapngPadded(data.length);
    return this.#block(PCAPNG_ENHANCED_PACKET, body, comments.map(commentOption), (bytes, dv, at) => {
      dv.setUint32(at + 4, Number(time >> 32n), this.#isLittle);
      dv.setUint32(at + 8, Number(time & 0xffff_ffffn), this.#isLittle);
      dv.setUint32(at + 12, data.length, this.#isLittle);
      dv.setUint32(at + 16, originalBytes, this.#isLittle);
      bytes.set(data, at + 20);
    });
  }

  /** A block with a body of `bodyBytes` (a multiple of four) and options behind it. */
  #block(
    type: number,
    bodyBytes: number,
    options: readonly Option[],
    fill: (bytes: Uint8Array, dv: DataView, at: number) => void,
  ): Uint8Array {
    const optionBytes = options.reduce((sum, { value }) => sum + 4 + pcapngPadded(value.length), 0);
    const length = 12 + bodyBytes + (optionBytes === 0 ? 0 : optionBytes + 4);
    const [bytes, dv] = room(length);
    dv.setUint32(0, type, this.#isLittle);
    dv.setUint32(4, length, this.#isLittle);
    dv.setUint32(length - 4, length, this.#isLittle);
    fill(bytes, dv, 8);
    let at = 8 + bodyBytes;
    for (const { code, value } of options) {
      dv.setUint16(at, code, this.#isLittle);
      dv.setUint16(at + 2, value.length, this.#isLittle);
      bytes.set(value, at + 4);
      at += 4 + pcapngPadded(value.length);
    }
    return bytes;
  }
}

/** A whole capture file of the given frames. Throws RangeError as {@link CaptureWriter} does. */
export function writeCapture(format: CaptureFormat, frames: readonly WrittenFrame[]): Uint8Array {
  const writer = new CaptureWriter(format);
  const pieces = [writer.header(), ...frames.map((frame) => writer.frame(frame))];
  const file = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    file.set(piece, at);
    at += piece.length;
  }
  return file;
}

function room(length: number): [Uint8Array, DataView] {
  const bytes = new Uint8Array(length);
  return [bytes, new DataView(bytes.buffer)];
}

function isWhole(value: number, largest: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= largest;
}

function commentOption(text: string): Option {
  return textOption(PCAPNG_OPT_COMMENT, text);
}

function textOption(code: number, text: string): Option {
  const value = utf8Encode(text);
  if (value.length > 0xffff) throw new RangeError(`text of ${value.length} bytes is too long for an option`);
  return { code, value };
}
