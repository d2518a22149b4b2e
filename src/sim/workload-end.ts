import type { Session } from "../app/session.js";
import type { SessionError } from "../session/session-errors.js";
import type { Pattern } from "./pattern.js";
import type { EndOutcome, EndPlan, EndRecord, Fail } from "./workload.js";

/** What an end needs of its surroundings. */
export interface EndContext {
  readonly pattern: Pattern;
  readonly fail: Fail;
  /** Microseconds since the run began. */
  nowUs(): number;
  after(delayUs: number, action: () => void): void;
  /** An end ended. */
  ended(): void;
}

/** One end of a connection: does its plan step by step and verifies each byte that comes. */
export class WorkloadEnd {
  /** As `connection 7 client`. */
  readonly name: string;
  readonly plan: EndPlan;
  /** Bytes that the session took. */
  sentBytes = 0;
  receivedBytes = 0;
  /** It will send no more than {@link sentBytes}. */
  isFinished = false;
  outcome: EndOutcome = "open";
  error = "";
  openedUs = -1;
  endedUs = -1;
  /** When bytes last moved, or an event came. */
  progressUs: number;
  /** The other end; set once by whoever makes the pair. */
  peer: WorkloadEnd | undefined;
  readonly #context: EndContext;
  readonly #sendKey: number;
  readonly #receiveKey: number;
  #session: Session | undefined;
  #step = 0;
  /** What is left of a send or receive step. */
  #left = -1;
  #isWaiting = false;
  #isRunning = false;
  #isReading = false;
  #isEndHeard = false;
  #isEndRead = false;
  #hasClosed = false;
  #isAllAcknowledged = false;
  #queuedBytes = 0;
  #budget = 0;

  constructor(context: EndContext, name: string, plan: EndPlan, sendKey: number, receiveKey: number) {
    this.#context = context;
    this.name = name;
    this.plan = plan;
    this.#sendKey = sendKey;
    this.#receiveKey = receiveKey;
    this.progressUs = context.nowUs();
  }

  /** Whether nothing more will happen at this end. */
  get isEnded(): boolean {
    return this.endedUs >= 0;
  }

  /** Bytes that it sent and that are not acknowledged. */
  get queuedBytes(): number {
    return this.#session === undefined || this.isEnded ? 0 : this.#session.queuedBytes;
  }

  /** What is recorded of it. */
  get record(): EndRecord {
    const { outcome, error, sentBytes, receivedBytes, openedUs, endedUs } = this;
    return { outcome, error, sentBytes, receivedBytes, openedUs, endedUs };
  }

  /** Whether it sent and read all that there was, and that is acknowledged. */
  get isWhole(): boolean {
    const isDone = this.outcome === "complete" || this.outcome === "closed";
    return isDone && this.peer?.sentBytes === this.receivedBytes;
  }

  /** The connection is open. */
  opened(session: Session): void {
    this.#session = session;
    this.openedUs = this.#context.nowUs();
    this.#progress();
    if (this.plan.abortAfterUs >= 0) this.#context.after(this.plan.abortAfterUs, () => this.abort("aborted"));
    for (const { afterUs, name, value } of this.plan.attributes) {
      this.#context.after(afterUs, () => void this.#session?.setAttribute(name, value));
    }
    this.#advance();
    if (this.plan.readEveryUs > 0) this.#readLater();
  }

  /** The connect failed. */
  failed(error: string): void {
    this.outcome = "failed";
    this.error = error;
    this.#end();
  }

  /** Its host is gone. */
  vanish(): void {
    if (this.isEnded) return;
    this.outcome = "vanished";
    this.#end();
  }

  /** Its application is detached: what it wrote is still sent, and it hears no more. */
  detach(): void {
    if (this.isEnded) return;
    if (this.outcome === "open") this.outcome = "detached";
    this.isFinished = true;
    this.#end();
  }

  /** A callback is about to throw: the session layer resets the connection. */
  throwing(): void {
    if (this.outcome === "open") this.outcome = "aborted";
    this.#hasClosed = true;
  }

  /** Resets the connection, if it has not ended. */
  abort(outcome: "aborted" | "gave-up"): void {
    if (this.isEnded || this.#session === undefined || this.#hasClosed) return;
    this.outcome = outcome;
    this.#hasClosed = true;
    this.#session.reset();
  }

  /** Closes the connection in order before its plan says so; with unread data that is a reset. */
  close(): void {
    this.#close();
  }

  /** Something came in. */
  rx(): void {
    if (this.plan.readEveryUs === 0) this.#readAll();
    this.#advance();
  }

  /** There is room again. */
  tx(): void {
    this.#progress();
    this.#advance();
  }

  /** The peer sends no more. */
  disconnect(): void {
    this.#isEndHeard = true;
    this.#progress();
    if (this.plan.readEveryUs === 0) this.#readAll();
    this.#advance();
  }

  /** The connection was reset. */
  reset(error: SessionError): void {
    if (this.outcome === "open") this.outcome = "reset";
    this.error = error.sessionError;
  }

  /** Both directions are done. */
  transportClosed(): void {
    this.#isAllAcknowledged = true;
    this.#progress();
    // Unread data would make it a reset, so who still reads closes later.
    if (this.#isEndRead) this.#close();
  }

  /** The session is about to go. */
  cleanup(): void {
    if (this.outcome === "open") {
      if (!this.#isAllAcknowledged) this.outcome = "cut";
      else this.outcome = this.#isEndRead ? "complete" : "closed";
    }
    this.#end();
  }

  /** Notes whether bytes were acknowledged since the last call: for who watches for stalls. */
  watch(): void {
    const queued = this.queuedBytes;
    if (queued !== this.#queuedBytes) this.#progress();
    this.#queuedBytes = queued;
  }

  #end(): void {
    this.endedUs = this.#context.nowUs();
    this.#session = undefined;
    this.#context.ended();
  }

  #progress(): void {
    this.progressUs = this.#context.nowUs();
  }

  /** Does what the plan says until it has to wait. */
  #advance(): void {
    // A write or read may call back.
    if (this.#isRunning) return;
    this.#isRunning = true;
    while (!this.isEnded && !this.#hasClosed && !this.#isWaiting && this.#doStep());
    this.#isRunning = false;
  }

  /** One step; returns whether it is done. */
  #doStep(): boolean {
    const step = this.plan.steps[this.#step];
    if (step === undefined || this.#session === undefined) return false;
    switch (step.kind) {
      case "send":
        if (!this.#send(step.bytes)) return false;
        break;
      case "receive":
        if (this.#left < 0) this.#left = step.bytes;
        if (this.#unclaimedBytes < this.#left) return false;
        this.#claimedBytes += this.#left;
        break;
      case "pause":
        this.#wait(step.us);
        break;
      case "until":
        this.#wait(Math.max(0, step.us - this.#context.nowUs()));
        break;
      case "half-close":
        this.isFinished = true;
        this.#session.halfClose();
        break;
      case "await-end":
        if (!this.#isEndRead) return false;
        break;
      case "close":
        this.#close();
        break;
      case "reset":
        this.abort("aborted");
        break;
      default:
    }
    this.#step++;
    this.#left = -1;
    return true;
  }

  /** Bytes of earlier receive steps. */
  #claimedBytes = 0;

  get #unclaimedBytes(): number {
    return this.receivedBytes - this.#claimedBytes;
  }

  #wait(us: number): void {
    this.#isWaiting = true;
    this.#context.after(us, () => {
      this.#isWaiting = false;
      this.#advance();
    });
  }

  #close(): void {
    if (this.#hasClosed || this.#session === undefined) return;
    this.#hasClosed = true;
    this.isFinished = true;
    this.#session.close();
  }

  /** Writes what is left of a send step; returns whether all of it is written. */
  #send(bytes: number): boolean {
    if (this.#left < 0) this.#left = bytes;
    const session = this.#session as Session;
    while (this.#left > 0) {
      const piece = Math.min(this.#left, this.plan.writeBytes);
      const n = this.#context.pattern.write(session, this.#sendKey, this.sentBytes, piece);
      if (n <= 0) return false;
      this.sentBytes += n;
      this.#left -= n;
      this.#progress();
    }
    return true;
  }

  #readLater(): void {
    this.#context.after(this.plan.readEveryUs, () => {
      if (this.isEnded || this.#hasClosed) return;
      this.#read(this.plan.readBytes);
      this.#checkEnd();
      this.#advance();
      if (!this.isEnded && !this.#hasClosed) this.#readLater();
    });
  }

  #readAll(): void {
    if (this.#isReading) return;
    this.#isReading = true;
    while (this.#read(this.plan.readBytes) > 0);
    this.#isReading = false;
    this.#checkEnd();
  }

  /** Reads and verifies up to `most` bytes. */
  #read(most: number): number {
    if (this.#session === undefined || this.#hasClosed) return 0;
    this.#budget = most;
    const n = this.#session.peek(this.#verify);
    if (n <= 0) return 0;
    this.receivedBytes += n;
    this.#progress();
    const sent = this.peer?.sentBytes ?? 0;
    if (this.receivedBytes > sent) {
      this.#context.fail("exactly-once", `${this.name}: ${this.receivedBytes} bytes came, its peer wrote ${sent}`);
    }
    return n;
  }

  readonly #verify = (u8: Uint8Array, offset: number, length: number): number => {
    const n = Math.min(length, this.#budget);
    const before = this.#readingAt;
    const wrong = this.#context.pattern.verify(u8, offset, n, this.#receiveKey, before);
    if (wrong >= 0) {
      const { pattern } = this.#context;
      const got = u8[offset + wrong - before];
      const meant = pattern.byte(this.#receiveKey, wrong);
      this.#context.fail("unaltered", `${this.name}: byte ${wrong} of the stream is ${got}, not ${meant}`);
    }
    this.#budget -= n;
    this.#readingAt += n;
    return n;
  };

  /** Offset of the next byte that {@link #verify} sees: ahead of receivedBytes during a read. */
  #readingAt = 0;

  #checkEnd(): void {
    if (!this.#isEndHeard || this.#isEndRead || this.outcome !== "open" || this.#session === undefined) return;
    if (this.#session.readableBytes > 0) return;
    this.#isEndRead = true;
    const peer = this.peer;
    const sent = peer?.sentBytes ?? 0;
    if (this.receivedBytes !== sent || peer?.isFinished !== true) {
      const why = peer?.isFinished === true ? `its peer wrote ${sent}` : "its peer has not closed";
      this.#context.fail("whole", `${this.name}: the stream ended after ${this.receivedBytes} bytes, ${why}`);
    }
    if (this.#isAllAcknowledged) this.#close();
  }
}
