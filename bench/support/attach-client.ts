// An application in a process of its own, for the benchmarks attach-*: node attach-client.js MODE URI CPU DIRECTORY RX_FIFO_BYTES
//
//   sink, sink-read      listens, and looks at what comes where it lies, or copies it out
//   pong                 listens, and sends each byte back
//   accept               listens, and closes when the peer has closed; answers with how many it has accepted
//   source               connects; asked for MS, sends for so long; answers with bytes per second
//   ping                 connects; asked for COUNT, sends a byte and waits for it so often; answers with the median, nanoseconds
//
// Asked for "counters" it answers with what its worker has counted.
//
// It says "ready" to its parent, and is ended by it.
import { attach, type AppCallbacks, type Session } from "../../src/client/index.js";
import { protect } from "./protect.js";
import { median } from "./report.js";

/** As in the other benchmarks of streams. */
const TX_FIFO_BYTES = 512 * 1024;
/** Written to, or all its pages would be the one page of zeros. */
const CHUNK = new Uint8Array(128 * 1024).fill(1);
const INTO = new Uint8Array(CHUNK.length).fill(1);
/** Before what is counted. */
const WARM_UP_MS = 300;

/** What a client does. */
export type ClientMode = "sink" | "sink-read" | "pong" | "accept" | "source" | "ping";

const all = (_u8: Uint8Array, _offset: number, length: number): number => length;

const SERVERS: Readonly<Record<string, AppCallbacks["rx"]>> = {
  sink: (session) => void session.peek(all),
  "sink-read": (session) => {
    while (session.read(INTO) === INTO.length);
  },
  pong: (session) => {
    const n = session.read(INTO);
    if (n > 0) session.write(INTO, 0, n);
  },
  accept: () => {},
};

function nowNs(): number {
  return Number(process.hrtime.bigint());
}

/** Sends for `ms` after a warm-up. */
class Source {
  #session: Session | undefined;
  #beginNs = 0;
  #endNs = 0;
  #firstNs = 0;
  #bytes = 0;

  readonly callbacks: AppCallbacks = { tx: (session) => this.#fill(session) };

  measure(session: Session, ms: number): void {
    this.#session = session;
    this.#beginNs = nowNs() + WARM_UP_MS * 1e6;
    this.#endNs = this.#beginNs + ms * 1e6;
    this.#firstNs = this.#bytes = 0;
    this.#fill(session);
  }

  #fill(session: Session): void {
    if (this.#session === undefined) return;
    for (;;) {
      const now = nowNs();
      if (now >= this.#endNs) {
        this.#session = undefined;
        process.send?.((this.#bytes * 1e9) / (now - this.#firstNs));
        return;
      }
      const n = session.write(CHUNK);
      if (now >= this.#beginNs) {
        if (this.#firstNs === 0) this.#firstNs = now;
        this.#bytes += Math.max(n, 0);
      }
      if (n < CHUNK.length) return;
    }
  }
}

/** A byte there and back, often. */
class Ping {
  #left = 0;
  #sentNs = 0;
  readonly #times: number[] = [];

  readonly callbacks: AppCallbacks = {
    rx: (session) => {
      if (session.read(INTO) !== 1) throw new Error("not the byte that was sent");
      this.#times.push(nowNs() - this.#sentNs);
      if (--this.#left > 0) this.#send(session);
      else process.send?.(median(this.#times.splice(0)));
    },
  };

  measure(session: Session, count: number): void {
    this.#left = count;
    this.#send(session);
  }

  #send(session: Session): void {
    this.#sentNs = nowNs();
    session.write(CHUNK, 0, 1);
  }
}

const [, , mode, uri, cpu, directory, rxFifoBytes] = process.argv;
if (directory !== undefined) {
  protect(Number(cpu));
  const options = {
    name: `${mode} ${process.pid}`,
    directory,
    scope: ["local", "global"],
    rxFifoBytes: Number(rxFifoBytes),
    txFifoBytes: TX_FIFO_BYTES,
    segmentBytes: 16 << 20,
  } as const;
  const rx = SERVERS[mode];
  if (rx !== undefined) {
    let accepted = 0;
    const app = await attach(options, { accept: () => ++accepted > 0, rx });
    await app.listen(uri);
    process.on("message", (what) => process.send?.(what === "counters" ? app.workers[0].counters : accepted));
  } else {
    const asks = mode === "ping" ? new Ping() : new Source();
    const app = await attach(options, asks.callbacks);
    const session = await app.connect(uri);
    process.on("message", (what) => {
      if (what === "counters") process.send?.(app.workers[0].counters);
      else asks.measure(session, Number(what));
    });
  }
  process.on("disconnect", () => process.exit());
  process.send?.("ready");
}
