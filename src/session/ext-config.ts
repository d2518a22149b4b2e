import { SESSION_E_ALLOC, SESSION_E_INVALID, SESSION_E_NOEXTCFG, type SessionErrorValue } from "./session-errors.js";

// Kinds of extended configuration (VPP transport_endpt_ext_cfg_type_t); transports that are yet to come read them.
/** Certificates, names and engines of TLS, DTLS and QUIC. */
export const EXT_CONFIG_CRYPTO = 1;
/** Of HTTP. */
export const EXT_CONFIG_HTTP = 2;
/** Of QUIC. */
export const EXT_CONFIG_QUIC = 3;

/** Bytes of a chunk, as in VPP. */
export const EXT_CONFIG_BYTES = 512;
const HEADER_BYTES = 4;

/**
 * What a transport beyond TCP and UDP wants to know of an endpoint: a chunk of at most 512 bytes, each part with its kind
 * (u16) and length (u16) before it, big-endian.
 */
export class ExtConfig {
  readonly #bytes = new Uint8Array(EXT_CONFIG_BYTES);
  readonly #view = new DataView(this.#bytes.buffer);
  #length = 0;

  /** The chunk as it goes to the transport. */
  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  /** Adds a part. Returns 0; INVALID: no such kind, or there already; ALLOC: no room. */
  add(kind: number, data: Uint8Array): SessionErrorValue {
    if (!(kind >= EXT_CONFIG_CRYPTO && kind <= EXT_CONFIG_QUIC) || this.get(kind) !== undefined)
      return SESSION_E_INVALID;
    if (this.#length + HEADER_BYTES + data.length > EXT_CONFIG_BYTES) return SESSION_E_ALLOC;
    this.#view.setUint16(this.#length, kind);
    this.#view.setUint16(this.#length + 2, data.length);
    this.#bytes.set(data, this.#length + HEADER_BYTES);
    this.#length += HEADER_BYTES + data.length;
    return 0;
  }

  /** The part of that kind; undefined when there is none. */
  get(kind: number): Uint8Array | undefined {
    for (let at = 0; at < this.#length; ) {
      const end = at + HEADER_BYTES + this.#view.getUint16(at + 2);
      if (this.#view.getUint16(at) === kind) return this.#bytes.subarray(at + HEADER_BYTES, end);
      at = end;
    }
    return undefined;
  }

  /** Reads a chunk; INVALID when it is no array of bytes or lengths do not fit, NOEXTCFG when it is empty. */
  static parse(chunk: Uint8Array | null): ExtConfig | SessionErrorValue {
    if (chunk?.BYTES_PER_ELEMENT !== 1) return SESSION_E_INVALID;
    if (chunk.length === 0) return SESSION_E_NOEXTCFG;
    const config = new ExtConfig();
    const view = new DataView(chunk.buffer, chunk.byteOffset, chunk.length);
    for (let at = 0; at < chunk.length; ) {
      if (at + HEADER_BYTES > chunk.length) return SESSION_E_INVALID;
      const end = at + HEADER_BYTES + view.getUint16(at + 2);
      if (end > chunk.length) return SESSION_E_INVALID;
      const error = config.add(view.getUint16(at), chunk.subarray(at + HEADER_BYTES, end));
      if (error < 0) return error;
      at = end;
    }
    return config;
  }
}
