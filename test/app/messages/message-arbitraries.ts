import fc from "fast-check";
import type { Field, FieldKind } from "../../../src/app/messages/fields.js";

const endpoint = fc.oneof(
  fc.record({
    family: fc.constant(4),
    address: fc.integer().map((word) => Int32Array.of(word, 0, 0, 0)),
    port: fc.nat(65_535),
  }),
  fc.record({
    family: fc.constant(6),
    address: fc.tuple(fc.integer(), fc.integer(), fc.integer(), fc.integer()).map((words) => Int32Array.from(words)),
    port: fc.nat(65_535),
  }),
);

/** Of one to four bytes. */
const character = fc.constantFrom(
  "a",
  "/",
  "\0",
  "\u007f",
  "\u00e9",
  "\u07ff",
  "\u20ac",
  "\ufffd",
  "\u{1f600}",
  "\u{10ffff}",
);

const ATTRIBUTES = ["noDelay", "keepalive", "keepaliveMs", "userTimeoutMs", "dscp", "hopLimit", "softErrors"] as const;

const KINDS: Readonly<Record<FieldKind, (max: number) => fc.Arbitrary<unknown>>> = {
  u32: () => fc.oneof(fc.nat(), fc.constantFrom(0, 0x8000_0000, 0xffff_ffff)),
  i32: () => fc.integer(),
  flag: () => fc.boolean(),
  handle: () => fc.oneof(fc.maxSafeNat(), fc.constantFrom(0, 2 ** 32, Number.MAX_SAFE_INTEGER)),
  endpoint: () => endpoint,
  maybeEndpoint: () => fc.option(endpoint, { nil: undefined }),
  text: (max) => fc.array(character, { maxLength: max >> 2 }).map((characters) => characters.join("")),
  bytes: (max) =>
    fc.oneof(
      { weight: 9, arbitrary: fc.uint8Array({ maxLength: max }) },
      { weight: 1, arbitrary: fc.constant(new Uint8Array(max).fill(0xa5)) },
    ),
  attribute: () => fc.constantFrom(...ATTRIBUTES, "urgentBytes"),
  attributes: () =>
    fc
      .dictionary(fc.constantFrom(...ATTRIBUTES), fc.integer())
      .map((values) => Object.fromEntries(Object.entries(values))),
};

/** Values of these fields, each as its kind allows. */
export function valuesOf(fields: readonly Field[]): fc.Arbitrary<Record<string, unknown>> {
  const each = fields.map((field) => [field.name, KINDS[field.kind]("max" in field ? field.max : 0)] as const);
  return fc.record(Object.fromEntries(each), { noNullPrototype: true });
}
