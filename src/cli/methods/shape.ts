// Shapes of JSON values: what parameters and results of methods are made of. One shape gives the type, the check and the
// documentation of a value.

/** Kinds of text that have a form of their own. */
export type TextKind = "interface" | "address" | "prefix" | "end" | "mac" | "session";

/** What a JSON value looks like. */
export type Shape =
  | { readonly kind: TextKind | "family" | "secret" | "number" | "flag" | "counts" | "nothing" }
  | { readonly kind: "name" | "text"; readonly max: number }
  | { readonly kind: "int"; readonly min: number; readonly max: number }
  | { readonly kind: "word"; readonly words: readonly string[] }
  | { readonly kind: "maybe"; readonly of: Shape }
  | { readonly kind: "list"; readonly of: Shape; readonly max: number }
  | { readonly kind: "object"; readonly fields: readonly Field[] };

/** A named value: a parameter, or a key of an object. */
export interface Field {
  readonly name: string;
  readonly shape: Shape;
  readonly doc: string;
  readonly isOptional: boolean;
}

/** The type of a value of this shape. */
export type ValueOf<S extends Shape> = S extends { readonly kind: "maybe"; readonly of: infer E extends Shape }
  ? ValueOf<E> | null
  : S extends { readonly kind: "list"; readonly of: infer E extends Shape }
    ? readonly ValueOf<E>[]
    : S extends { readonly kind: "object"; readonly fields: infer F extends readonly Field[] }
      ? FieldValues<F>
      : S extends { readonly kind: "word"; readonly words: readonly (infer W)[] }
        ? W
        : S extends { readonly kind: "number" | "int" }
          ? number
          : S extends { readonly kind: "family" }
            ? 4 | 6
            : S extends { readonly kind: "flag" }
              ? boolean
              : S extends { readonly kind: "counts" }
                ? Readonly<Record<string, number>>
                : S extends { readonly kind: "secret" }
                  ? string | number
                  : S extends { readonly kind: "nothing" }
                    ? null
                    : string;

type Given<F extends Field> = Exclude<F, { readonly isOptional: true }>;
type MaybeGiven<F extends Field> = Extract<F, { readonly isOptional: true }>;

/** The type of an object with these fields. */
export type FieldValues<F extends readonly Field[]> = {
  readonly [E in Given<F[number]> as E["name"]]: ValueOf<E["shape"]>;
} & { readonly [E in MaybeGiven<F[number]> as E["name"]]?: ValueOf<E["shape"]> | undefined };

/** A field that is always there. */
export function field<const N extends string, S extends Shape>(
  name: N,
  shape: S,
  doc: string,
): { readonly name: N; readonly shape: S; readonly doc: string; readonly isOptional: false } {
  return { name, shape, doc, isOptional: false };
}

/** A field that may be missing. */
export function optional<const N extends string, S extends Shape>(
  name: N,
  shape: S,
  doc: string,
): { readonly name: N; readonly shape: S; readonly doc: string; readonly isOptional: true } {
  return { name, shape, doc, isOptional: true };
}

/** An object with these fields and no other. */
export function object<const F extends readonly Field[]>(
  ...fields: F
): { readonly kind: "object"; readonly fields: F } {
  return { kind: "object", fields };
}

/** A list, in parameters of at most `max` elements. */
export function list<S extends Shape>(
  of: S,
  max = Number.POSITIVE_INFINITY,
): { readonly kind: "list"; readonly of: S; readonly max: number } {
  return { kind: "list", of, max };
}

/** A value, or null. */
export function maybe<S extends Shape>(of: S): { readonly kind: "maybe"; readonly of: S } {
  return { kind: "maybe", of };
}

/** One of some words. */
export function word<const W extends readonly string[]>(words: W): { readonly kind: "word"; readonly words: W } {
  return { kind: "word", words };
}

/** A whole number in a range. */
export function int(
  min = 0,
  max = Number.MAX_SAFE_INTEGER,
): { readonly kind: "int"; readonly min: number; readonly max: number } {
  return { kind: "int", min, max };
}

/** A word without blanks of 1 to `max` characters. */
export function name(max: number): { readonly kind: "name"; readonly max: number } {
  return { kind: "name", max };
}

/** Any text of at most `max` characters. */
export function text(max = Number.POSITIVE_INFINITY): { readonly kind: "text"; readonly max: number } {
  return { kind: "text", max };
}
