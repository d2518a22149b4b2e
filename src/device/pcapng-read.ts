import {
  type Capture,
  CAPTURE_MAX_FRAME_BYTES,
  CaptureError,
  type CaptureFrame,
  type CaptureInterface,
  type CaptureSecrets,
} from "./capture.js";
import {
  PCAPNG_BYTE_ORDER,
  PCAPNG_ENHANCED_PACKET,
  PCAPNG_INTERFACE,
  PCAPNG_OLD_PACKET,
  PCAPNG_OPT_COMMENT,
  PCAPNG_OPT_DROPPED,
  PCAPNG_OPT_END,
  PCAPNG_OPT_IF_NAME,
  PCAPNG_OPT_RECEIVED,
  PCAPNG_OPT_TIME_OFFSET,
  PCAPNG_OPT_TIME_RESOLUTION,
  PCAPNG_SECRETS,
  PCAPNG_SECTION,
  PCAPNG_SIMPLE_PACKET,
  PCAPNG_STATISTICS,
  pcapngPadded,
} from "./pcapng-format.js";
import { utf8Decode } from "./utf8.js";

/** Bytes around a block's body: type, length, and the length again. */
const BLOCK_OVERHEAD = 12;

/** Whether a file is to be read as pcapng. */
export function isPcapng(bytes: Uint8Array): boolean {
  return bytes.length >= 4 && bytes[0] === 0x0a && bytes[1] === 0x0d && bytes[2] === 0x0d && bytes[3] === 0x0a;
}

/**
 * Reads a pcapng file with any number of sections and interfaces; blocks of unknown types are stepped over, as the
 * format demands. Throws {@link CaptureError}, with what was read before the fault in `partial`.
 */
export function readPcapng(bytes: Uint8Array): Capture {
  return new PcapngReader(bytes).read();
}

interface TimedInterface extends CaptureInterface {
  received: number;
  dropped: number;
  /** Time units in a second. */
  readonly unitsPerSecond: bigint;
  readonly offsetSeconds: bigint;
}

interface Option {
  readonly code: number;
  readonly at: number;
  readonly length: number;
}

/** One pass over one file. `#fail` throws, so that every step reads on from what was checked. */
class PcapngReader {
  readonly #bytes: Uint8Array;
  readonly #dv: DataView;
  readonly #interfaces: TimedInterface[] = [];
  readonly #frames: CaptureFrame[] = [];
  readonly #comments: string[] = [];
  readonly #secrets: CaptureSecrets[] = [];
  /** Where the block starts. */
  #at = 0;
  #isLittle = true;
  /** Byte order of the first section. */
  #firstIsLittle = true;
  /** Index of the section's first interface: packets count from it. */
  #sectionInterface = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#dv = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  read(): Capture {
    while (this.#at < this.#bytes.length) this.#at += this.#readBlock();
    return this.#capture();
  }

  #capture(): Capture {
    return {
      format: "pcapng",
      resolution: "ns",
      byteOrder: this.#firstIsLittle ? "little" : "big",
      interfaces: this.#interfaces.map(({ linkType, snapBytes, name, received, dropped }) => ({
        linkType,
        snapBytes,
        name,
        received,
        dropped,
      })),
      frames: this.#frames,
      comments: this.#comments,
      secrets: this.#secrets,
    };
  }

  #fail(what: string): never {
    throw new CaptureError(what, this.#at, this.#capture());
  }

  #u16(at: number): number {
    return this.#dv.getUint16(at, this.#isLittle);
  }

  #u32(at: number): number {
    return this.#dv.getUint32(at, this.#isLittle);
  }

  /** Reads the block at `#at`; returns its length. */
  #readBlock(): number {
    const left = this.#bytes.length - this.#at;
    if (left < BLOCK_OVERHEAD) this.#fail(`${left} bytes are too few for a block`);
    const isSection = this.#u32(this.#at) === PCAPNG_SECTION;
    if (isSection) this.#readByteOrder();
    const length = this.#u32(this.#at + 4);
    if (length < BLOCK_OVERHEAD || length % 4 !== 0) this.#fail(`a block cannot have ${length} bytes`);
    if (length > left) this.#fail(`block of ${length} bytes, and only ${left} are there`);
    const again = this.#u32(this.#at + length - 4);
    if (again !== length) this.#fail(`block of ${length} bytes says at its end that it has ${again}`);
    const body = this.#at + 8;
    const end = this.#at + length - 4;
    switch (isSection ? PCAPNG_SECTION : this.#u32(this.#at)) {
      case PCAPNG_SECTION:
        this.#readSection(body, end);
        break;
      case PCAPNG_INTERFACE:
        this.#readInterface(body, end);
        break;
      case PCAPNG_ENHANCED_PACKET:
        this.#need(body, end, 20, "packet");
        this.#readPacket(this.#u32(body), body, end);
        break;
      case PCAPNG_OLD_PACKET:
        this.#need(body, end, 20, "packet");
        this.#readPacket(this.#u16(body), body, end);
        break;
      case PCAPNG_SIMPLE_PACKET:
        this.#readSimplePacket(body, end);
        break;
      case PCAPNG_STATISTICS:
        this.#readStatistics(body, end);
        break;
      case PCAPNG_SECRETS:
        this.#readSecrets(body, end);
        break;
      default:
        break;
    }
    return length;
  }

  #need(body: number, end: number, bytes: number, what: string): void {
    if (end - body < bytes) this.#fail(`${what} block has ${end - body} bytes, ${bytes} are the least`);
  }

  #readByteOrder(): void {
    if (this.#bytes.length - this.#at < 28) this.#fail("section header is cut off");
    const isLittle = this.#dv.getUint32(this.#at + 8, true) === PCAPNG_BYTE_ORDER;
    if (!isLittle && this.#dv.getUint32(this.#at + 8) !== PCAPNG_BYTE_ORDER) this.#fail("section has no byte order");
    this.#isLittle = isLittle;
    if (this.#at === 0) this.#firstIsLittle = isLittle;
  }

  #readSection(body: number, end: number): void {
    this.#need(body, end, 16, "section");
    const major = this.#u16(body + 4);
    if (major !== 1) this.#fail(`pcapng version ${major}.${this.#u16(body + 6)} is not 1`);
    this.#sectionInterface = this.#interfaces.length;
    for (const option of this.#options(body + 16, end)) {
      if (option.code === PCAPNG_OPT_COMMENT) this.#comments.push(this.#text(option));
    }
  }

  #readInterface(body: number, end: number): void {
    this.#need(body, end, 8, "interface");
    let name = "";
    let unitsPerSecond = 1_000_000n;
    let offsetSeconds = 0n;
    for (const option of this.#options(body + 8, end)) {
      if (option.code === PCAPNG_OPT_IF_NAME) name = this.#text(option);
      else if (option.code === PCAPNG_OPT_TIME_RESOLUTION && option.length === 1) {
        unitsPerSecond = unitsOf(this.#bytes[option.at]);
      } else if (option.code === PCAPNG_OPT_TIME_OFFSET && option.length === 8) {
        offsetSeconds = this.#dv.getBigInt64(option.at, this.#isLittle);
      }
    }
    this.#interfaces.push({
      linkType: this.#u16(body),
      snapBytes: this.#u32(body + 4),
      name,
      received: -1,
      dropped: -1,
      unitsPerSecond,
      offsetSeconds,
    });
  }

  #interface(index: number): TimedInterface {
    const found = this.#interfaces[this.#sectionInterface + index];
    if (found === undefined) this.#fail(`there is no interface ${index}`);
    return found;
  }

  /** An enhanced packet, or an obsolete one, whose fields after the first word are the same. */
  #readPacket(index: number, body: number, end: number): void {
    const from = this.#interface(index);
    const length = this.#u32(body + 12);
    this.#checkFrame(length, end - body - 20);
    const units = (BigInt(this.#u32(body + 4)) << 32n) | BigInt(this.#u32(body + 8));
    const seconds = units / from.unitsPerSecond + from.offsetSeconds;
    if (seconds < 0n || seconds > BigInt(Number.MAX_SAFE_INTEGER)) this.#fail(`second ${seconds} is no time`);
    const data = body + 20;
    const comments: string[] = [];
    for (const option of this.#options(data + pcapngPadded(length), end)) {
      if (option.code === PCAPNG_OPT_COMMENT) comments.push(this.#text(option));
    }
    this.#frames.push({
      seconds: Number(seconds),
      nanoseconds: Number(((units % from.unitsPerSecond) * 1_000_000_000n) / from.unitsPerSecond),
      bytes: this.#bytes.subarray(data, data + length),
      originalBytes: this.#u32(body + 16),
      interfaceIndex: this.#sectionInterface + index,
      comments,
    });
  }

  #checkFrame(length: number, room: number): void {
    const number = this.#frames.length + 1;
    if (length > CAPTURE_MAX_FRAME_BYTES) {
      this.#fail(`frame ${number}: ${length} bytes are more than ${CAPTURE_MAX_FRAME_BYTES}`);
    }
    if (length > room) this.#fail(`frame ${number}: ${length} bytes, and its block has room for ${room}`);
  }

  /** A frame without a time: it gets that of the frame before it. */
  #readSimplePacket(body: number, end: number): void {
    this.#need(body, end, 4, "simple packet");
    const { snapBytes } = this.#interface(0);
    const originalBytes = this.#u32(body);
    const length = snapBytes === 0 ? originalBytes : Math.min(originalBytes, snapBytes);
    this.#checkFrame(length, end - body - 4);
    const before = this.#frames.at(-1);
    this.#frames.push({
      seconds: before?.seconds ?? 0,
      nanoseconds: before?.nanoseconds ?? 0,
      bytes: this.#bytes.subarray(body + 4, body + 4 + length),
      originalBytes,
      interfaceIndex: this.#sectionInterface,
      comments: [],
    });
  }

  #readStatistics(body: number, end: number): void {
    this.#need(body, end, 12, "statistics");
    const from = this.#interface(this.#u32(body));
    for (const option of this.#options(body + 12, end)) {
      if (option.length !== 8) continue;
      if (option.code === PCAPNG_OPT_RECEIVED) from.received = Number(this.#dv.getBigUint64(option.at, this.#isLittle));
      if (option.code === PCAPNG_OPT_DROPPED) from.dropped = Number(this.#dv.getBigUint64(option.at, this.#isLittle));
    }
  }

  #readSecrets(body: number, end: number): void {
    this.#need(body, end, 8, "secrets");
    const length = this.#u32(body + 4);
    if (length > end - body - 8)
      this.#fail(`secrets of ${length} bytes, and their block has room for ${end - body - 8}`);
    this.#secrets.push({ type: this.#u32(body), bytes: this.#bytes.subarray(body + 8, body + 8 + length) });
  }

  /** The options in [at, end): each step moves on by at least four bytes. */
  #options(at: number, end: number): Option[] {
    const found: Option[] = [];
    while (end - at >= 4) {
      const code = this.#u16(at);
      const length = this.#u16(at + 2);
      if (code === PCAPNG_OPT_END) break;
      if (length > end - at - 4) this.#fail(`option ${code} of ${length} bytes leaves its block`);
      found.push({ code, at: at + 4, length });
      at += 4 + pcapngPadded(length);
    }
    return found;
  }

  #text({ at, length }: Option): string {
    return utf8Decode(this.#bytes, at, at + length);
  }
}

/** Time units in a second for a resolution byte: a negative power of ten, or of two when the top bit is set. */
function unitsOf(resolution: number): bigint {
  const power = resolution & 0x7f;
  if ((resolution & 0x80) !== 0) return 1n << BigInt(power);
  let units = 1n;
  for (let i = 0; i < power; i++) units *= 10n;
  return units;
}
