import type { Field, FieldKind } from "../../../src/app/messages/fields.js";
import {
  IO_EVENTS,
  type IoEventForm,
  type MessageForm,
  MESSAGES,
  MESSAGES_VERSION,
  MIN_MESSAGE_RING_BYTES,
  SESSION_FIELDS,
} from "../../../src/app/messages/message-table.js";
import { SOCKET_MESSAGES, type SocketMessageForm, WORKER_FIELDS } from "../../../src/app/messages/socket-table.js";

const KINDS: Readonly<Record<FieldKind, string>> = {
  u32: "one word, 0 to 2^32 - 1",
  i32: "one word, -2^31 to 2^31 - 1",
  flag: "one word, 0 or 1",
  handle: "two words, low first: 0 to 2^53 - 1",
  endpoint: "six words: family (4 or 6), four of the address (IPv4: one and zeros), port",
  maybeEndpoint: "as endpoint; all zero: none",
  text: "a word with the number of bytes, and these: UTF-8, four in a word, low first, filled up with zeros",
  bytes: "as text, of any bytes",
  attribute: "one word: the number of a connection attribute (fields.ts)",
  attributes: "a word with a bit for each attribute that is there, by number, and a word for each value, in that order",
};

const ARROWS = { "to-app": "to application", "to-stack": "to stack", both: "both ways" } as const;

function fieldText(field: Field): string {
  const max = "max" in field ? ` ≤ ${field.max}` : "";
  return `\`${field.name}\` ${field.kind}${max}: ${field.doc}`;
}

/** Fields that several messages have, by the name under which the page tells of them once. */
const GROUPS: readonly (readonly [name: string, fields: readonly Field[]])[] = [
  ["session", SESSION_FIELDS],
  ["memory of a worker", WORKER_FIELDS],
];

/** The fields of a message, groups by their names. */
function fieldsText(fields: readonly Field[]): string {
  const lines: string[] = [];
  for (const field of fields) {
    const group = GROUPS.find(([, members]) => members.includes(field));
    if (group === undefined) lines.push(fieldText(field));
    else if (group[1][0] === field) lines.push(`_${group[0]}_`);
  }
  return lines.join("<br>");
}

function row(cells: readonly (string | number)[]): string {
  return `| ${cells.join(" | ")} |`;
}

function table(heading: readonly string[], rows: readonly (readonly (string | number)[])[]): string[] {
  return [row(heading), row(heading.map(() => "---")), ...rows.map(row)];
}

/** The page about the messages, from their tables. */
export function renderMessages(): string {
  const messages = Object.entries<MessageForm>(MESSAGES);
  const events = Object.entries<IoEventForm>(IO_EVENTS);
  const socket = Object.entries<SocketMessageForm>(SOCKET_MESSAGES);
  return [
    "# Messages between the stack and applications in other processes",
    "",
    `Version ${MESSAGES_VERSION}, of both tables. Generated from [message-table.ts](message-table.ts) and [socket-table.ts](socket-table.ts): a test compares this page with`,
    "them, and `npx vitest run test/app/messages --update` writes it anew.",
    "",
    "A process attaches through a unix socket, which brings descriptors of shared memory. From then on messages go through two queues in it",
    "([message-queue.ts](../../mem/message-queue.ts)), and bytes through fifos.",
    "",
    "## Fields",
    "",
    "Messages are rows of 32-bit words. The reader copies them out of shared memory once, and refuses the whole message when a field is not of",
    "its kind.",
    "",
    ...table(["kind", "words"], Object.entries(KINDS)),
    "",
    "Several messages have these in common:",
    "",
    ...table(
      ["fields of", ""],
      GROUPS.map(([name, fields]) => [`_${name}_`, fields.map(fieldText).join("<br>")]),
    ),
    "",
    "## Records of a queue",
    "",
    "A record is a multiple of 8 bytes: word 0 is number << 16 | bytes of the record, word 1 its argument, then the fields. The argument is the",
    "context of a request, which its reply repeats, or the index of the session. Numbers up to 38 are VPP's; 2 to 7 VPP keeps to itself.",
    `A ring of ${MIN_MESSAGE_RING_BYTES} bytes takes the longest message.`,
    "",
    "### Events of the data path",
    "",
    "Without payload; the argument is the index of the session.",
    "",
    ...table(
      ["number", "name", "goes", "says"],
      events.map(([name, { number, direction, doc }]) => [number, `\`${name}\``, ARROWS[direction], doc]),
    ),
    "",
    "### Control messages",
    "",
    ...table(
      ["number", "name", "goes", "argument", "says", "fields"],
      messages.map(([name, { number, direction, argument, fields, doc }]) => {
        const argumentText = argument === "none" ? "" : argument;
        return [number, `\`${name}\``, ARROWS[direction], argumentText, doc, fieldsText(fields)];
      }),
    ),
    "",
    "## Messages of the socket",
    "",
    'Each is one packet of a SOCK_SEQPACKET socket, little-endian: magic "WEFT", version (u16), number (u16), bytes of what follows (u32), fields.',
    "Another version is refused by `ERROR`, which names both. Descriptors come with the message, in this order.",
    "",
    ...table(
      ["number", "name", "goes", "says", "descriptors", "fields"],
      socket.map(([name, { number, direction, fields, descriptors, doc }]) => [
        number,
        `\`${name}\``,
        ARROWS[direction],
        doc,
        descriptors.join("<br>"),
        fieldsText(fields),
      ]),
    ),
    "",
  ].join("\n");
}
