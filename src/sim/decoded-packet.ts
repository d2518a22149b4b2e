import { formatIp4, formatIp6 } from "../ip/address.js";
import { ETH_OK, ETHERTYPE_IP4, ETHERTYPE_IP6, ethCheck, ethHeaderLen, ethType } from "../wire/ethernet.js";
import {
  IP4_DST,
  IP4_OK,
  IP4_SRC,
  IP4_TOS,
  ip4CheckHeader,
  ip4DontFragment,
  ip4FragmentOffset,
  ip4HeaderLen,
  ip4IsFragment,
  ip4Protocol,
  ip4TotalLen,
  PROTOCOL_TCP,
  PROTOCOL_UDP,
} from "../wire/ip4.js";
import {
  IP6_EXT_FRAGMENT_AT,
  IP6_EXT_L4,
  IP6_EXT_OK,
  IP6_EXT_PROTOCOL,
  IP6_EXT_WORDS,
  ip6ExtWalk,
  ip6IsFragment,
} from "../wire/ip6-ext.js";
import { IP6_DST, IP6_OK, IP6_SRC, ip6Check, ip6TotalLen, ip6TrafficClass } from "../wire/ip6.js";
import { TCP_FLAG_FIN, TCP_FLAG_SYN, TCP_HEADER_LEN, TCP_OK, tcpAck, tcpCheck, tcpFlags } from "../wire/tcp.js";
import { tcpHeaderLen, tcpSeq, tcpWindow } from "../wire/tcp.js";
import {
  TCP_HAS_MSS,
  TCP_HAS_SACK,
  TCP_HAS_SACK_PERMITTED,
  TCP_HAS_TIMESTAMPS,
  TCP_HAS_WSCALE,
  TCP_OPT_MSS,
  TCP_OPT_PRESENT,
  TCP_OPT_SACK,
  TCP_OPT_SACK_COUNT,
  TCP_OPT_TS_ECR,
  TCP_OPT_TS_VAL,
  TCP_OPT_WORDS,
  TCP_OPT_WSCALE,
  tcpParseOptions,
} from "../wire/tcp-options.js";
import { UDP_HEADER_LEN } from "../wire/udp.js";

/** The options of a TCP header that a stack looks at; what is absent is undefined. */
export interface DecodedTcpOptions {
  /** Maximum segment size, bytes. */
  readonly mss: number | undefined;
  /** Window scale, 0 to 14. */
  readonly windowScale: number | undefined;
  readonly sackPermitted: boolean;
  /** Timestamps, int32. */
  readonly timestamps: { readonly value: number; readonly echo: number } | undefined;
  /** SACK blocks as pairs of int32 edges, in the order of the option. */
  readonly sack: readonly (readonly [number, number])[];
}

/** A TCP segment. Sequence numbers are int32. */
export interface DecodedTcp {
  readonly srcPort: number;
  readonly dstPort: number;
  readonly seq: number;
  readonly ack: number;
  /** The TCP_FLAG_ bits of src/wire/tcp.ts. */
  readonly flags: number;
  /** As in the header, not scaled. */
  readonly window: number;
  /** Offset of the header, and of the data, in the frame. */
  readonly at: number;
  readonly dataAt: number;
  /** Bytes of data. */
  readonly length: number;
  /** Sequence space: data, SYN and FIN. */
  readonly sequenceLength: number;
  readonly options: DecodedTcpOptions;
}

/** A UDP datagram, or the first fragment of one. */
export interface DecodedUdp {
  readonly srcPort: number;
  readonly dstPort: number;
  /** Bytes of data in this packet. */
  readonly length: number;
}

/**
 * What a frame is, read on demand from its bytes: for predicates, rewrites, captures and invariants. It reads the frame
 * where it lies, so it holds no longer than the call that it is given to.
 */
export class DecodedPacket {
  /** Counts the frames offered to this direction of the link, from 1. */
  readonly n: number;
  /** The frame. */
  readonly bytes: Uint8Array;
  /** Ethernet type behind all tags; 0 for a frame cut short. */
  readonly etherType: number;
  /** Offset of the IP header; -1 when this is no IP packet whose header is whole. */
  readonly ipAt: number;
  /** 4, 6, or 0 for what is not IP. */
  readonly family: 0 | 4 | 6;
  /** Upper protocol number; -1 for what is not IP. */
  readonly protocol: number;
  /** Bytes of the IP packet, headers included; 0 for what is not IP. */
  readonly ipLength: number;
  /** A part of a datagram. */
  readonly isFragment: boolean;
  /** Offset of the transport header; -1 in fragments after the first and in what is not IP. */
  readonly l4At: number;
  readonly #dv: DataView;
  #tcp: DecodedTcp | undefined | null = null;

  /** Reads the headers of `bytes`, a whole Ethernet frame. */
  constructor(bytes: Uint8Array, n = 0) {
    const dv = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.n = n;
    this.bytes = bytes;
    this.#dv = dv;
    this.etherType = 0;
    this.ipAt = -1;
    this.family = 0;
    this.protocol = -1;
    this.ipLength = 0;
    this.isFragment = false;
    this.l4At = -1;
    if (ethCheck(dv, 0, bytes.length) !== ETH_OK) return;
    const at = ethHeaderLen(dv, 0);
    this.etherType = ethType(dv, 0, at);
    if (this.etherType === ETHERTYPE_IP4 && ip4CheckHeader(dv, at, bytes.length - at) === IP4_OK) {
      this.ipAt = at;
      this.family = 4;
      this.protocol = ip4Protocol(dv, at);
      this.ipLength = ip4TotalLen(dv, at);
      this.isFragment = ip4IsFragment(dv, at);
      if (ip4FragmentOffset(dv, at) === 0) this.l4At = at + ip4HeaderLen(dv, at);
    } else if (this.etherType === ETHERTYPE_IP6 && ip6Check(dv, at, bytes.length - at) === IP6_OK) {
      this.ipAt = at;
      this.family = 6;
      this.ipLength = ip6TotalLen(dv, at);
      const walked = new Int32Array(IP6_EXT_WORDS);
      if (ip6ExtWalk(dv, bytes, at, walked) !== IP6_EXT_OK) return;
      const fragmentAt = walked[IP6_EXT_FRAGMENT_AT];
      this.protocol = walked[IP6_EXT_PROTOCOL];
      this.isFragment = fragmentAt !== 0 && ip6IsFragment(dv, fragmentAt);
      const isLater = fragmentAt !== 0 && (dv.getUint16(fragmentAt + 2) & 0xfff8) !== 0;
      if (!isLater) this.l4At = walked[IP6_EXT_L4];
    }
  }

  /** Source address as text; empty for what is not IP. */
  get source(): string {
    return this.#address(IP4_SRC, IP6_SRC);
  }

  /** Destination address as text; empty for what is not IP. */
  get destination(): string {
    return this.#address(IP4_DST, IP6_DST);
  }

  #address(at4: number, at6: number): string {
    const dv = this.#dv;
    if (this.family === 4) return formatIp4(dv.getInt32(this.ipAt + at4));
    if (this.family === 0) return "";
    const at = this.ipAt + at6;
    return formatIp6(dv.getInt32(at), dv.getInt32(at + 4), dv.getInt32(at + 8), dv.getInt32(at + 12));
  }

  /** ECN field of the IP header (RFC 3168 5): 0 not ECT, 1 ECT(1), 2 ECT(0), 3 CE; 0 for what is not IP. */
  get ecn(): number {
    if (this.family === 4) return this.#dv.getUint8(this.ipAt + IP4_TOS) & 3;
    return this.family === 6 ? ip6TrafficClass(this.#dv, this.ipAt) & 3 : 0;
  }

  /** No router may cut it: the flag of IPv4, always in IPv6. */
  get dontFragment(): boolean {
    return this.family === 6 || (this.family === 4 && ip4DontFragment(this.#dv, this.ipAt));
  }

  /** The TCP segment; undefined for anything else, for fragments and for a header that is not whole. */
  get tcp(): DecodedTcp | undefined {
    if (this.#tcp === null) this.#tcp = this.#readTcp();
    return this.#tcp;
  }

  #readTcp(): DecodedTcp | undefined {
    const dv = this.#dv;
    const at = this.l4At;
    const end = this.ipAt + this.ipLength;
    if (this.protocol !== PROTOCOL_TCP || at < 0 || this.isFragment) return undefined;
    if (end - at < TCP_HEADER_LEN || tcpCheck(dv, at, end - at) !== TCP_OK) return undefined;
    const flags = tcpFlags(dv, at);
    const dataAt = at + tcpHeaderLen(dv, at);
    const length = end - dataAt;
    return {
      srcPort: dv.getUint16(at),
      dstPort: dv.getUint16(at + 2),
      seq: tcpSeq(dv, at),
      ack: tcpAck(dv, at),
      flags,
      window: tcpWindow(dv, at),
      at,
      dataAt,
      length,
      sequenceLength: length + ((flags & TCP_FLAG_SYN) === 0 ? 0 : 1) + ((flags & TCP_FLAG_FIN) === 0 ? 0 : 1),
      options: this.#readOptions(at),
    };
  }

  #readOptions(at: number): DecodedTcpOptions {
    const out = new Int32Array(TCP_OPT_WORDS);
    tcpParseOptions(this.#dv, this.bytes, at, out);
    const present = out[TCP_OPT_PRESENT];
    const has = (bit: number): boolean => (present & bit) !== 0;
    const blocks = has(TCP_HAS_SACK) ? out[TCP_OPT_SACK_COUNT] : 0;
    return {
      mss: has(TCP_HAS_MSS) ? out[TCP_OPT_MSS] : undefined,
      windowScale: has(TCP_HAS_WSCALE) ? out[TCP_OPT_WSCALE] : undefined,
      sackPermitted: has(TCP_HAS_SACK_PERMITTED),
      timestamps: has(TCP_HAS_TIMESTAMPS) ? { value: out[TCP_OPT_TS_VAL], echo: out[TCP_OPT_TS_ECR] } : undefined,
      sack: Array.from(
        { length: blocks },
        (_, i) => [out[TCP_OPT_SACK + 2 * i], out[TCP_OPT_SACK + 2 * i + 1]] as const,
      ),
    };
  }

  /** The UDP datagram; undefined for anything else, and for fragments after the first. */
  get udp(): DecodedUdp | undefined {
    const at = this.l4At;
    const end = this.ipAt + this.ipLength;
    if (this.protocol !== PROTOCOL_UDP || at < 0 || end - at < UDP_HEADER_LEN) return undefined;
    return {
      srcPort: this.#dv.getUint16(at),
      dstPort: this.#dv.getUint16(at + 2),
      length: end - at - UDP_HEADER_LEN,
    };
  }
}
