import type { InterfaceTable } from "../src/device/interface.js";
import type { Engine } from "../src/graph/engine.js";
import type { PacketPool } from "../src/graph/packet-pool.js";
import type { Ip } from "../src/ip/ip.js";
import type { NeighbourTable } from "../src/ip/neighbour.js";
import type { FifoTable } from "../src/mem/fifo-table.js";
import type { MemoryWindow } from "../src/mem/window.js";
import type { SessionLookup } from "../src/session/lookup.js";
import type { SessionLayer } from "../src/session/session-layer.js";
import type { TcpTransport } from "../src/transport/tcp/tcp.js";
import type { DtlsTransport } from "../src/transport/dtls/dtls.js";
import type { TlsTransport } from "../src/transport/tls/tls.js";
import type { Transport } from "../src/transport/transport.js";
import type { UdpTransport } from "../src/transport/udp/udp.js";

/** What a node may reach: the parts of the one host it runs in. `stack.ts` puts them together. */
export interface Host {
  readonly window: MemoryWindow;
  readonly pool: PacketPool;
  readonly engine: Engine<Host>;
  readonly interfaces: InterfaceTable;
  readonly ip: Ip;
  readonly neighbours: NeighbourTable;
  readonly fifos: FifoTable;
  readonly lookup: SessionLookup;
  readonly sessions: SessionLayer;
  readonly tcp: TcpTransport;
  readonly udp: UdpTransport;
  /** Undefined: the stack has no engine for it. */
  readonly tls: TlsTransport | undefined;
  /** Likewise. */
  readonly dtls: DtlsTransport | undefined;
  /** By transport protocol number. */
  readonly transports: readonly (Transport | undefined)[];
}
