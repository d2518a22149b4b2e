// What does a datagram cost an application to read from its session's fifo, and to write into it: by one call each, and by
// batches of 32? In memory, 64 bytes each, without packets.
import { AppServer } from "../src/app/attach.js";
import { NullDevice } from "../src/device/null-device.js";
import { SystemClock } from "../src/host/system-clock.js";
import { DGRAM_HEADER_BYTES, writeDatagram } from "../src/mem/fifo-datagram.js";
import { MemoryWindow } from "../src/mem/window.js";
import { SeededRandom } from "../src/random/seeded.js";
import { DatagramBatch } from "../src/session/datagram-batch.js";
import { writeDatagramHeader } from "../src/session/datagram-header.js";
import { S_RX_FIFO, S_TX_FIFO } from "../src/session/session-table.js";
import { SMALL_LIMITS, Stack } from "../src/stack.js";
import { protect } from "./support/protect.js";
import { MANUAL_HOOKS } from "./support/quiet-hooks.js";
import { printRatio, printValue } from "./support/report.js";

const BYTES = 64;
const BATCH = 32;
/** Datagrams of one measurement. */
const COUNT = 512 * BATCH;
const WARM_UP = 3;
const ROUNDS = 12;
const FIFO_BYTES = 4 << 20;

protect();
const clock = new SystemClock();
const stack = new Stack({
  window: MemoryWindow.plain(64 << 20),
  clock,
  random: new SeededRandom(1),
  hooks: MANUAL_HOOKS,
  limits: { ...SMALL_LIMITS, fifoBytes: 16 << 20 },
  session: { maxSessions: 16 },
  tcp: { maxConnections: 16 },
  udp: { maxConnections: 16 },
});
stack.addInterface("null0", new NullDevice(Uint8Array.of(2, 0, 0, 0, 0, 1)), { addresses: ["198.18.0.1/24"] });
const { sessions, fifos, window } = stack.host;
const app = await new AppServer(sessions).attach(
  { name: "datagrams", rxFifoBytes: FIFO_BYTES, txFifoBytes: FIFO_BYTES },
  {},
);
const connecting = app.connect("udp://198.18.0.2:9");
for (let i = 0; i < 4; i++) stack.engine.turn();
const session = await connecting;
const row = sessions.table.row(session.index);
const [rx, tx] = [window.i32[row + S_RX_FIFO], window.i32[row + S_TX_FIFO]];
const header = window.reserve("bench header", DGRAM_HEADER_BYTES);
const one = new Uint8Array(BYTES).fill(1);
const batch = new DatagramBatch(BATCH, BYTES);
batch.lengths.fill(BYTES);
batch.count = BATCH;

function fill(): void {
  const remote = Int32Array.of(0x0612_0002 | 0, 0, 0, 0);
  writeDatagramHeader(window.dv, header, false, remote, 9, remote, -1);
  for (let i = 0; i < COUNT; i++) {
    if (!writeDatagram(fifos, window, rx, header, one, 0, BYTES)) throw new Error("the fifo is full");
  }
}

/** Slots in turn: single calls use one buffer as batches do, for a part of an array costs more than a whole one. */
let slot = 0;
function next(): number {
  return (slot = (slot + 1) % BATCH);
}

function empty(): void {
  fifos.dropAll(tx);
}

/** Nanoseconds a datagram; `run` says how many it did. */
function measure(before: () => void, run: () => number): number {
  before();
  const startUs = clock.nowUs();
  let done = 0;
  while (done < COUNT) done += run();
  return ((clock.nowUs() - startUs) * 1000) / COUNT;
}

/** Prints the least of many rounds, both in turn, and what batches bring. */
function measureBoth(name: string, before: () => void, single: () => number, many: () => number): void {
  let [ones, batches] = [Infinity, Infinity];
  for (let round = 0; round < WARM_UP + ROUNDS; round++) {
    const now = [measure(before, single), measure(before, many)];
    if (round >= WARM_UP) [ones, batches] = [Math.min(ones, now[0]), Math.min(batches, now[1])];
  }
  printValue(`${name}-single`, ones, "ns");
  printValue(`${name}-${BATCH}`, batches, "ns");
  printRatio(`${name}-${BATCH}`, "single", batches / ones);
}

measureBoth(
  "datagram-read",
  fill,
  () => (session.readDatagram(batch.bytes, next() * BYTES, BYTES) >= 0 ? 1 : 0),
  () => session.readDatagrams(batch),
);
measureBoth(
  "datagram-write",
  empty,
  () => (session.writeDatagram(batch.bytes, next() * BYTES, BYTES) > 0 ? 1 : 0),
  () => session.writeDatagrams(batch),
);
