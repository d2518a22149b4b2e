import type { Message, SessionFields } from "../../src/app/messages/message-table.js";
import type { FifoMirrors } from "../../src/mem/fifo-mirror.js";
import type { FifoTable } from "../../src/mem/fifo-table.js";
import type { MemoryWindow } from "../../src/mem/window.js";

/** What a session does with what it is sent: sends it back, keeps it, or throws it away. */
export type FakeMode = "echo" | "keep" | "sink";

/** A session of the fake stack. */
export interface FakeSession {
  readonly handle: number;
  readonly index: number;
  readonly fields: SessionFields;
  /** Fifos of the table; 0: none. */
  readonly rx: number;
  readonly tx: number;
  /** Its pair of mirrors, offset in the control segment. */
  readonly mirrors: number;
  mode: FakeMode;
  /** Who speaks of it to its client. */
  worker: FakeSpeaker;
  /** Another session, to which it is connected: what it is sent goes there. */
  peer: FakeSession | undefined;
  /** Its client sends no more; has closed it. */
  hasEnded: boolean;
  isClosed: boolean;
}

/** A segment of fifos. */
export interface FakeSegment {
  readonly fd: number;
  readonly handle: number;
  readonly bytes: number;
  /** Window offset. */
  readonly base: number;
  /** Its number in the fifo table. */
  readonly index: number;
}

/** What a session is made of. */
export interface FakeSessionOptions {
  readonly segment?: FakeSegment;
  readonly isDatagram?: boolean;
  readonly hasFifos?: boolean;
}

/** What a session sees of the worker that has it. */
export interface FakeSpeaker {
  readonly isOpen: boolean;
  readonly segment: FakeSegment;
  /** Window offset of its control segment. */
  readonly control: number;
  takeMirrors(): number;
  say(message: Message): void;
  event(event: number, session: Pick<FakeSession, "index">): void;
  accept(listener: number, options?: FakeSessionOptions): FakeSession;
  cleanup(session: FakeSession): void;
  free(session: FakeSession): void;
}

/** What a worker needs of its stack. */
export interface FakeParts {
  readonly window: MemoryWindow;
  readonly fifos: FifoTable;
  readonly mirrors: FifoMirrors;
  readonly scratch: number;
  readonly sessions: Map<number, FakeSession>;
  readonly listeners: Map<number, FakeSession>;
  byHandle(handle: number): FakeSession | undefined;
  listenerAt(port: number): FakeSession | undefined;
  makeSession(worker: FakeSpeaker, options?: FakeSessionOptions): FakeSession;
}
