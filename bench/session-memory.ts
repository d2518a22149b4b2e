// What does an established, idle TCP session cost, in memory that is really touched: rows and tables in the memory window,
// object and slots on JavaScript's heap? And does it hold fifo memory?
import { AppServer } from "../src/app/attach.js";
import { F_L4_CHECKSUM_OK } from "../src/graph/packet-pool.js";
import { NativeWindow } from "../src/host/native-window.js";
import { SystemClock } from "../src/host/system-clock.js";
import { parseAddress } from "../src/ip/address.js";
import { SeededRandom } from "../src/random/seeded.js";
import { Stack } from "../src/stack.js";
import { BatchDevice } from "./support/batch-device.js";
import { MANUAL_HOOKS } from "./support/quiet-hooks.js";
import { printValue } from "./support/report.js";
import { heapBytes, residentBytes } from "./support/resident.js";
import { SEGMENT_FRAME_BYTES, TcpFlows } from "./support/tcp-flows.js";

const SESSIONS = 50_000;
const PORT = 7001;
/** No other mapping has this size. */
const WINDOW_BYTES = (1 << 30) + (7 << 20);

// Small pages: a huge one would count as touched for a single byte.
const { window } = new NativeWindow({ bytes: WINDOW_BYTES, hugePages: false });
const stack = new Stack({
  window,
  clock: new SystemClock(),
  random: new SeededRandom(1),
  hooks: MANUAL_HOOKS,
  limits: { smallPackets: 1024, largePackets: 8, ringPackets: 0, fifoBytes: 128 << 20 },
  session: { maxSessions: SESSIONS + 64, maxListeners: 16, backlog: SESSIONS },
  tcp: { maxConnections: SESSIONS + 64 },
});
const device = new BatchDevice({
  mac: new Uint8Array([2, 0, 0, 0, 0, 1]),
  frameBytes: SEGMENT_FRAME_BYTES,
  vector: 256,
  flags: F_L4_CHECKSUM_OK,
  offloads: { checksum: true, tso: true, uso: true },
});
const iface = stack.addInterface("eth0", device, { addresses: ["198.18.0.2/24"] });
stack.host.neighbours.setStatic(iface.index, parseAddress("198.18.0.1"), new Uint8Array([2, 0, 0, 0, 9, 9]));
stack.apply({ kind: "route", table: 0, prefix: "10.0.0.0/8", add: true, paths: [{ via: "198.18.0.1" }] });
const server = new AppServer(stack.host.sessions);
const app = await server.attach({ name: "idle" }, { accept: () => true });
await app.listen(`tcp://0.0.0.0/${PORT}`);

// A few first, so that what is touched once for all sessions counts for none; then the others.
const local = 0xc612_0002 | 0;
const first = TcpFlows.prepare(stack, device, 256, local, PORT);
first.open();
const flows = TcpFlows.prepare(stack, device, SESSIONS - first.count, local, PORT, first.count);
const heapBefore = heapBytes();
const windowBefore = residentBytes(WINDOW_BYTES);
flows.open();
const windowAfter = residentBytes(WINDOW_BYTES);
const heapAfter = heapBytes();

const { sessions, fifos } = stack.host;
if (sessions.table.used !== SESSIONS + 1) throw new Error(`${sessions.table.used - 1} sessions instead of ${SESSIONS}`);
const inWindow = (windowAfter - windowBefore) / flows.count;
const onHeap = (heapAfter - heapBefore) / flows.count;
printValue("session-memory-window", inWindow, "bytes");
printValue("session-memory-heap", onHeap, "bytes");
printValue("session-memory", inWindow + onHeap, "bytes");
printValue("session-memory-fifo-chunks", fifos.inUse(), "bytes");
stack.close();
