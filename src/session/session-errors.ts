// The table of session errors (VPP's session_error_t): one name for what went wrong, from the transport up to the faces.

/** A session error as it travels inside the stack: 0 is none, an error is its negated number in the table. */
export type SessionErrorValue = number;

/** One row of the table. */
export interface SessionErrorEntry {
  /** VPP's name without its prefix SESSION_E_. */
  readonly name: string;
  readonly text: string;
  /** What Node-shaped faces show as `err.code`. */
  readonly code: string;
}

const TABLE: readonly (readonly [name: string, code: string, text: string])[] = [
  ["NONE", "OK", "no error"],
  ["UNKNOWN", "EIO", "generic/unknown error"],
  ["REFUSED", "ECONNREFUSED", "refused"],
  ["TIMEDOUT", "ETIMEDOUT", "timedout"],
  ["ALLOC", "ENOMEM", "obj/memory allocation error"],
  ["OWNER", "EACCES", "object not owned by application"],
  ["NOROUTE", "ENETUNREACH", "no route"],
  ["NOINTF", "ENETUNREACH", "no resolving interface"],
  ["NOIP", "EADDRNOTAVAIL", "no ip for local interface"],
  ["NOPORT", "EADDRNOTAVAIL", "no local port"],
  ["NOSUPPORT", "EPROTONOSUPPORT", "not supported"],
  ["NOLISTEN", "EINVAL", "not listening"],
  ["NOSESSION", "EBADF", "session does not exist"],
  ["NOAPP", "EBADF", "app not attached"],
  ["APP_ATTACHED", "EEXIST", "app already attached"],
  ["PORTINUSE", "EADDRINUSE", "lcl port in use"],
  ["IPINUSE", "EADDRINUSE", "ip in use"],
  ["ALREADY_LISTENING", "EADDRINUSE", "ip port pair already listened on"],
  ["ADDR_NOT_IN_USE", "EADDRNOTAVAIL", "address not in use"],
  ["INVALID", "EINVAL", "invalid value"],
  ["INVALID_RMT_IP", "EADDRNOTAVAIL", "invalid remote ip"],
  ["INVALID_APPWRK", "EINVAL", "invalid app worker"],
  ["INVALID_NS", "EINVAL", "invalid namespace"],
  ["SEG_NO_SPACE", "ENOBUFS", "couldn't allocate a fifo pair"],
  ["SEG_NO_SPACE2", "ENOBUFS", "created segment, couldn't allocate a fifo pair"],
  ["SEG_CREATE", "ENOMEM", "couldn't create a new segment"],
  ["FILTERED", "EACCES", "session filtered"],
  ["SCOPE", "EOPNOTSUPP", "scope not supported"],
  ["BAPI_NO_FD", "EBADF", "bapi doesn't have a socket fd"],
  ["BAPI_SEND_FD", "EIO", "couldn't send fd over bapi socket fd"],
  ["BAPI_NO_REG", "EINVAL", "app bapi registration not found"],
  ["MQ_MSG_ALLOC", "ENOBUFS", "failed to alloc mq msg"],
  ["TLS_HANDSHAKE", "EPROTO", "failed tls handshake"],
  ["EVENTFD_ALLOC", "EMFILE", "failed to alloc eventfd"],
  ["NOEXTCFG", "EINVAL", "no extended transport config"],
  ["NOCRYPTOENG", "EOPNOTSUPP", "no crypto engine"],
  ["NOCRYPTOCKP", "EINVAL", "cert key pair not found"],
  ["LOCAL_CONNECT", "ECONNREFUSED", "could not connect with local scope"],
  ["WRONG_NS_SECRET", "EACCES", "wrong ns secret"],
  ["SYSCALL", "EIO", "system call error"],
  ["TRANSPORT_NO_REG", "EPROTONOSUPPORT", "transport was not registered"],
  ["MAX_STREAMS_HIT", "ENOBUFS", "maximum number of streams reached"],
  // Beyond VPP's.
  ["TLS_TRUNCATED", "ECONNRESET", "tls stream ended without close_notify"],
  ["TLS_PROTOCOL", "EPROTO", "tls record or alert ended the session"],
];

/** Every session error; an error's number is its index, its value the negated index. */
export const SESSION_ERRORS: readonly SessionErrorEntry[] = TABLE.map(([name, code, text]) => ({ name, code, text }));

/** Generic error. */
export const SESSION_E_UNKNOWN = -1;
/** The peer refused. */
export const SESSION_E_REFUSED = -2;
/** No answer in time. */
export const SESSION_E_TIMEDOUT = -3;
/** A pool of rows is exhausted. */
export const SESSION_E_ALLOC = -4;
/** The session belongs to another application. */
export const SESSION_E_OWNER = -5;
/** No route to the remote address. */
export const SESSION_E_NOROUTE = -6;
/** No interface towards the remote address. */
export const SESSION_E_NOINTF = -7;
/** The local address is not one of this host, or none fits. */
export const SESSION_E_NOIP = -8;
/** No free local port. */
export const SESSION_E_NOPORT = -9;
/** Not supported, or no such transport. */
export const SESSION_E_NOSUPPORT = -10;
/** Not listening. */
export const SESSION_E_NOLISTEN = -11;
/** No such session, or its end was reached. */
export const SESSION_E_NOSESSION = -12;
/** No such application. */
export const SESSION_E_NOAPP = -13;
/** The application is attached already. */
export const SESSION_E_APP_ATTACHED = -14;
/** The local port is in use. */
export const SESSION_E_PORTINUSE = -15;
/** The address is in use. */
export const SESSION_E_IPINUSE = -16;
/** Someone listens on this address and port. */
export const SESSION_E_ALREADY_LISTENING = -17;
/** The address is not in use. */
export const SESSION_E_ADDR_NOT_IN_USE = -18;
/** A value is out of range or malformed. */
export const SESSION_E_INVALID = -19;
/** The remote address cannot be connected to. */
export const SESSION_E_INVALID_RMT_IP = -20;
/** No such application worker. */
export const SESSION_E_INVALID_APPWRK = -21;
/** No such namespace. */
export const SESSION_E_INVALID_NS = -22;
/** No pair of fifos left. */
export const SESSION_E_SEG_NO_SPACE = -23;
/** No room for a segment. */
export const SESSION_E_SEG_CREATE = -25;
/** Filtered by a rule. */
export const SESSION_E_FILTERED = -26;
/** The scope is not supported. */
export const SESSION_E_SCOPE = -27;
/** The message queue has no room. */
export const SESSION_E_MQ_MSG_ALLOC = -31;
/** The TLS handshake failed. */
export const SESSION_E_TLS_HANDSHAKE = -32;
/** There is no extended configuration. */
export const SESSION_E_NOEXTCFG = -34;
/** No TLS on this stack. */
export const SESSION_E_NOCRYPTOENG = -35;
/** No such certificate, store or profile. */
export const SESSION_E_NOCRYPTOCKP = -36;
/** Nobody of this stack listens there: go on in global scope. */
export const SESSION_E_LOCAL_CONNECT = -37;
/** The namespace's secret is another one. */
export const SESSION_E_WRONG_NS_SECRET = -38;

/** A TLS stream ended without close_notify. */
export const SESSION_E_TLS_TRUNCATED = -42;
/** A broken record, or the peer's alert, ended a TLS session. */
export const SESSION_E_TLS_PROTOCOL = -43;

/** The table's row for a session error value; those outside the table are UNKNOWN. */
export function sessionErrorEntry(value: SessionErrorValue): SessionErrorEntry {
  return SESSION_ERRORS[-value] ?? SESSION_ERRORS[-SESSION_E_UNKNOWN];
}

/** A session error as faces throw it and promises reject with it. */
export class SessionError extends Error {
  /** Node's code, e.g. `EADDRINUSE`. */
  readonly code: string;
  /** VPP's name, e.g. `ALREADY_LISTENING`. */
  readonly sessionError: string;
  /** The number in the table, negated. */
  readonly errno: SessionErrorValue;
  /** Why, as far as more is known than its name says; else the table's text. */
  readonly reason: string;

  /**
   * `where` says what was tried, e.g. `listen tcp://0.0.0.0/80`; `detail` and `code` replace the table's text and code.
   */
  constructor(value: SessionErrorValue, where: string, detail?: string, code?: string) {
    const entry = sessionErrorEntry(value);
    const reason = detail ?? entry.text;
    super(`${where}: ${reason} (${entry.name})`);
    this.name = "SessionError";
    this.reason = reason;
    this.code = code ?? entry.code;
    this.sessionError = entry.name;
    this.errno = value;
  }
}
