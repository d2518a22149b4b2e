/**
 * Congestion control behind one interface. `r` is the word index of the connection's row; an algorithm keeps its own
 * state in the row's T_CC words and owns T_CWND (outside fast recovery, where RFC 6937 rules) and T_SSTHRESH. Bytes
 * throughout; all integers.
 */
export interface CongestionControl {
  /** A connection is established, its MSS known. */
  init(r: number): void;
  /** Goes on with an established connection that had another algorithm: T_CWND and T_SSTHRESH stay, its own state begins. */
  adopt(r: number): void;
  /**
   * `ackedBytes` were newly acknowledged outside fast recovery, none by a selective acknowledgement alone; `flightBytes` were in flight before. `isLimited`: cwnd
   * held the sender back; when it did not, the acknowledgement proves nothing about a larger one (RFC 7661 3).
   * `rttUs` is a round trip measured by it, -1 for none.
   */
  acked(r: number, ackedBytes: number, flightBytes: number, isLimited: boolean, rttUs: number): void;
  /** Loss was detected by acknowledgements: sets ssthresh. */
  enterRecovery(r: number, flightBytes: number): void;
  /** The retransmission timer expired; `isFirst` unless it is a repetition for the same data (RFC 5681 3.1). */
  timeout(r: number, flightBytes: number, isFirst: boolean): void;
  /** Nothing was sent for `idleMs`, longer than an RTO (RFC 5681 4.1). */
  idleRestart(r: number, idleMs: number): void;
  /** cwnd is about to be reduced: what {@link undo} restores. T_CWND and T_SSTHRESH are kept elsewhere. */
  remember(r: number): void;
  /** The reduction was for nothing. */
  undo(r: number): void;
}
