import type { MessageConsumer } from "../../mem/message-queue.js";
import type { MemoryWindow } from "../../mem/window.js";
import { MAX_SESSIONS } from "../../session/session-handle.js";
import { decodeFields } from "./fields.js";
import { type MessageForm, MESSAGES, type MessageTowards } from "./message-table.js";

/** Where messages go. */
export type Destination = "to-app" | "to-stack";

interface NamedForm {
  readonly name: string;
  readonly form: MessageForm;
}

/** By direction and number. */
const FORMS: Readonly<Record<Destination, readonly (NamedForm | undefined)[]>> = {
  "to-app": formsTowards("to-app"),
  "to-stack": formsTowards("to-stack"),
};

function formsTowards(destination: Destination): (NamedForm | undefined)[] {
  const forms: (NamedForm | undefined)[] = [];
  for (const [name, form] of Object.entries<MessageForm>(MESSAGES)) {
    if (form.direction === destination || form.direction === "both") forms[form.number] = { name, form };
  }
  return forms;
}

/**
 * The message that a consumer took last. Undefined when it is none that goes there, or malformed. Its payload is copied
 * out of shared memory once, and then read: who writes to it meanwhile changes nothing.
 */
export function decodeMessage<D extends Destination>(
  window: MemoryWindow,
  consumer: MessageConsumer,
  destination: D,
): MessageTowards<D> | undefined {
  const { type, argument, payload, payloadBytes } = consumer;
  const named = FORMS[destination][type];
  if (named === undefined) return undefined;
  const words = window.i32.slice(payload >> 2, (payload + payloadBytes) >> 2);
  const values = decodeFields(named.form.fields, words, 1);
  if (values === undefined) return undefined;
  values["type"] = named.name;
  if (named.form.argument === "context") values["context"] = argument >>> 0;
  if (named.form.argument === "session") {
    if (argument < 0 || argument >= MAX_SESSIONS) return undefined;
    values["session"] = argument;
  }
  // The table that the type is made of is the one that the values were read by.
  return values as MessageTowards<D>;
}
