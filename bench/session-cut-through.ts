// How fast does one application send to another of the same stack by cut-through, beside TCP between two stacks on a wire
// in memory that takes superframes? The sender writes from one array; the receiver looks at what it gets where it lies, as
// in the other benchmarks of streams, or (-read) copies it into an array of its own.
import { AppServer } from "../src/app/attach.js";
import type { AppCallbacks } from "../src/app/callbacks.js";
import type { Session } from "../src/app/session.js";
import { wire, type WireDevice } from "../src/device/wire-device.js";
import { NativeWindow } from "../src/host/native-window.js";
import { SystemClock } from "../src/host/system-clock.js";
import { SeededRandom } from "../src/random/seeded.js";
import { Stack } from "../src/stack.js";
import type { AppScope } from "../src/session/application.js";
import { measurePairs } from "./support/pairs.js";
import { protect } from "./support/protect.js";
import { MANUAL_HOOKS } from "./support/quiet-hooks.js";
import { printRatio, printValue } from "./support/report.js";

/** As in the other benchmarks of streams: half of a processor's second cache. */
const FIFO_BYTES = 512 * 1024;
/** Written to, or all its pages would be the one page of zeros. */
const CHUNK = new Uint8Array(128 * 1024).fill(1);
const INTO = new Uint8Array(FIFO_BYTES).fill(1);
const BYTES = 1 << 30;
const WARM_UP = 2;
const PAIRS = 5;

protect();
const clock = new SystemClock();

function makeStack(device: WireDevice, address: string): Stack {
  const { window } = new NativeWindow();
  const stack = new Stack({
    window,
    clock,
    random: new SeededRandom(1),
    hooks: MANUAL_HOOKS,
    limits: { smallPackets: 2048, largePackets: 128, ringPackets: 0, fifoBytes: 64 << 20 },
    session: { maxSessions: 64, maxListeners: 16 },
    tcp: { maxConnections: 64 },
  });
  stack.addInterface("wire0", device, { addresses: [address] });
  return stack;
}

/** A stream between two applications, which goes on for good. */
class Stream {
  received = 0;
  isCopied = false;
  readonly #stacks: readonly Stack[];
  readonly #all = (_u8: Uint8Array, _offset: number, length: number): number => {
    this.received += length;
    return length;
  };

  constructor(stacks: readonly Stack[]) {
    this.#stacks = stacks;
  }

  async open(sink: AppServer, source: AppServer, uri: string, scope: readonly AppScope[]): Promise<void> {
    const options = { scope, rxFifoBytes: FIFO_BYTES, txFifoBytes: FIFO_BYTES };
    const fill = (session: Session): void => {
      while (session.write(CHUNK) === CHUNK.length);
    };
    const take = (session: Session): void => {
      if (this.isCopied) this.received += session.read(INTO);
      else session.peek(this.#all);
    };
    const reads: AppCallbacks = { accept: () => true, rx: take };
    const writes: AppCallbacks = { tx: fill, connected: (session) => session !== undefined && fill(session) };
    const receiver = await sink.attach({ ...options, name: "sink" }, reads);
    await receiver.listen(uri);
    const sender = await source.attach({ ...options, name: "source" }, writes);
    await Promise.all([sender.connect(uri), this.#until(1)]);
  }

  async #until(bytes: number): Promise<void> {
    await Promise.resolve();
    this.run(bytes);
  }

  /** Turns until so many bytes have arrived. Returns GB/s. */
  run(bytes: number): number {
    const startUs = clock.nowUs();
    const end = this.received + bytes;
    const before = this.received;
    while (this.received < end) for (const { engine } of this.#stacks) engine.turn();
    return (this.received - before) / (clock.nowUs() - startUs) / 1000;
  }

  /** Measures once. */
  readonly measure = (): number => this.run(BYTES);
}

const [a, b] = wire();
const stacks = [makeStack(a, "198.18.0.1/24"), makeStack(b, "198.18.0.2/24")];
const [near, far] = stacks.map((stack) => new AppServer(stack.host.sessions));
const tcp = new Stream(stacks);
await tcp.open(far, near, "tcp://198.18.0.2/7001", ["global"]);

const alone = makeStack(wire()[0], "198.18.0.1/24");
const within = new AppServer(alone.host.sessions);
const cutThrough = new Stream([alone]);
await cutThrough.open(within, within, "tcp://127.0.0.1/7001", ["local"]);

for (const name of ["session-cut-through", "session-cut-through-read"]) {
  for (const stream of [tcp, cutThrough]) stream.isCopied = name.endsWith("-read");
  for (let i = 0; i < WARM_UP; i++) {
    tcp.measure();
    cutThrough.measure();
  }
  const { ours, peer, ratio } = await measurePairs(PAIRS, cutThrough.measure, tcp.measure);
  printValue(name, ours, "GB/s");
  printValue(`${name}-tcp`, peer, "GB/s");
  printRatio(name, "tcp", ratio);
}
for (const stack of [...stacks, alone]) stack.close();
