/**
 * Congestion control behind one interface. `r` is the word index of the connection's row; an algorithm keeps its own
 * state in the row's T_CC words and owns T_CWND and T_SSTHRESH. Bytes throughout; all integers.
 */
export interface CongestionControl {
  /** Name in configuration and listings. */
  readonly name: string;
  /** A connection is established, its MSS known. */
  init(r: number): void;
  /** `ackedBytes` were newly acknowledged outside recovery; `flightBytes` were in flight before. */
  acked(r: number, ackedBytes: number, flightBytes: number): void;
  /** Loss was detected by acknowledgements: recovery begins. */
  enterRecovery(r: number, flightBytes: number): void;
  /** Another duplicate ACK in recovery: a segment left the network. */
  duplicateAck(r: number): void;
  /** `ackedBytes` were acknowledged in recovery, but not all that was outstanding when it began (RFC 6582). */
  partialAck(r: number, ackedBytes: number): void;
  /** Recovery is over. */
  exitRecovery(r: number, flightBytes: number): void;
  /** The retransmission timer expired; `first` unless it is a repetition for the same data (RFC 5681 3.1). */
  timeout(r: number, flightBytes: number, first: boolean): void;
  /** Nothing was sent for longer than an RTO (RFC 5681 4.1). */
  idleRestart(r: number): void;
}
