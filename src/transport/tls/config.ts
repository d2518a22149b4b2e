/** The settings of TLS; names and defaults as in the configuration's `tls` section. */
export interface TlsConfig {
  /** Connection rows, listeners included. */
  readonly maxConnections: number;
  /** Handshakes under way, of all listeners and active opens together. */
  readonly maxHandshakes: number;
  /** How long a handshake may take, from the open TCP connection on. */
  readonly handshakeMs: number;
  /** Fifos between TLS and TCP, bytes. */
  readonly fifoBytes: number;
  /** Clear bytes of a record at the start of a stream: as many as arrive in one segment. */
  readonly startRecordBytes: number;
  /** Clear bytes that are sent in such records; then they are as long as they may be. After a second of silence it begins anew. */
  readonly startBytes: number;
  /** How long a key makes session tickets, and is taken for as long again; at most a week. Below a second: no resumption. */
  readonly ticketKeyMs: number;
  /** Clear bytes of a record in bulk, at most 16,384. */
  readonly recordBytes: number;
}

/** The defaults. */
export const DEFAULT_TLS_CONFIG: TlsConfig = {
  maxConnections: 4096,
  maxHandshakes: 1024,
  handshakeMs: 10_000,
  fifoBytes: 512 * 1024,
  startRecordBytes: 1369,
  startBytes: 64 * 1024,
  recordBytes: 16_384,
  ticketKeyMs: 3_600_000,
};
