import { closeSync, fstatSync, openSync, readSync, writeSync } from "node:fs";
import { type Capture, CaptureError } from "../device/capture.js";
import { readCapture } from "../device/pcap-read.js";
import { type CaptureFormat, CaptureWriter, type WrittenFrame } from "../device/pcap-write.js";

/** Largest capture file that is read at once, bytes. */
export const CAPTURE_FILE_MAX_BYTES = 1 << 30;

/**
 * Reads a pcap or pcapng file. Throws {@link CaptureError} when it is none, is damaged or too large, and the system's
 * own error when it cannot be opened or read.
 */
export function readCaptureFile(path: string): Capture {
  const fd = openSync(path, "r");
  try {
    const { size } = fstatSync(fd);
    if (size > CAPTURE_FILE_MAX_BYTES) throw new CaptureError(`file of ${size} bytes is too large`, 0);
    const bytes = new Uint8Array(size);
    let got = 0;
    while (got < size) {
      const n = readSync(fd, bytes, got, size - got, null);
      if (n === 0) break;
      got += n;
    }
    return readCapture(bytes.subarray(0, got));
  } finally {
    closeSync(fd);
  }
}

/** A capture file that is being written; frames are in the file when {@link CaptureFile.write} returns. */
export class CaptureFile {
  /** Frames written so far. */
  frames = 0;
  /** Bytes written so far. */
  bytes = 0;
  readonly #writer: CaptureWriter;
  #fd: number;

  /** Makes the file, replacing one that is there. Throws the system's error when that fails. */
  constructor(path: string, format: CaptureFormat) {
    this.#writer = new CaptureWriter(format);
    const header = this.#writer.header();
    this.#fd = openSync(path, "w");
    this.#put(header);
  }

  /** Adds a frame. Throws RangeError for one that cannot be in a capture, and the system's error. */
  write(frame: WrittenFrame): void {
    this.#put(this.#writer.frame(frame));
    this.frames++;
  }

  #put(piece: Uint8Array): void {
    for (let at = 0; at < piece.length; ) at += writeSync(this.#fd, piece, at);
    this.bytes += piece.length;
  }

  /** Closes the file; closing again does nothing. */
  close(): void {
    if (this.#fd >= 0) closeSync(this.#fd);
    this.#fd = -1;
  }
}
