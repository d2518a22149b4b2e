// Does one process hold 1,000,000 established TCP sessions: opened, a byte sent and echoed on each, all closed? What memory
// does each take at the peak, where, and how much of a processor do they take while nothing happens?
import { setTimeout as sleep } from "node:timers/promises";
import { AppServer } from "../src/app/attach.js";
import { InlineDriver } from "../src/host/inline-driver.js";
import { NativeWindow } from "../src/host/native-window.js";
import { SystemClock } from "../src/host/system-clock.js";
import { protect } from "./support/protect.js";
import { printValue } from "./support/report.js";
import { heapBytes, peakBytes, residentRegions } from "./support/resident.js";
import { TcpFlows } from "./support/tcp-flows.js";
import { LISTENER_ADDRESS, LISTENER_PORT, makeListenerStack } from "./support/tcp-listener.js";

const SESSIONS = 1_000_000;
/** What is under way in the largest batch. */
const FIFO_BYTES = 32 << 20;
const IDLE_MS = 3000;
/** All the window that there can be; no other mapping has this size. */
const WINDOW_BYTES = 2 ** 31;
const NAME = "session-million";

protect();
const clock = new SystemClock();
// Small pages: a huge one would count as touched for a single byte.
const { window } = new NativeWindow({ bytes: WINDOW_BYTES, hugePages: false });
const { stack, device } = makeListenerStack(window, clock, SESSIONS, FIFO_BYTES);
const reserved = WINDOW_BYTES - window.freeBytes;
const flows = TcpFlows.prepare(stack, device, SESSIONS, LISTENER_ADDRESS, LISTENER_PORT);
const { sessions, fifos, lookup, tcp } = stack.host;
const server = new AppServer(sessions);
const byte = new Uint8Array(1);
let accepted = 0;
let gone = 0;
const app = await server.attach(
  { name: "echo" },
  {
    accept: () => {
      accepted++;
      return true;
    },
    // Without a disconnect callback a session is closed when its peer has closed.
    rx: (session) => {
      if (session.read(byte) !== 1 || session.write(byte) !== 1) throw new Error("a byte went astray");
    },
    cleanup: (_session, phase) => {
      if (phase === "session") gone++;
    },
  },
);
await app.listen(`tcp://0.0.0.0/${LISTENER_PORT}`);

/** Throws unless `got` is the number of sessions. */
function expectAll(got: number, what: string): void {
  if (got !== SESSIONS) throw new Error(`${got} of ${SESSIONS} ${what}`);
}

/** Runs one step of every session, and prints how long it took. */
function step(what: string, run: () => void): void {
  const startUs = clock.nowUs();
  run();
  printValue(`${NAME}-${what}`, (clock.nowUs() - startUs) / SESSIONS, "us/session");
}

/** Share of a processor that the process takes while the stack waits for what may come, in percent. */
async function idleShare(): Promise<number> {
  const driver = new InlineDriver(stack.engine);
  driver.wake();
  // What was under way ends: compiling, collecting garbage.
  await sleep(500);
  const before = process.cpuUsage();
  const startUs = clock.nowUs();
  await sleep(IDLE_MS);
  const { user, system } = process.cpuUsage(before);
  const wallUs = clock.nowUs() - startUs;
  driver.close();
  return ((user + system) / wallUs) * 100;
}

const heapBefore = heapBytes();
const before = residentRegions(window, WINDOW_BYTES);
step("open", () => flows.open());
expectAll(accepted, "accepted");
expectAll(lookup.counts().established4, "established");
const idle = await idleShare();
step("echo", () => expectAll(flows.sendByte(), "bytes echoed"));
if (fifos.inUse() !== 0) throw new Error(`${fifos.inUse()} bytes of fifo chunks in use`);
const onHeap = (heapBytes() - heapBefore) / SESSIONS;
const after = residentRegions(window, WINDOW_BYTES);
const peak = peakBytes();
const idleAgain = await idleShare();
step("close", () => expectAll(flows.close(), "FINs"));
expectAll(gone, "gone");
const left = sessions.table.used + tcp.core.connections.used - 2 + lookup.counts().established4;
if (left !== 0) throw new Error(`${left} rows and table entries left over`);

let inWindow = 0;
for (const [name, bytes] of after) {
  const each = (bytes - (before.get(name) ?? 0)) / SESSIONS;
  inWindow += each;
  if (each >= 1) printValue(`${NAME}-in-${name.replaceAll(" ", "-")}`, each, "bytes");
}
printValue(`${NAME}-window`, inWindow, "bytes");
printValue(`${NAME}-heap`, onHeap, "bytes");
printValue(NAME, inWindow + onHeap, "bytes");
printValue(`${NAME}-reserved`, reserved / SESSIONS, "bytes");
printValue(`${NAME}-process-peak`, peak / SESSIONS, "bytes");
printValue(`${NAME}-idle`, Math.max(idle, idleAgain), "%");
stack.close();
