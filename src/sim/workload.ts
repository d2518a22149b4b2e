import type { ConnectionAttribute } from "../transport/transport.js";
import type { SimHost } from "./host.js";

/** One thing that an end of a connection does before the next: times in microseconds of virtual time. */
export type Step =
  /** Writes so many bytes of its stream. */
  | { readonly kind: "send"; readonly bytes: number }
  /** Waits until so many more bytes were read. */
  | { readonly kind: "receive"; readonly bytes: number }
  | { readonly kind: "pause"; readonly us: number }
  /** Waits for a time since the run began. */
  | { readonly kind: "until"; readonly us: number }
  | { readonly kind: "half-close" }
  /** Waits until the peer's end of stream was read. */
  | { readonly kind: "await-end" }
  | { readonly kind: "close" }
  | { readonly kind: "reset" };

/** What one end of a connection does. */
export interface EndPlan {
  readonly steps: readonly Step[];
  /** Most bytes of one write. */
  readonly writeBytes: number;
  /** Most bytes of one read. */
  readonly readBytes: number;
  /** 0: reads whatever comes at once; else one read each so many microseconds. */
  readonly readEveryUs: number;
  /** Resets the connection so long after it opened; -1 never. */
  readonly abortAfterUs: number;
  /** Attributes of its connection that it sets so long after it opened. */
  readonly attributes: readonly AttributeChange[];
}

/** An attribute that is set at a time, microseconds since the connection opened. */
export interface AttributeChange {
  readonly afterUs: number;
  readonly name: ConnectionAttribute;
  readonly value: number;
}

/** What both ends of one connection do. */
export interface ConnectionPlan {
  /** When it opens, since the run began. */
  readonly startUs: number;
  /** Which client host. */
  readonly client: number;
  /** Both ends connect to each other with fixed ports, the server so many microseconds after the client; -1: it listens. */
  readonly simultaneousUs: number;
  /** Of the client and of the server. */
  readonly ends: readonly [EndPlan, EndPlan];
}

/** How an end of a connection ended. */
export type EndOutcome =
  /** Not yet. */
  | "open"
  /** It read the peer's whole stream, and all of its own is acknowledged. */
  | "complete"
  /** All of its own is acknowledged and the peer's end came, but it closed before it had read that. */
  | "closed"
  /** The connection was reset, by the peer or by a failure. */
  | "reset"
  /** It reset the connection itself. */
  | "aborted"
  /** It had closed; then the connection was reset. */
  | "cut"
  /** Its connect failed. */
  | "failed"
  /** Its application or worker was detached. */
  | "detached"
  /** Its peer had gone without a word, and it was out of patience. */
  | "gave-up"
  /** Its host vanished. */
  | "vanished";

/** What is recorded of one end. Times are microseconds since the run began, -1 when it did not come to that. */
export interface EndRecord {
  readonly outcome: EndOutcome;
  /** VPP's name of the session error, "" without one. */
  readonly error: string;
  readonly sentBytes: number;
  readonly receivedBytes: number;
  readonly openedUs: number;
  readonly endedUs: number;
}

/** What is recorded of one connection. */
export interface ConnectionRecord {
  readonly number: number;
  readonly startedUs: number;
  readonly client: EndRecord;
  /** Undefined when no server ever heard of it. */
  readonly server: EndRecord | undefined;
}

/** Told when something that must hold does not: the first call counts and ends the run. */
export type Fail = (invariant: string, text: string) => void;

/** What is played over the network of a run: connections, or rounds. */
export interface Play {
  /** Whether everything has ended. */
  readonly isDone: boolean;
  /** What is not at its end, by name: for a message. */
  readonly open: readonly string[];
  /** What became of each connection. */
  readonly records: readonly ConnectionRecord[];
  /** Connections of which both ends read all that the other wrote, and closed in order. */
  readonly completed: number;
  /** A host has vanished: what it did ends. */
  vanish(host: SimHost): void;
  /** Detaches all applications; they hear no more. */
  detach(): void;
  /** Checks that what was told goes together; once all has ended. */
  checkOutcomes(): void;
}
