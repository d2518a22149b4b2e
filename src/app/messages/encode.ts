import type { MessageProducer } from "../../mem/message-queue.js";
import type { MemoryWindow } from "../../mem/window.js";
import { SESSION_E_INVALID, SESSION_E_MQ_MSG_ALLOC, type SessionErrorValue } from "../../session/session-errors.js";
import { encodeFields } from "./fields.js";
import { type Message, type MessageForm, MESSAGES } from "./message-table.js";

function argumentOf(form: MessageForm, values: Readonly<Record<string, unknown>>): number {
  return form.argument === "none" ? 0 : Number(values[form.argument]);
}

/**
 * Puts a message into a queue of that window; publishing it is the caller's. Returns 0, MQ_MSG_ALLOC when the queue has no
 * room, or INVALID when a value is none of its field's kind, or too long.
 */
export function encodeMessage(window: MemoryWindow, producer: MessageProducer, message: Message): SessionErrorValue {
  const values: Readonly<Record<string, unknown>> = message;
  const form: MessageForm = MESSAGES[message.type];
  const words = encodeFields(form.fields, values);
  const argument = argumentOf(form, values);
  const isArgument = Number.isInteger(argument) && argument >= 0 && argument <= 0xffff_ffff;
  if (typeof words === "string" || !isArgument) return SESSION_E_INVALID;
  // A record is of whole pairs of words.
  if (words.length % 2 === 1) words.push(0);
  if (words.length * 4 > producer.maxPayloadBytes) return SESSION_E_INVALID;
  const at = producer.begin(form.number, argument, words.length * 4);
  if (at === 0) return SESSION_E_MQ_MSG_ALLOC;
  window.i32.set(words, at >> 2);
  producer.end();
  return 0;
}
