// How fast does one TLS 1.3 stream (AES-128-GCM) go from an application of one stack to one of another, in memory, beside the
// engine alone between two buffers of the window (/engine), and beside Node's own tls over a pair of Duplexes (/node)? All
// three write from one array of 128 KiB; the receiver looks at what it gets where it lies.
import { Duplex } from "node:stream";
import { connect, createSecureContext, TLSSocket } from "node:tls";
import { AppServer } from "../src/app/attach.js";
import type { AppCallbacks } from "../src/app/callbacks.js";
import type { Session } from "../src/app/session.js";
import { NativeWindow } from "../src/host/native-window.js";
import { opensslEngine } from "../src/host/openssl-engine.js";
import { SystemClock } from "../src/host/system-clock.js";
import type { Stack } from "../src/stack.js";
import { TLS_1_3 } from "../src/transport/tls/engine.js";
import { measurePairs } from "./support/pairs.js";
import { protect } from "./support/protect.js";
import { printRatio, printValue } from "./support/report.js";
import { TlsEnds } from "./support/tls-ends.js";
import { TLS_SERVER, tlsStacks } from "./support/tls-stacks.js";

/** Of all fifos: four pairs and the wire together are half of a processor's second cache. */
const FIFO_BYTES = 128 * 1024;
const WIRE_BYTES = 256 * 1024;
/** Written to, or all its pages would be the one page of zeros. */
const CHUNK = new Uint8Array(128 * 1024).fill(1);
const BYTES = 1 << 29;
const WARM_UP = 2;
const PAIRS = 5;
const PROFILE = { minVersion: TLS_1_3, suites: "TLS_AES_128_GCM_SHA256" };

protect();
const clock = new SystemClock();

/** A stream between applications of two stacks, which goes on for good. */
class Stream {
  received = 0;
  readonly #stacks: readonly Stack[];

  constructor(stacks: readonly Stack[]) {
    this.#stacks = stacks;
  }

  async open(): Promise<void> {
    const [near, far] = this.#stacks;
    const options = { rxFifoBytes: FIFO_BYTES, txFifoBytes: FIFO_BYTES };
    const fill = (session: Session): void => {
      while (session.write(CHUNK) === CHUNK.length);
    };
    const take = (_u8: Uint8Array, _offset: number, length: number): number => {
      this.received += length;
      return length;
    };
    const reads: AppCallbacks = { accept: () => true, rx: (session) => void session.peek(take) };
    const writes: AppCallbacks = { tx: fill, connected: (session) => session !== undefined && fill(session) };
    const [profile, ownProfile] = this.#stacks.map(({ host }) => host.tls?.store.addProfile(PROFILE) ?? 0);
    const receiver = await new AppServer(far.host.sessions).attach({ ...options, name: "sink" }, reads);
    await receiver.listen(`tls://${TLS_SERVER}/7001`, { tls: { profile: ownProfile } });
    const sender = await new AppServer(near.host.sessions).attach({ ...options, name: "source" }, writes);
    const connecting = sender.connect(`tls://${TLS_SERVER}/7001`, { tls: { profile, verify: "none" } });
    await Promise.resolve();
    this.run(1);
    const { cipher } = (await connecting).tlsInfo() ?? {};
    if (cipher !== PROFILE.suites) throw new Error(`agreed on ${cipher}`);
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

/** The engine alone: what one end writes into a buffer of the window the other end reads from it. */
class EngineAlone {
  readonly #ends = new TlsEnds(PROFILE, CHUNK);

  constructor() {
    this.#ends.open();
  }

  /** Measures once. Returns GB/s. */
  readonly measure = (): number => {
    const startUs = clock.nowUs();
    let moved = 0;
    while (moved < BYTES) moved += this.#ends.send(CHUNK.length / 2);
    return moved / (clock.nowUs() - startUs) / 1000;
  };
}

/** Two Duplexes, each of which reads what is written to the other. */
function duplexPair(): [Duplex, Duplex] {
  const ends: Duplex[] = [];
  const waiting: ((() => void) | undefined)[] = [];
  for (const i of [0, 1]) {
    ends.push(
      new Duplex({
        read: () => {
          waiting[i]?.();
          waiting[i] = undefined;
        },
        write: (chunk, _encoding, done) => {
          if (ends[1 - i].push(chunk)) done();
          else waiting[1 - i] = done;
        },
      }),
    );
  }
  return [ends[0], ends[1]];
}

/** Node's own tls. */
class NodeTls {
  received = 0;
  #wanted = 0;
  #done: () => void = () => {};
  #client: TLSSocket | undefined;

  async open(key: Uint8Array, cert: Uint8Array): Promise<void> {
    const [near, far] = duplexPair();
    const context = { minVersion: "TLSv1.3", ciphers: PROFILE.suites } as const;
    const secureContext = createSecureContext({ ...context, key: Buffer.from(key), cert: Buffer.from(cert) });
    const server = new TLSSocket(far, { isServer: true, secureContext });
    server.on("data", (chunk: Buffer) => {
      this.received += chunk.length;
      if (this.received >= this.#wanted) this.#done();
    });
    const client = connect({ socket: near, rejectUnauthorized: false, ...context });
    await new Promise((resolve) => client.once("secureConnect", resolve));
    if (client.getCipher().name !== PROFILE.suites) throw new Error(`agreed on ${client.getCipher().name}`);
    this.#client = client;
  }

  #fill(): void {
    const client = this.#client;
    if (client === undefined) return;
    let sent = this.received;
    while (sent < this.#wanted && client.write(CHUNK)) sent += CHUNK.length;
    if (this.received < this.#wanted) client.once("drain", () => this.#fill());
  }

  /** Measures once. Returns GB/s. */
  readonly measure = async (): Promise<number> => {
    const startUs = clock.nowUs();
    const before = this.received;
    this.#wanted = before + BYTES;
    await new Promise<void>((resolve) => {
      this.#done = resolve;
      this.#fill();
    });
    return (this.received - before) / (clock.nowUs() - startUs) / 1000;
  };
}

const stacks = tlsStacks(clock, WIRE_BYTES, { fifoBytes: FIFO_BYTES });
const stream = new Stream(stacks);
await stream.open();
const alone = new EngineAlone();
const node = new NodeTls();
const { certificate, key } = opensslEngine(new NativeWindow({ bytes: 1 << 20 })).makePair("localhost");
await node.open(key, certificate);

for (let i = 0; i < WARM_UP; i++) {
  stream.measure();
  alone.measure();
  await node.measure();
}
const beside = await measurePairs(PAIRS, stream.measure, alone.measure);
printValue("tls-bulk", beside.ours, "GB/s");
printValue("tls-bulk-engine", beside.peer, "GB/s");
printRatio("tls-bulk", "engine", beside.ratio);
const besideNode = await measurePairs(PAIRS, stream.measure, node.measure);
printValue("tls-bulk-node", besideNode.peer, "GB/s");
printRatio("tls-bulk", "node", besideNode.ratio);
for (const stack of stacks) stack.close();
process.exit(0);
