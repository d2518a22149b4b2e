import { formatPath, quoteValue } from "../../host/config-error.js";
import {
  addressLeaf,
  booleanLeaf,
  interfaceNameLeaf,
  intLeaf,
  type Leaf,
  macLeaf,
  nameLeaf,
  prefixLeaf,
  secretLeaf,
  textLeaf,
  wordLeaf,
} from "../../host/config-leaf.js";
import { parseEnd } from "./end.js";
import { SESSION_ID } from "./session-view.js";
import type { Field, Shape } from "./shape.js";

/** What is wrong with a value, and where. */
export interface Fault {
  /** E.g. `paths[0].via`. */
  readonly argument: string;
  /** E.g. `is missing`. */
  readonly text: string;
}

const endLeaf: Leaf = (value) =>
  typeof value === "string" && parseEnd(value) !== undefined ? undefined : `not ADDRESS[:PORT]: ${quoteValue(value)}`;

const sessionLeaf: Leaf = (value) =>
  typeof value === "string" && SESSION_ID.test(value) ? undefined : `not a session: ${quoteValue(value)}`;

const familyLeaf: Leaf = (value) => (value === 4 || value === 6 ? undefined : `neither 4 nor 6: ${quoteValue(value)}`);

const numberLeaf: Leaf = (value) => (Number.isFinite(value) ? undefined : `not a number: ${quoteValue(value)}`);

const countsLeaf: Leaf = (value) =>
  typeof value === "object" && value !== null && Object.values(value).every((each) => Number.isFinite(each))
    ? undefined
    : `not numbers by name: ${quoteValue(value)}`;

const nothingLeaf: Leaf = (value) => (value === null ? undefined : `not null: ${quoteValue(value)}`);

/** The check of a single value; undefined for one that is made of others. */
function leafOf(shape: Shape): Leaf | undefined {
  switch (shape.kind) {
    case "interface":
      return interfaceNameLeaf;
    case "family":
      return familyLeaf;
    case "address":
      return addressLeaf;
    case "prefix":
      return prefixLeaf(false);
    case "end":
      return endLeaf;
    case "mac":
      return macLeaf;
    case "session":
      return sessionLeaf;
    case "secret":
      return secretLeaf;
    case "number":
      return numberLeaf;
    case "flag":
      return booleanLeaf;
    case "counts":
      return countsLeaf;
    case "nothing":
      return nothingLeaf;
    case "name":
      return nameLeaf(shape.max);
    case "text":
      return textLeaf(shape.max);
    case "int":
      return intLeaf(shape.min, shape.max);
    case "word":
      return wordLeaf(shape.words);
    default:
      return undefined;
  }
}

type Path = readonly (string | number)[];

/** What is wrong with a value of this shape; undefined when nothing is. */
export function checkValue(shape: Shape, value: unknown, path: Path): Fault | undefined {
  const fault = (text: string): Fault => ({ argument: formatPath(path), text });
  if (shape.kind === "maybe") return value === null ? undefined : checkValue(shape.of, value, path);
  if (shape.kind === "object") return checkFields(shape.fields, value, path);
  if (shape.kind === "list") {
    if (!Array.isArray(value)) return fault(`not a list: ${quoteValue(value)}`);
    if (value.length > shape.max) return fault(`more than ${shape.max}`);
    return firstFault(value, (each: unknown, i) => checkValue(shape.of, each, [...path, i]));
  }
  const wrong = leafOf(shape)?.(value);
  return wrong === undefined ? undefined : fault(wrong);
}

/** What is wrong with an object of these fields: the first that is missing, wrong, or not one of them. */
export function checkFields(fields: readonly Field[], value: unknown, path: Path = []): Fault | undefined {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return {
      argument: path.length === 0 ? "params" : formatPath(path),
      text: `not a set of keys: ${quoteValue(value)}`,
    };
  }
  const given = new Map<string, unknown>(Object.entries(value));
  const unknown = [...given.keys()].find((key) => fields.every(({ name }) => name !== key));
  if (unknown !== undefined) return { argument: formatPath([...path, unknown]), text: "unknown key" };
  return firstFault(fields, ({ name, shape, isOptional }) => {
    const at = [...path, name];
    const found = given.get(name);
    if (found !== undefined) return checkValue(shape, found, at);
    return isOptional ? undefined : { argument: formatPath(at), text: "is missing" };
  });
}

function firstFault<T>(each: readonly T[], check: (one: T, index: number) => Fault | undefined): Fault | undefined {
  for (const [i, one] of each.entries()) {
    const fault = check(one, i);
    if (fault !== undefined) return fault;
  }
  return undefined;
}
