import type { Session } from "../../app/session.js";
import { dropReadable } from "./move-bytes.js";
import {
  CLIENT_TERMINATE,
  CREATE_STREAMS,
  DISPLAY_RESULTS,
  EXCHANGE_RESULTS,
  formatResults,
  type Iperf3Parameters,
  MAX_JSON_BYTES,
  PARAM_EXCHANGE,
  parseParameters,
  SERVER_TERMINATE,
  serverError,
  TEST_END,
  TEST_RUNNING,
  TEST_START,
  withLength,
} from "./iperf3-protocol.js";

/** Time the client has for each step of the protocol. */
const STEP_TIMEOUT_MS = 10_000;
/** Time that a test without a duration of its own may take. */
const MAX_TEST_MS = 86_400_000;
/** How often streams with a rate limit get something to send. */
const PACE_MS = 5;
/** Credit that a stream which could not use it keeps, milliseconds of its rate. */
const MAX_CREDIT_MS = 100;

/** Where a test is; `params` and `results` wait for JSON from the client. */
type Phase = "params" | "streams" | "running" | "results" | "display" | "over";

/** One data connection. */
export class Iperf3Stream {
  readonly test: Iperf3Test;
  readonly session: Session;
  readonly id: number;
  /** We send on it. */
  readonly isSender: boolean;
  bytes = 0;
  /** Bytes it may send now, when the test has a rate limit. */
  creditBytes = 0;

  /** Made by {@link Iperf3Test.addStream}. */
  constructor(test: Iperf3Test, session: Session, id: number, isSender: boolean) {
    this.test = test;
    this.session = session;
    this.id = id;
    this.isSender = isSender;
  }
}

/** A test from the client's cookie to its last word: what its control connection says and what its streams carry. */
export class Iperf3Test {
  readonly cookie: string;
  readonly #control: Session;
  readonly #payload: Uint8Array;
  readonly #onOver: (test: Iperf3Test) => void;
  readonly #streams: Iperf3Stream[] = [];
  #phase: Phase = "params";
  #parameters: Iperf3Parameters | undefined = undefined;
  /** Length of the JSON that is coming; -1: not known yet. */
  #jsonBytes = -1;
  #startedMs = 0;
  #seconds = 0;
  #cpuAtStart = process.cpuUsage();
  #cpu = { user: 0, system: 0 };
  #timer: NodeJS.Timeout | undefined = undefined;
  #omitTimer: NodeJS.Timeout | undefined = undefined;
  #paceTimer: NodeJS.Timeout | undefined = undefined;

  /** Starts with the question for parameters. `payload` is what streams send; `onOver` is called once. */
  constructor(control: Session, cookie: string, payload: Uint8Array, onOver: (test: Iperf3Test) => void) {
    this.#control = control;
    this.cookie = cookie;
    this.#payload = payload;
    this.#onOver = onOver;
    this.#enter("params");
    this.#say(PARAM_EXCHANGE);
  }

  /** Waits for the streams that its client was asked for. */
  get wantsStreams(): boolean {
    return this.#phase === "streams";
  }

  #say(state: number): void {
    this.#control.write(Uint8Array.of(state));
  }

  #enter(phase: Phase, timeoutMs = STEP_TIMEOUT_MS): void {
    this.#phase = phase;
    this.#jsonBytes = -1;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.abort(), timeoutMs).unref();
  }

  // ---- The control connection ----

  /** The control connection has something to read. */
  onControl(): void {
    while (this.#step());
  }

  /** Takes one message; false when there is none or no more is wanted. */
  #step(): boolean {
    switch (this.#phase) {
      case "params": {
        const json = this.#takeJson();
        if (json === undefined) return false;
        this.#onParameters(json);
        return true;
      }
      case "results":
        // What the client counted is of no use here.
        if (this.#takeJson() === undefined) return false;
        this.#control.write(withLength(formatResults(this.#results(), this.#cpu)));
        this.#say(DISPLAY_RESULTS);
        this.#enter("display");
        return true;
      case "streams":
      case "running":
      case "display": {
        const state = this.#takeByte();
        if (state < 0) return false;
        this.#onState(state);
        return true;
      }
      case "over":
        return false;
    }
  }

  #takeByte(): number {
    const byte = new Uint8Array(1);
    return this.#control.read(byte) === 1 ? byte[0] : -1;
  }

  /** The JSON once it is there in full: until then it stays in the fifo. */
  #takeJson(): string | undefined {
    const control = this.#control;
    if (this.#jsonBytes < 0) {
      if (control.readableBytes < 4) return undefined;
      const length = Buffer.alloc(4);
      control.read(length);
      this.#jsonBytes = length.readUInt32BE(0);
      if (this.#jsonBytes > MAX_JSON_BYTES) {
        this.abort();
        return undefined;
      }
    }
    if (control.readableBytes < this.#jsonBytes) return undefined;
    const json = Buffer.alloc(this.#jsonBytes);
    control.read(json);
    return json.toString("utf8");
  }

  #onParameters(json: string): void {
    const parameters = parseParameters(json);
    if (typeof parameters === "number") {
      this.#control.write(serverError(parameters));
      this.#end();
      return;
    }
    this.#parameters = parameters;
    this.#enter("streams");
    this.#say(CREATE_STREAMS);
  }

  #onState(state: number): void {
    if (state === TEST_END && this.#phase === "running") this.#finish();
    else if (state === CLIENT_TERMINATE) this.abort();
    else if (this.#phase === "display") this.#end();
    else if (state !== TEST_START && state !== TEST_RUNNING) this.abort();
  }

  /** The client closed its control connection. */
  onControlEnd(): void {
    this.onControl();
    if (this.#phase === "display") this.#end();
    else this.abort();
  }

  // ---- Streams ----

  /** Takes a data connection that named the test by its cookie. The last one starts the test. */
  addStream(session: Session): Iperf3Stream | undefined {
    const { upStreams = 0, downStreams = 0 } = this.#parameters ?? {};
    const count = this.#streams.length;
    if (this.#phase !== "streams" || count >= upStreams + downStreams) return undefined;
    // iperf3 counts 1, 3, 4, 5, …; the streams that the client sends come first.
    const stream = new Iperf3Stream(this, session, count === 0 ? 1 : count + 2, count >= upStreams);
    this.#streams.push(stream);
    if (count + 1 === upStreams + downStreams) this.#start();
    return stream;
  }

  #start(): void {
    const { durationSeconds = 0, omitSeconds = 0, bitsPerSecond = 0 } = this.#parameters ?? {};
    const limitMs = durationSeconds > 0 ? (durationSeconds + omitSeconds) * 1000 + STEP_TIMEOUT_MS : MAX_TEST_MS;
    this.#enter("running", limitMs);
    this.#say(TEST_START);
    this.#say(TEST_RUNNING);
    this.#beginCount();
    if (omitSeconds > 0) this.#omitTimer = setTimeout(() => this.#beginCount(), omitSeconds * 1000).unref();
    if (bitsPerSecond > 0) this.#pace(bitsPerSecond / 8000);
    for (const stream of this.#streams) if (stream.isSender) this.fill(stream);
  }

  #beginCount(): void {
    this.#startedMs = performance.now();
    this.#cpuAtStart = process.cpuUsage();
    for (const stream of this.#streams) stream.bytes = 0;
  }

  /** Gives senders credit as time passes. */
  #pace(bytesPerMs: number): void {
    let lastMs = performance.now();
    this.#paceTimer = setInterval(() => {
      const nowMs = performance.now();
      const credit = (nowMs - lastMs) * bytesPerMs;
      lastMs = nowMs;
      for (const stream of this.#streams) {
        if (!stream.isSender) continue;
        const most = Math.max(bytesPerMs * MAX_CREDIT_MS, 1);
        stream.creditBytes = Math.min(stream.creditBytes + credit, most);
        this.fill(stream);
      }
    }, PACE_MS).unref();
  }

  /** Bytes came in on a stream: counted and dropped where they lie. */
  onStreamData(stream: Iperf3Stream): void {
    const dropped = dropReadable(stream.session);
    if (this.#phase === "running" && !stream.isSender) stream.bytes += dropped;
  }

  /** Writes to a stream until its tx fifo is full, or its credit is used up. */
  fill(stream: Iperf3Stream): void {
    if (this.#phase !== "running" || !stream.isSender) return;
    const payload = this.#payload;
    const isPaced = this.#paceTimer !== undefined;
    for (;;) {
      const offered = isPaced ? Math.min(payload.length, Math.floor(stream.creditBytes)) : payload.length;
      if (offered === 0) return;
      const n = stream.session.write(payload, 0, offered);
      if (n <= 0) return;
      stream.bytes += n;
      if (isPaced) stream.creditBytes -= n;
      if (n < offered) return;
    }
  }

  // ---- The end ----

  /** The client's time is over: what was counted until now counts. */
  #finish(): void {
    for (const stream of this.#streams) this.onStreamData(stream);
    this.#seconds = (performance.now() - this.#startedMs) / 1000;
    const { user, system } = process.cpuUsage(this.#cpuAtStart);
    const percent = 100 / Math.max(this.#seconds * 1e6, 1);
    this.#cpu = { user: user * percent, system: system * percent };
    this.#enter("results");
    this.#stopTimers();
    // What is queued still goes out, or the client resets it; streams that we receive are drained until the client ends.
    for (const { isSender, session } of this.#streams) if (isSender) session.close();
    this.#say(EXCHANGE_RESULTS);
  }

  #results(): { id: number; bytes: number; seconds: number }[] {
    return this.#streams.map(({ id, bytes }) => ({ id, bytes, seconds: this.#seconds }));
  }

  #stopTimers(): void {
    clearTimeout(this.#omitTimer);
    clearInterval(this.#paceTimer);
    this.#paceTimer = undefined;
  }

  /** Ends it in order: nothing more is expected. */
  #end(): void {
    if (this.#phase === "over") return;
    this.#over();
    for (const { session } of this.#streams) {
      dropReadable(session);
      session.close();
    }
    dropReadable(this.#control);
    this.#control.close();
  }

  /** Ends it at once: the client broke the rules, took too long or went away. */
  abort(): void {
    if (this.#phase === "over") return;
    this.#over();
    for (const { session } of this.#streams) session.reset();
    dropReadable(this.#control);
    this.#control.close();
  }

  /** Ends it because the server stops: the client is told. */
  terminate(): void {
    if (this.#phase === "over") return;
    this.#say(SERVER_TERMINATE);
    this.abort();
  }

  #over(): void {
    this.#phase = "over";
    clearTimeout(this.#timer);
    this.#stopTimers();
    this.#onOver(this);
  }
}
