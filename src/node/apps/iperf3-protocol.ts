// The control protocol of iperf3: a cookie, state bytes, and JSON with its length before it. What a client sends is
// untrusted: every number is checked.

/** Bytes of the cookie that ties the connections of a test together: 36 characters and a zero. */
export const COOKIE_BYTES = 37;
/** Longest JSON that a client may send. */
export const MAX_JSON_BYTES = 64 * 1024;
/** Streams of one test and direction. */
export const MAX_STREAMS = 128;

/** States, as the bytes that are sent. */
export const TEST_START = 1;
/** The streams may run. */
export const TEST_RUNNING = 2;
/** The client's time is over. */
export const TEST_END = 4;
/** The server asks for the parameters. */
export const PARAM_EXCHANGE = 9;
/** The server waits for the streams. */
export const CREATE_STREAMS = 10;
/** The server goes away. */
export const SERVER_TERMINATE = 11;
/** The client goes away. */
export const CLIENT_TERMINATE = 12;
/** Both tell what they counted, the client first. */
export const EXCHANGE_RESULTS = 13;
/** The client may print. */
export const DISPLAY_RESULTS = 14;
/** The client has finished. */
export const IPERF_DONE = 16;
/** -1: the server is busy. */
export const ACCESS_DENIED = 0xff;
/** -2: an error number and an errno follow, four bytes each. */
export const SERVER_ERROR = 0xfe;

/** iperf3's error number for a number of streams that is too large. */
export const IE_NUM_STREAMS = 6;
/** iperf3's error number for what is not implemented. */
export const IE_UNIMPLEMENTED = 13;
/** iperf3's error number for parameters that could not be received. */
export const IE_RECV_PARAMS = 114;

/** What a client wants tested. */
export interface Iperf3Parameters {
  /** Streams that the client sends, and that it receives. */
  readonly upStreams: number;
  readonly downStreams: number;
  /** Seconds at the start that do not count. */
  readonly omitSeconds: number;
  /** Seconds; 0: the client ends it by bytes or blocks. */
  readonly durationSeconds: number;
  /** What the server may send per stream; 0: no limit. */
  readonly bitsPerSecond: number;
}

/** Reads a client's parameters; a number is iperf3's error to answer with. */
export function parseParameters(json: string): Iperf3Parameters | number {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    return IE_RECV_PARAMS;
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) return IE_RECV_PARAMS;
  const fields = new Map<string, unknown>(Object.entries(value));
  if (fields.get("tcp") !== true) return IE_UNIMPLEMENTED;
  const parallel = numberOf(fields, "parallel", 1);
  if (!Number.isInteger(parallel) || parallel < 1 || parallel > MAX_STREAMS) return IE_NUM_STREAMS;
  const isBoth = isTrue(fields.get("bidirectional"));
  const isReverse = isTrue(fields.get("reverse"));
  return {
    upStreams: isBoth || !isReverse ? parallel : 0,
    downStreams: isBoth || isReverse ? parallel : 0,
    omitSeconds: bounded(numberOf(fields, "omit", 0), 600),
    durationSeconds: bounded(numberOf(fields, "time", 0), 86_400),
    bitsPerSecond: bounded(numberOf(fields, "bandwidth", 0), 1e12),
  };
}

function numberOf(fields: ReadonlyMap<string, unknown>, name: string, absent: number): number {
  const value = fields.get(name);
  return typeof value === "number" && Number.isFinite(value) ? value : absent;
}

function isTrue(value: unknown): boolean {
  return value === true || value === 1;
}

function bounded(value: number, most: number): number {
  return value < 0 ? 0 : value > most ? most : value;
}

/** What was counted of one stream. */
export interface Iperf3StreamResult {
  /** 1, 3, 4, 5, …: so iperf3 counts them. */
  readonly id: number;
  readonly bytes: number;
  readonly seconds: number;
}

/** CPU time of this process during a test, percent of one processor. */
export interface CpuPercent {
  readonly user: number;
  readonly system: number;
}

/** The server's results as the client wants them. */
export function formatResults(streams: readonly Iperf3StreamResult[], cpu: CpuPercent): string {
  return JSON.stringify({
    cpu_util_total: cpu.user + cpu.system,
    cpu_util_user: cpu.user,
    cpu_util_system: cpu.system,
    // The stack does not tell how often it sent something again.
    sender_has_retransmits: 0,
    streams: streams.map(({ id, bytes, seconds }) => ({
      id,
      bytes,
      retransmits: -1,
      jitter: 0,
      errors: 0,
      packets: 0,
      start_time: 0,
      end_time: seconds,
    })),
  });
}

/** Text with its length before it, four bytes, big-endian. */
export function withLength(text: string): Buffer {
  const bytes = Buffer.byteLength(text);
  const message = Buffer.allocUnsafe(4 + bytes);
  message.writeUInt32BE(bytes, 0);
  message.write(text, 4);
  return message;
}

/** The answer to a test that cannot be run. */
export function serverError(error: number): Buffer {
  const message = Buffer.alloc(9);
  message[0] = SERVER_ERROR;
  message.writeInt32BE(error, 1);
  return message;
}
