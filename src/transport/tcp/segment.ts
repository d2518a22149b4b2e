import {
  TCP_HAS_TIMESTAMPS,
  TCP_OPT_PRESENT,
  TCP_OPT_TS_ECR,
  TCP_OPT_TS_VAL,
  TCP_OPT_WORDS,
  tcpParseOptions,
} from "../../wire/tcp-options.js";
import { tcpAck, tcpFlags, tcpHeaderLen, tcpSegmentLen, tcpSeq, tcpUrgent, tcpWindow } from "../../wire/tcp.js";

/** The variables of an arriving segment (RFC 9293 3.3.1 SEG.*), read once; one object per stack is used over and over. */
export class Segment {
  /** SEG.SEQ. */
  seq = 0;
  /** SEG.ACK. */
  ack = 0;
  /** SEG.LEN: data plus SYN and FIN. */
  len = 0;
  /** SEG.WND as it stands, unscaled. */
  window = 0;
  /** SEG.UP. */
  urgent = 0;
  /** TCP_FLAG_ bits. */
  flags = 0;
  /** Window offset of the data. */
  data = 0;
  /** Bytes of data. */
  dataLen = 0;
  /** The options; parsed with the header. */
  readonly options = new Int32Array(TCP_OPT_WORDS);

  /** Reads the segment of `bytes` at `off`, which passed tcpCheck. */
  read(dv: DataView, u8: Uint8Array, off: number, bytes: number): void {
    const headerLen = tcpHeaderLen(dv, off);
    this.seq = tcpSeq(dv, off);
    this.ack = tcpAck(dv, off);
    this.flags = tcpFlags(dv, off);
    this.window = tcpWindow(dv, off);
    this.urgent = tcpUrgent(dv, off);
    this.data = off + headerLen;
    this.dataLen = bytes - headerLen;
    this.len = tcpSegmentLen(this.flags, this.dataLen);
    tcpParseOptions(dv, u8, off, this.options);
  }

  /** Whether the timestamps option is there. */
  get hasTimestamps(): boolean {
    return (this.options[TCP_OPT_PRESENT] & TCP_HAS_TIMESTAMPS) !== 0;
  }

  /** TSval; counts with {@link hasTimestamps}. */
  get tsVal(): number {
    return this.options[TCP_OPT_TS_VAL];
  }

  /** TSecr; counts with {@link hasTimestamps}. */
  get tsEcr(): number {
    return this.options[TCP_OPT_TS_ECR];
  }

  /** Cuts `bytes` of data from the front, sequence number and urgent pointer moving along. */
  trimFront(bytes: number): void {
    this.seq = (this.seq + bytes) | 0;
    this.urgent -= bytes;
    this.data += bytes;
    this.dataLen -= bytes;
    this.len -= bytes;
  }

  /** Cuts data from the end, down to `dataLen` bytes; a FIN behind it goes too. */
  trimEnd(dataLen: number, finFlag: number): void {
    this.len = dataLen;
    this.dataLen = dataLen;
    this.flags &= ~finFlag;
  }
}
