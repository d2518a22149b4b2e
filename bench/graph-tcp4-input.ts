// What does a 64-byte in-order TCP segment cost from the device to its session's fifo, with 100,000 sessions: as a graph,
// and as a fused loop that runs each packet to completion? Segments come in an order that no cache can guess. Checksums
// are vouched for by the device, as a TAP's are.
import { parseAddress } from "../src/ip/address.js";
import { F_L4_CHECKSUM_OK } from "../src/graph/packet-pool.js";
import { NativeWindow } from "../src/host/native-window.js";
import { SystemClock } from "../src/host/system-clock.js";
import { SeededRandom } from "../src/random/seeded.js";
import { Stack } from "../src/stack.js";
import { TRANSPORT_TCP } from "../src/transport/transport.js";
import { BatchDevice } from "./support/batch-device.js";
import { fusedTcp4Input } from "./support/fused-tcp4-input.js";
import { measurePairs } from "./support/pairs.js";
import { MANUAL_HOOKS } from "./support/quiet-hooks.js";
import { printRatio, printValue } from "./support/report.js";
import { SEGMENT_FRAME_BYTES, TcpFlows } from "./support/tcp-flows.js";

const SESSIONS = 100_000;
const BATCH = 256;
/** Segments of one measurement: a whole number of batches. */
const SEGMENTS = Math.floor(SESSIONS / BATCH) * BATCH;
const PAIRS = 9;
const PORT = 7001;
const MAC = new Uint8Array([2, 0, 0, 0, 0, 1]);

const random = new SeededRandom(1);
const clock = new SystemClock();
const native = new NativeWindow();
const { window } = native;
const stack = new Stack({
  window,
  clock,
  random,
  hooks: MANUAL_HOOKS,
  limits: { smallPackets: 2048, largePackets: 8, ringPackets: 0, fifoBytes: 512 << 20 },
  session: { maxSessions: SESSIONS + 64, maxListeners: 16, backlog: SESSIONS },
  tcp: { maxConnections: SESSIONS + 64, timeWaitMs: 1000 },
});
const device = new BatchDevice({
  mac: MAC,
  frameBytes: SEGMENT_FRAME_BYTES,
  vector: BATCH,
  flags: F_L4_CHECKSUM_OK,
  offloads: { checksum: true, tso: true, uso: true },
});
const iface = stack.addInterface("eth0", device, { addresses: ["198.18.0.2/24"] });
stack.host.neighbours.setStatic(iface.index, parseAddress("198.18.0.1"), new Uint8Array([2, 0, 0, 0, 9, 9]));
stack.apply({ kind: "route", table: 0, prefix: "10.0.0.0/8", add: true, paths: [{ via: "198.18.0.1" }] });

const { sessions } = stack.host;
const app = sessions.attach({ name: "sink", rxFifoBytes: 65536 }, { accept: () => true });
const local = { family: 4, address: Int32Array.of(0, 0, 0, 0), port: PORT } as const;
if (app < 0 || sessions.listen(app, TRANSPORT_TCP, local) < 0) throw new Error("cannot listen");
const flows = TcpFlows.prepare(stack, device, SESSIONS, 0xc612_0002 | 0, PORT);
flows.open();
if (sessions.table.used !== SESSIONS + 1) throw new Error(`${sessions.table.used - 1} sessions instead of ${SESSIONS}`);

/** The flows in the order of their segments: a permutation. */
const order = Int32Array.from({ length: SESSIONS }, (_, i) => i);
for (let i = SESSIONS - 1; i > 0; i--) {
  const j = random.nextBelow(i + 1);
  [order[i], order[j]] = [order[j], order[i]];
}
let at = 0;
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

/** Unread bytes of all sessions: each segment must have arrived. */
const { fifos } = stack.host;
function enqueued(): number {
  return stack.engine.errorCount("tcp4-established", "enqueued");
}

/** Nanoseconds per segment when `run` takes them in, `vector` at a time. */
function measure(run: () => void, vector: number, counts: boolean): number {
  device.vector = vector;
  const before = enqueued();
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
  if (counts && enqueued() - before !== SEGMENTS) {
    throw new Error(`${enqueued() - before} of ${SEGMENTS} segments: ${JSON.stringify(stack.engine.errors())}`);
  }
  return (us * 1000) / SEGMENTS;
}

for (const [name, vector] of [
  ["graph-tcp4-input", BATCH],
  ["graph-tcp4-input-v1", 1],
] as const) {
  const ours = (): number => measure(graph, vector, true);
  const peer = (): number => measure(fused, vector, false);
  for (let i = 0; i < 2; i++) {
    ours();
    peer();
  }
  const result = await measurePairs(PAIRS, ours, peer);
  printValue(name, result.ours, "ns/packet");
  printValue(`${name}-fused`, result.peer, "ns/packet");
  printRatio(name, "fused", result.ratio);
}
const stats = fifos.stats();
if (stats.shortEnqueues > 0) throw new Error("the fifo segment is too small");
stack.close();
