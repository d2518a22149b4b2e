import { checksumUpdate16 } from "../wire/checksum.js";
import { TCP_CHECKSUM } from "../wire/tcp.js";
import { TCP_OPTION_NOP } from "../wire/tcp-options.js";
import { frameView, tcpOfFrame } from "./tcp-frame.js";

/**
 * A middlebox that does not like some TCP options: a {@link LinkOptions.rewrite} that writes NOPs over every option of
 * these kinds and mends the checksum (one that was wrong stays as wrong).
 */
export function stripTcpOptions(kinds: readonly number[]): (frame: Uint8Array) => Uint8Array | undefined {
  return (frame) => {
    const segment = tcpOfFrame(frame);
    const found = segment?.options.filter(({ kind }) => kinds.includes(kind)) ?? [];
    if (segment === undefined || found.length === 0) return undefined;
    const dv = frameView(frame);
    const checksumAt = segment.at + TCP_CHECKSUM;
    for (const { at, length } of found) {
      for (let i = at; i < at + length; i++) {
        // The 16-bit word of the segment that the byte is in.
        const word = i - ((i - segment.at) & 1);
        const before = dv.getUint16(word);
        frame[i] = TCP_OPTION_NOP;
        dv.setUint16(checksumAt, checksumUpdate16(dv.getUint16(checksumAt), before, dv.getUint16(word)));
      }
    }
    return frame;
  };
}
