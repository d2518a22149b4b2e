import type { Family } from "../ip/address.js";
import { PrefixLeaves } from "../ip/prefix-leaves.js";
import { PrefixSet } from "../ip/prefix-set.js";
import type { MemoryWindow } from "../mem/window.js";
import { FLOW_DROP, FLOW_PASS, type RtBackend } from "./rt-backend.js";
import type { SdlAction } from "./sdl-record.js";

/** The source deny list of one FIB. A prefix is in one of the sets. */
export type SdlTable = Readonly<Record<SdlAction, PrefixSet>>;

/** The engine `sdl`: what the longest prefix that covers the peer says (VPP session_sdl_lookup4), whatever the protocol. */
export class SdlBackend implements RtBackend {
  readonly #leaves4: PrefixLeaves;
  readonly #leaves6: PrefixLeaves;
  /** By FIB index; local tables have none (as VPP). */
  readonly #tables4: (SdlTable | undefined)[] = [];
  readonly #tables6: (SdlTable | undefined)[] = [];

  constructor(window: MemoryWindow) {
    this.#leaves4 = new PrefixLeaves(window, 1);
    this.#leaves6 = new PrefixLeaves(window, 4);
  }

  /** Bytes that the window gave. */
  get bytes(): number {
    return this.#leaves4.bytes + this.#leaves6.bytes;
  }

  // ---- Hot path ----

  decide4(table: number, _proto: number, _lcl: number, rmt: number): number {
    const lists = table < 0 || table >= this.#tables4.length ? undefined : this.#tables4[table];
    if (lists === undefined) return FLOW_PASS;
    const { drop, allow } = lists;
    const dropped = drop.longest4(rmt);
    if (dropped === 0) return FLOW_PASS;
    return allow.entries > 0 && allow.longest4(rmt) > dropped ? FLOW_PASS : FLOW_DROP;
  }

  decide6(
    table: number,
    _proto: number,
    _l0: number,
    _l1: number,
    _l2: number,
    _l3: number,
    r0: number,
    r1: number,
    r2: number,
    r3: number,
  ): number {
    const lists = table < 0 || table >= this.#tables6.length ? undefined : this.#tables6[table];
    if (lists === undefined) return FLOW_PASS;
    const { drop, allow } = lists;
    const dropped = drop.longest6(r0, r1, r2, r3);
    if (dropped === 0) return FLOW_PASS;
    return allow.entries > 0 && allow.longest6(r0, r1, r2, r3) > dropped ? FLOW_PASS : FLOW_DROP;
  }

  // ---- Control ----

  #tables(family: Family): (SdlTable | undefined)[] {
    return family === 4 ? this.#tables4 : this.#tables6;
  }

  /** The list of a FIB; undefined while it has none. */
  table(family: Family, fib: number): SdlTable | undefined {
    return this.#tables(family)[fib];
  }

  /** The list of a FIB, made when it has none. */
  makeTable(family: Family, fib: number): SdlTable {
    const tables = this.#tables(family);
    while (tables.length < fib) tables.push(undefined);
    const leaves = family === 4 ? this.#leaves4 : this.#leaves6;
    return (tables[fib] ??= { drop: new PrefixSet(leaves), allow: new PrefixSet(leaves) });
  }

  /** Takes a FIB's list away. */
  removeTable(family: Family, fib: number): void {
    const lists = this.table(family, fib);
    lists?.drop.clear();
    lists?.allow.clear();
    this.#tables(family)[fib] = undefined;
  }

  /** The FIBs that have a list, of one family. */
  fibs(family: Family): number[] {
    return this.#tables(family).flatMap((lists, fib) => (lists === undefined ? [] : [fib]));
  }
}
