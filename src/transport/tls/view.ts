import { SESSION_E_NOSUPPORT } from "../../session/session-errors.js";
import type { SessionLayer } from "../../session/session-layer.js";
import { S_CONNECTION, S_PROTO } from "../../session/session-table.js";
import { C_STATE, C_TX_FIFO, type ConnectionAttribute, type ConnectionIndex, type Transport } from "../transport.js";
import { TLS_ENGINE, TLS_LISTEN, TLS_LOWER, TLS_OPEN, TLS_STATE_NAMES, type TlsConnections } from "./connection.js";
import type { TlsEngine, TlsInfo } from "./engine.js";

/** What can be known of a connection of TLS: its own part, and what is TCP's. */
export class TlsView {
  readonly #i32: Int32Array;
  readonly #sessions: SessionLayer;
  readonly #rows: TlsConnections;
  readonly #engine: TlsEngine;

  constructor(sessions: SessionLayer, rows: TlsConnections, engine: TlsEngine) {
    this.#i32 = sessions.window.i32;
    this.#sessions = sessions;
    this.#rows = rows;
    this.#engine = engine;
  }

  /** Version, cipher, ALPN, the peer's certificate; undefined before the handshake is done. */
  info(c: ConnectionIndex): TlsInfo | undefined {
    const r = this.#rows.row(c);
    return this.#i32[r + C_STATE] === TLS_OPEN ? this.#engine.info(this.#i32[r + TLS_ENGINE]) : undefined;
  }

  /** The transport and connection below, whose attributes ours are. */
  #below(c: ConnectionIndex): { transport: Transport; connection: ConnectionIndex } | undefined {
    const lower = this.#i32[this.#rows.row(c) + TLS_LOWER];
    if (lower < 0 || !this.#sessions.table.isUsed(lower)) return undefined;
    const l = this.#sessions.table.row(lower);
    const transport = this.#sessions.transports[this.#i32[l + S_PROTO]];
    const connection = this.#i32[l + S_CONNECTION];
    return transport === undefined || connection < 0 ? undefined : { transport, connection };
  }

  /** An attribute of the connection below. */
  attribute(c: ConnectionIndex, name: ConnectionAttribute): number {
    const below = this.#below(c);
    return below?.transport.attribute(below.connection, name) ?? SESSION_E_NOSUPPORT;
  }

  /** Sets one. */
  setAttribute(c: ConnectionIndex, name: ConnectionAttribute, value: number): number {
    const below = this.#below(c);
    return below?.transport.setAttribute(below.connection, name, value) ?? SESSION_E_NOSUPPORT;
  }

  /** Those of the connection below. */
  statistics(c: ConnectionIndex): Readonly<Record<string, number>> {
    const below = this.#below(c);
    return below?.transport.statistics(below.connection) ?? {};
  }

  /** For `show session verbose`. */
  format(c: ConnectionIndex, verbose: number): string {
    const i32 = this.#i32;
    const r = this.#rows.row(c);
    const state = TLS_STATE_NAMES[i32[r + C_STATE]];
    if (verbose < 2 || i32[r + C_STATE] === TLS_LISTEN) return state;
    const { version = "", cipher = "", alpn, serverName, certificate } = this.info(c) ?? {};
    const words = [`${state} index ${c} tcp session ${i32[r + TLS_LOWER]} engine ${this.#engine.name}`];
    if (version !== "") words.push(`${version} ${cipher}`);
    if (serverName !== undefined) words.push(`server name ${printable(serverName)}`);
    if (alpn !== undefined) words.push(`alpn ${alpn}`);
    if (certificate !== undefined) words.push(`peer certificate ${certificate.length} bytes`);
    const tx = i32[r + C_TX_FIFO] === 0 ? 0 : this.#sessions.fifos.maxDequeue(i32[r + C_TX_FIFO]);
    const below = this.#below(c);
    const lines = [words.join(", "), ` unsent ${tx}`];
    if (below !== undefined) lines.push(` ${below.transport.name} ${below.transport.format(below.connection, 1)}`);
    return lines.join("\n");
  }
}

/** What a peer has said, for a terminal: a name of a host has no other characters. */
function printable(name: string): string {
  return name.replace(/[^\x20-\x7e]/g, "?");
}
