/** What an application may ask for beside the sizes of its fifos. */
export interface FifoTuningOptions {
  /** Size that rx fifos of streams may grow to, bytes, at least `rxFifoBytes` (VPP MAX_FIFO_SIZE). Default: they do not. */
  readonly maxFifoBytes?: number | undefined;
  /** Unread bytes of a session, percent of its rx fifo, from which `fifoMark` says that it is full. Default: it says nothing. */
  readonly fifoHighMark?: number | undefined;
  /** And down to which it then says that it is not any more. Default: half of the high mark. */
  readonly fifoLowMark?: number | undefined;
}

function isMark(value: number | undefined): boolean {
  return value === undefined || (Number.isInteger(value) && value >= 0 && value <= 100);
}

/** Whether options make sense for an application with rx fifos of `rxFifoBytes`; `isSize`: whether a fifo may have so many bytes. */
export function areTuningOptions(
  { maxFifoBytes, fifoHighMark, fifoLowMark }: FifoTuningOptions,
  rxFifoBytes: number,
  isSize: (bytes: number) => boolean,
): boolean {
  if (maxFifoBytes !== undefined && (!isSize(maxFifoBytes) || maxFifoBytes < rxFifoBytes)) return false;
  if (!isMark(fifoHighMark) || !isMark(fifoLowMark)) return false;
  return fifoHighMark === undefined ? fifoLowMark === undefined : fifoHighMark > (fifoLowMark ?? 0);
}

/** What decides whether they are needed. */
interface TunedSizes {
  readonly rxFifoBytes: number;
  readonly maxFifoBytes: number;
  readonly fifoHighMark: number;
}

/** Whether sessions of an application are looked at when they are read. */
export function isTuned({ rxFifoBytes, maxFifoBytes, fifoHighMark }: TunedSizes): boolean {
  return maxFifoBytes > rxFifoBytes || fifoHighMark > 0;
}
