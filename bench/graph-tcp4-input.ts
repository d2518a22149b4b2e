// What does a 64-byte in-order TCP segment cost from the device to its session's fifo, with 100,000 sessions: as a graph,
// and as a fused loop that runs each packet to completion? Segments come in an order that no cache can guess. Checksums
// are vouched for by the device, as a TAP's are.
import { NativeWindow } from "../src/host/native-window.js";
import { SystemClock } from "../src/host/system-clock.js";
import { SeededRandom } from "../src/random/seeded.js";
import { S_RX_FIFO } from "../src/session/session-table.js";
import { TRANSPORT_TCP } from "../src/transport/transport.js";
import { fusedTcp4Input } from "./support/fused-tcp4-input.js";
import { measurePairs } from "./support/pairs.js";
import { protect } from "./support/protect.js";
import { printRatio, printValue } from "./support/report.js";
import { PAYLOAD_BYTES, TcpFlows } from "./support/tcp-flows.js";
import { LISTENER_ADDRESS, LISTENER_PORT, makeListenerStack } from "./support/tcp-listener.js";

const SESSIONS = 100_000;
const BATCH = 256;
/** Segments of one measurement: a whole number of batches. */
const SEGMENTS = Math.floor(SESSIONS / BATCH) * BATCH;
const WARM_UP = 2;
const PAIRS = 12;

protect();
const clock = new SystemClock();
const { window } = new NativeWindow();
const { stack, device, iface } = makeListenerStack(window, clock, SESSIONS, 512 << 20);
const { sessions, fifos } = stack.host;
const app = sessions.attach({ name: "sink", rxFifoBytes: 65536 }, { accept: () => true });
const local = { family: 4, address: new Int32Array(4), port: LISTENER_PORT } as const;
if (app < 0 || sessions.listen(app, TRANSPORT_TCP, local) < 0) throw new Error("cannot listen");
const flows = TcpFlows.prepare(stack, device, SESSIONS, LISTENER_ADDRESS, LISTENER_PORT);
flows.open();
if (sessions.table.used !== SESSIONS + 1) throw new Error(`${sessions.table.used - 1} sessions instead of ${SESSIONS}`);

/** The flows in the order of their segments: a permutation. */
const random = new SeededRandom(2);
const order = Int32Array.from({ length: SESSIONS }, (_, i) => i);
for (let i = SESSIONS - 1; i > 0; i--) {
  const j = random.nextBelow(i + 1);
  [order[i], order[j]] = [order[j], order[i]];
}
let at = 0;
let measured = 0;
function nextSegment(): number {
  at = at + 1 === SESSIONS ? 0 : at + 1;
  return flows.next(order[at]);
}

// The input side of a turn ends where timers are looked at: what follows, telling applications and acknowledging, is
// neither in the graph's figure nor in the loop's.
let startUs = 0;
let spentUs = 0;
device.onRx = () => {
  if (startUs === 0) startUs = clock.nowUs();
};
stack.engine.addTimed({
  expire() {
    spentUs += clock.nowUs() - startUs;
  },
  nextExpiry: () => -1,
});
function graph(): void {
  startUs = 0;
  stack.engine.turn();
}

const poll = fusedTcp4Input(stack.host, clock, iface);
function fused(): void {
  startUs = 0;
  poll();
  spentUs += clock.nowUs() - startUs;
}

/** What reading the clock for the measurement adds to it, microseconds. */
function clockCostUs(): number {
  const beginUs = clock.nowUs();
  let endUs = beginUs;
  for (let i = 0; i < 10_000; i++) endUs = clock.nowUs();
  return (endUs - beginUs) / 10_000;
}

/** Sum of the fifos' tails: each segment moves it by its payload. */
function received(): number {
  let sum = 0;
  for (const s of sessions.table) sum += fifos.maxDequeue(window.i32[sessions.table.row(s) + S_RX_FIFO]);
  return sum;
}

/** Nanoseconds per segment when `run` takes them in, `vector` at a time. */
function measure(run: () => void, vector: number): number {
  device.vector = vector;
  let us = 0;
  const costUs = clockCostUs();
  for (let done = 0; done < SEGMENTS; done += BATCH) {
    device.prepare(BATCH, nextSegment);
    for (let i = 0; i < BATCH; i += vector) {
      spentUs = 0;
      run();
      us += spentUs - costUs;
    }
    // The rest of what they cause: applications hear of them, acknowledgements leave.
    while (stack.engine.turn() > 0);
  }
  measured++;
  return (us * 1000) / SEGMENTS;
}

for (const [name, vector] of [
  ["graph-tcp4-input", BATCH],
  ["graph-tcp4-input-v1", 1],
] as const) {
  const ours = (): number => measure(graph, vector);
  const peer = (): number => measure(fused, vector);
  for (let i = 0; i < WARM_UP; i++) {
    ours();
    peer();
  }
  const { least } = await measurePairs(PAIRS, ours, peer);
  printValue(name, least.ours, "ns/packet");
  printValue(`${name}-fused`, least.peer, "ns/packet");
  printRatio(name, "fused", least.ours / least.peer);
}
const expected = measured * SEGMENTS * PAYLOAD_BYTES;
if (received() !== expected) throw new Error(`${received()} bytes in the fifos instead of ${expected}`);
stack.close();
