import type { InterfaceTable } from "../src/device/interface.js";
import type { Engine } from "../src/graph/engine.js";
import type { PacketPool } from "../src/graph/packet-pool.js";
import type { Ip } from "../src/ip/ip.js";
import type { NeighbourTable } from "../src/ip/neighbour.js";
import type { MemoryWindow } from "../src/mem/window.js";

/** What a node may reach: the parts of the one host it runs in. `stack.ts` puts them together. */
export interface Host {
  readonly window: MemoryWindow;
  readonly pool: PacketPool;
  readonly engine: Engine<Host>;
  readonly interfaces: InterfaceTable;
  readonly ip: Ip;
  readonly neighbours: NeighbourTable;
}
