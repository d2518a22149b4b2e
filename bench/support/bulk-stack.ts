import { createStack, type InterfaceConfig, type LiveStack, type Session } from "../../src/index.js";
import { BulkSink, BulkSource, type Received } from "./bulk-bytes.js";
import { PORT } from "./kernel.js";

/** Much more than any path here holds. */
const FIFO_BYTES = 16 << 20;
/** Bytes that a receiver hashes at a time. */
const PART_BYTES = 256 * 1024;

/** The stack's end of a bulk transfer. */
export interface BulkStack {
  readonly stack: LiveStack;
  /** What it received; for a sender never. */
  readonly received: Promise<Received>;
}

function pump(session: Session, source: BulkSource): void {
  while (source.left > 0) {
    const part = source.next();
    const n = session.write(part);
    if (n > 0) source.take(n);
    if (n < part.length) return;
  }
  session.halfClose();
}

function drain(session: Session, sink: BulkSink, part: Uint8Array): void {
  for (let n = session.read(part); n > 0; n = session.read(part)) sink.add(part.subarray(0, n));
}

/** A stack on one interface that listens on {@link PORT} for one connection and sends `bytes` to it, or receives. */
export async function bulkStack(
  config: InterfaceConfig,
  direction: "send" | "receive",
  bytes: number,
): Promise<BulkStack> {
  const stack = await createStack({ interfaces: [config] });
  const source = new BulkSource(bytes);
  const part = new Uint8Array(PART_BYTES);
  const received = new Promise<Received>((resolve, reject) => {
    let sink: BulkSink | undefined;
    const service = stack.attach(
      { name: "bulk", rxFifoBytes: FIFO_BYTES, txFifoBytes: FIFO_BYTES },
      {
        accept(session) {
          if (direction === "send") pump(session, source);
          else sink = new BulkSink();
        },
        rx(session) {
          if (sink !== undefined) drain(session, sink, part);
        },
        tx(session) {
          if (direction === "send" && source.left > 0) pump(session, source);
        },
        disconnect(session) {
          if (sink !== undefined) {
            drain(session, sink, part);
            resolve(sink.end());
          }
          session.close();
        },
        reset(_session, error) {
          reject(error);
        },
      },
    );
    service.then((app) => app.listen(`tcp://0.0.0.0/${PORT}`)).catch(reject);
  });
  return { stack, received };
}
