/** UDP's settings; names and defaults as in the configuration's `udp` section. */
export interface UdpConfig {
  /** Connection rows, listeners included. */
  readonly maxConnections: number;
  /** TTL and hop limit of datagrams. */
  readonly hopLimit: number;
}

/** The defaults. */
export const DEFAULT_UDP_CONFIG: UdpConfig = { maxConnections: 4096, hopLimit: 64 };
