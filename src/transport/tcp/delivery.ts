/** What one acknowledgement tells of the segments that have arrived; one object per stack is used over and over. */
export class Delivery {
  /** Bytes that are known to have arrived by this acknowledgement (RFC 6937 DeliveredData). */
  bytes = 0;
  /** Of these, bytes above the cumulative acknowledgement. */
  sackedBytes = 0;
  /** Something arrived that was sent only once. */
  hasOriginal = false;
  /** Of what arrived and was sent only once the one sent last: when, and its end; counts with {@link hasOriginal}. */
  originalSentUs = 0;
  originalEnd = 0;
  /** Lowest such end, and when that was sent. */
  lowestOriginalEnd = 0;
  lowestOriginalUs = 0;
  /** When the first segment that arrived, and was sent only once, was sent; counts with {@link hasOriginal}. Microseconds modulo 2^32. */
  firstSentUs = 0;
  /** Something arrived that was sent more than once. */
  hasRetrans = false;
  /** Such a segment was acknowledged cumulatively. */
  hasAckedRetrans = false;
  /** A range was delivered: the following count. */
  hasLatest = false;
  /** Of all that arrived the one sent last: when, its end, and whether more than once. */
  latestSentUs = 0;
  latestEnd = 0;
  latestIsRetrans = false;
  /** Highest end of all that arrived. */
  highestEnd = 0;
  /** The acknowledgement carried a D-SACK (RFC 2883). */
  hasDsack = false;
  /** It told of the tail loss probe, or of a retransmission whose cwnd reduction may be undone. */
  hasProbeDsack = false;
  hasUndoDsack = false;
  /** F-RTO found that the timeout was spurious (RFC 5682). */
  isSpuriousTimeout = false;
  /** Round trip of what was sent last, and only once, of all that arrived, microseconds; -1 when there is none. */
  rttUs = -1;
  /** Something was found to be lost. */
  hasLoss = false;
  /** Of what was found lost a retransmission: the latest time at which one was sent; counts with {@link hasLostRetrans}. */
  lostRetransUs = 0;
  hasLostRetrans = false;

  /** A new acknowledgement. */
  begin(): void {
    this.bytes = this.sackedBytes = 0;
    this.hasOriginal = this.hasLatest = this.hasDsack = this.hasLoss = this.hasLostRetrans = false;
    this.isSpuriousTimeout = this.hasRetrans = this.hasAckedRetrans = false;
    this.rttUs = -1;
    this.hasProbeDsack = this.hasUndoDsack = false;
  }

  /** `bytes` up to `end`, sent at `sentUs`, have arrived. */
  take(bytes: number, end: number, sentUs: number, isRetrans: boolean): void {
    this.bytes += bytes;
    if (!this.hasLatest || ((end - this.highestEnd) | 0) > 0) this.highestEnd = end;
    if (isRetrans) this.hasRetrans = true;
    else {
      if (!this.hasOriginal || ((sentUs - this.firstSentUs) | 0) < 0) this.firstSentUs = sentUs;
      const later = (sentUs - this.originalSentUs) | 0;
      if (!this.hasOriginal || later > 0 || (later === 0 && ((end - this.originalEnd) | 0) > 0)) {
        this.originalSentUs = sentUs;
        this.originalEnd = end;
      }
      if (!this.hasOriginal || ((end - this.lowestOriginalEnd) | 0) < 0) {
        this.lowestOriginalEnd = end;
        this.lowestOriginalUs = sentUs;
      }
      this.hasOriginal = true;
    }
    const later = (sentUs - this.latestSentUs) | 0;
    if (!this.hasLatest || later > 0 || (later === 0 && ((end - this.latestEnd) | 0) > 0)) {
      this.latestSentUs = sentUs;
      this.latestEnd = end;
      this.latestIsRetrans = isRetrans;
    }
    this.hasLatest = true;
  }

  /** The same for what is acknowledged cumulatively. */
  takeAcked(bytes: number, end: number, sentUs: number, isRetrans: boolean): void {
    this.take(bytes, end, sentUs, isRetrans);
    if (isRetrans) this.hasAckedRetrans = true;
  }

  /** The same for a SACK block's part. */
  takeSacked(bytes: number, end: number, sentUs: number, isRetrans: boolean): void {
    this.take(bytes, end, sentUs, isRetrans);
    this.sackedBytes += bytes;
  }

  /** A range sent at `sentUs` is lost. */
  takeLost(sentUs: number, isRetrans: boolean): void {
    this.hasLoss = true;
    if (!isRetrans) return;
    if (!this.hasLostRetrans || ((sentUs - this.lostRetransUs) | 0) > 0) this.lostRetransUs = sentUs;
    this.hasLostRetrans = true;
  }
}
