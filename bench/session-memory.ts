// What does an established, idle TCP session cost, in memory that is really touched: rows and tables in the memory window,
// object and slots on JavaScript's heap? And does it hold fifo memory?
import { AppServer } from "../src/app/attach.js";
import { NativeWindow } from "../src/host/native-window.js";
import { SystemClock } from "../src/host/system-clock.js";
import { printValue } from "./support/report.js";
import { heapBytes, residentBytes } from "./support/resident.js";
import { TcpFlows } from "./support/tcp-flows.js";
import { LISTENER_ADDRESS, LISTENER_PORT, makeListenerStack } from "./support/tcp-listener.js";

const SESSIONS = 50_000;
/** No other mapping has this size. */
const WINDOW_BYTES = (1 << 30) + (7 << 20);

// Small pages: a huge one would count as touched for a single byte.
const { window } = new NativeWindow({ bytes: WINDOW_BYTES, hugePages: false });
const { stack, device } = makeListenerStack(window, new SystemClock(), SESSIONS, 128 << 20);
const server = new AppServer(stack.host.sessions);
const app = await server.attach({ name: "idle" }, { accept: () => true });
await app.listen(`tcp://0.0.0.0/${LISTENER_PORT}`);

// A few first, so that what is touched once for all sessions counts for none; then the others.
const first = TcpFlows.prepare(stack, device, 256, LISTENER_ADDRESS, LISTENER_PORT);
first.open();
const flows = TcpFlows.prepare(stack, device, SESSIONS - first.count, LISTENER_ADDRESS, LISTENER_PORT, first.count);
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
