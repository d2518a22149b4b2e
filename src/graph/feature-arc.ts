/** Interfaces of a stack at most: the default, and the device layer's limit. */
export const MAX_INTERFACES = 1024;
/** Features on one arc: they are the bits of an int32. */
const MAX_FEATURES = 30;

/** What the arc needs of the engine: an extra next slot from one node to another. */
export type AddNext = (from: string, to: string) => number;

/**
 * A place in the graph where features (nodes) are switched in per interface at run time, as VPP's feature arcs. Without
 * features a start node pays one load: `arc.mask[ifIndex] === 0`.
 *
 * Each node on the arc (start nodes and features) has one next slot per feature behind it and one for the arc's end;
 * {@link next} names the slot.
 */
export class FeatureArc {
  readonly name: string;
  /** Enabled features of each interface, one bit each. */
  readonly mask: Int32Array;
  readonly #end: string;
  readonly #features: string[] = [];
  readonly #slots = new Map<string, Int32Array>();
  readonly #members: string[];
  readonly #addNext: AddNext;

  /** An arc that can tell `maxInterfaces` interfaces apart. */
  constructor(
    name: string,
    startNodes: readonly string[],
    endNode: string,
    addNext: AddNext,
    maxInterfaces: number = MAX_INTERFACES,
  ) {
    this.name = name;
    this.mask = new Int32Array(maxInterfaces);
    this.#end = endNode;
    this.#members = [...startNodes];
    this.#addNext = addNext;
  }

  /** The features in the order in which packets meet them. */
  get features(): readonly string[] {
    return this.#features;
  }

  /**
   * Puts the registered node `feature` on the arc, in front of `before` when given, else last. All features are added
   * before packets flow. Throws RangeError when the arc is full or `before` is unknown.
   */
  addFeature(feature: string, before?: string): void {
    const at = before === undefined ? this.#features.length : this.#features.indexOf(before);
    if (at < 0) throw new RangeError(`feature arc ${this.name}: no feature ${before}`);
    if (this.#features.length === MAX_FEATURES) throw new RangeError(`feature arc ${this.name} is full`);
    this.#features.splice(at, 0, feature);
    this.#members.push(feature);
    this.#slots.clear();
    this.mask.fill(0);
  }

  /** Switches a feature on one interface. Throws RangeError when the arc has no such feature. */
  enable(feature: string, ifIndex: number, on: boolean): void {
    const position = this.#features.indexOf(feature);
    if (position < 0) throw new RangeError(`feature arc ${this.name}: no feature ${feature}`);
    if (on) this.mask[ifIndex] |= 1 << position;
    else this.mask[ifIndex] &= ~(1 << position);
  }

  /** True when the feature is on for the interface. */
  isEnabled(feature: string, ifIndex: number): boolean {
    return (this.mask[ifIndex] & (1 << this.#features.indexOf(feature))) !== 0;
  }

  /**
   * The slot table of node `member`, which asks once: `slots[p]` leads to feature p, the last entry to the arc's end.
   */
  slotsOf(member: string): Int32Array {
    const known = this.#slots.get(member);
    if (known !== undefined) return known;
    const slots = new Int32Array(this.#features.length + 1);
    for (let p = 0; p < this.#features.length; p++) slots[p] = this.#addNext(member, this.#features[p]);
    slots[this.#features.length] = this.#addNext(member, this.#end);
    this.#slots.set(member, slots);
    return slots;
  }

  /** Position of a feature, -1 for a start node: what {@link next} takes. */
  positionOf(member: string): number {
    return this.#features.indexOf(member);
  }

  /** The next slot after `position` for a packet of interface `ifIndex`, from the member's own `slots`. */
  next(slots: Int32Array, ifIndex: number, position: number): number {
    const rest = this.mask[ifIndex] & (-1 << (position + 1));
    if (rest === 0) return slots[slots.length - 1];
    return slots[31 - Math.clz32(rest & -rest)];
  }
}
