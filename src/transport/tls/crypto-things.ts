import {
  SESSION_E_INVALID,
  SESSION_E_NOCRYPTOCKP,
  SESSION_E_OWNER,
  SessionError,
} from "../../session/session-errors.js";

/** Whose a thing of the crypto store is: an application's, by its index, or {@link STACK_OWNER}. */
export type CryptoOwner = number;

/** The stack's own things, which every application may use. */
export const STACK_OWNER: CryptoOwner = -1;

/** Things of one kind, of all owners. */
const MAX_THINGS = 4096;
/** Things of one kind that an application may have. */
export const MAX_APP_THINGS = 64;

/** Whether a thing may be called so: a word, and no number, for numbers are indices. */
export function isCryptoName(name: string): boolean {
  return /^(?!\d+$)\S{1,64}$/.test(name);
}

/** What a thing is known by. */
export interface ThingLabel {
  readonly index: number;
  readonly owner: CryptoOwner;
  /** What operators call it; "": it has none. */
  readonly name: string;
}

/** A certificate with its key, a list of trusted ones, or a profile. */
export interface CryptoThing<T> {
  /** Never given out again, as its index is. */
  readonly serial: number;
  readonly owner: CryptoOwner;
  readonly name: string;
  value: T;
  /** Contexts that are made of it. */
  users: number;
  /** It was taken away: it goes with its last user. */
  isGone: boolean;
}

/** Things of one kind by index; 0, which is always there, is not among them. What is taken away stays with who has it. */
export class CryptoThings<T> {
  readonly #list: (CryptoThing<T> | undefined)[] = [undefined];
  readonly #kind: string;
  readonly #drop: (value: T) => void;
  #lastSerial = 0;

  /** `drop` hears when nobody has a thing any more. */
  constructor(kind: string, drop: (value: T) => void) {
    this.#kind = kind;
    this.#drop = drop;
  }

  /** Makes a thing if there is room for it. Throws SessionError INVALID; also when its name is another's. */
  add(owner: CryptoOwner, name: string, make: () => T): number {
    let index = this.#list.indexOf(undefined, 1);
    if (index < 0) index = this.#list.length;
    const refuse = (why: string): never => {
      throw new SessionError(SESSION_E_INVALID, this.#kind, why);
    };
    if (index > MAX_THINGS) refuse(`more than ${MAX_THINGS}`);
    if (owner !== STACK_OWNER && this.of(owner).length >= MAX_APP_THINGS) refuse(`more than ${MAX_APP_THINGS}`);
    if (name !== "" && !isCryptoName(name)) refuse("not a name of 1 to 64 characters, not digits alone");
    if (name !== "" && this.named(name) !== undefined) refuse(`there is one named ${JSON.stringify(name)}`);
    const value = make();
    this.#list[index] = { serial: ++this.#lastSerial, owner, name, value, users: 0, isGone: false };
    return index;
  }

  /** Whatever a program without types names it by. */
  #at(index: number): CryptoThing<T> | undefined {
    return Number.isInteger(index) && index > 0 ? this.#list[index] : undefined;
  }

  /** The thing of that index, if that application may use it: it is its own or the stack's. */
  usable(index: number, owner: CryptoOwner): CryptoThing<T> | undefined {
    const thing = this.#at(index);
    return thing !== undefined && (thing.owner === owner || thing.owner === STACK_OWNER) ? thing : undefined;
  }

  /**
   * The thing of that index, which is that owner's. Throws SessionError: OWNER when it is the stack's, or the stack asks for
   * an application's; NOCRYPTOCKP when there is none, or it is another application's, of which it is not to know.
   */
  own(index: number, owner: CryptoOwner): CryptoThing<T> {
    const thing = this.#at(index);
    const what = `${this.#kind} ${String(index)}`;
    const isKnown = thing !== undefined && (thing.owner === owner || [thing.owner, owner].includes(STACK_OWNER));
    if (!isKnown) throw new SessionError(SESSION_E_NOCRYPTOCKP, what, "there is none");
    if (thing.owner === owner) return thing;
    const whose = thing.owner === STACK_OWNER ? "the stack's" : `application ${thing.owner}'s`;
    throw new SessionError(SESSION_E_OWNER, what, whose);
  }

  /** Takes a thing away. Throws as {@link own}. */
  remove(index: number, owner: CryptoOwner): CryptoThing<T> {
    const thing = this.own(index, owner);
    this.#list[index] = undefined;
    thing.isGone = true;
    if (thing.users === 0) this.#drop(thing.value);
    return thing;
  }

  /** One context more (1) or less (-1) is made of it. */
  use(thing: CryptoThing<T>, by: 1 | -1): void {
    thing.users += by;
    if (thing.isGone && thing.users === 0) this.#drop(thing.value);
  }

  /** Index of the thing of that name. */
  named(name: string): number | undefined {
    const index = this.#list.findIndex((thing) => thing !== undefined && thing.name === name);
    return index < 0 ? undefined : index;
  }

  /** Indices of an owner's things. */
  of(owner: CryptoOwner): number[] {
    return this.#list.flatMap((thing, index) => (thing?.owner === owner ? [index] : []));
  }

  /** Those there are, by index. */
  entries(): (ThingLabel & { readonly value: T })[] {
    return this.#list.flatMap((thing, index) => {
      return thing === undefined ? [] : [{ index, owner: thing.owner, name: thing.name, value: thing.value }];
    });
  }
}
