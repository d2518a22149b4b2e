declare const flavor: unique symbol;

/**
 * A number that says which table it indexes. A plain number fits any flavor (so values read from typed arrays need no
 * cast on the hot path); two different flavors do not mix, which is the mistake worth catching.
 */
export type Flavor<Name extends string> = number & { readonly [flavor]?: Name };

/** Byte offset into a {@link MemoryWindow}, 0 to 2^31 - 1; 0 means "none". */
export type Offset = Flavor<"Offset">;
