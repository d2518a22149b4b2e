/** stub */
export function* tableLines(): Generator<string> {}
