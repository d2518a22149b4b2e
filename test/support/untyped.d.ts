// Packages without types of their own, as far as tests use them.

declare module "pcap-parser" {
  import type { EventEmitter } from "node:events";
  import type { Readable } from "node:stream";

  interface PacketHeader {
    readonly timestampSeconds: number;
    readonly timestampMicroseconds: number;
    readonly capturedLength: number;
    readonly originalLength: number;
  }
  interface Packet {
    readonly header: PacketHeader;
    readonly data: Buffer;
  }
  /** Emits "globalHeader", "packet", "end" and "error". */
  export function parse(input: string | Readable): EventEmitter<{
    globalHeader: [{ readonly linkLayerType: number; readonly snapshotLength: number }];
    packet: [Packet];
    end: [];
    error: [Error];
  }>;
}

declare module "raw-socket" {
  import type { EventEmitter } from "node:events";

  interface Options {
    readonly protocol?: number;
    readonly addressFamily?: number;
  }
  type Sent = (error: Error | null, bytes: number) => void;

  /** A raw IP socket of the kernel. */
  export interface RawSocket extends EventEmitter<{ message: [Buffer, string]; error: [Error]; close: [] }> {
    send(
      buffer: Buffer,
      offset: number,
      length: number,
      address: string,
      before: (() => void) | null,
      after: Sent,
    ): void;
    setOption(level: number, option: number, value: number): void;
    close(): void;
  }
  export const AddressFamily: { readonly IPv4: number; readonly IPv6: number };
  export const Protocol: { readonly ICMP: number; readonly TCP: number; readonly UDP: number; readonly ICMPv6: number };
  export const SocketLevel: { readonly IPPROTO_IP: number; readonly IPPROTO_IPV6: number };
  export const SocketOption: { readonly IP_HDRINCL: number; readonly IPV6_UNICAST_HOPS: number };
  export function createSocket(options?: Options): RawSocket;
}
