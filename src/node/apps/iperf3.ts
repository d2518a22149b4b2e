import type { Session } from "../../app/session.js";
import type { AttachPoint } from "../attach-point.js";
import { type AppHandle, MAX_CONNECTIONS, startNative } from "./app-host.js";
import { dropReadable } from "./move-bytes.js";
import { ACCESS_DENIED, COOKIE_BYTES } from "./iperf3-protocol.js";
import { Iperf3Stream, Iperf3Test } from "./iperf3-test.js";

/** Tests at a time; a client more is told that the server is busy. */
const MAX_TESTS = 16;
/** Time a connection has to name its test. */
const COOKIE_TIMEOUT_MS = 10_000;
/** What one write of a sending stream offers: iperf3's own default for TCP. */
const PAYLOAD_BYTES = 128 * 1024;
/** Room for what one turn of a fast peer brings, and for what it takes to keep it busy. */
const FIFO_BYTES = 1 << 20;

/** A connection that has not named its test yet. */
class Stranger {
  timer: NodeJS.Timeout | undefined = undefined;
}

/**
 * The server's side of iperf3's TCP tests: both directions (-R, --bidir), parallel streams (-P), by time or by bytes,
 * omitted seconds (-O), a rate for what the server sends (-b). Tests run side by side. UDP and SCTP are refused.
 * Received bytes are dropped in the fifo, sent ones come from one buffer.
 */
export function startIperf3(stack: AttachPoint, listen: readonly string[]): Promise<AppHandle> {
  const payload = new Uint8Array(PAYLOAD_BYTES);
  const tests = new Map<string, Iperf3Test>();
  const strangers = new Set<Stranger>();
  let connections = 0;

  const deny = (session: Session): void => {
    dropReadable(session);
    session.write(Uint8Array.of(ACCESS_DENIED));
    session.close();
  };

  const meet = (session: Session, stranger: Stranger): void => {
    if (session.readableBytes < COOKIE_BYTES) return;
    clearTimeout(stranger.timer);
    strangers.delete(stranger);
    const bytes = Buffer.alloc(COOKIE_BYTES);
    session.read(bytes);
    const cookie = bytes.toString("latin1");
    const known = tests.get(cookie);
    if (known !== undefined) {
      const stream = known.addStream(session);
      if (stream === undefined) deny(session);
      else {
        session.data = stream;
        known.onStreamData(stream);
      }
    } else if (tests.size >= MAX_TESTS) deny(session);
    else {
      const test = new Iperf3Test(session, cookie, payload, (over) => tests.delete(over.cookie));
      tests.set(cookie, test);
      session.data = test;
      test.onControl();
    }
  };

  return startNative(
    stack,
    "iperf3",
    listen,
    {
      accept(session) {
        if (connections >= MAX_CONNECTIONS) return false;
        connections++;
        const stranger = new Stranger();
        stranger.timer = setTimeout(() => session.reset(), COOKIE_TIMEOUT_MS).unref();
        strangers.add(stranger);
        session.data = stranger;
        return true;
      },
      rx(session) {
        const { data } = session;
        if (data instanceof Iperf3Stream) data.test.onStreamData(data);
        else if (data instanceof Iperf3Test) data.onControl();
        else if (data instanceof Stranger) meet(session, data);
      },
      tx({ data }) {
        if (data instanceof Iperf3Stream) data.test.fill(data);
      },
      disconnect(session) {
        const { data } = session;
        if (data instanceof Iperf3Stream) data.test.onStreamData(data);
        if (data instanceof Iperf3Test) data.onControlEnd();
        dropReadable(session);
        session.close();
      },
      reset({ data }) {
        if (data instanceof Iperf3Test) data.abort();
      },
      cleanup({ data }, phase) {
        if (phase !== "session") return;
        connections--;
        if (data instanceof Stranger) {
          clearTimeout(data.timer);
          strangers.delete(data);
        }
      },
    },
    { rxFifoBytes: FIFO_BYTES, txFifoBytes: FIFO_BYTES },
    () => {
      for (const test of tests.values()) test.terminate();
      for (const { timer } of strangers) clearTimeout(timer);
    },
  );
}
