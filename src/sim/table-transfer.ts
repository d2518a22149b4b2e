import type { AppCallbacks } from "../app/callbacks.js";
import type { Session } from "../app/session.js";
import type { TcpConfig } from "../transport/tcp/config.js";
import type { SimHost } from "./host.js";
import { BULK_HOST } from "./host-options.js";
import type { SimLink } from "./link.js";
import { createSimulation, type Simulation } from "./simulation.js";
import { WireFlows } from "./wire-flows.js";

/** Rate of the bottleneck, bits per second. */
export const BOTTLENECK_BPS = 100_000_000;
/** The queue is one product of rate and round trip, but not smaller than this, bytes. */
const LEAST_QUEUE_BYTES = 65_536;
/** Enough for the losses of one flow with the largest queue. */
const MAX_SENT_RANGES = 16_384;
const PORT = 5001;
const CHUNK_BYTES = 65_536;
/** How often the queue is looked at, microseconds. */
const SAMPLE_US = 5000;
/** A flow starts in a span of its own of this length, microseconds, at a time that the seed chooses. */
const STAGGER_US = 100_000;

/** A transfer over a bottleneck: each sender sends as much as it can to one receiver. */
export interface Transfer {
  readonly seed: number;
  readonly flows: number;
  /** Round trip without queueing, microseconds. */
  readonly rttUs: number;
  /** 0 to 1, in both directions. */
  readonly lossRate: number;
  /** 0 to 1: frames that take up to half a round trip longer. */
  readonly reorderRate: number;
  readonly queue: "tail-drop" | "codel";
  readonly tcp: Partial<TcpConfig>;
  /** What comes before this does not count, microseconds. */
  readonly warmUpUs: number;
  readonly untilUs: number;
}

/** What a transfer came to: whole numbers. */
export interface TransferResult {
  /** Of each flow after the warm-up, bits per millisecond. */
  readonly goodputKbps: readonly number[];
  /** Bytes sent again of all payload bytes sent, in ten thousandths, from the start. */
  readonly retransmitted: number;
  /** Bytes in the bottleneck's queue: mean of the samples after the warm-up, and most ever. */
  readonly queueMeanBytes: number;
  readonly queueMaxBytes: number;
  /** Longest time between two arrivals at the receiving application, of any flow, microseconds. */
  readonly longestPauseUs: number;
}

/** Runs one transfer. */
export function runTransfer(transfer: Transfer): TransferResult {
  const { seed, flows, tcp, warmUpUs, untilUs } = transfer;
  const sim = createSimulation({ seed });
  const size = {
    ...BULK_HOST,
    limits: { ...BULK_HOST.limits, poison: false },
    tcp: { ...BULK_HOST.tcp, maxSentRanges: MAX_SENT_RANGES, ...tcp },
  };
  const receiver = sim.host("receiver", { ...size, addresses: ["10.0.0.1/24"] });
  const senders = Array.from({ length: flows }, (_, i) =>
    sim.host(`sender${i}`, { ...size, addresses: [`10.0.0.${i + 2}/24`] }),
  );
  const bottleneck = connect(sim, receiver, senders, transfer);
  const received = receive(sim, receiver, flows);
  const random = sim.fork();
  senders.forEach((sender, i) => sim.after(i * STAGGER_US + random.nextBelow(STAGGER_US), () => send(sender)));
  const wire = new WireFlows();
  const isSender = (end: unknown): boolean => senders.some((sender) => sender === end);
  sim.onFrame = ({ link, direction, bytes, dropReason }) => {
    // Each frame once: where its sender put it. Behind the switch it is seen again.
    if (!isSender(link.ends[direction])) return;
    const flow = wire.read(bytes);
    if (flow !== undefined) wire.note(flow, bytes, dropReason !== undefined);
  };
  sim.runSync({ untilUs: warmUpUs });
  const before = [...received.bytes];
  let samples = 0;
  let queued = 0;
  const sample = (): void => {
    samples++;
    queued += bottleneck.queueBytesNow("a-to-b");
    sim.after(SAMPLE_US, sample);
  };
  sample();
  sim.runSync({ untilUs });
  const totals = { payload: 0, again: 0 };
  for (const { payloadBytes, retransmittedBytes } of wire.flows) {
    totals.payload += payloadBytes;
    totals.again += retransmittedBytes;
  }
  const durationMs = (untilUs - warmUpUs) / 1000;
  const result = {
    goodputKbps: received.bytes.map((bytes, i) => Math.floor(((bytes - before[i]) * 8) / durationMs)),
    retransmitted: totals.payload === 0 ? 0 : Math.round((totals.again * 10_000) / totals.payload),
    queueMeanBytes: Math.round(queued / samples),
    queueMaxBytes: bottleneck.counters[0].queuedBytesMax,
    longestPauseUs: received.longestPauseUs,
  };
  sim.close();
  return result;
}

/** One sender at the other end of the bottleneck, or several behind a switch; data goes from a to b. */
function connect(sim: Simulation, receiver: SimHost, senders: readonly SimHost[], transfer: Transfer): SimLink {
  const { rttUs, lossRate, reorderRate, queue } = transfer;
  const productBytes = Math.floor((BOTTLENECK_BPS / 8_000_000) * rttUs);
  const options = {
    delayUs: rttUs >> 1,
    rateBps: BOTTLENECK_BPS,
    queueBytes: Math.max(LEAST_QUEUE_BYTES, productBytes),
    queue,
    lossRate,
    reorderRate,
  };
  if (senders.length === 1) return sim.link(senders[0], receiver, options);
  const hub = sim.switch("switch");
  for (const sender of senders) sim.link(sender, hub);
  return sim.link(hub, receiver, options);
}

/** What has arrived. */
interface Received {
  /** Of each flow, in the order in which they began. */
  readonly bytes: number[];
  longestPauseUs: number;
}

/** Takes all that comes, and keeps count. */
function receive(sim: Simulation, host: SimHost, flows: number): Received {
  const received: Received = { bytes: new Array<number>(flows).fill(0), longestPauseUs: 0 };
  const numbers = new Map<Session, number>();
  const lastUs: number[] = [];
  const app = host.attach(
    { name: "receiver" },
    {
      accept: (session) => {
        numbers.set(session, numbers.size);
        return true;
      },
      rx: (session) => {
        const i = numbers.get(session) ?? 0;
        const nowUs = sim.nowUs();
        received.longestPauseUs = Math.max(received.longestPauseUs, nowUs - (lastUs[i] ?? nowUs));
        lastUs[i] = nowUs;
        received.bytes[i] += session.drop(session.readableBytes);
      },
    },
  );
  app.listen(`tcp://0.0.0.0/${PORT}`).catch(() => {});
  return received;
}

/** Connects and writes without end. */
function send(host: SimHost): void {
  const chunk = new Uint8Array(CHUNK_BYTES);
  const fill = (session: Session): void => {
    while (session.write(chunk) === chunk.length);
  };
  const callbacks: AppCallbacks = {
    connected: (session) => {
      if (session !== undefined) fill(session);
    },
    tx: fill,
  };
  host
    .attach({ name: "sender" }, callbacks)
    .connect(`tcp://10.0.0.1/${PORT}`)
    .catch(() => {});
}
