import { createStack, type InterfaceConfig, type LiveStack, type Session } from "../../src/index.js";
import { PORT } from "./kernel.js";

/** Half of a processor's second cache: with less a sender waits more, with more it copies from memory. */
const FIFO_BYTES = 512 * 1024;

const CHUNK = new Uint8Array(128 * 1024);

/** The whole of the unread bytes was looked at. */
function all(_u8: Uint8Array, _offset: number, length: number): number {
  return length;
}

/** Writes 128 KiB at a time until the fifo is full. */
function fill(session: Session): void {
  while (session.write(CHUNK) === CHUNK.length);
}

function echo(session: Session): void {
  const n = session.read(CHUNK);
  if (n > 0) session.write(CHUNK, 0, n);
}

/** What the stack does with connections to {@link PORT}. */
export type Service = "sink" | "source" | "pong";

/** A stack with one interface and one service. */
export async function serveTcp(config: InterfaceConfig, service: Service): Promise<LiveStack> {
  const stack = await createStack({ interfaces: [config] });
  await attachService(stack, service);
  return stack;
}

/** Has a stack serve at {@link PORT}. */
export async function attachService(stack: LiveStack, service: Service): Promise<void> {
  const app = await stack.attach(
    { name: service, rxFifoBytes: FIFO_BYTES, txFifoBytes: FIFO_BYTES },
    {
      accept(session) {
        if (service === "source") fill(session);
      },
      rx(session) {
        if (service === "pong") echo(session);
        else session.peek(all);
      },
      tx(session) {
        if (service === "source") fill(session);
      },
      disconnect(session) {
        session.close();
      },
    },
  );
  await app.listen(`tcp://0.0.0.0/${PORT}`);
}
