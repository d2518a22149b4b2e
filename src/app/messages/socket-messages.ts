import {
  SESSION_E_INVALID,
  SESSION_E_NOSUPPORT,
  sessionErrorEntry,
  type SessionErrorValue,
} from "../../session/session-errors.js";
import { decodeFields, encodeFields } from "./fields.js";
import { MESSAGES_VERSION } from "./message-table.js";
import { SOCKET_MESSAGES, type SocketMessage, type SocketMessageForm, type SocketMessageOf } from "./socket-table.js";

// Framing of the socket's messages, one in each packet of SOCK_SEQPACKET: magic (u32), version (u16), number (u16), bytes of
// what follows (u32), fields. Little-endian.

/** First word of every message: "WEFT". */
export const SOCKET_MAGIC = 0x5446_4557;
/** Bytes before the fields. */
export const SOCKET_HEADER_BYTES = 12;
/** Room that takes the longest message, bytes. */
export const MAX_SOCKET_MESSAGE_BYTES = 132 * 1024;

/** What was received is no message. */
export interface SocketFailure {
  /** INVALID; NOSUPPORT: another version. */
  readonly error: SessionErrorValue;
  readonly text: string;
  /** Version of what was received, 0 when it has none. */
  readonly peerVersion: number;
}

interface NamedForm {
  readonly name: string;
  readonly form: SocketMessageForm;
}

/** By number. */
const FORMS: readonly (NamedForm | undefined)[] = formsByNumber();

function formsByNumber(): (NamedForm | undefined)[] {
  const forms: (NamedForm | undefined)[] = [];
  for (const [name, form] of Object.entries<SocketMessageForm>(SOCKET_MESSAGES)) forms[form.number] = { name, form };
  return forms;
}

/** The bytes of a message. Throws RangeError, with the field's name, when a value is none of its kind, or too long. */
export function encodeSocketMessage(message: SocketMessage): Uint8Array {
  const form: SocketMessageForm = SOCKET_MESSAGES[message.type];
  const words = encodeFields(form.fields, message);
  if (typeof words === "string") throw new RangeError(`${message.type}: no ${words} as it should be`);
  const bytes = new Uint8Array(SOCKET_HEADER_BYTES + words.length * 4);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, SOCKET_MAGIC, true);
  view.setUint16(4, MESSAGES_VERSION, true);
  view.setUint16(6, form.number, true);
  view.setUint32(8, words.length * 4, true);
  for (let i = 0; i < words.length; i++) view.setInt32(SOCKET_HEADER_BYTES + i * 4, words[i], true);
  return bytes;
}

/** The message in a packet, or why there is none. Never throws. */
export function parseSocketMessage(bytes: Uint8Array): SocketMessage | SocketFailure {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (bytes.length < SOCKET_HEADER_BYTES) return invalid("too short for a message", 0);
  if (view.getUint32(0, true) !== SOCKET_MAGIC) return invalid("no message: its first word is another", 0);
  const version = view.getUint16(4, true);
  const named = FORMS[view.getUint16(6, true)];
  // An error names both versions: who gets it must be able to read it.
  if (version !== MESSAGES_VERSION && named?.form !== SOCKET_MESSAGES.ERROR) {
    const text = `version ${version} of the messages, this is version ${MESSAGES_VERSION}`;
    return { error: SESSION_E_NOSUPPORT, text, peerVersion: version };
  }
  if (named === undefined) return invalid("no message of that number", version);
  const length = view.getUint32(8, true);
  if (length !== bytes.length - SOCKET_HEADER_BYTES || length % 4 !== 0) {
    return invalid(`${named.name} of a wrong length`, version);
  }
  const words = new Int32Array(length / 4);
  for (let i = 0; i < words.length; i++) words[i] = view.getInt32(SOCKET_HEADER_BYTES + i * 4, true);
  const values = decodeFields(named.form.fields, words, 0);
  if (values === undefined) return invalid(`${named.name} with fields that are not its own`, version);
  values["type"] = named.name;
  // The table that the type is made of is the one that the values were read by.
  return values as SocketMessage;
}

function invalid(text: string, peerVersion: number): SocketFailure {
  return { error: SESSION_E_INVALID, text, peerVersion };
}

/** What the stack answers to a packet that is no message. */
export function socketErrorReply({ error, text, peerVersion }: SocketFailure): SocketMessageOf<"ERROR"> {
  const reason = `${text} (${sessionErrorEntry(error).name})`;
  return { type: "ERROR", retval: error, version: MESSAGES_VERSION, peerVersion, text: reason };
}
