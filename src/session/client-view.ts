/** A worker of an application in another process, as operators see it (VPP: show app … api-clients). */
export interface ClientView {
  /** The application's index, and the worker's number in it. */
  readonly app: number;
  readonly worker: number;
  /** The process that attached, and its user, as they were then. */
  readonly pid: number;
  readonly uid: number;
  /** Sessions that the client has, listeners and those that it has not forgotten yet counted. */
  readonly sessions: number;
  /** Bytes that went out of its rx fifos and into its tx fifos, headers of datagrams included. */
  readonly readBytes: number;
  readonly writtenBytes: number;
  /** Messages that wait because its queue is full, and how many ever had to. */
  readonly waitingMessages: number;
  readonly congestedMessages: number;
  /** Sessions that were reset because it claimed what cannot be. */
  readonly brokenSessions: number;
}
